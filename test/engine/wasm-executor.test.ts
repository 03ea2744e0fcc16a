// The executor as WebAssembly in each of its modules: native's bits, threads that come and go with their session, steps that
// do not block and can be given up, memories above 4 GiB.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { availableFileTypes } from '../../src/core/quantize/preview.js';
import { QuantsmithError } from '../../src/core/problem.js';
import type { Executor } from '../../src/engine/executor.js';
import { WasmExecutor } from '../../src/engine/executors/wasm.js';
import { wasmFeatures } from '../../src/engine/executors/wasm-features.js';
import type { WasmModule } from '../../src/engine/executors/wasm-module.js';
import type { StartEngineThread } from '../../src/engine/executors/wasm-threads.js';
import { createModelSession, type ModelSession, type SessionOptions } from '../../src/engine/model-session.js';
import { engineThreads } from '../../src/platform/engine-threads.js';
import { engineModulesIn, loadExecutor } from '../../src/platform/load-executor.js';
import { openModel, requireModel } from '../../src/platform/open-model.js';
import { root, scratch, tinycoder } from '../worker/built-worker.js';

const kernels = path.join(root, 'dist/kernels');
const threadFile = path.join(root, 'dist/engine-thread.js');
const maker = path.resolve(root, '../shared/tools/mkmodel/mkmodel.py');
const { folder, remove } = scratch();
afterAll(remove);

const features = wasmFeatures();
/** Every module that this runtime accepts, by its name. */
const modules = new Map<string, WasmModule>(
  [features, { ...features, relaxed: false }, { ...features, threads: false }]
    .flatMap(some => engineModulesIn(kernels, some))
    .map(module => [module.name, module]),
);

function wasmExecutor(module: WasmModule, startThread: StartEngineThread = engineThreads(threadFile)): Executor {
  return new WasmExecutor([module], startThread, { isaIndex: () => -1 });
}

interface Opened extends ModelSession {
  close(): Promise<void>;
}

async function open(file: string, executor: Executor, options: Partial<SessionOptions> = {}): Promise<Opened> {
  const opened = await openModel(file, { arrayHead: 1024 });
  try {
    const model = requireModel(opened);
    const sources = model.shards.map(({ source }) => source);
    const files = { sources, paths: sources.map(({ name }) => name) };
    const settings = { context: 64, batch: 64, cacheType: 'f32', threads: 2, ...options } as const;
    const session = await createModelSession(model, files, executor, settings);
    const close = async (): Promise<void> => {
      await session.session.end();
      await opened.close();
    };
    return { ...session, close };
  } catch (error) {
    await opened.close();
    throw error;
  }
}

const IDS = Int32Array.from([1, 300, 17, 4095, 256, 256, 33, 1024, 7, 999, 3, 2048]);

async function logits(file: string, executor: Executor, options: Partial<SessionOptions> = {}): Promise<Float32Array> {
  const opened = await open(file, executor, options);
  try {
    const tokens = IDS.map(id => id % opened.vocabulary);
    return await opened.session.step({ tokens, wanted: 'all' });
  } finally {
    await opened.close();
  }
}

const sameBits = (a: Float32Array, b: Float32Array): boolean => Buffer.from(a.buffer).equals(Buffer.from(b.buffer));

const hasNative = process.env['CI'] === 'true' || existsSync(path.join(kernels, 'kernels.node'));

