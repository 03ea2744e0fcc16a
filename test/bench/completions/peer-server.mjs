// llama-server with its best settings for completions, on 127.0.0.1, and timed questions to it.
import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import path from 'node:path';

const START_MS = 120_000;

/** Starts it; resolves when the model is loaded. */
export async function startServer(folder, model, threads, environment) {
  const port = await freePort();
  const child = spawn(
    path.join(folder, 'llama-server'),
    [
      ...['-m', model, '--host', '127.0.0.1', '--port', String(port), '-np', '1', '-c', '4096'],
      // As llama.vscode starts it.
      ...['-b', '1024', '-ub', '1024', '--cache-reuse', '256', '-t', String(threads), '-tb', String(threads)],
    ],
    { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, ...environment } },
  );
  let words = '';
  child.stderr.on('data', data => (words = (words + data).slice(-4000)));
  const url = `http://127.0.0.1:${port}`;
  const start = performance.now();
  for (;;) {
    const { ok } = await fetch(`${url}/health`).catch(() => ({ ok: false }));
    if (ok) break;
    if (child.exitCode !== null || performance.now() - start > START_MS) {
      child.kill('SIGKILL');
      throw new Error(`llama-server did not start:\n${words.slice(-1000)}`);
    }
    await new Promise(resolve => setTimeout(resolve, 50));
  }
  return { pid: child.pid, ask: question => ask(url, question), stop: () => child.kill('SIGKILL') };
}

/** Milliseconds from the question to the first text, and to the end. */
async function ask(url, { prefix, suffix, count }) {
  const start = performance.now();
  const response = await fetch(`${url}/infill`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      ...{ input_prefix: prefix, input_suffix: suffix, n_predict: count },
      ...{ temperature: 0, samplers: ['top_k'], top_k: 1, cache_prompt: true, stream: true },
    }),
  });
  if (!response.ok) throw new Error(`llama-server: ${response.status} ${await response.text()}`);
  let firstMs;
  let last;
  let rest = '';
  for await (const bytes of response.body) {
    rest += Buffer.from(bytes).toString('utf8');
    const lines = rest.split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines.filter(one => one.startsWith('data: '))) {
      last = JSON.parse(line.slice(6));
      if (last.content) firstMs ??= performance.now() - start;
    }
  }
  return {
    firstMs: firstMs ?? performance.now() - start,
    evaluated: last.timings.prompt_n,
    promptTokens: last.tokens_evaluated,
    tokenMs: last.timings.predicted_per_token_ms,
  };
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
