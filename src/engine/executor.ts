// Running a program: whichever build of the executor is loaded (executors/native.ts, executors/wasm.ts) gives the same
// logits for the same program, tokens and weights. kernels/include/executor.h says what it does and how it fails.
// Absent on purpose: tokenizers, sampling, files of their own; loading is platform/load-executor.ts.
import type { ByteSource } from '../core/bytes/byte-source.js';
import { QuantsmithError } from '../core/problem.js';
import type { Program } from './graph/program-builder.js';

/** The files of a model, by shard. */
export interface ModelFiles {
  readonly paths: readonly string[];
  readonly sources: readonly ByteSource[];
}

export interface StepRequest {
  /** 1 to the program's batch; each goes to the end of its sequence, in this order. */
  readonly tokens: Int32Array;
  /** The sequence of each token; default: all go to sequence 0. */
  readonly sequences?: Int32Array;
  /** Whose logits are wanted: of each sequence's last token (the default), of all, of none, or where the array is not 0. */
  readonly wanted?: 'last' | 'all' | 'none' | Uint8Array;
}

/**
 * Texts in evaluation, numbered from 0 to the program's `sequences`. One step at a time: while it runs, everything but
 * {@link end} throws `engine/busy`.
 */
export interface ExecutorSession {
  /** Tokens that a sequence holds. */
  length(sequence?: number): number;
  /**
   * Appends tokens and returns the logits that are wanted, row by row in the order of the tokens. The arrays are read
   * before this returns.
   * @param signal gives the step up within milliseconds
   * @throws QuantsmithError `engine/bad-token`, `engine/context-full`, `engine/bad-step`, `engine/bad-sequence`, and the
   *   signal's reason: nothing was appended then
   */
  step(request: StepRequest, signal?: AbortSignal): Promise<Float32Array>;
  /**
   * Drops what a sequence holds beyond `length`.
   * @throws QuantsmithError `engine/bad-sequence`: it is shorter than that
   */
  truncate(sequence: number, length: number): void;
  /**
   * Makes `to` the first `length` tokens of `from`; both have them then. It takes place only for what is appended later.
   * @throws QuantsmithError `engine/bad-sequence`: `from` is shorter than that
   */
  copy(from: number, to: number, length: number): void;
  /** Waits for a step that runs, then gives memory and threads back; the session cannot be used any more. */
  end(): Promise<void>;
}

export interface ExecutorOptions {
  /** How many compute. */
  readonly threads: number;
  /** Whose kernels compute; default: the backend's. All give the same bits. */
  readonly isa?: string;
}

export interface Executor {
  readonly kind: 'native' | 'wasm';
  /** More memory than this no session can have, whatever is free. */
  readonly addressableBytes: number;
  /**
   * @throws QuantsmithError `engine/out-of-memory`, `engine/bad-weight` (a type that cannot be decoded here),
   *   `kernel/unknown-isa`, `io/…`
   */
  createSession(program: Program, files: ModelFiles, options: ExecutorOptions): Promise<ExecutorSession>;
}

/** Bytes of a weight; every tensor of a program has some. */
export function byteLengthOf({ tensor }: Program['weights'][number]): number {
  if (tensor.byteLength !== undefined) return tensor.byteLength;
  throw new QuantsmithError('engine/bad-weight', `The tensor "${tensor.name}" has a type that cannot be decoded here.`);
}

/** A status of the executor as an error a person can act on. `where` is a weight for bad-weight. */
export function executorError(code: string, program: Program, where: number): QuantsmithError {
  const { context } = program.limits;
  switch (code) {
    case 'engine/bad-weight': {
      const tensor = program.weights[where]?.tensor;
      return new QuantsmithError(
        code,
        `The tensor "${tensor?.name ?? `number ${where}`}" cannot be used: its type cannot be decoded here, or its place in the file does not suit its type.`,
        'Update the extension, or quantize the model to another type.',
      );
    }
    case 'engine/file-too-short':
      return new QuantsmithError(
        code,
        'The model cannot be run: its file is shorter than its header says, or was cut off since it was opened.',
        'Wait until it is complete, or fetch the model again; then open it again.',
      );
    case 'engine/out-of-memory':
      return new QuantsmithError(
        code,
        `There is not enough memory for a context of ${context} tokens.`,
        'Use a shorter context, close other programs, or use a smaller model.',
      );
    default:
      return new QuantsmithError(code, `The executor refused: ${code} at ${where}.`);
  }
}
