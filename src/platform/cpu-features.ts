// What this machine computes with, for messages and reports. The choice of an instruction set is not made here: the native
// kernels ask the processor themselves, which also knows whether the operating system saves the wide registers.
import os from 'node:os';

// The part of the WebAssembly interface used here; @types/node leaves it to the DOM library.
declare const WebAssembly: { validate(bytes: Uint8Array): boolean };

export interface CpuFeatures {
  /** As Node names it: `x64`, `arm64`. */
  readonly architecture: string;
  /** As the processor calls itself. */
  readonly model: string;
  /** How many threads are worth starting. */
  readonly threads: number;
  /** Whether the WebAssembly kernels can run here: fixed-width SIMD. */
  readonly wasmSimd: boolean;
}

// (module (func (result v128) i32.const 0 i8x16.splat i8x16.popcnt))
const SIMD_PROBE = [
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11,
];

export function cpuFeatures(): CpuFeatures {
  return {
    architecture: process.arch,
    model: os.cpus()[0]?.model.trim() ?? 'unknown processor',
    threads: os.availableParallelism(),
    wasmSimd: WebAssembly.validate(Uint8Array.from(SIMD_PROBE)),
  };
}
