// The executor as WebAssembly (kernels/bindings/wasm.cc), in an instance of its own: program, weights and session lie in
// its memory from `__heap_base` on, in that order, and stay there as long as the session. Weights are copied in, so a model
// takes its size of memory; 4 GiB is the most that a 32-bit memory has.
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

/** What kernels.wasm exports for it. Pointers, sizes and counts are 32-bit; strings end with a zero byte. */
export interface ExecutorModuleExports {
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number };
  readonly __heap_base: { readonly value: number };
  exec_status_code(status: number): number;
  exec_where(): number;
  exec_bytes(): number;
  /** program, words, weights, weightCount -> status */
  session_bytes(...integers: number[]): number;
  /** memory, bytes, program, words, weights, weightCount, isa -> status */
  session_create(...integers: number[]): number;
  /** session, tokens, sequences or 0, wanted or 0, count, logits, logitsBytes -> status */
  session_step(...integers: number[]): number;
  /** session, sequence -> tokens */
  session_length(...integers: number[]): number;
  /** session, sequence, length -> status */
  session_truncate(...integers: number[]): number;
  /** session, from, to, length -> status */
  session_copy(...integers: number[]): number;
}

const PAGE = 65_536;
const ALIGNMENT = 64;
const MAX_MEMORY = 2 ** 32;
/** sizeof(qs_weight) in a 32-bit memory: data, bytes (64 bits, aligned), type, columns, rows, slices. */
const WEIGHT_BYTES = 32;
/** Bytes of a tensor read at once. */
const READ_BYTES = 1 << 24;

export class WasmExecutor implements Executor {
  readonly kind = 'wasm';
  readonly #instantiate: () => Promise<ExecutorModuleExports>;
  readonly #kernels: Pick<KernelBackend, 'isaIndex'>;

  /** @param instantiate makes a new instance for each session */
  constructor(instantiate: () => Promise<ExecutorModuleExports>, kernels: Pick<KernelBackend, 'isaIndex'>) {
    this.#instantiate = instantiate;
    this.#kernels = kernels;
  }

