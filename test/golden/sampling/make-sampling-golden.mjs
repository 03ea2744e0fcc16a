// Measures the tokens llama-server draws from examples/tinycoder-f16.gguf:
//   node make-sampling-golden.mjs LLAMA_SERVER > llama-server.json
import { spawn } from 'node:child_process';
import path from 'node:path';

const model = path.resolve(import.meta.dirname, '../../../examples/tinycoder-f16.gguf');
const PROMPTS = ['def add(a, b):\n    return', 'function sum(values) {\n  let total = 0;\n', 'The '];
const DEFAULTS = { temperature: 1, topK: 40, topP: 0.95, minP: 0.05, repetitionPenalty: 1, repetitionWindow: 64 };
const OPTIONS = [
  { temperature: 0 },
  {},
  { temperature: 1.2, topK: 0, topP: 1 },
  { temperature: 0.8, topK: 0, topP: 0.9, minP: 0 },
  { temperature: 1.5, topK: 10, topP: 1, minP: 0 },
  { topK: 0, topP: 1, minP: 0 },
  { temperature: 0, repetitionPenalty: 1.3 },
  { temperature: 0.7, repetitionPenalty: 1.2, repetitionWindow: 16 },
  { bias: { 13: -5, 32: 2 } },
];
const PORT = 18431;
const base = `http://127.0.0.1:${PORT}`;

const args = ['-t', '1', '-np', '1', '-c', '512', '-ctk', 'f32', '-ctv', 'f32', '-fa', 'off', '--no-warmup'];
const server = spawn(process.argv[2], ['-m', model, '--port', String(PORT), ...args], { stdio: 'ignore' });
try {
  while (!(await fetch(`${base}/health`).catch(() => undefined))?.ok) await new Promise(r => setTimeout(r, 100));
  const runs = [];
  for (const [p, prompt] of PROMPTS.entries()) {
    for (const [i, changed] of OPTIONS.entries()) {
      const options = { ...DEFAULTS, ...changed, seed: 1000 + 7 * i + p };
      const response = await fetch(`${base}/completion`, {
        method: 'POST',
        body: JSON.stringify({
          ...{ prompt, n_predict: 48, cache_prompt: false, return_tokens: true, seed: options.seed },
          ...{ temperature: options.temperature, top_k: options.topK, top_p: options.topP, min_p: options.minP },
          ...{ repeat_penalty: options.repetitionPenalty, repeat_last_n: options.repetitionWindow },
          logit_bias: Object.entries(options.bias ?? {}).map(([id, value]) => [Number(id), value]),
        }),
      });
      const { tokens } = await response.json();
      runs.push({ prompt, options, ids: tokens.join(' ') });
    }
  }
  process.stdout.write(`${JSON.stringify(runs, undefined, 2)}\n`);
} finally {
  server.kill();
}
