// Loads the executor: the native addon where it works, otherwise WebAssembly, by the same rules and from the same files as
// the quantization kernels (load-backend.ts).
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { NativeExecutor } from '../engine/executors/native.js';
import { WasmExecutor } from '../engine/executors/wasm.js';
import { engineModules, type WasmFeatures } from '../engine/executors/wasm-features.js';
import type { WasmModule } from '../engine/executors/wasm-module.js';
import type { Executor } from '../engine/executor.js';
import { engineThreads } from './engine-threads.js';
import { loadBackend, loadAddon, type BackendChoice } from './load-backend.js';

export interface LoadedExecutor {
  readonly executor: Executor;
  /** The instruction set that computes unless a session asks for another. */
  readonly isa: string;
  /** One line per decision. */
  readonly notes: readonly string[];
}

/**
 * @param directory has the builds of the kernels; engine-thread.js is in the folder above
 * @throws QuantsmithError `kernel/native-unavailable`, `kernel/wasm-unavailable`, `kernel/unavailable`
 */
export async function loadExecutor(choice: BackendChoice, directory: string): Promise<LoadedExecutor> {
  const { backend, notes } = await loadBackend(choice, directory);
  if (backend.kind === 'native') {
    return { executor: new NativeExecutor(loadAddon(directory), backend), isa: backend.isa, notes };
  }
  const modules = engineModulesIn(directory);
  const threads = engineThreads(path.join(directory, '..', 'engine-thread.js'));
  return {
    executor: new WasmExecutor(modules, threads, backend),
    isa: backend.isa,
    notes: [...notes, `the engine's modules: ${modules.map(({ name }) => name).join(', ')}`],
  };
}

/** The modules in a folder that this runtime (or one with `features`) uses for the engine. */
export function engineModulesIn(directory: string, features?: WasmFeatures): readonly WasmModule[] {
  return engineModules(file => readFile(path.join(directory, file)), features);
}
