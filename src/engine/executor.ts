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

export interface ExecutorSession {
  /** Tokens the cache holds. */
  readonly length: number;
  /**
   * Appends tokens (1 to the program's batch) and returns the logits of the last `outputs` of them, row by row.
   * @throws QuantsmithError `engine/bad-token`, `engine/context-full`, `engine/bad-step`; nothing was appended then
   */
  step(tokens: Int32Array, outputs: number): Float32Array;
  /** Gives memory and threads back; the session cannot be used any more. */
  end(): void;
}

export interface Executor {
  readonly kind: 'native' | 'wasm';
  /**
   * @param threads how many compute; WebAssembly uses one
   * @throws QuantsmithError `engine/out-of-memory`, `engine/bad-weight` (a type that cannot be decoded here), `io/…`
   */
  createSession(program: Program, files: ModelFiles, threads: number): Promise<ExecutorSession>;
}

/** Refuses a step with a token that the vocabulary does not have, and says which. */
export function checkTokens(program: Program, tokens: Int32Array, length: number): void {
  const at = tokens.findIndex(id => id < 0 || id >= program.vocabulary);
  if (at < 0) return;
  throw new QuantsmithError(
    'engine/bad-token',
    `Token ${length + at} is ${tokens[at] ?? 0}; expected an id from 0 to ${program.vocabulary - 1}.`,
    'The ids belong to another vocabulary: tokenize the text with this model.',
  );
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
    case 'engine/out-of-memory':
      return new QuantsmithError(
        code,
        `There is not enough memory for a context of ${context} tokens.`,
        'Use a shorter context, close other programs, or use a smaller model.',
      );
    case 'engine/context-full':
      return new QuantsmithError(code, `The text is longer than the context of ${context} tokens.`);
    default:
      return new QuantsmithError(code, `The executor refused: ${code} at ${where}.`);
  }
}
