// The priority of a process with all its threads. Linux knows priorities of threads only, and lets nobody but root raise one again.
import { readdir } from 'node:fs/promises';
import * as os from 'node:os';

/** Whether it has the priority now. */
export async function setProcessPriority(pid: number, isLow: boolean): Promise<boolean> {
  const priority = isLow ? os.constants.priority.PRIORITY_BELOW_NORMAL : os.constants.priority.PRIORITY_NORMAL;
  const threads = process.platform === 'linux' ? await readdir(`/proc/${pid}/task`).catch(() => []) : [];
  // The first thread first: those that it makes from now on have what it has.
  const ids = new Set([pid, ...threads.map(Number)]);
  try {
    for (const id of ids) if (os.getPriority(id) !== priority) os.setPriority(id, priority);
    return true;
  } catch {
    return false;
  }
}
