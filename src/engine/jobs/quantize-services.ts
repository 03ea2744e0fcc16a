// What the quantize job needs of the outside world, as interfaces: files, threads with kernels, a hash, a clock. The
// implementations are in platform/; tests bring their own. Nothing here computes.
import type { GgufModel } from '../../core/gguf/gguf.js';
import type { Problem, QuantsmithError } from '../../core/problem.js';
import type { ImportanceMatrix } from '../../core/quantize/importance-matrix.js';
import type { PreflightFacts } from '../../core/quantize/preflight.js';
import type { FileIdentity, TargetFile, ThreadTask } from '../../protocol/quantize-thread-protocol.js';
import type { BackendChoice } from '../../protocol/worker-protocol.js';

/** A model to read from: its header, and where its bytes are, one file per shard. */
export interface QuantizeSource {
  readonly model: GgufModel;
  readonly files: readonly FileIdentity[];
  /** Warnings of reading the header; there are no errors, or it would not have opened. */
  readonly problems: readonly Problem[];
  close(): Promise<void>;
}

export interface OpenedImatrix {
  /** Its values can be read until it is closed. */
  readonly matrix: ImportanceMatrix;
  readonly file: FileIdentity;
  /** Warnings of reading it. */
  readonly problems: readonly Problem[];
  close(): Promise<void>;
}

export type TaskResult =
  | {
      readonly ok: true;
      /** Of the bytes of the source that were read: equal for equal bytes. */
      readonly tag: Uint8Array;
      /** Of a tensor's bytes, if this was the last step of its digest; otherwise empty. */
      readonly sha256: string;
    }
  /** `index`: of the element within the task. */
  | { readonly ok: false; readonly code: 'non-finite' | 'scale-overflow'; readonly index: number };

/** A thread could not write; `code` is the system's, ENOSPC for example. {@link PartialOutput.writeError} explains it. */
export class WriteFailure extends Error {
  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

/** Threads that read, convert, hash and write. */
export interface Converter {
  readonly threads: number;
  readonly backend: 'native' | 'wasm';
  readonly isa: string;
  /** Tells the threads the output files, before the first task that writes. */
  writeTo(targets: readonly TargetFile[]): void;
  /**
   * Gives a task to a thread, counted from 0, which does its tasks in the order in which they come. Rejects with a
   * WriteFailure, or with a QuantsmithError if the source cannot be read or the thread is gone.
   */
  run(thread: number, task: ThreadTask): Promise<TaskResult>;
  /** Ends the threads at once, in the middle of a task if need be; what is open rejects. */
  close(): void;
}

export interface ConverterRequest {
  readonly files: readonly FileIdentity[];
  readonly backend: BackendChoice;
  readonly threads: number;
}

/** A finished tensor: what it was made from, and what its bytes are. Digests are lower-case hexadecimal SHA-256. */
export interface MadeTensor {
  /** Of all that decides the bytes but the source's own: types, shape, importance weights, kernels. */
  readonly wish: string;
  /** Of the tags of the source's pieces, cut as for the wish. */
  readonly source: string;
  /** Of the bytes made. */
  readonly sha256: string;
}

/** A tensor in an earlier output, if that output still is what its record says: only the digest of what is read tells. */
export interface EarlierTensor extends MadeTensor {
  /** The file it is in. */
  readonly file: string;
  readonly position: number;
  readonly byteLength: number;
}

/** What earlier runs on this machine made. */
export interface EarlierOutputs {
  /** Those that were made as wished, the ones to try first in front. */
  candidates(wish: string): readonly EarlierTensor[];
}

export interface OutputRecord {
  readonly files: readonly { readonly path: string; readonly byteLength: number }[];
  readonly tensors: readonly (MadeTensor & {
    readonly file: number;
    readonly position: number;
    readonly byteLength: number;
  })[];
}

/** Output files under construction. Nothing is visible under the final names before `commit`. */
export interface PartialOutput {
  /** Tensors an interrupted run has finished, by index in the plan. Empty unless resumed. */
  readonly finished: ReadonlyMap<number, MadeTensor>;
  /** The files, for threads to write to. */
  readonly targets: readonly TargetFile[];
  read(file: number, position: number, length: number): Promise<Uint8Array>;
  write(file: number, position: number, bytes: Uint8Array): Promise<void>;
  /** Bytes that a thread has written; keeps the disk busy with them. Rejects if what was written before is lost. */
  wrote(file: number, byteLength: number): Promise<void>;
  /** What to tell a person about a {@link WriteFailure}. */
  writeError(file: number, failure: WriteFailure): Promise<QuantsmithError>;
  /** Notes in the journal that a tensor is complete. */
  finish(tensor: number, made: MadeTensor): Promise<void>;
  /** Makes all files durable, then visible. */
  commit(): Promise<void>;
  /** Closes; removes everything unless `keep`. Does nothing after `commit`. */
  abandon(keep: boolean): Promise<void>;
}

export interface OutputRequest {
  readonly paths: readonly string[];
  /** Bytes each file will have. */
  readonly byteLengths: readonly number[];
  /** Equal for runs that would write the same bytes. */
  readonly fingerprint: string;
  readonly resume: boolean;
  readonly overwrite: boolean;
  readonly createFolder: boolean;
}

export type PlaceFacts = Pick<PreflightFacts, 'outputs' | 'folder' | 'diskFree' | 'resumedBytes' | 'memoryAvailable'>;

export interface PlaceRequest {
  readonly paths: readonly string[];
  /** Everything the job reads. */
  readonly sources: readonly FileIdentity[];
  /** Links are followed then: what they lead to is replaced. */
  readonly overwrite: boolean;
  /** The folder in the facts is then the closest one that exists already. */
  readonly createFolder: boolean;
}

export interface IncrementalHash {
  update(bytes: Uint8Array): void;
  /** Lower-case hexadecimal. */
  digest(): string;
}

export interface QuantizeServices {
  /** Rejects with a QuantsmithError if the file cannot be read or is no usable GGUF. */
  openSource(path: string, signal: AbortSignal): Promise<QuantizeSource>;
  /** Rejects with a QuantsmithError if it cannot be read. */
  openImatrix(path: string, signal: AbortSignal): Promise<OpenedImatrix>;
  /** Rejects with `io/source-changed` if a file is no longer what it was. */
  assertUnchanged(files: readonly FileIdentity[]): Promise<void>;
  /** What is found at the place `openOutput` would write to, asked for with the same `overwrite` and `createFolder`. */
  placeFacts(request: PlaceRequest): Promise<PlaceFacts>;
  openOutput(request: OutputRequest): Promise<PartialOutput>;
  /** Changes when the kernels do. */
  method(): Promise<string>;
  /** Tensors made as one of the `wishes`; `outputs` are the files about to be written. Never rejects: none are found then. */
  openEarlier(wishes: ReadonlySet<string>, outputs: readonly string[]): Promise<EarlierOutputs>;
  /** Keeps the record of a complete output for later runs; false if there is no place for it. */
  remember(record: OutputRecord): Promise<boolean>;
  openConverter(request: ConverterRequest): Promise<Converter>;
  /** Which kernels a run would use, without starting threads. */
  kernels(backend: BackendChoice): Promise<{ readonly backend: 'native' | 'wasm'; readonly isa: string }>;
  sha256(): IncrementalHash;
  /** For a job that asks for 0 threads. */
  physicalCores(): number;
  /** Milliseconds from any origin. */
  now(): number;
}
