// The executor as WebAssembly (kernels/bindings/wasm-engine.cc): every session has a memory of its own and threads of its own,
// where the runtime shares memory; otherwise its steps run on the thread that asks for them, one after another all the same.
import { QuantsmithError } from '../../core/problem.js';
import type { Executor, ExecutorOptions, ExecutorSession, ModelFiles } from '../executor.js';
import type { Program } from '../graph/program-builder.js';
import type { KernelBackend } from '../kernel-backend.js';
import { CheckedSession, type CheckedStep } from './checked-session.js';
import { SessionMemory, type SessionPlaces } from './wasm-memory.js';
import { MAX_MEMORY, type WasmModule } from './wasm-module.js';
import { WasmThreads, type StartEngineThread } from './wasm-threads.js';

/** As many as a session can have (kernels/exec/session.cc); a machine may have more cores. */
const MAX_THREADS = 256;

export class WasmExecutor implements Executor {
  readonly kind = 'wasm';
  readonly #modules: readonly WasmModule[];
  readonly #startThread: StartEngineThread;
  readonly #kernels: Pick<KernelBackend, 'isaIndex'>;

  get addressableBytes(): number {
    return Math.max(...this.#modules.map(({ bits }) => MAX_MEMORY[bits]));
  }

  /** @param modules at least one; the first with enough memory for a model is used */
  constructor(
    modules: readonly WasmModule[],
    startThread: StartEngineThread,
    kernels: Pick<KernelBackend, 'isaIndex'>,
  ) {
    this.#modules = modules;
    this.#startThread = startThread;
    this.#kernels = kernels;
  }

  async createSession(
    program: Program,
    files: ModelFiles,
    { threads, isa }: ExecutorOptions,
  ): Promise<ExecutorSession> {
    const isaIndex = this.#kernels.isaIndex(isa);
    const { memory, places, hasThreads } = await this.#place(program, threads, isaIndex);
    const workers = hasThreads
      ? await WasmThreads.start(
          this.#startThread,
          places.stackEnds.map((stackEnd, thread) => {
            return { module: memory.module, memory: memory.memory, session: places.session, thread, stackEnd };
          }),
        )
      : undefined;
    try {
      await memory.readWeights(files);
    } catch (error) {
      await workers?.end();
      throw error;
    }
    return new WasmSession(memory, places, workers, program);
  }

  async #place(
    program: Program,
    threads: number,
    isa: number,
  ): Promise<{ memory: SessionMemory; places: SessionPlaces; hasThreads: boolean }> {
    let tooSmall: unknown;
    for (const module of this.#modules) {
      const memory = await SessionMemory.create(module, program);
      const count = module.threads ? Math.min(MAX_THREADS, Math.max(1, threads)) : 1;
      try {
        return { memory, places: memory.createSession(count, isa), hasThreads: module.threads };
      } catch (error) {
        if (!(error instanceof QuantsmithError) || error.code !== 'engine/out-of-memory') throw error;
        tooSmall = error;
      }
    }
    throw tooSmall;
  }
}

class WasmSession extends CheckedSession {
  readonly #memory: SessionMemory;
  readonly #places: SessionPlaces;
  readonly #threads: WasmThreads | undefined;

  constructor(memory: SessionMemory, places: SessionPlaces, threads: WasmThreads | undefined, program: Program) {
    super(program);
    this.#memory = memory;
    this.#places = places;
    this.#threads = threads;
  }

  protected async compute(step: CheckedStep, signal: AbortSignal | undefined): Promise<Float32Array> {
    const { tokens, sequences, wanted, floats } = step;
    const { session, inputs, cancelled, end } = this.#places;
    const { batch } = this.program.limits;
    const memory = this.#memory;
    const [sequencesAt, wantedAt] = [inputs + 4 * batch, inputs + 8 * batch];
    memory.reach(end + floats * 4);
    memory.write(inputs, tokens);
    if (sequences) memory.write(sequencesAt, sequences);
    if (wanted) memory.write(wantedAt, wanted);
    const cancel = (value: number): void => {
      Atomics.store(new Int32Array(memory.memory.buffer, cancelled, 1), 0, value);
    };
    const abort = (): void => {
      cancel(1);
    };
    cancel(0);
    signal?.addEventListener('abort', abort);
    try {
      const status = await this.#step([
        session,
        inputs,
        sequences ? sequencesAt : 0,
        wanted ? wantedAt : 0,
        tokens.length,
        floats === 0 ? 0 : end,
        floats * 4,
        cancelled,
      ]);
      if (status !== 0) throw this.failure(memory.codeOf(status));
      return new Float32Array(memory.memory.buffer, end, floats).slice();
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  /** Without threads a step runs here, so that a signal is only seen before it begins. */
  async #step(integers: readonly number[]): Promise<number> {
    return this.#threads ? this.#threads.step(integers) : this.#memory.exports.session_step(...integers);
  }

  protected lengthOf(sequence: number): number {
    return this.#memory.exports.session_length(this.#places.session, sequence);
  }

  protected truncateSequence(sequence: number, length: number): void {
    this.#check(this.#memory.exports.session_truncate(this.#places.session, sequence, length));
  }

  protected copySequence(from: number, to: number, length: number): void {
    this.#check(this.#memory.exports.session_copy(this.#places.session, from, to, length));
  }

  protected async close(): Promise<void> {
    await this.#threads?.end();
  }

  #check(status: number): void {
    if (status !== 0) throw this.failure(this.#memory.codeOf(status));
  }
}
