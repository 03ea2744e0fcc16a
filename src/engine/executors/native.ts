// The executor as a native addon (kernels/bindings/napi-engine.cc): weights stay in memory-mapped files.
import { QuantsmithError } from '../../core/problem.js';
import {
  byteLengthOf,
  executorError,
  type Executor,
  type ExecutorOptions,
  type ExecutorSession,
  type ModelFiles,
} from '../executor.js';
import type { Program } from '../graph/program-builder.js';
import type { KernelBackend } from '../kernel-backend.js';
import { CheckedSession, type CheckedStep } from './checked-session.js';

/** What kernels.node exports for it. Handles are opaque; a session keeps its files mapped. */
export interface ExecutorAddon {
  mapFile(path: string): object;
  /** Seven numbers per weight: file, offset, bytes, type, columns, rows, slices. */
  createSession(
    program: Int32Array,
    files: readonly object[],
    weights: Float64Array,
    threads: number,
    isa: number,
  ): object;
  /** Copies the arrays; resolves to `floats` floats, or rejects with the executor's code. */
  step(
    session: object,
    tokens: Int32Array,
    sequences: Int32Array | undefined,
    wanted: Uint8Array | undefined,
    floats: number,
  ): Promise<Float32Array>;
  /** The step that runs, if one does. */
  cancel(session: object): void;
  sequenceLength(session: object, sequence: number): number;
  truncateSequence(session: object, sequence: number, length: number): void;
  copySequence(session: object, from: number, to: number, length: number): void;
  /** Cancels a step that runs, and waits for it. */
  endSession(session: object): void;
  /** Bytes per second that so many threads read from memory (kernels/include/machine.h); 0 if it cannot be measured. */
  readBandwidth(threads: number, seconds: number): number;
}

/** As many as a session can have (kernels/exec/session.cc); a machine may have more cores. */
const MAX_THREADS = 256;

export class NativeExecutor implements Executor {
  readonly kind = 'native';
  readonly addressableBytes = Infinity;
  readonly #addon: ExecutorAddon;
  readonly #kernels: Pick<KernelBackend, 'isaIndex'>;

  constructor(addon: ExecutorAddon, kernels: Pick<KernelBackend, 'isaIndex'>) {
    this.#addon = addon;
    this.#kernels = kernels;
  }

  createSession(program: Program, files: ModelFiles, { threads, isa }: ExecutorOptions): Promise<ExecutorSession> {
    return Promise.resolve().then(() => {
      const maps = files.paths.map(path => this.#addon.mapFile(path));
      const table = program.weights.flatMap(weight => {
        const { tensor, columns, rows, slices } = weight;
        return [tensor.shard, tensor.fileOffset, byteLengthOf(weight), tensor.typeId, columns, rows, slices];
      });
      const weights = Float64Array.from(table);
      const count = Math.min(MAX_THREADS, Math.max(1, threads));
      try {
        const handle = this.#addon.createSession(program.words, maps, weights, count, this.#kernels.isaIndex(isa));
        return new NativeSession(this.#addon, handle, program);
      } catch (error) {
        const code = executorCode(error);
        if (code === undefined) throw error;
        // `at N` at the end is the weight or word at fault.
        throw executorError(code, program, Number(/ at (\d+)\.$/.exec((error as Error).message)?.[1] ?? 0));
      }
    });
  }
}

class NativeSession extends CheckedSession {
  readonly #addon: ExecutorAddon;
  readonly #handle: object;

  constructor(addon: ExecutorAddon, handle: object, program: Program) {
    super(program);
    this.#addon = addon;
    this.#handle = handle;
  }

  protected async compute(step: CheckedStep, signal: AbortSignal | undefined): Promise<Float32Array> {
    const { tokens, sequences, wanted, floats } = step;
    const cancel = (): void => {
      this.#addon.cancel(this.#handle);
    };
    signal?.addEventListener('abort', cancel);
    try {
      return await this.#addon.step(this.#handle, tokens, sequences, wanted, floats);
    } catch (error) {
      const code = executorCode(error);
      throw code === undefined ? error : this.failure(code);
    } finally {
      signal?.removeEventListener('abort', cancel);
    }
  }

  protected lengthOf(sequence: number): number {
    return this.#addon.sequenceLength(this.#handle, sequence);
  }

  protected truncateSequence(sequence: number, length: number): void {
    this.#addon.truncateSequence(this.#handle, sequence, length);
  }

  protected copySequence(from: number, to: number, length: number): void {
    this.#addon.copySequence(this.#handle, from, to, length);
  }

  protected close(): void {
    this.#addon.endSession(this.#handle);
  }
}

/** The executor's status in an error of the addon; undefined for any other error. */
function executorCode(error: unknown): string | undefined {
  const { code } = error as { code?: unknown };
  const isOurs = typeof code === 'string' && code.startsWith('engine/') && !(error instanceof QuantsmithError);
  return isOurs ? code : undefined;
}
