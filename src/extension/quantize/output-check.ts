// Asks the file system what `judgeOutput` needs to know. Checks are advice while the user types: the job checks again when
// it writes, because anything may have changed by then.
import { constants } from 'node:fs';
import { access, readdir, stat } from 'node:fs/promises';
import * as path from 'node:path';
import type { OutputFacts } from './output-name.js';

export async function outputFacts(output: string): Promise<OutputFacts> {
  const [exists, folder] = await Promise.all([kindOf(output), kindOf(path.dirname(output))]);
  if (folder === 'no') return { exists, folder: 'missing' };
  if (folder === 'file') return { exists, folder: 'not-a-folder' };
  const writable = await access(path.dirname(output), constants.W_OK).then(
    () => true,
    () => false,
  );
  return { exists, folder: writable ? 'writable' : 'read-only' };
}

async function kindOf(file: string): Promise<OutputFacts['exists']> {
  try {
    return (await stat(file)).isDirectory() ? 'folder' : 'file';
  } catch {
    return 'no';
  }
}

/** Importance matrix files beside the model: `*.imatrix`, `*imatrix*.gguf` and `*imatrix*.dat`, sorted by name. */
export async function importanceMatricesBeside(model: string): Promise<string[]> {
  const folder = path.dirname(model);
  const names = await readdir(folder).catch(() => [] as string[]);
  return names
    .filter(name => isImportanceMatrixName(name) && name !== path.basename(model))
    .sort()
    .map(name => path.join(folder, name));
}

/** By the names llama-imatrix and the field use; an unrelated `.dat` file is not offered. */
export function isImportanceMatrixName(name: string): boolean {
  return /\.imatrix$/i.test(name) || /imatrix.*\.(?:dat|gguf)$/i.test(name);
}
