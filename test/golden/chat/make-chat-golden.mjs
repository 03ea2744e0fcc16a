// Measures prompts.json anew: what llama-server --jinja makes of our conversations with our templates (`/apply-template`).
//   LLAMA_CPP_BIN=… node test/golden/chat/make-chat-golden.mjs
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '../../..');
const templates = path.join(import.meta.dirname, 'templates');
const conversations = JSON.parse(readFileSync(path.join(import.meta.dirname, 'conversations.json'), 'utf8'));
const PORT = 18_431;
const address = `http://127.0.0.1:${PORT}`;

const prompts = {};
for (const file of readdirSync(templates).sort()) {
  const model = path.join(root, 'examples/tinycoder-f16.gguf');
  const server = spawn(
    path.join(process.env.LLAMA_CPP_BIN ?? '', 'llama-server'),
    [...['-m', model, '--port', String(PORT), '-t', '1', '--jinja'], '--chat-template-file', path.join(templates, file)],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  );
  server.once('exit', code => {
    if (code) throw new Error(`${file} is no template there`);
  });
  while (!(await globalThis.fetch(`${address}/health`).then(answer => answer.ok, () => false))) {
    await new Promise(resolve => setTimeout(resolve, 100));
  }
  prompts[file] = [];
  for (const messages of conversations) {
    const answer = await globalThis.fetch(`${address}/apply-template`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ messages }),
    });
    const { prompt } = await answer.json();
    // null: the template raised an error.
    prompts[file].push(answer.ok ? prompt : null);
  }
  const over = new Promise(resolve => server.once('exit', resolve));
  server.kill();
  await over;
}
writeFileSync(path.join(import.meta.dirname, 'prompts.json'), `${JSON.stringify(prompts, undefined, 2)}\n`);
