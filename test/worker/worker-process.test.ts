// The worker as a real process: its requests, its death at any moment, its restart, and that it goes with its parent.
import { spawn } from 'node:child_process';
import { appendFileSync, copyFileSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { build } from 'esbuild';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { errorData } from '../../src/core/problem.js';
import { WorkerClient, type WorkerListeners } from '../../src/platform/worker-process.js';
import type { QuantizeJob } from '../../src/protocol/worker-protocol.js';
import { holdProcess, type HeldProcess, type Moment } from '../fixtures/held-process.js';
import { buildWorker, root, scratch, tinycoder, type BuiltWorker } from './built-worker.js';

let built: BuiltWorker;
let folder: string;
let remove: () => void;
const clients: WorkerClient[] = [];
beforeAll(async () => {
  built = await buildWorker();
});
afterAll(() => {
  built.remove();
});
beforeEach(() => {
  ({ folder, remove } = scratch());
});
afterEach(() => {
  vi.unstubAllEnvs();
  for (const client of clients.splice(0)) client.dispose();
  remove();
});

/** Of the process started next. */
function held(moment: Moment): HeldProcess {
  const hold = holdProcess(moment);
  for (const [name, value] of Object.entries(hold.env)) vi.stubEnv(name, value);
  return hold;
}

function start(listeners: WorkerListeners = {}, file = path.join(built.dist, 'worker.js')): WorkerClient {
  const client = new WorkerClient(file, listeners);
  clients.push(client);
  return client;
}

const at = (name: string): string => path.join(folder, name);
const job = (more: Partial<QuantizeJob> = {}): QuantizeJob => ({
  source: tinycoder,
  output: at('out.gguf'),
  options: { fileType: 'Q4_K_M', rules: [], pure: false, allowRequantize: false, onFallback: 'promote' },
  threads: 2,
  backend: 'auto',
  overwrite: false,
  dryRun: false,
  resume: false,
  keepSplit: false,
  ...more,
});

const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'ok',
    (error: unknown) => errorData(error).code,
  );

async function until(what: () => boolean, timeoutMs = 5000): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!what()) {
    if (Date.now() > deadline) throw new Error(`waited ${timeoutMs} ms in vain for ${String(what)}`);
    await new Promise(resolve => setTimeout(resolve, 5));
  }
}

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

test('answers what the protocol has', async () => {
  const client = start();
  const status = await client.request('worker/status', {});
  expect(status.state).toBe('idle');
  expect(['native', 'wasm']).toContain(status.backend);
  const model = await client.request('model/inspect', { path: tinycoder });
  expect(model.architecture).toBe('llama');
  const page = await client.request('model/array', {
    path: tinycoder,
    key: 'tokenizer.ggml.tokens',
    start: 4000,
    count: 500,
  });
  expect([page.length, page.values.length]).toEqual([4096, 96]);
  expect((await client.request('model/string', { path: tinycoder, key: 'general.architecture' })).value).toBe('llama');
  const { types } = await client.request('quantize/preview', { path: tinycoder });
  const report = await client.request('quantize/run', job());
  expect(types.find(({ fileType }) => fileType === 'Q4_K_M')?.byteLength).toBe(report.byteLength);
  expect(await codeOf(client.request('model/string', { path: tinycoder, key: 'nothing' }))).toBe('model/no-such-key');
  expect(await codeOf(client.request('model/inspect', { path: at('missing.gguf') }))).toBe('io/not-found');
});

test('sees a model as it is now, also when it was looked at before', async () => {
  const client = start();
  copyFileSync(tinycoder, at('model.gguf'));
  const first = await client.request('model/inspect', { path: at('model.gguf') });
  appendFileSync(at('model.gguf'), new Uint8Array(64));
  const second = await client.request('model/inspect', { path: at('model.gguf') });
  expect(second.shards[0]!.byteLength).toBe(first.shards[0]!.byteLength + 64);
  // Many at once, of more models than are kept open.
  const names = Array.from({ length: 7 }, (_, i) => at(`${i}.gguf`));
  for (const name of names) symlinkSync(tinycoder, name);
  const all = [...names, ...names, ...names].map(name =>
    client.request('model/array', { path: name, key: 'tokenizer.ggml.tokens', start: 0, count: 1 }),
  );
  expect((await Promise.all(all)).every(({ length }) => length === 4096)).toBe(true);
});

test('tells its state from start to end', async () => {
  const states: string[] = [];
  const client = start({ onState: state => states.push(state.kind) });
  expect(client.state.kind).toBe('stopped');
  expect(client.pid).toBeUndefined();
  await client.request('quantize/run', job());
  await until(() => client.state.kind === 'idle');
  client.dispose();
  expect(states).toEqual(['starting', 'idle', 'busy', 'idle', 'stopped']);
  expect(await codeOf(client.request('worker/status', {}))).toBe('worker/gone');
});

/** User and system time of a process and its threads in milliseconds; Linux counts in steps of 10 ms. */
const cpuTimeOf = (pid: number): number => {
  // The second field is the command in parentheses, which may hold blanks; utime and stime are the 14th and 15th.
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
  return 10 * (Number(fields[11]) + Number(fields[12]));
};

