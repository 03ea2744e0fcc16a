// What a run that was killed left beside its output, to be shown and, if the user says so, deleted. Only temporary files of
// ours, only in the output's folder, and never those of a run that goes on.
import { readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { readJournal } from './output-journal.js';

/** Paths of the temporary files and the journal of `output`, of all its shards if it is split; empty if there are none. */
export async function interruptedFiles(output: string): Promise<readonly string[]> {
  const folder = path.dirname(output);
  const stem = path.basename(output).replace(/(?:-\d{5}-of-\d{5})?\.gguf$/i, '');
  const names = await readdir(folder).catch(() => [] as string[]);
  return names
    .filter(name => {
      const match = /^\.(.+?)(?:-\d{5}-of-\d{5})?(?:\.gguf)?(?:\.old)?\.quantsmith-(?:partial|journal)$/i.exec(name);
      return match?.[1] === stem;
    })
    .sort()
    .map(name => path.join(folder, name));
}

/** Whether a run was interrupted that another one could go on with: there are files, and nobody writes them. */
export async function isInterrupted(output: string): Promise<boolean> {
  const files = await interruptedFiles(output);
  return files.length > 0 && !(await inUse(files));
}

/** Deletes them; does nothing, and returns false, while a run writes that output. */
export async function discardInterrupted(output: string): Promise<boolean> {
  const files = await interruptedFiles(output);
  if (await inUse(files)) return false;
  for (const file of files) await rm(file, { force: true });
  return true;
}

async function inUse(files: readonly string[]): Promise<boolean> {
  for (const file of files.filter(name => name.endsWith('-journal'))) {
    if ((await readJournal(file)).kind === 'in-use') return true;
  }
  return false;
}
