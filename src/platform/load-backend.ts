// Loads the kernels: the native addon where it works, otherwise WebAssembly, and says which one and why. Every thread that
// computes loads its own backend; the addon supports that, and a WebAssembly instance is cheap.
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { QuantsmithError } from '../core/problem.js';
import { NativeBackend, type KernelAddon } from '../engine/backends/native.js';
import type { ExecutorAddon } from '../engine/executors/native.js';
import { wasmFeatures } from '../engine/executors/wasm-features.js';
import { WasmBackend, type KernelModuleExports } from '../engine/backends/wasm.js';
import type { KernelBackend } from '../engine/kernel-backend.js';
import { TOO_MANY_FILES, tooManyFiles } from './file-source.js';

// The part of the WebAssembly interface used here; @types/node leaves it to the DOM library.
declare const WebAssembly: {
  instantiate(bytes: Uint8Array, imports: object): Promise<{ instance: { exports: unknown } }>;
};

export type BackendChoice = 'auto' | 'native' | 'wasm';

export interface LoadedBackend {
  readonly backend: KernelBackend;
  /** What a person asking "why is it slow?" wants to read: one line per decision. */
  readonly notes: readonly string[];
}

/**
 * @param choice `auto` tries native, then WebAssembly; the others accept nothing else
 * @param directory where `kernels.node` and `kernels.wasm` are (`dist/kernels`)
 * @param isa the instruction set to use instead of the best one; the environment variable QUANTSMITH_ISA is its default.
 *   One that only the other build has (`avx2` with WebAssembly) is noted and ignored.
 * @throws QuantsmithError `kernel/native-unavailable` or `kernel/wasm-unavailable`: the demanded build does not load;
 *   `kernel/unavailable`: none does
 */
export async function loadBackend(
  choice: BackendChoice,
  directory: string,
  isa: string | undefined = process.env['QUANTSMITH_ISA'],
): Promise<LoadedBackend> {
  const failures: string[] = [];
  const notes: string[] = [];
  if (choice !== 'wasm') {
    try {
      return announce(loadNative(directory, isa || undefined, notes), notes);
    } catch (error) {
      failures.push(`native kernels: ${messageOf(error)}`);
    }
    if (choice === 'native') {
      refuseTooManyFiles(failures);
      throw new QuantsmithError(
        'kernel/native-unavailable',
        `The native kernels do not load: ${failures.map(text => text.replace(/^native kernels: /, '')).join('; ')}.`,
        'Choose automatic or WebAssembly kernels, or build the native ones: npm run build with clang++ or g++ installed.',
      );
    }
  }
  try {
    const backend = await loadWasm(directory, isa || undefined, notes);
    return announce(backend, [...failures.map(failure => `not used: ${failure}`), ...notes]);
  } catch (error) {
    failures.push(`WebAssembly kernels: ${messageOf(error)}`);
  }
  refuseTooManyFiles(failures);
  throw new QuantsmithError(
    choice === 'wasm' ? 'kernel/wasm-unavailable' : 'kernel/unavailable',
    `The kernels do not load: ${failures.join('; ')}.`,
    'Reinstall the extension, or build the kernels: npm run build.',
  );
}

/** Then other kernels would not load either. */
function refuseTooManyFiles(failures: readonly string[]): void {
  const text = failures.join('; ');
  if (TOO_MANY_FILES.test(text)) throw tooManyFiles(`The kernels do not load: ${text}.`);
}

/**
 * Another one for every change of the kernels: the digest of their builds, of both whichever is used, because they return
 * the same bytes.
 */
export async function kernelMethod(directory: string): Promise<string> {
  const hash = createHash('sha256');
  for (const name of ['kernels.node', 'kernels.wasm']) {
    const file = path.join(directory, name);
    hash.update(existsSync(file) ? await readFile(file) : name);
  }
  return hash.digest('hex');
}

function announce(backend: KernelBackend, notes: readonly string[]): LoadedBackend {
  const name = backend.kind === 'native' ? 'native' : 'WebAssembly';
  return { backend, notes: [`using ${name} kernels (${backend.isa})`, ...notes] };
}

/** The native addon of a directory; throws where it is missing or does not load. */
export function loadAddon(directory: string): KernelAddon & ExecutorAddon {
  const file = path.join(directory, 'kernels.node');
  if (!existsSync(file)) throw new Error(`${file} does not exist`);
  const module = { exports: {} };
  process.dlopen(module, file);
  return module.exports as KernelAddon & ExecutorAddon;
}

function loadNative(directory: string, isa: string | undefined, notes: string[]): KernelBackend {
  const addon = loadAddon(directory);
  return withIsa(isa, notes, wanted => new NativeBackend(addon, wanted));
}

async function loadWasm(directory: string, isa: string | undefined, notes: string[]): Promise<KernelBackend> {
  if (!wasmFeatures().simd) throw new Error('this runtime has no WebAssembly SIMD');
  const bytes = await readFile(path.join(directory, 'kernels.wasm'));
  const { instance } = await WebAssembly.instantiate(bytes, {});
  return withIsa(isa, notes, wanted => new WasmBackend(instance.exports as KernelModuleExports, wanted));
}

function withIsa(
  isa: string | undefined,
  notes: string[],
  create: (isa: string | undefined) => KernelBackend,
): KernelBackend {
  const backend = create(undefined);
  if (isa === undefined) return backend;
  if (backend.isas.includes(isa)) return create(isa);
  notes.push(`instruction set ${isa} is not available in these kernels (${backend.isas.join(', ')})`);
  return backend;
}

function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replace(/\.$/, '');
}
