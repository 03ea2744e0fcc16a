// Processor time of another process, to a nanosecond where the system counts it (Linux); NaN elsewhere.
import { readdirSync, readFileSync } from 'node:fs';

/** Of all its threads together, those that have ended excepted. */
export function processorSeconds(pid) {
  try {
    const threads = readdirSync(`/proc/${pid}/task`);
    const nanoseconds = threads.map(thread => readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1'));
    return nanoseconds.reduce((sum, text) => sum + Number(text.split(' ')[0]), 0) / 1e9;
  } catch {
    return NaN;
  }
}