test('a cancelled job works for less than 200 ms after it and leaves nothing', async () => {
  const client = start();
  await client.request('worker/status', {});
  const cpu = (): number => (process.platform === 'linux' ? cpuTimeOf(client.pid!) : 0);
  const latencies: number[] = [];
  const work: number[] = [];
  for (let i = 0; i < 15; i++) {
    const controller = new AbortController();
    let aborted = 0;
    let before = 0;
    const run = client.request('quantize/run', job({ backend: 'wasm', threads: 1 }), {
      signal: controller.signal,
      onProgress: ({ phase }) => {
        if (phase !== 'quantize' || aborted > 0) return;
        aborted = performance.now();
        before = cpu();
        controller.abort();
      },
    });
    expect(await codeOf(run)).toBe('cancelled');
    latencies.push(performance.now() - aborted);
    work.push(cpu() - before);
    expect(readdirSync(folder)).toEqual([]);
  }
  for (const times of [latencies, work]) times.sort((a, b) => a - b);
  console.log(
    `cancel through the process: median ${latencies[7]!.toFixed(1)} ms, max ${latencies.at(-1)!.toFixed(1)} ms on the clock; of processor time at most ${work.at(-1)} ms`,
  );
  // One thread works: its processor time is what passes on the clock of a machine that does nothing else.
  expect(work.at(-1)).toBeLessThan(200);
});

describe('a worker that is gone', () => {
  test('a killed job that is run again with resume goes on', async () => {
    const client = start();
    const journal = at('.out.gguf.quantsmith-journal');
    const hold = held({ file: path.basename(journal), writes: 5 });
    const run = codeOf(client.request('quantize/run', job({ resume: true, backend: 'wasm', threads: 1 })));
    await hold.until(run);
    process.kill(client.pid!, 'SIGKILL');
    expect(await run).toBe('worker/gone');
    hold.release();
    vi.unstubAllEnvs();
    expect(readdirSync(folder)).toEqual(['.out.gguf.quantsmith-journal', '.out.gguf.quantsmith-partial']);
    const finished = readFileSync(journal, 'utf8').trim().split('\n').length - 1;
    expect(finished).toBeGreaterThanOrEqual(4);
    let least = Infinity;
    await client.request('quantize/run', job({ resume: true }), {
      onProgress: ({ phase, done }) => {
        if (phase === 'quantize') least = Math.min(least, done);
      },
    });
    expect(least).toBeGreaterThan(1_000_000);
    await client.request('quantize/run', job({ output: at('whole.gguf') }));
    expect(readFileSync(at('out.gguf')).equals(readFileSync(at('whole.gguf')))).toBe(true);
    expect(readdirSync(folder)).toEqual(['out.gguf', 'whole.gguf']);
  });

  test('says how it ended and what it wrote last', async () => {
    writeFileSync(at('crash.cjs'), 'console.error("out of luck"); setTimeout(() => process.exit(3), 50);');
    const log: string[] = [];
    const client = start({ onLog: (level, message) => log.push(`${level} ${message}`) }, at('crash.cjs'));
    const error = await client.request('worker/status', {}).catch((reason: unknown) => errorData(reason));
    expect(error).toEqual({
      code: 'worker/gone',
      message: 'The worker process ended with code 3 before it answered. It last wrote: out of luck',
      hint: "No incomplete file is left under the output's name. Try again: a new worker is started. Details are in the log.",
    });
    expect(log).toEqual(['error out of luck']);
    expect(client.state.kind).toBe('crashed');
  });

  test('because it did not react to a cancel: cancelled for who asked, gone for the others, and the next request works', async () => {
    writeFileSync(
      at('deaf.cjs'),
      'process.on("message", () => process.send({ method: "$/progress", params: { id: 1, value: 0 } }));',
    );
    const client = new WorkerClient(at('deaf.cjs'), {}, 200);
    clients.push(client);
    const controller = new AbortController();
    const first = codeOf(
      client.request('quantize/run', job(), { signal: controller.signal, onProgress: () => controller.abort() }),
    );
    const second = codeOf(client.request('worker/status', {}));
    expect([await first, await second]).toEqual(['cancelled', 'worker/gone']);
    expect(client.state.kind).toBe('crashed');
    const third = codeOf(client.request('worker/status', {}));
    await until(() => client.pid !== undefined && isAlive(client.pid));
    client.dispose();
    expect(await third).toBe('worker/gone');
  });

  test('that cannot be started', async () => {
    const client = start({}, at('nothing.cjs'));
    expect(await codeOf(client.request('worker/status', {}))).toBe('worker/gone');
    expect(await codeOf(client.request('worker/status', {}))).toBe('worker/gone');
  });
});

test('dispose ends the process and cleans up its job', async () => {
  const client = start();
  const hold = held({ file: '.out.gguf.quantsmith-journal', writes: 2 });
  const run = codeOf(client.request('quantize/run', job({ backend: 'wasm' })));
  await hold.until(run);
  const pid = client.pid!;
  client.dispose();
  expect(await run).toBe('worker/gone');
  hold.release();
  await until(() => !isAlive(pid));
  expect(readdirSync(folder)).toEqual([]);
});

test('the worker goes when its parent is killed, and cleans up', async () => {
  const parent = at('parent.cjs');
  await build({
    stdin: {
      contents: `import { WorkerClient } from './src/platform/worker-process.js';
        const client = new WorkerClient(process.argv[2]);
        client.request('quantize/run', JSON.parse(process.argv[3])).catch(() => undefined);
        console.log(client.pid);`,
      resolveDir: root,
    },
    outfile: parent,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    logLevel: 'error',
  });
  const hold = held({ file: '.out.gguf.quantsmith-journal', writes: 2 });
  const child = spawn(process.execPath, [
    parent,
    path.join(built.dist, 'worker.js'),
    JSON.stringify(job({ backend: 'wasm', threads: 1 })),
  ]);
  const ended = new Promise(resolve => child.once('exit', resolve));
  const pid = Number(await new Promise<Buffer>(resolve => child.stdout.once('data', resolve)));
  await hold.until(ended);
  child.kill('SIGKILL');
  await ended;
  hold.release();
  await until(() => !isAlive(pid), 20_000);
  expect(readdirSync(folder)).toEqual(['parent.cjs']);
});
