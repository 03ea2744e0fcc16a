// What writing output files needs of the system, as single functions: tests replace one to make it fail, or to see in which
// order they are called.
import { link, rename, statfs, type FileHandle } from 'node:fs/promises';
import { QuantsmithError } from '../core/problem.js';

export interface OutputSystem {
  write(handle: FileHandle, bytes: Uint8Array, offset: number, position: number): Promise<number>;
  /** Has the disk begin with what was written, and resolves when it has it. */
  flush(handle: FileHandle): Promise<void>;
  /** Makes what was written durable. */
  sync(handle: FileHandle): Promise<void>;
  link(from: string, to: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /** Bytes free for this user on the file system of a folder; undefined if it does not say. */
  diskFree(folder: string): Promise<number | undefined>;
}

export const SYSTEM: OutputSystem = {
  async write(handle, bytes, offset, position) {
    return (await handle.write(bytes, offset, bytes.length - offset, position)).bytesWritten;
  },
  flush: handle => handle.datasync(),
  sync: handle => handle.sync(),
  link,
  rename,
  async diskFree(folder) {
    try {
      const { bavail, bsize } = await statfs(folder);
      return bavail * bsize;
    } catch {
      return undefined;
    }
  },
};

/** The system's name of what went wrong, `ENOENT` for example; empty for other errors. */
export function errno(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

/** The same for two handles on one file. */
export function identityOf({ dev, ino }: { readonly dev: bigint; readonly ino: bigint }): string {
  return `${String(dev)}/${String(ino)}`;
}

export function outputLost(partial: string): QuantsmithError {
  return new QuantsmithError(
    'output/lost',
    `The temporary file ${partial} was removed or replaced during the run.`,
    'Run again, and let nothing clean up that folder meanwhile.',
  );
}
