// Gives complete files their final names: all of them, or none. Without `overwrite` a name is made with link(), which fails
// if it is taken: a file that appeared during the run is not lost. On file systems without hard links (FAT, some network
// shares) the name is claimed with an empty file and replaced at once; that leaves a moment in which it is empty. With
// `overwrite` one file is replaced by one rename. Of several, each old one gets a second name first,
//   .out-00002-of-00003.gguf.old.quantsmith-partial
// from which it comes back if a later rename fails; a process that is killed in between leaves those to the next run.
import { lstat, open, unlink } from 'node:fs/promises';
import path from 'node:path';
import { QuantsmithError } from '../core/problem.js';
import { ioError } from './file-source.js';
import { assertReplaceable, partialPath } from './output-place.js';
import { errno, remove, type OutputSystem } from './output-system.js';

export interface CompleteFile {
  readonly final: string;
  readonly partial: string;
}

/** Where the old file of that name is kept while others are replaced. */
export function oldPath(final: string): string {
  return partialPath(path.join(path.dirname(final), `${path.basename(final)}.old`));
}

/** Rejects with a QuantsmithError, after which the final names are what they were, or the message says which are not. */
export async function reveal(files: readonly CompleteFile[], overwrite: boolean, system: OutputSystem): Promise<void> {
  if (overwrite) for (const { final } of files) await assertReplaceable(final);
  const undo: { readonly final: string; readonly act: () => Promise<void> }[] = [];
  const kept: string[] = [];
  // Backwards: a model is opened by its first file, which therefore appears last.
  for (const { final, partial } of [...files].reverse()) {
    try {
      if (!overwrite) await linkNew(partial, final, system);
      else {
        if (files.length > 1 && (await keepOld(final, system))) {
          kept.push(oldPath(final));
          undo.push({ final, act: () => restoreOld(final, system) });
        }
        await assertReplaceable(final);
        await system.rename(partial, final);
      }
      if (undo.at(-1)?.final !== final) undo.push({ final, act: () => unlink(final) });
    } catch (error) {
      const failure = error instanceof QuantsmithError ? error : ioError(error, final);
      throw await undone(undo, failure);
    }
  }
  for (const old of kept) await remove(old);
}

async function undone(
  undo: readonly { readonly final: string; readonly act: () => Promise<void> }[],
  failure: QuantsmithError,
): Promise<QuantsmithError> {
  const stuck: string[] = [];
  for (const { final, act } of undo) await act().catch(() => stuck.push(final));
  if (stuck.length === 0) return failure;
  return new QuantsmithError(
    'output/mixed',
    `${failure.message} Already replaced, and not to be put back: ${stuck.join(', ')}.`,
    `These files do not belong to the others: run again, or take the old ones from ${stuck.map(oldPath).join(', ')}.`,
    { cause: failure },
  );
}

/** If the new file did not come, both names are of the old one, and renaming would leave both. */
async function restoreOld(final: string, system: OutputSystem): Promise<void> {
  const [old, there] = [await lstat(oldPath(final)), await lstat(final).catch(() => undefined)];
  if (there?.ino === old.ino && there.dev === old.dev) await remove(oldPath(final));
  else await system.rename(oldPath(final), final);
}

/** Gives the file a second name; where that is impossible, the only one. False if there is no file. */
async function keepOld(final: string, system: OutputSystem): Promise<boolean> {
  if (!(await lstat(final).catch(() => undefined))) return false;
  try {
    await remove(oldPath(final));
    await system.link(final, oldPath(final));
    return true;
  } catch (error) {
    if (!isUnsupported(error)) throw error;
    await system.rename(final, oldPath(final));
    return true;
  }
}

/** The temporary name may stay; whoever made it removes it. */
async function linkNew(partial: string, final: string, system: OutputSystem): Promise<void> {
  try {
    await system.link(partial, final);
  } catch (error) {
    if (errno(error) === 'EEXIST') throw appeared(final);
    if (!isUnsupported(error)) throw error;
    await claim(final);
    try {
      await system.rename(partial, final);
    } catch (failure) {
      await remove(final);
      throw failure;
    }
  }
}

/** The file system has no hard links, or no more of them. */
function isUnsupported(error: unknown): boolean {
  return ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EINVAL'].includes(errno(error));
}

function appeared(final: string): QuantsmithError {
  return new QuantsmithError(
    'output/exists',
    `${final} appeared during the run; it was not overwritten.`,
    'Move it away, choose another output, or allow overwriting.',
  );
}

async function claim(final: string): Promise<void> {
  try {
    await (await open(final, 'wx')).close();
  } catch (error) {
    throw errno(error) === 'EEXIST' ? appeared(final) : error;
  }
}
