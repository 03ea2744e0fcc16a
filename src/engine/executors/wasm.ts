// The executor as WebAssembly (kernels/bindings/wasm.cc), in an instance of its own: program, weights and session lie in
// its memory from `__heap_base` on, in that order, and stay there as long as the session. Weights are copied in, so a model
// takes its size of memory; 4 GiB is the most that a 32-bit memory has.
import {
  byteLengthOf,
  checkTokens,
  executorError,
  type Executor,
  type ExecutorSession,
  type ModelFiles,
} from '../executor.js';
import type { Program } from '../graph/program-builder.js';

/** What kernels.wasm exports for it. Pointers, sizes and counts are 32-bit; strings end with a zero byte. */
export interface ExecutorModuleExports {
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number };
  readonly __heap_base: { readonly value: number };
  exec_status_code(status: number): number;
  exec_where(): number;
  exec_bytes(): number;
  /** program, words, weights, weightCount -> status */
  session_bytes(...integers: number[]): number;
  /** memory, bytes, program, words, weights, weightCount -> status */
  session_create(...integers: number[]): number;
  /** session, tokens, count, outputs, logits, logitsBytes -> status */
  session_step(...integers: number[]): number;
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

  /** @param instantiate makes a new instance for each session */
  constructor(instantiate: () => Promise<ExecutorModuleExports>) {
    this.#instantiate = instantiate;
  }

  async createSession(program: Program, files: ModelFiles): Promise<ExecutorSession> {
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
    const tokens = memory.take(program.limits.batch * 4);
    memory.check(exports.session_create(session, bytes, ...program_));
    return new WasmSession(memory, session, tokens, program);
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
    if (status === 0) return;
    const bytes = new Uint8Array(this.exports.memory.buffer);
    let code = '';
    for (let at = this.exports.exec_status_code(status); bytes[at]; at++) code += String.fromCharCode(bytes[at] ?? 0);
    throw executorError(code, this.#program, this.exports.exec_where());
  }
}

class WasmSession implements ExecutorSession {
  length = 0;
  readonly #memory: SessionMemory;
  readonly #session: number;
  readonly #tokens: number;
  readonly #program: Program;
  /** Room for logits: grown to the most that was asked for. */
  #logits = { at: 0, bytes: 0 };

  constructor(memory: SessionMemory, session: number, tokens: number, program: Program) {
    this.#memory = memory;
    this.#session = session;
    this.#tokens = tokens;
    this.#program = program;
  }

  step(tokens: Int32Array, outputs: number): Float32Array {
    const { vocabulary, limits } = this.#program;
    checkTokens(this.#program, tokens, this.length);
    if (tokens.length > limits.batch) throw executorError('engine/bad-step', this.#program, 0);
    const bytes = outputs * vocabulary * 4;
    if (bytes > this.#logits.bytes) this.#logits = { at: this.#memory.take(bytes), bytes };
    this.#memory.write(this.#tokens, new Uint8Array(tokens.buffer, tokens.byteOffset, tokens.byteLength));
    const { exports } = this.#memory;
    this.#memory.check(
      exports.session_step(this.#session, this.#tokens, tokens.length, outputs, this.#logits.at, bytes),
    );
    this.length += tokens.length;
    return new Float32Array(exports.memory.buffer.slice(this.#logits.at, this.#logits.at + bytes));
  }

  end(): void {
    // The instance goes with the session.
  }
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
