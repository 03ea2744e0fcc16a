// A local file as a ByteSource: one open handle, the size at opening, positioned reads. It owns the handle; whoever opened
// it closes it. It never writes, and a file that becomes shorter while it is read is an error with a name, not a short read.
import { constants, type BigIntStats } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import type { ByteSource } from '../core/bytes/byte-source.js';
import { QuantsmithError } from '../core/problem.js';

export class FileSource implements ByteSource {
  private constructor(
    private readonly handle: FileHandle,
    /** The path as given. */
    readonly name: string,
    readonly size: number,
    /** Tells together with `size` whether the file changed: see {@link versionOf}. */
    readonly version: string,
  ) {}

  /** Opens a file for reading. Rejects with a QuantsmithError: see {@link ioError}. */
  static async open(path: string): Promise<FileSource> {
    let handle: FileHandle | undefined;
    try {
      // Without O_NONBLOCK, opening a pipe would wait for its writer, forever and without a way to cancel. Windows has none.
      handle = await open(path, constants.O_RDONLY | (process.platform === 'win32' ? 0 : constants.O_NONBLOCK));
      const stat = await handle.stat({ bigint: true });
      if (stat.isDirectory()) throw directoryError(path);
      if (!stat.isFile()) {
        throw new QuantsmithError(
          'io/not-a-file',
          `${path} is a device or pipe, not a file.`,
          'Give the path of a file.',
        );
      }
      return new FileSource(handle, path, Number(stat.size), versionOf(stat));
    } catch (error) {
      await handle?.close();
      throw error instanceof QuantsmithError ? error : ioError(error, path);
    }
  }

  async read(offset: number, length: number, signal?: AbortSignal): Promise<Uint8Array> {
    signal?.throwIfAborted();
    const bytes = new Uint8Array(length);
    await this.readInto(bytes, offset, signal);
    return bytes;
  }

  /** Fills `target` with the bytes at `offset`; for callers that reuse their memory. */
  async readInto(target: Uint8Array, offset: number, signal?: AbortSignal): Promise<void> {
    const { length } = target;
    if (!(offset >= 0 && offset + length <= this.size)) {
      throw new QuantsmithError(
        'io/out-of-range',
        `${this.name}: ${length} bytes at ${offset} asked for, the file has ${this.size}.`,
      );
    }
    // One read call returns at most 2 GiB on Linux, and may return less than asked for at any time.
    let done = 0;
    while (done < length) {
      signal?.throwIfAborted();
      let count: number;
      try {
        const step = Math.min(length - done, 1 << 30);
        ({ bytesRead: count } = await this.handle.read(target, done, step, offset + done));
      } catch (error) {
        throw ioError(error, this.name);
      }
      if (count === 0) {
        throw new QuantsmithError(
          'io/truncated',
          `${this.name} had ${this.size} bytes when it was opened and now ends at byte ${offset + done}.`,
          'Another program is changing the file; open it again when it is done.',
        );
      }
      done += count;
    }
  }

  async close(): Promise<void> {
    await this.handle.close();
  }
}

/**
 * Changes when a file is written to or another one is put under its name: device, number on it, and the times of the last
 * change to the bytes and of the last change to anything, in nanoseconds. The bytes' time can be set back (`touch -r`, `cp -p`,
 * rsync do), the other one only by turning back the clock. It also changes with a file's rights, names and links: this is for
 * the time of a run, not for telling next week whether a file is the same.
 *
 * On Windows it is the bytes' time alone, in its steps of 100 ns: numbers and the other time are made up by some of its file
 * systems (FAT, network shares), and moved by programs that write nothing. Bytes changed there with the time set back go
 * unnoticed if the size is the same.
 */
export function versionOf({ dev, ino, mtimeNs, ctimeNs }: BigIntStats, platform = process.platform): string {
  return (platform === 'win32' ? [mtimeNs] : [dev, ino, mtimeNs, ctimeNs]).map(String).join(' ');
}

function directoryError(path: string): QuantsmithError {
  return new QuantsmithError('io/is-directory', `${path} is a folder.`, 'Give the path of a file in it.');
}

/** In messages of Node and of the system's loader that have no code: whatever they say failed, this is the reason. */
export const TOO_MANY_FILES = /\b(?:EMFILE|ENFILE)\b|too many open files/i;

export function tooManyFiles(message: string, options?: ErrorOptions): QuantsmithError {
  const hint = 'Use fewer threads, close other programs, or raise the limit (ulimit -n).';
  return new QuantsmithError('io/too-many-files', message, hint, options);
}

/** The system's error for a path as ours: a code that callers can tell apart, a message and what to do. */
export function ioError(error: unknown, path: string): QuantsmithError {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const options = { cause: error };
  switch (code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return new QuantsmithError('io/not-found', `${path} does not exist.`, 'Check the path.', options);
    case 'EACCES':
    case 'EPERM':
      return new QuantsmithError(
        'io/permission',
        `No permission to use ${path}.`,
        'Check the permissions of the file and its folder.',
        options,
      );
    case 'EISDIR':
      return directoryError(path);
    case 'ENOSPC':
    case 'EDQUOT':
      return new QuantsmithError(
        'io/disk-full',
        `No space left to write ${path}.`,
        'Free space, or choose another disk.',
        options,
      );
    case 'EROFS':
      return new QuantsmithError(
        'io/read-only',
        `${path} is on a read-only file system.`,
        'Choose another place.',
        options,
      );
    case 'EMFILE':
    case 'ENFILE':
      return tooManyFiles(`Too many files are open; ${path} could not be opened.`, options);
    case 'ELOOP':
    case 'ENAMETOOLONG':
      return new QuantsmithError(
        'io/bad-path',
        `${path} cannot be resolved (${code}).`,
        'Check the path and its links.',
        options,
      );
    default: {
      const reason = error instanceof Error ? error.message : String(error);
      return new QuantsmithError('io/read', `${path}: ${reason}.`, 'Check the disk or the network drive.', options);
    }
  }
}
