// Output files that appear under their final name only when complete. While a run goes on there are, beside `out.gguf`,
//   .out.gguf.quantsmith-partial   the bytes so far, one per output file; no GGUF until its header is written, at the end
//   .out.gguf.quantsmith-journal   who writes, and what is finished: output-journal.ts
// The names are fixed, so that the next run to the same output finds what a killed one left: it goes on there (`resume`
// and the same fingerprint) or removes it. commit() makes the bytes durable before a name shows them: fsync, then the final
// names (output-reveal.ts), then fsync of the folder.
import { mkdir, open, rmdir, stat, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { QuantsmithError } from '../core/problem.js';
import { formatBytes, formatBytesExactly } from '../core/text/quantity.js';
import type { MadeTensor, OutputRequest, PartialOutput, WriteFailure } from '../engine/jobs/quantize-services.js';
import type { TargetFile } from '../protocol/quantize-thread-protocol.js';
import { ioError } from './file-source.js';
import { Journal, type JournalContents } from './output-journal.js';
import { assertReplaceable, journalPath, outputPlace, partialPath } from './output-place.js';
import { oldPath, reveal } from './output-reveal.js';
import { errno, identityOf, outputLost, remove, removeOurs, SYSTEM, type OutputSystem } from './output-system.js';

/**
 * Bytes after which the disk is told to begin with them. Without that everything is still to be written when the last
 * tensor is done, and the threads wait for the disk that has waited for them.
 */
const FLUSH_BYTES = 1 << 26;

interface OpenFile {
  readonly final: string;
  readonly partial: string;
  /** Device and number on it. */
  readonly identity: string;
  readonly byteLength: number;
  readonly handle: FileHandle;
}

export class OutputFiles implements PartialOutput {
  readonly targets: readonly TargetFile[];
  private state: 'open' | 'committed' | 'abandoned' = 'open';
  private written = 0;
  private unflushed = 0;
  private flushing: Promise<void> | undefined;
  private flushFailure: { readonly error: unknown } | undefined;

  private constructor(
    private readonly files: readonly OpenFile[],
    private readonly journalFile: string,
    private readonly journal: Journal,
    private readonly overwrite: boolean,
    /** Folders this run made, the innermost first. */
    private readonly made: readonly string[],
    private readonly system: OutputSystem,
  ) {
    this.targets = files.map(({ partial, identity }) => ({ path: partial, identity }));
  }

  /**
   * Begins, or goes on with, the files of a run; all in one folder. Rejects with a QuantsmithError: `output/in-use` (a run
   * that goes on writes the same output), `output/not-a-file` (a device, pipe or socket would be replaced), `io/…` (the
   * folder cannot be written to). After a rejection no folder is left that was made for it.
   */
  static async open(request: OutputRequest, system = SYSTEM): Promise<OutputFiles> {
    const finals = await Promise.all(request.paths.map(output => outputPlace(output, request.overwrite)));
    if (request.overwrite) for (const final of finals) await assertReplaceable(final);
    const made = request.createFolder ? await makeFolder(path.dirname(path.resolve(finals[0] ?? ''))) : [];
    try {
      return await OutputFiles.begin(request, finals, made, system);
    } catch (error) {
      await removeEmpty(made);
      throw error;
    }
  }

  private static async begin(
    request: OutputRequest,
    finals: readonly string[],
    made: readonly string[],
    system: OutputSystem,
  ): Promise<OutputFiles> {
    const { byteLengths, fingerprint, overwrite } = request;
    const journalFile = journalPath(finals[0] ?? '');
    const folder = path.dirname(journalFile);
    const partials = finals.map(partialPath);
    const names = [...partials, ...finals.map(oldPath)].map(file => path.basename(file));
    const contentsAfter = async (left: JournalContents | undefined): Promise<JournalContents> => {
      const present = await Promise.all(partials.map(exists));
      const resumed = request.resume && left?.fingerprint === fingerprint && present.every(Boolean);
      return {
        fingerprint,
        // Those of the run before, too, until they are deleted: this one may be killed first.
        partials: [...new Set([...names, ...(left?.partials ?? [])])],
        finished: resumed ? left.finished : new Map<number, MadeTensor>(),
      };
    };
    const files: OpenFile[] = [];
    let journal: Journal | undefined;
    let resumed = false;
    try {
      journal = await Journal.take(journalFile, contentsAfter, system);
      if (!journal) throw inUse(finals[0] ?? '', journalFile);
      // Without a finished tensor the files may be another run's, whose journal was replaced and nothing else.
      resumed = journal.contents.finished.size > 0;
      const stale = [...partials, ...(journal.replaced?.partials ?? []).map(name => path.join(folder, name))];
      if (!resumed) for (const file of stale) await remove(file);
      for (const [i, final] of finals.entries()) {
        const partial = partialPath(final);
        const handle = await open(partial, resumed ? 'r+' : 'wx+');
        const identity = identityOf(await handle.stat({ bigint: true }));
        files.push({ final, partial, identity, byteLength: byteLengths[i] ?? 0, handle });
      }
    } catch (error) {
      for (const { handle } of files) await handle.close();
      if (!resumed) for (const { partial, identity } of files) await removeOurs(partial, identity);
      await journal?.close({ keep: resumed });
      if (error instanceof QuantsmithError) throw error;
      throw errno(error) === 'EEXIST' ? inUse(finals[0] ?? '', journalFile) : ioError(error, finals[0] ?? '');
    }
    return new OutputFiles(files, journalFile, journal, overwrite, made, system);
  }

  /** The tensors that the run before finished, if this one goes on there. */
  get finished(): ReadonlyMap<number, MadeTensor> {
    return this.journal.contents.finished;
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
      throw await this.explained(error, final);
    }
    await this.wrote(file, bytes.length);
  }

  async wrote(file: number, byteLength: number): Promise<void> {
    const { handle, final } = this.at(file);
    this.written += byteLength;
    this.unflushed += byteLength;
    // A system tells of a lost write once: it must not be forgotten until commit().
    if (this.flushFailure) throw await this.explained(this.flushFailure.error, final);
    if (this.unflushed < FLUSH_BYTES || this.flushing) return;
    this.unflushed = 0;
    this.flushing = this.system
      .flush(handle)
      .catch((error: unknown) => {
        this.flushFailure ??= { error };
      })
      .finally(() => {
        this.flushing = undefined;
      });
  }

  writeError(file: number, failure: WriteFailure): Promise<QuantsmithError> {
    return this.explained(failure, this.at(file).final);
  }

  async finish(tensor: number, made: MadeTensor): Promise<void> {
    try {
      await this.journal.finish(tensor, made);
    } catch (error) {
      throw await this.explained(error, this.journalFile);
    }
  }

  /** Rejects with `output/exists` if a file appeared under a final name and must not be overwritten, or with `io/…`. */
  async commit(): Promise<void> {
    try {
      await this.flushing;
      if (this.flushFailure) throw this.flushFailure.error;
      for (const { handle, partial } of this.files) {
        await this.system.sync(handle);
        await this.assertOurs(handle, partial);
      }
    } catch (error) {
      throw await this.explained(error, this.files[0]?.final ?? '');
    }
    await reveal(this.files, this.overwrite, this.system);
    this.state = 'committed';
    await this.close({ keep: false });
    for (const folder of new Set(this.files.map(({ final }) => path.dirname(final)))) await syncFolder(folder);
  }

  async abandon(keep: boolean): Promise<void> {
    if (this.state !== 'open') return;
    this.state = 'abandoned';
    await this.close({ keep });
    if (!keep) await removeEmpty(this.made);
  }

  private at(file: number): OpenFile {
    const found = this.files[file];
    if (!found) throw new RangeError(`there is no output file ${file}`);
    return found;
  }

  /** Deletes nothing but our own: another run may have begun if this one was taken for dead. */
  private async close({ keep }: { readonly keep: boolean }): Promise<void> {
    for (const { handle } of this.files) await handle.close();
    if (!keep) for (const { partial, identity } of this.files) await removeOurs(partial, identity);
    await this.journal.close({ keep });
  }

  /** Somebody may have deleted the temporary file or put another in its place; its bytes would be shown as ours. */
  private async assertOurs(handle: FileHandle, partial: string): Promise<void> {
    const [ours, there] = [await handle.stat(), await stat(partial).catch(() => undefined)];
    if (there && there.ino === ours.ino && there.dev === ours.dev) return;
    throw outputLost(partial);
  }

  private async explained(error: unknown, file: string): Promise<QuantsmithError> {
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

function inUse(final: string, journal: string): QuantsmithError {
  return new QuantsmithError(
    'output/in-use',
    `Another run is writing ${final}.`,
    `Wait for it, cancel it, or choose another output. If there is none, delete ${journal}.`,
  );
}

/** Makes a folder and those above it; returns what was made, the innermost first. */
async function makeFolder(folder: string): Promise<readonly string[]> {
  try {
    const first = await mkdir(folder, { recursive: true });
    const made: string[] = [];
    if (first === undefined) return made;
    for (let at = folder; at.length >= first.length; at = path.dirname(at)) made.push(at);
    return made;
  } catch (error) {
    throw ioError(error, folder);
  }
}

/** One that somebody put something into stays, with those above it. */
async function removeEmpty(folders: readonly string[]): Promise<void> {
  for (const folder of folders) await rmdir(folder).catch(() => undefined);
}

async function exists(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
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
