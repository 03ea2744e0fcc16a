// The executor as a native addon (kernels/bindings/napi-engine.cc): weights stay in memory-mapped files.
import { QuantsmithError } from '../../core/problem.js';
import {
  byteLengthOf,
  checkTokens,
  executorError,
  type Executor,
  type ExecutorSession,
  type ModelFiles,
} from '../executor.js';
import type { Program } from '../graph/program-builder.js';

/** What kernels.node exports for it. Handles are opaque; a session keeps its files mapped. */
export interface ExecutorAddon {
  mapFile(path: string): object;
  /** Seven numbers per weight: file, offset, bytes, type, columns, rows, slices. */
  createSession(program: Int32Array, files: readonly object[], weights: Float64Array, threads: number): object;
  step(session: object, tokens: Int32Array, outputs: number, logits: Float32Array): void;
  endSession(session: object): void;
}

/** As many as a session can have (kernels/exec/session.cc); a machine may have more cores. */
const MAX_THREADS = 256;

export class NativeExecutor implements Executor {
  readonly kind = 'native';
  readonly #addon: ExecutorAddon;

  constructor(addon: ExecutorAddon) {
    this.#addon = addon;
  }

  createSession(program: Program, files: ModelFiles, threads: number): Promise<ExecutorSession> {
    return Promise.resolve().then(() => {
      const maps = files.paths.map(path => this.#addon.mapFile(path));
      const table = program.weights.flatMap(weight => {
        const { tensor, columns, rows, slices } = weight;
        return [tensor.shard, tensor.fileOffset, byteLengthOf(weight), tensor.typeId, columns, rows, slices];
      });
      const call = <T>(work: () => T): T => translated(program, work);
      const handle = call(() =>
        this.#addon.createSession(
          program.words,
          maps,
          Float64Array.from(table),
          Math.min(MAX_THREADS, Math.max(1, threads)),
        ),
      );
      return new NativeSession(this.#addon, handle, program);
    });
  }
}

class NativeSession implements ExecutorSession {
  length = 0;
  readonly #addon: ExecutorAddon;
  readonly #handle: object;
  readonly #program: Program;

  constructor(addon: ExecutorAddon, handle: object, program: Program) {
    this.#addon = addon;
    this.#handle = handle;
    this.#program = program;
  }

  step(tokens: Int32Array, outputs: number): Float32Array {
    checkTokens(this.#program, tokens, this.length);
    const logits = new Float32Array(outputs * this.#program.vocabulary);
    translated(this.#program, () => {
      this.#addon.step(this.#handle, tokens, outputs, logits);
    });
    this.length += tokens.length;
    return logits;
  }

  end(): void {
    this.#addon.endSession(this.#handle);
  }
}

/** The addon's errors carry a code; `at N` at their end is the weight or word at fault. */
function translated<T>(program: Program, work: () => T): T {
  try {
    return work();
  } catch (error) {
    const { code, message } = error as { code?: unknown; message?: unknown };
    if (typeof code !== 'string' || !code.startsWith('engine/') || error instanceof QuantsmithError) throw error;
    throw executorError(code, program, Number(/ at (\d+)\.$/.exec(String(message))?.[1] ?? 0));
  }
}
