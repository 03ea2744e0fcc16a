// Every message between the quantize job and its threads. A thread is given where to read and what to make of it, and a
// piece of memory to put the result in; the memory is transferred with the message and comes back with the answer, so that
// it has one owner at any time. A thread answers every task once, in order, and never speaks unasked but to say `ready`.
import type { ErrorData } from '../core/problem.js';
import type { BackendChoice } from './worker-protocol.js';

/** A file as it was when the job began; another size or time means that it changed. */
export interface FileIdentity {
  readonly path: string;
  readonly size: number;
  /** Milliseconds since 1970. */
  readonly modified: number;
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
  /** Only read and tag the source: there is no result. */
  readonly tagOnly?: true;
}

/** What a thread is started with. */
export interface ThreadSettings {
  readonly files: readonly FileIdentity[];
  readonly backend: BackendChoice;
  /** Folder of the built kernels. */
  readonly kernelDirectory: string;
}

export interface ToThread {
  readonly id: number;
  readonly task: ConversionTask;
  /** At least `task.byteLength` long; transferred. */
  readonly memory: ArrayBuffer;
}

export type FromThread =
  | { readonly kind: 'ready'; readonly backend: 'native' | 'wasm'; readonly isa: string }
  | { readonly kind: 'unready'; readonly error: ErrorData }
  /** `tag`: of the source's bytes, see platform/piece-tag.ts. */
  | { readonly kind: 'done'; readonly id: number; readonly memory: ArrayBuffer; readonly tag: Uint8Array }
  /** `index`: of the element within the task. */
  | {
      readonly kind: 'bad-weight';
      readonly id: number;
      readonly memory: ArrayBuffer;
      readonly code: 'non-finite' | 'scale-overflow';
      readonly index: number;
    }
  | { readonly kind: 'failed'; readonly id: number; readonly memory: ArrayBuffer; readonly error: ErrorData };
