// What writing output files needs of the system, as single functions: tests replace one to make it fail, or to see in which
// order they are called.
import { closeSync, fstatSync, openSync, unlinkSync, writeFileSync } from 'node:fs';
import { link, lstat, rename, statfs, unlink, type FileHandle } from 'node:fs/promises';
import { QuantsmithError } from '../core/problem.js';

export interface OutputSystem {
  /** Makes a file with that text, and returns its identity. Rejects with EEXIST if the name is not free. */
  create(file: string, text: string): Promise<string>;
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
  create(file, text) {
    return new Promise(resolve => {
      resolve(createFile(file, text));
    });
  },
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

/** Synchronous: between the two calls there is a journal that does not say whose it is. */
function createFile(file: string, text: string): string {
  const descriptor = openSync(file, 'wx');
  try {
    writeFileSync(descriptor, text);
    return identityOf(fstatSync(descriptor, { bigint: true }));
  } catch (error) {
    unlinkSync(file);
    throw error;
  } finally {
    closeSync(descriptor);
  }
}

/** Deletes a file that may be gone already. */
export async function remove(file: string): Promise<void> {
  try {
    await unlink(file);
  } catch (error) {
    if (errno(error) !== 'ENOENT') throw error;
  }
}

/** Deletes a file unless it is gone, or another one has its name by now. */
export async function removeOurs(file: string, identity: string): Promise<void> {
  const there = await lstat(file, { bigint: true }).catch(() => undefined);
  if (there && identityOf(there) === identity) await remove(file);
}

export function outputLost(partial: string): QuantsmithError {
  return new QuantsmithError(
    'output/lost',
    `The temporary file ${partial} was removed or replaced during the run.`,
    'Run again, and let nothing clean up that folder meanwhile.',
  );
}
