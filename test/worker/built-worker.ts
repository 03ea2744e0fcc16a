// Builds worker.js and quantize-thread.js from the sources as they are now into a folder of their own, next to the kernels
// that `npm run build` made, so that no test of the worker runs yesterday's bundle.
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { build } from 'esbuild';

export const root = path.resolve(import.meta.dirname, '../..');
export const tinycoder = path.join(root, 'examples/tinycoder-f16.gguf');

export interface BuiltWorker {
  /** Has worker.js, quantize-thread.js and kernels/. */
  readonly dist: string;
  readonly remove: () => void;
}

export async function buildWorker(): Promise<BuiltWorker> {
  const kernels = path.join(root, 'dist/kernels');
  if (!existsSync(path.join(kernels, 'kernels.wasm'))) throw new Error('no kernels: run `npm run build` first');
  const dist = mkdtempSync(path.join(tmpdir(), 'quantsmith-dist-'));
  // A copy: a build that goes on meanwhile must not change what a test computes.
  cpSync(kernels, path.join(dist, 'kernels'), { recursive: true });
  writeFileSync(path.join(dist, 'package.json'), '{"type":"commonjs"}');
  await build({
    entryPoints: {
      worker: 'src/worker/main.ts',
      'quantize-thread': 'src/worker/quantize-thread.ts',
      'engine-thread': 'src/worker/engine-thread.ts',
      'template-process': 'src/worker/template-process.ts',
    },
    absWorkingDir: root,
    outdir: dist,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20',
    define: { 'import.meta.dirname': '__dirname' },
    logLevel: 'error',
  });
  return {
    dist,
    remove: () => {
      rmSync(dist, { recursive: true, force: true });
    },
  };
}

/** A folder for one test file's outputs. */
export function scratch(): { readonly folder: string; readonly remove: () => void } {
  const folder = mkdtempSync(path.join(tmpdir(), 'quantsmith-test-'));
  mkdirSync(folder, { recursive: true });
  return {
    folder,
    remove: () => {
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
