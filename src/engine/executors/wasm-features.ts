// What WebAssembly can do in this runtime, by asking it whether it accepts a module that uses it, and which modules of the
// engine follow from that. Nothing here is needed: without any of it the engine runs on kernels.wasm, which wants fixed-width
// SIMD alone, as the quantizer does.
import type { WasmModule } from './wasm-module.js';

// The part of the WebAssembly interface used here, which every host has.
declare const WebAssembly: { validate(bytes: Uint8Array): boolean; compile(bytes: Uint8Array): Promise<object> };

const HEADER = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
/** Each is the smallest module that uses an instruction of the feature; the text form stands above it. */
const PROBES = {
  // (func (result v128) (i8x16.popcnt (i8x16.splat (i32.const 0))))
  simd: [1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11],
  // (func (result v128) (i8x16.relaxed_swizzle (i8x16.splat (i32.const 1)) (i8x16.splat (i32.const 2))))
  relaxed: [1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 15, 1, 13, 0, 65, 1, 253, 15, 65, 2, 253, 15, 253, 128, 2, 11],
  // (memory 1 1 shared) (func (drop (i32.atomic.load (i32.const 0))))
  threads: [1, 4, 1, 96, 0, 0, 3, 2, 1, 0, 5, 4, 1, 3, 1, 1, 10, 11, 1, 9, 0, 65, 0, 254, 16, 2, 0, 26, 11],
  // (memory i64 1) (func (drop (i32.load (i64.const 0))))
  memory64: [1, 4, 1, 96, 0, 0, 3, 2, 1, 0, 5, 3, 1, 4, 1, 10, 10, 1, 8, 0, 66, 0, 40, 2, 0, 26, 11],
} as const;

export type WasmFeature = keyof typeof PROBES;
export type WasmFeatures = Readonly<Record<WasmFeature, boolean>>;

export function wasmFeatures(): WasmFeatures {
  const has = (feature: WasmFeature) => WebAssembly.validate(Uint8Array.from([...HEADER, ...PROBES[feature]]));
  return { simd: has('simd'), relaxed: has('relaxed'), threads: has('threads'), memory64: has('memory64') };
}

interface ModuleFile {
  readonly file: string;
  readonly bits: 32 | 64;
  readonly needs: readonly WasmFeature[];
}

/** The modules that scripts/build-kernels.mjs makes, best first. */
const MODULES: readonly ModuleFile[] = [
  { file: 'engine-relaxed.wasm', bits: 32, needs: ['simd', 'threads', 'relaxed'] },
  { file: 'engine.wasm', bits: 32, needs: ['simd', 'threads'] },
  { file: 'kernels.wasm', bits: 32, needs: ['simd'] },
  { file: 'engine64.wasm', bits: 64, needs: ['simd', 'threads', 'relaxed', 'memory64'] },
];

/**
 * The modules to use in this order: the best one with 32-bit addresses, then the one for models that it has no room for.
 * @param read gives the bytes of a module's file
 */
export function engineModules(
  read: (file: string) => Promise<Uint8Array>,
  features: WasmFeatures = wasmFeatures(),
): readonly WasmModule[] {
  const usable = MODULES.filter(({ needs }) => needs.every(feature => features[feature]));
  const chosen = ([32, 64] as const).flatMap(bits => usable.find(module => module.bits === bits) ?? []);
  return chosen.map(({ file, bits, needs }) => ({
    name: file,
    bits,
    threads: needs.includes('threads'),
    compile: async () => WebAssembly.compile(await read(file)),
  }));
}
