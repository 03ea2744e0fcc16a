// What writing output files needs of the system, as single functions: tests replace one to make it fail, or to see in which
// order they are called.
import { link, rename, statfs, type FileHandle } from 'node:fs/promises';

export interface OutputSystem {
  write(handle: FileHandle, bytes: Uint8Array, offset: number, position: number): Promise<number>;
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
