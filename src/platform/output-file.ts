// Output files that appear under their final name only when complete. While a run goes on there are, beside `out.gguf`,
//   .out.gguf.quantsmith-partial   the bytes so far, one per output file; no GGUF until its header is written, at the end
//   .out.gguf.quantsmith-journal   who writes, and what is finished: output-journal.ts
// The names are fixed, so that the next run to the same output finds what a killed one left: it goes on there (`resume`
// and the same fingerprint) or removes it. commit() makes the bytes durable before a name shows them: fsync, then link or
// rename, then fsync of the folder. Without `overwrite` the final name is made with link(), which fails if the name is
// taken: a file that appeared during the run is not lost. On file systems without hard links (FAT, some network shares)
// the name is claimed with an empty file and replaced at once; that leaves a moment in which it is empty.
import { link, mkdir, open, realpath, rename, stat, statfs, unlink, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { QuantsmithError } from '../core/problem.js';
import { formatBytes, formatBytesExactly } from '../core/text/quantity.js';
import type { OutputRequest, PartialOutput } from '../engine/jobs/quantize-services.js';
import { ioError } from './file-source.js';
import { Journal, readJournal } from './output-journal.js';

/** What writing needs of the system; tests replace single functions to make them fail. */
export interface OutputSystem {
  write(handle: FileHandle, bytes: Uint8Array, offset: number, position: number): Promise<number>;
  link(from: string, to: string): Promise<void>;
  /** Bytes free for this user on the file system of a folder; undefined if it does not say. */
  diskFree(folder: string): Promise<number | undefined>;
}

export const SYSTEM: OutputSystem = {
  async write(handle, bytes, offset, position) {
    return (await handle.write(bytes, offset, bytes.length - offset, position)).bytesWritten;
  },
  link,
  async diskFree(folder) {
    try {
      const { bavail, bsize } = await statfs(folder);
      return bavail * bsize;
    } catch {
      return undefined;
    }
  },
};

export function partialPath(output: string): string {
  return path.join(path.dirname(output), `.${path.basename(output)}.quantsmith-partial`);
}

/** `first` is the first output file of a run. */
export function journalPath(first: string): string {
  return path.join(path.dirname(first), `.${path.basename(first)}.quantsmith-journal`);
}

interface OpenFile {
  readonly final: string;
  readonly partial: string;
  readonly byteLength: number;
  readonly handle: FileHandle;
}

export class OutputFiles implements PartialOutput {
  private state: 'open' | 'committed' | 'abandoned' = 'open';
  private written = 0;

  private constructor(
    private readonly files: readonly OpenFile[],
    private readonly journalFile: string,
    private readonly journal: Journal,
    readonly finished: ReadonlyMap<number, string>,
    private readonly overwrite: boolean,
    private readonly system: OutputSystem,
  ) {}

  /**
   * Begins, or goes on with, the files of a run; all in one folder. Rejects with a QuantsmithError: `output/in-use` (a run
   * that goes on writes the same output), `io/…` (the folder cannot be written to).
   */
  static async open(request: OutputRequest, system = SYSTEM): Promise<OutputFiles> {
    const { byteLengths, fingerprint, overwrite } = request;
    if (request.createFolder) await makeFolder(path.dirname(path.resolve(request.paths[0] ?? '')));
    const finals = await Promise.all(
      request.paths.map(final => (overwrite ? behindLinks(final) : Promise.resolve(final))),
    );
    const journalFile = journalPath(finals[0] ?? '');
    const left = await readJournal(journalFile);
    if (left.kind === 'in-use') throw inUse(finals[0] ?? '', journalFile);
    const contents = left.kind === 'left' ? left.contents : undefined;
    const partials = finals.map(partialPath);
    const present = await Promise.all(partials.map(exists));
    const resumed = request.resume && contents?.fingerprint === fingerprint && present.every(Boolean);
    const finished = resumed ? contents.finished : new Map<number, string>();
    const handles: FileHandle[] = [];
    let journal: Journal | undefined;
    try {
      const folder = path.dirname(journalFile);
      const stale = [...partials, ...(contents?.partials ?? []).map(name => path.join(folder, name))];
      if (!resumed) for (const file of stale) await remove(file);
      await remove(journalFile);
      const names = partials.map(file => path.basename(file));
      journal = await Journal.create(journalFile, { fingerprint, partials: names, finished });
      for (const file of partials) handles.push(await open(file, resumed ? 'r+' : 'wx+'));
    } catch (error) {
      for (const handle of handles) await handle.close();
      if (journal) {
        await journal.close();
        await remove(journalFile);
      }
      throw errno(error) === 'EEXIST' ? inUse(finals[0] ?? '', journalFile) : ioError(error, finals[0] ?? '');
    }
    const files = finals.map((final, i) => {
      const handle = handles[i];
      if (!handle) throw new RangeError('a file without a handle');
      return { final, partial: partialPath(final), byteLength: byteLengths[i] ?? 0, handle };
    });
    return new OutputFiles(files, journalFile, journal, finished, overwrite, system);
  }

  async read(file: number, position: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    const { handle } = this.at(file);
    for (let done = 0; done < length;) {
      const { bytesRead } = await handle.read(bytes, done, length - done, position + done);
      // Shorter than the journal says: the zeros that remain will not have the digest.
      if (bytesRead === 0) break;
      done += bytesRead;
    }
    return bytes;
  }

  /** Rejects with `io/disk-full`, saying how much is missing, `io/file-too-large`, or another `io/…`. */
  async write(file: number, position: number, bytes: Uint8Array): Promise<void> {
    const { handle, final } = this.at(file);
    try {
      for (let done = 0; done < bytes.length;) {
        done += await this.system.write(handle, bytes, done, position + done);
      }
    } catch (error) {
      throw await this.writeError(error, final);
    }
    this.written += bytes.length;
  }

  async finish(tensor: number, sha256: string): Promise<void> {
    try {
      await this.journal.finish(tensor, sha256);
    } catch (error) {
      throw await this.writeError(error, this.journalFile);
    }
  }

  /** Rejects with `output/exists` if a file appeared under a final name and must not be overwritten, or with `io/…`. */
  async commit(): Promise<void> {
    try {
      for (const { handle, partial } of this.files) {
        await handle.sync();
        await this.assertOurs(handle, partial);
      }
    } catch (error) {
      throw await this.writeError(error, this.files[0]?.final ?? '');
    }
    // Backwards: a model is opened by its first file, which therefore appears last.
    const shown: string[] = [];
    try {
      for (const { final, partial } of [...this.files].reverse()) {
        await this.show(partial, final);
        shown.push(final);
      }
    } catch (error) {
      // With `overwrite` what was there before is gone; without, nothing was there.
      if (!this.overwrite) for (const final of shown) await unlink(final);
      throw error instanceof QuantsmithError ? error : ioError(error, this.files[0]?.final ?? '');
    }
    this.state = 'committed';
    await this.closeAll();
    for (const { partial } of this.files) await remove(partial);
    await remove(this.journalFile);
    await syncFolder(path.dirname(this.journalFile));
  }

  async abandon(keep: boolean): Promise<void> {
    if (this.state !== 'open') return;
    this.state = 'abandoned';
    await this.closeAll();
    if (keep) return;
    for (const { partial } of this.files) await remove(partial);
    await remove(this.journalFile);
  }

  private at(file: number): OpenFile {
    const found = this.files[file];
    if (!found) throw new RangeError(`there is no output file ${file}`);
    return found;
  }

  /** Gives a complete file its final name. Without `overwrite` the temporary name stays until commit() removes it. */
  private async show(partial: string, final: string): Promise<void> {
    if (this.overwrite) return rename(partial, final);
    try {
      await this.system.link(partial, final);
    } catch (error) {
      if (errno(error) === 'EEXIST') throw appeared(final);
      if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EINVAL'].includes(errno(error))) throw error;
      await claim(final);
      try {
        await rename(partial, final);
      } catch (failure) {
        await remove(final);
        throw failure;
      }
    }
  }

  private async closeAll(): Promise<void> {
    for (const { handle } of this.files) await handle.close();
    await this.journal.close();
  }

  /** Somebody may have deleted the temporary file or put another in its place; its bytes would be shown as ours. */
  private async assertOurs(handle: FileHandle, partial: string): Promise<void> {
    const [ours, there] = [await handle.stat(), await stat(partial).catch(() => undefined)];
    if (there && there.ino === ours.ino && there.dev === ours.dev) return;
    throw new QuantsmithError(
      'output/lost',
      `The temporary file ${partial} was removed or replaced during the run.`,
      'Run again, and let nothing clean up that folder meanwhile.',
    );
  }

  private async writeError(error: unknown, file: string): Promise<QuantsmithError> {
    if (error instanceof QuantsmithError) return error;
    const code = errno(error);
    if (code === 'EFBIG') {
      return new QuantsmithError(
        'io/file-too-large',
        `The file system or a limit (ulimit -f) does not allow ${file} to become as large as it must.`,
        'Write to another file system, or split the output.',
        { cause: error },
      );
    }
    if (code !== 'ENOSPC' && code !== 'EDQUOT') return ioError(error, file);
    const folder = path.dirname(file);
    const free = await this.system.diskFree(folder);
    const total = this.files.reduce((sum, { byteLength }) => sum + byteLength, 0);
    const found = free === undefined ? 'the disk is full' : `${formatBytes(free)} are free`;
    return new QuantsmithError(
      'io/disk-full',
      `${file} needs ${formatBytesExactly(total)}, ${formatBytes(this.written)} were written, and in ${folder} ${found}.`,
      'Free space, choose a smaller type, or write to another disk.',
      { cause: error },
    );
  }
}

function errno(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

function inUse(final: string, journal: string): QuantsmithError {
  return new QuantsmithError(
    'output/in-use',
    `Another run is writing ${final}.`,
    `Wait for it, cancel it, or choose another output. If there is none, delete ${journal}.`,
  );
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

async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
  } catch (error) {
    throw ioError(error, folder);
  }
}

async function exists(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}

/** What a symbolic link leads to: the file behind it is replaced, not the link. */
async function behindLinks(file: string): Promise<string> {
  return realpath(file).catch(() => file);
}

async function remove(file: string): Promise<void> {
  try {
    await unlink(file);
  } catch (error) {
    if (errno(error) !== 'ENOENT') throw error;
  }
}

/** Makes a rename durable. Windows cannot open a folder, and has no need to. */
async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = await open(folder, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (!['EISDIR', 'EPERM', 'EACCES', 'EINVAL', 'ENOTSUP', 'EBADF'].includes(errno(error))) throw error;
  }
}
