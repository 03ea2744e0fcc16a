// Measures perplexity.json anew: what llama-perplexity says of the first windows of the example model's validation text, in
// every type that ../shared/data/models/tinycoder/reference-quality.json has.
//   LLAMA_CPP_BIN=… node test/golden/perplexity/make-perplexity-golden.mjs       after `npm run build`
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '../../..');
const data = path.resolve(root, '../shared/data/models/tinycoder');
// One more is asked for: its last words are lost when it ends.
const WINDOWS = 4;
const CONTEXT = 512;
const VARIANT = 'haswell';

const folder = mkdtempSync(path.join(tmpdir(), 'perplexity-golden-'));
function run(command, args, env = {}) {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', env: { ...process.env, ...env } });
  if (status !== 0) throw new Error(`${command} ended with ${status}: ${stderr.slice(-1000)}`);
  return stdout + stderr;
}

const { models } = JSON.parse(readFileSync(path.join(data, 'reference-quality.json'), 'utf8'));
const cases = models.map(({ type, imatrix }) => {
  const model = path.join(folder, 'model.gguf');
  const matrix = imatrix ? ['--imatrix', path.join(root, 'test/golden/tinycoder/tinycoder.imatrix.gguf')] : [];
  const source = path.join(root, 'examples/tinycoder-f16.gguf');
  run(process.execPath, [path.join(root, 'dist/cli.js'), 'quantize', source, model, '--type', type, '--overwrite', ...matrix]);
  const text = ['-f', path.join(data, 'val/code.txt'), '-c', String(CONTEXT), '--chunks', String(WINDOWS + 1)];
  const command = path.join(process.env.LLAMA_CPP_BIN ?? '', 'llama-perplexity');
  const output = run(command, ['-m', model, '-t', '1', ...text], { REF_VARIANT: VARIANT });
  const perplexity = Number(new RegExp(`\\[${WINDOWS}\\]([\\d.]+)`).exec(output)[1]);
  console.log(type, imatrix, perplexity);
  return { type, imatrix, perplexity };
});
rmSync(folder, { recursive: true });
const facts = { program: `llama-perplexity 0.7.0 (b11669, ggml 0.27), ${VARIANT}`, windows: WINDOWS, context: CONTEXT, cases };
writeFileSync(path.join(import.meta.dirname, 'perplexity.json'), `${JSON.stringify(facts, undefined, 2)}\n`);
