// Builds everything that runs: kernels (native where there is a compiler, and WASM), then the bundles of esbuild.mjs.
//   node scripts/build.mjs [--production] [--watch]
import { chmodSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundle } from '../esbuild.mjs';
import { buildKernels } from './build-kernels.mjs';

export const root = path.resolve(import.meta.dirname, '..');

/** @param {{ production?: boolean, watch?: boolean, log?: (line: string) => void }} options */
export async function build({ production = false, watch = false, log = console.log } = {}) {
  await buildKernels({ log });
  await bundle({ production, watch, log });
  if (!watch) chmodSync(path.join(root, 'dist/cli.js'), 0o755);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await build({ production: process.argv.includes('--production'), watch: process.argv.includes('--watch') });
}