describe('bits', () => {
  test('every module and number of threads gives the same', async () => {
    const expected = await logits(tinycoder, (await loadExecutor('auto', kernels)).executor);
    expect(expected.every(value => Number.isFinite(value))).toBe(true);
    for (const [name, module] of modules) {
      for (const threads of [1, 2, 5]) {
        const found = await logits(tinycoder, wasmExecutor(module), { threads });
        expect(sameBits(found, expected), `${name}, ${threads} threads`).toBe(true);
      }
    }
    // Node 20 lacks relaxed SIMD and 64-bit memories; everything else must be there.
    expect([...modules.keys()]).toEqual(expect.arrayContaining(['engine.wasm', 'kernels.wasm']));
    if (Number(process.versions.node.split('.')[0]) >= 24) expect(modules.size).toBe(4);
  });

  test.skipIf(!hasNative)(
    'every type of the example model gives the same as native',
    async () => {
      const native = (await loadExecutor('native', kernels)).executor;
      const wasm = (await loadExecutor('wasm', kernels)).executor;
      for (const { name: type } of availableFileTypes()) {
        const file = path.join(folder, `${type}.gguf`);
        const argv = ['quantize', tinycoder, file, '--type', type, '--quiet'];
        const made = spawnSync(process.execPath, [path.join(root, 'dist/cli.js'), ...argv]);
        // Types that need an importance matrix are refused; they are decoded by the same kernels as their neighbours.
        if (made.status !== 0) continue;
        const [one, other] = [await logits(file, native), await logits(file, wasm)];
        expect(sameBits(one, other), type).toBe(true);
        expect(
          one.every(value => Number.isFinite(value)),
          type,
        ).toBe(true);
      }
    },
    300_000,
  );

  const python = spawnSync('python3', ['-c', 'import numpy']).status === 0;
  test.skipIf(!hasNative || !existsSync(maker) || !python)(
    'every architecture gives the same as native (models of ../shared)',
    async () => {
      const made = path.join(folder, 'models');
      mkdirSync(made);
      expect(spawnSync('python3', [maker, 'all', made]).status).toBe(0);
      const native = (await loadExecutor('native', kernels)).executor;
      const wasm = (await loadExecutor('wasm', kernels)).executor;
      const files = readdirSync(made).filter(file => file.endsWith('.gguf'));
      expect(files.length).toBeGreaterThanOrEqual(11);
      for (const file of files) {
        const model = path.join(made, file);
        expect(sameBits(await logits(model, native), await logits(model, wasm)), file).toBe(true);
      }
    },
    300_000,
  );
});

/** The threads of this process, where the system tells. */
const threadCount = (): number => readdirSync('/proc/self/task').length;

async function settlesAt(count: number): Promise<number> {
  for (let i = 0; i < 100 && threadCount() > count; i++) await new Promise(resolve => setTimeout(resolve, 50));
  return threadCount();
}

const best = engineModulesIn(kernels)[0]!;
const long = Int32Array.from({ length: 512 }, (_, i) => (i * 37) % 4096);
const longOptions = { context: 512, batch: 512 };

describe.skipIf(!best.threads)('threads', () => {
  test.skipIf(process.platform !== 'linux')('end with their session', async () => {
    await logits(tinycoder, wasmExecutor(best));
    const before = threadCount();
    const opened = await open(tinycoder, wasmExecutor(best), { threads: 3 });
    await opened.session.step({ tokens: IDS });
    expect(threadCount()).toBeGreaterThanOrEqual(before + 3);
    await opened.close();
    expect(await settlesAt(before)).toBeLessThanOrEqual(before);
    await expect(opened.session.step({ tokens: IDS })).rejects.toThrow(/was ended/);
  });

  test('a step lets other work of the thread go on, and is given up within 50 ms', async () => {
    const opened = await open(tinycoder, wasmExecutor(best), longOptions);
    const { session } = opened;
    const start = performance.now();
    let turns = 0;
    const counter = setInterval(() => turns++, 1);
    await session.step({ tokens: long });
    const whole = performance.now() - start;
    clearInterval(counter);
    expect(turns).toBeGreaterThan(10);
    session.truncate(0, 0);
    await session.step({ tokens: IDS });

    // The quickest of several: what other processes of this machine take from it is not what is tested.
    const delays: number[] = [];
    for (let i = 0; i < 5; i++) {
      const controller = new AbortController();
      const asked = session.step({ tokens: long.subarray(0, 500) }, controller.signal);
      let at = 0;
      const timer = setTimeout(() => {
        at = performance.now();
        controller.abort(new QuantsmithError('cancelled', 'Enough.'));
      }, whole / 4);
      await expect(asked).rejects.toThrow('Enough.');
      clearTimeout(timer);
      delays.push(performance.now() - at);
      expect(session.length()).toBe(IDS.length);
    }
    expect(Math.min(...delays), `${delays.map(ms => ms.toFixed(1)).join(', ')} of ${whole.toFixed(0)} ms`).toBeLessThan(
      50,
    );
    const after = await session.step({ tokens: IDS.subarray(0, 1) });
    expect(after.every(value => Number.isFinite(value))).toBe(true);
    await opened.close();
  });

  test('one that dies fails the session, and takes the others with it', async () => {
    const before = process.platform === 'linux' ? threadCount() : 0;
    // Thread 0 is real; the other says that it is ready, never helps, and dies.
    const file = path.join(folder, 'dying-thread.js');
    writeFileSync(
      file,
      `const { parentPort } = require('node:worker_threads');
      parentPort.once('message', message => {
        if (message.thread === 0) {
          require(${JSON.stringify(threadFile)});
          parentPort.emit('message', message);
        } else {
          parentPort.postMessage({ kind: 'ready' });
          setTimeout(() => process.exit(3), 300);
        }
      });`,
    );
    const opened = await open(tinycoder, wasmExecutor(best, engineThreads(file)));
    const died = { code: 'engine/thread-failed', message: 'A thread of the engine ended: exit code 3.' };
    // Nobody waits for a thread that takes no part, so steps succeed until it is gone.
    const one = { tokens: IDS.subarray(0, 1) };
    const steps = async (): Promise<void> => {
      for (;;) {
        await opened.session.step(one);
        opened.session.truncate(0, 0);
      }
    };
    await expect(steps()).rejects.toMatchObject(died);
    await expect(opened.session.step(one)).rejects.toMatchObject(died);
    await opened.close();
    if (process.platform === 'linux') expect(await settlesAt(before)).toBeLessThanOrEqual(before);
  });

  test('one that cannot be started refuses the session', async () => {
    const missing = engineThreads(path.join(folder, 'no-such-thread.js'));
    await expect(open(tinycoder, wasmExecutor(best, missing))).rejects.toMatchObject({ code: 'engine/thread-failed' });
  });
});

