// The files of a thread: the model it reads and the output it writes, each opened by the thread itself when it is first
// needed. Another file under an expected name is refused, whoever put it there. Everything is synchronous: a thread has one
// task at a time, and on files in the page cache a call takes less time than handing it to another thread would.
import { closeSync, constants, fstatSync, openSync, readSync, writeSync } from 'node:fs';
import { QuantsmithError } from '../core/problem.js';
import { ioError } from '../platform/file-source.js';
import { errno, identityOf, outputLost } from '../platform/output-system.js';
import { isUnchanged, sourceChanged } from '../platform/source-files.js';
import type { ConversionTask, FileIdentity, OutputPlace, TargetFile } from '../protocol/quantize-thread-protocol.js';

/** Of a model in hundreds of files every thread would have all open; the tensors it works at lie in one or two. */
const MAX_OPEN = 4;

/** Writing to the output failed; `code` is the system's. */
export class Unwritten extends Error {
  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

export class ThreadFiles {
  readonly #sources = new Descriptors();
  readonly #targets = new Descriptors();

  /** Set once, before anything is written. */
  targets: readonly TargetFile[] = [];

  constructor(private readonly files: readonly FileIdentity[]) {}

  /** Fills `bytes` from the task's source at `offset`, numbers turned round if it says so. Throws a QuantsmithError. */
  readSource({ source: { shard, fileOffset: start }, swap }: ConversionTask, offset: number, bytes: Uint8Array): void {
    const [fileOffset, byteLength] = [start + offset, bytes.length];
    const file = this.files[shard];
    if (!file) throw new RangeError(`there is no source file ${shard}`);
    const descriptor = this.#sources.get(shard, () => openSource(file));
    for (let done = 0; done < byteLength;) {
      let count: number;
      try {
        count = readSync(descriptor, bytes, done, byteLength - done, fileOffset + done);
      } catch (error) {
        throw ioError(error, file.path);
      }
      if (count === 0) {
        throw new QuantsmithError(
          'io/truncated',
          `${file.path} had ${file.size} bytes when the run began and now ends at byte ${fileOffset + done}.`,
          'Another program is changing the file; run again when it is done.',
        );
      }
      done += count;
    }
    const numbers = Buffer.from(bytes.buffer, bytes.byteOffset, byteLength);
    if (swap === 2) numbers.swap16();
    else if (swap === 4) numbers.swap32();
    else if (swap === 8) numbers.swap64();
  }

  /** Throws `Unwritten`, or `output/lost` if the file is not ours any more. */
  write(place: OutputPlace, bytes: Uint8Array): void {
    const descriptor = this.target(place);
    try {
      for (let done = 0; done < bytes.length;) {
        done += writeSync(descriptor, bytes, done, bytes.length - done, place.position + done);
      }
    } catch (error) {
      throw new Unwritten(errno(error), error instanceof Error ? error.message : String(error));
    }
  }

  /** Fills `bytes` with what was written. Throws a QuantsmithError. */
  readTarget(place: OutputPlace, bytes: Uint8Array): void {
    const descriptor = this.target(place);
    for (let done = 0; done < bytes.length;) {
      const count = readSync(descriptor, bytes, done, bytes.length - done, place.position + done);
      if (count === 0) throw outputLost(this.targets[place.file]?.path ?? '');
      done += count;
    }
  }

  private target({ file }: OutputPlace): number {
    const target = this.targets[file];
    if (!target) throw new RangeError(`there is no output file ${file}`);
    return this.#targets.get(file, () => openTarget(target));
  }
}

/** An earlier output, which may be anything by now: whatever fails there is no reason to fail. Open for one task. */
export class OtherFile {
  private constructor(private readonly descriptor: number) {}

  /** Undefined if it cannot be opened, or is no file. */
  static open(path: string): OtherFile | undefined {
    try {
      // A pipe would be waited for. Windows has no such flag, and no such pipes.
      const flags = constants.O_RDONLY | (process.platform === 'win32' ? 0 : constants.O_NONBLOCK);
      const file = new OtherFile(openSync(path, flags));
      if (fstatSync(file.descriptor).isFile()) return file;
      file.close();
    } catch {
      // As if it were not there.
    }
    return undefined;
  }

  /** Fills `bytes`; false if it cannot. */
  read(position: number, bytes: Uint8Array): boolean {
    try {
      for (let done = 0; done < bytes.length;) {
        const count = readSync(this.descriptor, bytes, done, bytes.length - done, position + done);
        if (count === 0) return false;
        done += count;
      }
      return true;
    } catch {
      return false;
    }
  }

  close(): void {
    closeSync(this.descriptor);
  }
}

function openSource(file: FileIdentity): number {
  let descriptor: number;
  try {
    descriptor = openSync(file.path, 'r');
  } catch (error) {
    throw ioError(error, file.path);
  }
  if (isUnchanged(fstatSync(descriptor, { bigint: true }), file)) return descriptor;
  closeSync(descriptor);
  throw sourceChanged(file.path);
}

function openTarget(target: TargetFile): number {
  let descriptor: number;
  try {
    descriptor = openSync(target.path, 'r+');
  } catch (error) {
    throw errno(error) === 'ENOENT' ? outputLost(target.path) : ioError(error, target.path);
  }
  if (identityOf(fstatSync(descriptor, { bigint: true })) === target.identity) return descriptor;
  closeSync(descriptor);
  throw outputLost(target.path);
}

/** Open files by number, the last few that were used. */
class Descriptors {
  readonly #open = new Map<number, number>();

  get(file: number, open: () => number): number {
    const opened = this.#open.get(file) ?? this.make(open);
    // To the end: the first one is the one not used for longest.
    this.#open.delete(file);
    this.#open.set(file, opened);
    return opened;
  }

  private make(open: () => number): number {
    for (const [oldest, descriptor] of this.#open) {
      if (this.#open.size < MAX_OPEN) break;
      closeSync(descriptor);
      this.#open.delete(oldest);
    }
    return open();
  }
}
