// Loads each build of the kernels once for the kernel tests, and says why one is missing.
import { createHash } from 'node:crypto';
import path from 'node:path';
import type { KernelBackend } from '../../src/engine/kernel-backend.js';
import { loadBackend } from '../../src/platform/load-backend.js';

export const root = path.resolve(import.meta.dirname, '../..');
export const kernelDirectory = path.join(root, 'dist/kernels');

export interface Build {
  readonly kind: 'native' | 'wasm';
  readonly backend?: KernelBackend;
  /** Why there is no backend. */
  readonly reason?: string;
}

async function load(kind: 'native' | 'wasm'): Promise<Build> {
  try {
    return { kind, backend: (await loadBackend(kind, kernelDirectory, '')).backend };
  } catch (error) {
    // A machine without a C++ compiler has no native kernels: a visible skip. Everything else must work everywhere.
    if (kind === 'wasm' || process.env['CI'] === 'true') throw error;
    return { kind, reason: (error as Error).message };
  }
}

export { randomSource } from './random-source.js';

export const builds: readonly Build[] = [await load('native'), await load('wasm')];

/** Every backend that loaded, with every instruction set it can run here. */
export const targets = builds.flatMap(({ backend }) => (backend ? backend.isas.map(isa => ({ backend, isa })) : []));

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

export const bytesOf = (array: Float32Array | Uint32Array | Uint16Array): Uint8Array =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

export function typeNamed(backend: KernelBackend, name: string) {
  const type = backend.types.find(candidate => candidate.name === name);
  if (!type) throw new Error(`no kernel type ${name}`);
  return type;
}

/** Bytes of a row-aligned array of `count` weights. */
export const byteLength = (type: { blockSize: number; blockBytes: number }, count: number): number =>
  (count / type.blockSize) * type.blockBytes;

/** Standard normal values from a uniform source. */
export function normalSource(uniform: () => number): () => number {
  return () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
}
