// Every message between the quantize job and its threads. A thread is told where to read, what to make of it and where in the
// output to write that; no weight crosses a thread's border. A thread does its tasks in the order in which they come,
// answers each once, and never speaks unasked but to say `ready`.
import type { ErrorData } from '../core/problem.js';
import type { BackendChoice } from './worker-protocol.js';

/** A file as it was when the job began. */
export interface FileIdentity {
  readonly path: string;
  readonly size: number;
  /** What the system says of the file besides; another one means that it was changed or replaced. */
  readonly version: string;
}

/** A piece of a tensor: whole rows of it, or bytes to copy. */
export interface ConversionTask {
  readonly source: { readonly shard: number; readonly fileOffset: number; readonly byteLength: number };
  /** Bytes of each number to reverse after reading, for big-endian files; 1 for none. */
  readonly swap: 1 | 2 | 4 | 8;
  /** ggml type names; equal to copy. */
  readonly fromType: string;
  readonly toType: string;
  readonly rows: number;
  readonly columns: number;
  /** One value per column. */
  readonly importance?: Float32Array;
  /** Bytes of the result. */
  readonly byteLength: number;
}

/** Where bytes are or belong in the output. */
export interface OutputPlace {
  /** Index into the targets that the thread was told. */
  readonly file: number;
  readonly position: number;
}

/**
 * The digest of a tensor's bytes that this thread goes on with. Each tensor's digest is made by one thread, from its first
 * byte to its last.
 */
export interface DigestStep {
  /** Index in the plan. */
  readonly tensor: number;
  /** The answer then has the digest. */
  readonly last: boolean;
}

export type ThreadTask =
  /** Reads, tags, converts, hashes, writes; and `padding` zeros behind. */
  | {
      readonly kind: 'convert';
      readonly task: ConversionTask;
      readonly target: OutputPlace;
      readonly padding: number;
      readonly digest: DigestStep | undefined;
    }
  /** Only reads and tags. */
  | { readonly kind: 'tag'; readonly task: ConversionTask }
  /** Copies from another file, with `padding` zeros behind, and hashes what it copies; no digest if that cannot be read. */
  | {
      readonly kind: 'adopt';
      readonly source: { readonly path: string; readonly position: number };
      readonly target: OutputPlace;
      readonly byteLength: number;
      readonly padding: number;
    }
  /** Reads what was written and hashes it. */
  | {
      readonly kind: 'hash';
      readonly target: OutputPlace;
      readonly byteLength: number;
      readonly digest: DigestStep;
    };

/** An output file under construction. */
export interface TargetFile {
  readonly path: string;
  /** Device and number on it: another file of that name is not ours. */
  readonly identity: string;
}

/** What a thread is started with. */
export interface ThreadSettings {
  readonly files: readonly FileIdentity[];
  readonly backend: BackendChoice;
  /** Folder of the built kernels. */
  readonly kernelDirectory: string;
}

export type ToThread =
  /** Once, before the first task that writes: threads start while it is still being decided what to write. */
  | { readonly kind: 'targets'; readonly targets: readonly TargetFile[] }
  | { readonly kind: 'task'; readonly id: number; readonly task: ThreadTask };

export type FromThread =
  | { readonly kind: 'ready'; readonly backend: 'native' | 'wasm'; readonly isa: string }
  | { readonly kind: 'unready'; readonly error: ErrorData }
  /**
   * `tag`: of the source's bytes, see platform/piece-tag.ts; empty if none were read. `sha256`: lower-case hexadecimal, of
   * the tensor; empty unless this was its last step.
   */
  | { readonly kind: 'done'; readonly id: number; readonly tag: Uint8Array; readonly sha256: string }
  /** `index`: of the element within the task. */
  | {
      readonly kind: 'bad-weight';
      readonly id: number;
      readonly code: 'non-finite' | 'scale-overflow';
      readonly index: number;
    }
  /** Writing failed; `code` is the system's. */
  | { readonly kind: 'unwritten'; readonly id: number; readonly code: string; readonly message: string }
  | { readonly kind: 'failed'; readonly id: number; readonly error: ErrorData };
