// What `doctor` asks the machine: processor features, what WebAssembly can do in this runtime.
import { readFileSync } from 'node:fs';

// The part of the WebAssembly interface used here; @types/node leaves it to the DOM library.
declare const WebAssembly: { validate(bytes: Uint8Array): boolean };

/** Features that kernels of language models use somewhere, as /proc/cpuinfo spells them; of a hundred flags the rest is noise. */
const INTERESTING =
  /^(sse4_2|avx|avx2|fma|f16c|bmi2|avx_vnni|avx_vnni_int8|avx512(f|bw|dq|vl|vbmi|_vnni|_bf16|_fp16|_vbmi2)|amx_(tile|int8|bf16|fp16)|asimd|asimddp|asimdhp|i8mm|bf16|sve|sve2|sme|vx|altivec|v)$/;

/** Features of the processor as far as the system tells; empty where it does not (only Linux has a file for it). */
export function processorFeatures(): readonly string[] {
  let text: string;
  try {
    text = readFileSync('/proc/cpuinfo', 'utf8');
  } catch {
    return [];
  }
  const line = /^(?:flags|Features)\s*:\s*(.*)$/m.exec(text);
  return [...new Set((line?.[1] ?? '').split(/\s+/).filter(flag => INTERESTING.test(flag)))].sort();
}

export interface WasmFeatures {
  readonly simd: boolean;
  readonly relaxed: boolean;
  readonly threads: boolean;
}

const HEADER = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
/** Each is the smallest module that uses an instruction of the feature; the text form stands above it. */
const PROBES = {
  // (func (result v128) (i8x16.popcnt (i8x16.splat (i32.const 0))))
  simd: [1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11],
  // (func (result v128) (i8x16.relaxed_swizzle (i8x16.splat (i32.const 1)) (i8x16.splat (i32.const 2))))
  relaxed: [1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 15, 1, 13, 0, 65, 1, 253, 15, 65, 2, 253, 15, 253, 128, 2, 11],
  // (memory 1 1 shared) (func (drop (i32.atomic.load (i32.const 0))))
  threads: [1, 4, 1, 96, 0, 0, 3, 2, 1, 0, 5, 4, 1, 3, 1, 1, 10, 11, 1, 9, 0, 65, 0, 254, 16, 2, 0, 26, 11],
} as const;

export function wasmFeatures(): WasmFeatures {
  const has = (probe: readonly number[]) => WebAssembly.validate(Uint8Array.from([...HEADER, ...probe]));
  return { simd: has(PROBES.simd), relaxed: has(PROBES.relaxed), threads: has(PROBES.threads) };
}