const any = new WasmExecutor(engineModulesIn(kernels), engineThreads(threadFile), { isaIndex: () => -1 });

describe('memory', () => {
  // Caches that are not touched take addresses, not memory: what lies behind them is above 4 GiB all the same.
  const huge = { context: 1_200_000, batch: 16 };

  test.skipIf(!modules.has('engine64.wasm'))('sessions above 4 GiB are in a 64-bit memory', async () => {
    const expected = await logits(tinycoder, wasmExecutor(best), { batch: 16 });
    const found = await logits(tinycoder, any, huge);
    expect(sameBits(found, expected)).toBe(true);
  });

  test('without one they are refused', async () => {
    await expect(logits(tinycoder, wasmExecutor(best), huge)).rejects.toMatchObject({ code: 'engine/out-of-memory' });
  });

  // The example model, its vocabulary enlarged by tokens whose embeddings are 0: nobody writes them, so that they take no
  // memory either. The other weights lie behind them.
  test.skipIf(!modules.has('engine64.wasm'))(
    'weights above 4 GiB are read to their places and used there',
    async () => {
      const opened = await openModel(tinycoder, { arrayHead: 1024 });
      const model = requireModel(opened);
      const embedding = model.tensors.find(({ name }) => name === 'token_embd.weight')!;
      const [width, vocabulary] = embedding.ne as [number, number];
      const bytes = embedding.byteLength!;
      const enlarged = Math.ceil((4.5 * 2 ** 30) / bytes) * bytes;
      const beyond = 2 ** 40;
      const file = model.shards[0]!.source;
      const source = {
        name: file.name,
        size: 2 ** 41,
        read: (offset: number, length: number) => file.read(offset, length),
        readInto: async (target: Uint8Array, offset: number) => {
          if (offset < beyond) target.set(await file.read(offset, target.length));
          else if (offset < beyond + bytes) {
            const length = Math.min(target.length, beyond + bytes - offset);
            target.set(await file.read(embedding.fileOffset + offset - beyond, length));
          }
        },
      };
      const rows = (vocabulary * enlarged) / bytes;
      const large = { ...embedding, ne: [width, rows], byteLength: enlarged, fileOffset: beyond };
      const tensors = model.tensors.map(tensor => (tensor === embedding ? large : tensor));
      const files = { sources: [source], paths: [file.name] };
      const settings = { context: 16, batch: 4, cacheType: 'f32', threads: 2 } as const;
      const { session } = await createModelSession({ ...model, tensors }, files, any, settings);
      const found = await session.step({ tokens: IDS.subarray(0, 4) });
      await session.end();
      await opened.close();
      expect(found.length).toBe(rows);
      const expected = await open(tinycoder, wasmExecutor(best), settings);
      const few = await expected.session.step({ tokens: IDS.subarray(0, 4) });
      await expected.close();
      expect(sameBits(found.slice(0, vocabulary), few)).toBe(true);
      expect(found.subarray(vocabulary).every(value => value === 0)).toBe(true);
    },
    120_000,
  );
});
