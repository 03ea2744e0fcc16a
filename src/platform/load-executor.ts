// Loads the executor: the native addon where it works, otherwise WebAssembly, by the same rules and from the same files as
// the quantization kernels (load-backend.ts).
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { NativeExecutor } from '../engine/executors/native.js';
import { WasmExecutor, type ExecutorModuleExports } from '../engine/executors/wasm.js';
import type { Executor } from '../engine/executor.js';
import { loadBackend, loadAddon, type BackendChoice } from './load-backend.js';

declare const WebAssembly: {
  compile(bytes: Uint8Array): Promise<object>;
  instantiate(module: object, imports: object): Promise<{ exports: unknown }>;
};

export interface LoadedExecutor {
  readonly executor: Executor;
  /** The instruction set that computes unless a session asks for another. */
  readonly isa: string;
  /** One line per decision. */
  readonly notes: readonly string[];
}

/** @throws QuantsmithError `kernel/native-unavailable`, `kernel/wasm-unavailable`, `kernel/unavailable` */
export async function loadExecutor(choice: BackendChoice, directory: string): Promise<LoadedExecutor> {
  const { backend, notes } = await loadBackend(choice, directory);
  if (backend.kind === 'native') {
    return { executor: new NativeExecutor(loadAddon(directory), backend), isa: backend.isa, notes };
  }
  const module = await WebAssembly.compile(await readFile(path.join(directory, 'kernels.wasm')));
  const instantiate = async (): Promise<ExecutorModuleExports> =>
    (await WebAssembly.instantiate(module, {})).exports as ExecutorModuleExports;
  return { executor: new WasmExecutor(instantiate, backend), isa: backend.isa, notes };
}
