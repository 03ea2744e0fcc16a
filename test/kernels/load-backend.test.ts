// Which kernels are loaded, what is said about it, and what happens when they are missing.
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { cpuFeatures } from '../../src/platform/cpu-features.js';
import { loadBackend } from '../../src/platform/load-backend.js';
import { builds, kernelDirectory } from './support.js';

const hasNative = builds.some(({ kind, backend }) => kind === 'native' && backend);
let directory = '';
beforeEach(() => (directory = mkdtempSync(path.join(os.tmpdir(), 'kernels-'))));
afterEach(() => {
  rmSync(directory, { recursive: true });
  vi.unstubAllEnvs();
});
const copy = (file: string): void => copyFileSync(path.join(kernelDirectory, file), path.join(directory, file));

describe('loadBackend', () => {
  it.skipIf(!hasNative)('prefers native kernels', async () => {
    const { backend, notes } = await loadBackend('auto', kernelDirectory, '');
    expect(backend.kind).toBe('native');
    expect(notes).toEqual([`using native kernels (${backend.isa})`]);
    expect(backend.isa).toBe(backend.isas.at(-1));
  });

  it('falls back to WebAssembly and says why', async () => {
    copy('kernels.wasm');
    const { backend, notes } = await loadBackend('auto', directory, '');
    expect(backend.kind).toBe('wasm');
    expect(notes[0]).toBe('using WebAssembly kernels (simd128)');
    expect(notes[1]).toMatch(/^not used: native kernels: .*kernels\.node does not exist$/);
  });

  it('falls back when the addon is not loadable', async () => {
    copy('kernels.wasm');
    writeFileSync(path.join(directory, 'kernels.node'), 'not a library');
    const { backend, notes } = await loadBackend('auto', directory, '');
    expect(backend.kind).toBe('wasm');
    expect(notes[1]).toMatch(/^not used: native kernels: ./);
  });

  it('does not fall back when native was demanded', async () => {
    copy('kernels.wasm');
    await expect(loadBackend('native', directory)).rejects.toMatchObject({
      code: 'kernel/native-unavailable',
      hint: expect.stringContaining('npm run build') as string,
    });
  });

  it('does not touch native kernels when WebAssembly was demanded', async () => {
    const { backend, notes } = await loadBackend('wasm', kernelDirectory, '');
    expect(backend.kind).toBe('wasm');
    expect(notes).toEqual(['using WebAssembly kernels (simd128)']);
    await expect(loadBackend('wasm', directory)).rejects.toMatchObject({ code: 'kernel/wasm-unavailable' });
  });

  it('reports both reasons when nothing loads', async () => {
    writeFileSync(path.join(directory, 'kernels.wasm'), 'not a module');
    await expect(loadBackend('auto', directory)).rejects.toMatchObject({ code: 'kernel/unavailable' });
  });

  it('takes the instruction set from QUANTSMITH_ISA', async () => {
    vi.stubEnv('QUANTSMITH_ISA', 'ref');
    expect((await loadBackend('wasm', kernelDirectory)).backend.isa).toBe('ref');
  });

  it('notes an instruction set these kernels do not have', async () => {
    const { backend, notes } = await loadBackend('wasm', kernelDirectory, 'avx2');
    expect(backend.isa).toBe('simd128');
    expect(notes[1]).toBe('instruction set avx2 is not available in these kernels (ref, simd128)');
  });
});

describe('cpuFeatures', () => {
  it('describes this machine', () => {
    const features = cpuFeatures();
    expect(features.threads).toBeGreaterThan(0);
    expect(features.model).not.toBe('');
  });
});