  async createSession(program: Program, files: ModelFiles, { isa }: ExecutorOptions): Promise<ExecutorSession> {
    const memory = new SessionMemory(await this.#instantiate(), program);
    const words = memory.take(program.words.byteLength);
    memory.write(words, new Uint8Array(program.words.buffer, program.words.byteOffset, program.words.byteLength));
    const table = memory.take(program.weights.length * WEIGHT_BYTES);
    for (const [i, weight] of program.weights.entries()) {
      const bytes = byteLengthOf(weight);
      const at = memory.take(bytes);
      await copyTensor(memory, at, weight.tensor.fileOffset, bytes, files.sources[weight.tensor.shard]);
      const row = new DataView(memory.exports.memory.buffer, table + i * WEIGHT_BYTES, WEIGHT_BYTES);
      row.setUint32(0, at, true);
      row.setBigUint64(8, BigInt(bytes), true);
      [weight.tensor.typeId, weight.columns, weight.rows, weight.slices].forEach((value, k) =>
        row.setUint32(16 + 4 * k, value, true),
      );
    }
    const program_ = [words, program.words.length, table, program.weights.length] as const;
    const { exports } = memory;
    memory.check(exports.session_bytes(...program_));
    const bytes = exports.exec_bytes();
    const session = memory.take(bytes);
    const inputs = memory.take(program.limits.batch * 9);
    memory.check(exports.session_create(session, bytes, ...program_, this.#kernels.isaIndex(isa)));
    return new WasmSession(memory, session, inputs, program);
  }
}

/** The memory of one instance, handed out from the bottom and never taken back. */
class SessionMemory {
  readonly exports: ExecutorModuleExports;
  readonly #program: Program;
  #end: number;

  constructor(exports: ExecutorModuleExports, program: Program) {
    this.exports = exports;
    this.#program = program;
    this.#end = exports.__heap_base.value;
  }

  /** The address of `bytes` bytes of their own. */
  take(bytes: number): number {
    const start = Math.ceil(this.#end / ALIGNMENT) * ALIGNMENT;
    const end = start + bytes;
    const missing = end - this.exports.memory.buffer.byteLength;
    if (end > MAX_MEMORY) throw executorError('engine/out-of-memory', this.#program, 0);
    if (missing > 0) {
      try {
        this.exports.memory.grow(Math.ceil(missing / PAGE));
      } catch {
        throw executorError('engine/out-of-memory', this.#program, 0);
      }
    }
    this.#end = end;
    return start;
  }

  write(address: number, bytes: Uint8Array): void {
    new Uint8Array(this.exports.memory.buffer, address, bytes.length).set(bytes);
  }

  check(status: number): void {
    if (status !== 0) throw executorError(this.codeOf(status), this.#program, this.exports.exec_where());
  }

  codeOf(status: number): string {
    const bytes = new Uint8Array(this.exports.memory.buffer);
    let code = '';
    for (let at = this.exports.exec_status_code(status); bytes[at]; at++) code += String.fromCharCode(bytes[at] ?? 0);
    return code;
  }
}

class WasmSession extends CheckedSession {
  readonly #memory: SessionMemory;
  readonly #session: number;
  /** Room for a batch of tokens, their sequences, and whether logits are wanted. */
  readonly #inputs: number;
  /** Room for logits: grown to the most that was asked for. */
  #logits = { at: 0, bytes: 0 };

  constructor(memory: SessionMemory, session: number, inputs: number, program: Program) {
    super(program);
    this.#memory = memory;
    this.#session = session;
    this.#inputs = inputs;
  }

  /** Runs on this thread, so a signal is only seen before it begins. */
  protected compute({ tokens, sequences, wanted, floats }: CheckedStep): Promise<Float32Array> {
    return Promise.resolve().then(() => {
      const { batch } = this.program.limits;
      const bytes = floats * 4;
      if (bytes > this.#logits.bytes) this.#logits = { at: this.#memory.take(bytes), bytes };
      const [tokensAt, sequencesAt, wantedAt] = [this.#inputs, this.#inputs + 4 * batch, this.#inputs + 8 * batch];
      this.#memory.write(tokensAt, bytesOf(tokens));
      if (sequences) this.#memory.write(sequencesAt, bytesOf(sequences));
      if (wanted) this.#memory.write(wantedAt, wanted);
      const { exports } = this.#memory;
      this.#check(
        exports.session_step(
          this.#session,
          tokensAt,
          sequences ? sequencesAt : 0,
          wanted ? wantedAt : 0,
          tokens.length,
          this.#logits.at,
          bytes,
        ),
      );
      return new Float32Array(exports.memory.buffer.slice(this.#logits.at, this.#logits.at + bytes));
    });
  }

  protected lengthOf(sequence: number): number {
    return this.#memory.exports.session_length(this.#session, sequence);
  }

  protected truncateSequence(sequence: number, length: number): void {
    this.#check(this.#memory.exports.session_truncate(this.#session, sequence, length));
  }

  protected copySequence(from: number, to: number, length: number): void {
    this.#check(this.#memory.exports.session_copy(this.#session, from, to, length));
  }

  protected close(): void {
    // The instance goes with the session.
  }

  #check(status: number): void {
    if (status !== 0) throw this.failure(this.#memory.codeOf(status));
  }
}

function bytesOf(words: Int32Array): Uint8Array {
  return new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
}

async function copyTensor(
  memory: SessionMemory,
  address: number,
  offset: number,
  byteLength: number,
  source: ModelFiles['sources'][number] | undefined,
): Promise<void> {
  for (let done = 0; source && done < byteLength; done += READ_BYTES) {
    memory.write(address + done, await source.read(offset + done, Math.min(READ_BYTES, byteLength - done)));
  }
}
