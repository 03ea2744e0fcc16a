// The sources are TypeScript: what the benchmark needs of them, as one bundle.
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const root = path.resolve(import.meta.dirname, '../..');

/** The tables of types, the loader of kernels, what is known of the machine, and what completes. */
export async function loadSources() {
  const outfile = path.join(root, 'dist/.bench/sources.mjs');
  const contents = [
    "export { Completer } from './src/extension/completions/completer.ts';",
    "export { completionLimit } from './src/core/completion/completion-limit.ts';",
    "export { findFim } from './src/core/completion/fim-families.ts';",
    "export { buildFimPrompt } from './src/core/completion/fim-prompt.ts';",
    "export { readTokenizer } from './src/core/tokenizer/read-tokenizer.ts';",
    "export { CachedSequence } from './src/engine/cached-sequence.ts';",
    "export { generate } from './src/engine/jobs/generate.ts';",
    "export { GREEDY, Sampler } from './src/engine/sampler.ts';",
    "export { DraftLength } from './src/engine/speculation/draft-length.ts';",
    "export { PromptLookup } from './src/engine/speculation/prompt-lookup.ts';",
    "export { requireModel } from './src/platform/open-model.ts';",
    "export { openSession, openToRun } from './src/platform/open-session.ts';",
    "export { WorkerClient } from './src/platform/worker-process.ts';",
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
