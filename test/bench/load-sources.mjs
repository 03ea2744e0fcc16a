// The sources are TypeScript: what the benchmark needs of them, as one bundle.
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const root = path.resolve(import.meta.dirname, '../..');

/** The tables of types, the loader of kernels, and what is known of the machine. */
export async function loadSources() {
  const outfile = path.join(root, 'dist/.bench/sources.mjs');
  const contents = [
    "export { FILE_TYPES, fileTypeByName } from './src/core/ggml/file-type.ts';",
    "export { ggmlType, GGML_TYPES } from './src/core/ggml/ggml-type.ts';",
    "export { loadBackend } from './src/platform/load-backend.ts';",
    "export { physicalCores } from './src/platform/physical-cores.ts';",
    "export { residentBytesIn } from './src/platform/resident-memory.ts';",
  ].join('\n');
  await build({
    stdin: { contents, resolveDir: root },
    bundle: true,
    platform: 'node',
    format: 'esm',
    outfile,
    logLevel: 'error',
  });
  return import(pathToFileURL(outfile).href);
}
