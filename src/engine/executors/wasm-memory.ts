// The memory of a session as WebAssembly: program, weights and session lie in it one after another, from the module's own
// data on. Where they lie is decided before anything is read, so that a model too large is refused at once. Weights are
// copied in, so a model takes its size of memory.
import { byteLengthOf, executorError, type ModelFiles } from '../executor.js';
import type { Program } from '../graph/program-builder.js';
import {
  instantiate,
  MAX_MEMORY,
  PAGE,
  sharedMemory,
  type EngineExports,
  type WasmMemory,
  type WasmModule,
} from './wasm-module.js';

const ALIGNMENT = 64;
/** sizeof(qs_weight), of either size of addresses: data, bytes (64 bits each), type, columns, rows, slices. */
const WEIGHT_BYTES = 32;
/** Bytes of a tensor read at once, and how many reads are under way: more is not faster. */
const READ_BYTES = 1 << 24;
const READS = 2;
/** As much as the module's own stack has. Nothing recurses; 10 KB were the most seen. */
const STACK_BYTES = 1 << 17;

/** Where the parts of a session are. */
export interface SessionPlaces {
  readonly session: number;
  /** Room for a batch of tokens, their sequences, and whether logits are wanted. */
  readonly inputs: number;
  /** A word that is not 0 when the step is to be given up. */
  readonly cancelled: number;
  /** Ends of the threads' stacks. */
  readonly stackEnds: readonly number[];
  /** Behind everything: room for logits, which grows. */
  readonly end: number;
}

export class SessionMemory {
  /** A WebAssembly.Module. */
  readonly module: object;
  readonly memory: WasmMemory;
  readonly exports: EngineExports;
  readonly #program: Program;
  readonly #bits: 32 | 64;
  readonly #weights: number[] = [];
  #end: number;

  private constructor(
    module: object,
    memory: WasmMemory,
    exports: EngineExports,
    { bits }: WasmModule,
    program: Program,
  ) {
    this.module = module;
    this.memory = memory;
    this.exports = exports;
    this.#bits = bits;
    this.#program = program;
    this.#end = exports.engine_base();
  }

  static async create(module: WasmModule, program: Program): Promise<SessionMemory> {
    const compiled = await module.compile();
    let imported: WasmMemory | undefined;
    try {
      imported = module.threads ? sharedMemory(module.bits) : undefined;
    } catch {
      throw executorError('engine/out-of-memory', program, 0);
    }
    const exports = await instantiate(compiled, imported);
    const memory = imported ?? (exports as EngineExports & { readonly memory: WasmMemory }).memory;
    return new SessionMemory(compiled, memory, exports, module, program);
  }

  /**
   * Places everything and makes the session; its weights are not there yet.
   * @throws QuantsmithError `engine/out-of-memory`, `engine/bad-weight`, `engine/bad-program`, `kernel/unknown-isa`
   */
  createSession(threads: number, isa: number): SessionPlaces {
    const { words, weights, limits } = this.#program;
    const wordsAt = this.#take(words.byteLength);
    this.write(wordsAt, words);
    const table = this.#take(weights.length * WEIGHT_BYTES);
    for (const weight of weights) this.#weights.push(this.#take(byteLengthOf(weight)));
    const rows = new DataView(this.memory.buffer, table, weights.length * WEIGHT_BYTES);
    weights.forEach((weight, i) => {
      const { tensor, columns, rows: height, slices } = weight;
      const row = i * WEIGHT_BYTES;
      rows.setBigUint64(row, BigInt(this.#weights[i] ?? 0), true);
      rows.setBigUint64(row + 8, BigInt(byteLengthOf(weight)), true);
      [tensor.typeId, columns, height, slices].forEach((value, k) => {
        rows.setUint32(row + 16 + 4 * k, value, true);
      });
    });
    const program = [wordsAt, words.length, table, weights.length] as const;
    this.#check(this.exports.session_bytes(...program, threads));
    const bytes = this.exports.exec_bytes();
    const session = this.#take(bytes);
    const inputs = this.#take(limits.batch * 9);
    const cancelled = this.#take(4);
    const stackEnds = Array.from({ length: threads }, () => this.#take(STACK_BYTES) + STACK_BYTES);
    this.#check(this.exports.session_create(session, bytes, ...program, threads, isa));
    return { session, inputs, cancelled, stackEnds, end: this.#take(0) };
  }

  /** Reads the weights to their places, with little memory besides. */
  async readWeights({ sources }: ModelFiles): Promise<void> {
    const pieces = this.#pieces();
    const read = async (): Promise<void> => {
      for (const { at, shard, offset, length } of pieces) {
        const source = sources[shard];
        if (!source) throw executorError('engine/bad-weight', this.#program, 0);
        const target = new Uint8Array(this.memory.buffer, at, length);
        if (source.readInto) await source.readInto(target, offset);
        else target.set(await source.read(offset, length));
      }
    };
    await Promise.all(Array.from({ length: READS }, read));
  }

  *#pieces(): Generator<{ at: number; shard: number; offset: number; length: number }> {
    for (const [i, weight] of this.#program.weights.entries()) {
      const bytes = byteLengthOf(weight);
      const { shard, fileOffset } = weight.tensor;
      for (let done = 0; done < bytes; done += READ_BYTES) {
        const length = Math.min(READ_BYTES, bytes - done);
        yield { at: (this.#weights[i] ?? 0) + done, shard, offset: fileOffset + done, length };
      }
    }
  }

  /** Makes memory reach to `end`. */
  reach(end: number): void {
    const missing = end - this.memory.buffer.byteLength;
    if (missing <= 0) return;
    const pages = Math.ceil(missing / PAGE);
    try {
      if (end > MAX_MEMORY[this.#bits]) throw new RangeError('too large');
      this.memory.grow(this.#bits === 64 ? BigInt(pages) : pages);
    } catch {
      throw executorError('engine/out-of-memory', this.#program, 0);
    }
  }

  write(address: number, values: Int32Array | Uint8Array): void {
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    new Uint8Array(this.memory.buffer, address, bytes.length).set(bytes);
  }

  codeOf(status: number): string {
    const bytes = new Uint8Array(this.memory.buffer);
    let code = '';
    for (let at = this.exports.exec_status_code(status); bytes[at]; at++) code += String.fromCharCode(bytes[at] ?? 0);
    return code;
  }

  /** The address of `bytes` bytes of their own. */
  #take(bytes: number): number {
    const start = Math.ceil(this.#end / ALIGNMENT) * ALIGNMENT;
    this.reach(start + bytes);
    this.#end = start + bytes;
    return start;
  }

  #check(status: number): void {
    if (status !== 0) throw executorError(this.codeOf(status), this.#program, this.exports.exec_where());
  }
}
