// The modules that hold the executor (kernels/bindings/wasm-engine.cc) and an instance of one. Addresses, sizes and counts are
// numbers whether memory has 32-bit or 64-bit addresses.

// The part of the WebAssembly interface used here, which every host has; it is in the libraries of none but the DOM.
declare const WebAssembly: {
  instantiate(module: object, imports: object): Promise<{ readonly exports: object }>;
  Memory: new (descriptor: object) => WasmMemory;
};

export interface WasmMemory {
  readonly buffer: ArrayBufferLike;
  /** Takes and returns a bigint where addresses have 64 bits. */
  grow(pages: number | bigint): number | bigint;
}

/** A module that the runtime accepts. */
export interface WasmModule {
  /** For messages. */
  readonly name: string;
  /** Of an address. */
  readonly bits: 32 | 64;
  /** Whether it imports its memory, which then is shared by threads. */
  readonly threads: boolean;
  /** Compiled: a WebAssembly.Module. */
  compile(): Promise<object>;
}

/** What a module exports for the executor; strings end with a zero byte. */
export interface EngineExports {
  /** The first address that is the caller's. */
  engine_base(): number;
  /** status -> address */
  exec_status_code(status: number): number;
  exec_where(): number;
  exec_bytes(): number;
  /** program, words, weights, weightCount, threads -> status */
  session_bytes(...integers: number[]): number;
  /** memory, bytes, program, words, weights, weightCount, threads, isa -> status */
  session_create(...integers: number[]): number;
  /** session, tokens, sequences or 0, wanted or 0, count, logits, logitsBytes, cancelled -> status */
  session_step(...integers: number[]): number;
  /** session, sequence -> tokens */
  session_length(...integers: number[]): number;
  /** session, sequence, length -> status */
  session_truncate(...integers: number[]): number;
  /** session, from, to, length -> status */
  session_copy(...integers: number[]): number;
}

/** What a module with threads exports in addition. */
export interface ThreadExports extends EngineExports {
  readonly __stack_pointer: { value: number | bigint };
  /** session, thread: computes until the session ends */
  session_help(...integers: number[]): void;
}

export const PAGE = 65_536;
/** Bytes that a memory can have; for 64 bits what the runtimes allow, which is as much as the module declares. */
export const MAX_MEMORY = { 32: 2 ** 32, 64: 2 ** 34 } as const;
/** Pages that a module declares for its own data and stack (scripts/build-kernels.mjs). */
const FIRST_PAGES = 16;

/** A new memory for a module with threads. It has addresses for all it may become, and takes what is touched. */
export function sharedMemory(bits: 32 | 64): WasmMemory {
  const maximum = MAX_MEMORY[bits] / PAGE;
  return new WebAssembly.Memory(
    bits === 64
      ? { initial: BigInt(FIRST_PAGES), maximum: BigInt(maximum), shared: true, address: 'i64' }
      : { initial: FIRST_PAGES, maximum, shared: true },
  );
}

/** @param memory for a module that imports it */
export async function instantiate(module: object, memory?: object): Promise<EngineExports> {
  const { exports } = await WebAssembly.instantiate(module, memory ? { env: { memory } } : {});
  return exports as EngineExports;
}
