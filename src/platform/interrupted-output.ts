// What a run that was killed left beside its output, to be shown and, if the user says so, deleted. Only temporary files of
// ours, only in the output's folder, and never those of a run that goes on, or begins meanwhile.
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { Journal, readJournal, type JournalContents } from './output-journal.js';
import { journalPath } from './output-place.js';
import { remove, SYSTEM } from './output-system.js';

const OURS =
  /^\.(?<stem>.+?)(?<shard>-\d{5}-of-\d{5})?(?<extension>\.gguf)?(?:\.old)?\.quantsmith-(?:partial|journal(?:-[0-9a-f]{8})?)$/i;

/** Paths of the temporary files and the journal of `output`, of all its shards if it is split; empty if there are none. */
export async function interruptedFiles(output: string): Promise<readonly string[]> {
  const folder = path.dirname(output);
  const stem = path.basename(output).replace(/(?:-\d{5}-of-\d{5})?\.gguf$/i, '');
  const names = await readdir(folder).catch(() => [] as string[]);
  return names
    .filter(name => OURS.exec(name)?.groups?.['stem'] === stem)
    .sort()
    .map(name => path.join(folder, name));
}

/** Whether a run was interrupted that another one could go on with: there are files, and nobody writes them. */
export async function isInterrupted(output: string): Promise<boolean> {
  const files = await interruptedFiles(output);
  for (const file of files.filter(name => !name.endsWith('-partial'))) {
    if ((await readJournal(file)).kind === 'in-use') return false;
  }
  return files.length > 0;
}

/** Deletes them; does nothing, and returns false, while a run writes that output. */
export async function discardInterrupted(output: string): Promise<boolean> {
  const journals: Journal[] = [];
  let owned = false;
  try {
    for (const file of new Set((await interruptedFiles(output)).map(journalOf))) {
      const journal = await Journal.take(file, left => Promise.resolve(left ?? NOTHING), SYSTEM);
      if (!journal) return false;
      journals.push(journal);
    }
    owned = true;
    const taken = new Set(journals.map(({ file }) => file));
    // Looked for once more: a run may have come to its end, or have begun with another number of shards.
    for (const file of await interruptedFiles(output)) {
      if (!taken.has(file) && taken.has(journalOf(file))) await remove(file);
    }
    return true;
  } finally {
    for (const journal of journals) await journal.close({ keep: !owned });
  }
}

const NOTHING: JournalContents = { fingerprint: '', partials: [], finished: new Map() };

/** The journal of the run that a temporary file belongs to: it has the name of the first shard. */
function journalOf(file: string): string {
  const { stem = '', shard = '', extension = '' } = OURS.exec(path.basename(file))?.groups ?? {};
  const first = `${stem}${shard.replace(/^-\d{5}/, '-00001')}${extension}`;
  return journalPath(path.join(path.dirname(file), first));
}
