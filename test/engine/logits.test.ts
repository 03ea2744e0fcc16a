// The engine's logits against others': a forward pass written independently (the example model), and llama.cpp's own
// logits for eight architectures and every type (../shared, if there).
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { availableFileTypes } from '../../src/core/quantize/preview.js';
import type { StepRequest } from '../../src/engine/executor.js';
import type { ExecutorAddon } from '../../src/engine/executors/native.js';
import { compileProgram } from '../../src/engine/graph/architectures.js';
import { loadBackend } from '../../src/platform/load-backend.js';
import { openModel, requireModel } from '../../src/platform/open-model.js';
import { openSession, type OpenSessionOptions } from '../../src/platform/open-session.js';
import { root, scratch, tinycoder } from '../worker/built-worker.js';
import { referenceLogits } from './reference-forward.js';

const kernels = path.join(root, 'dist/kernels');
const shared = path.resolve(root, '../shared');
const { folder, remove } = scratch();
afterAll(remove);

const backends = (['native', 'wasm'] as const).filter(
  kind => kind === 'wasm' || process.env['CI'] === 'true' || existsSync(path.join(kernels, 'kernels.node')),
);

interface Asked extends Partial<OpenSessionOptions> {
  /** Tokens per step: the same text in several steps must give the same. */
  readonly steps?: number;
}

async function logits(model: string, ids: readonly number[], asked: Asked = {}): Promise<Float32Array> {
  const { steps = ids.length, ...options } = asked;
  const opened = await openSession(model, {
    backend: 'auto',
    kernels,
    threads: 2,
    context: ids.length,
    batch: ids.length,
    cacheType: 'f32',
    ...options,
  });
  try {
    const all = new Float32Array(ids.length * opened.vocabulary);
    for (let done = 0; done < ids.length; done += steps) {
      const tokens = Int32Array.from(ids.slice(done, done + steps));
      all.set(await opened.session.step({ tokens, wanted: 'all' }), done * opened.vocabulary);
    }
    return all;
  } finally {
    await opened.close();
  }
}

function quantize(source: string, output: string, type: string): void {
  const options = ['--type', type, '--quiet'];
  const { status, stderr } = spawnSync(process.execPath, [
    path.join(root, 'dist/cli.js'),
    'quantize',
    source,
    output,
    ...options,
  ]);
  expect(status, String(stderr)).toBe(0);
}

/** Largest difference, as a share of the range of the expected values. */
function difference(found: Float32Array, expected: Float32Array | Float64Array): number {
  expect(found.length).toBe(expected.length);
  let [low, high, most] = [Infinity, -Infinity, 0];
  expected.forEach((value, i) => {
    low = Math.min(low, value);
    high = Math.max(high, value);
    // Not max(): a NaN must count.
    if (!(Math.abs(value - found[i]!) <= most)) most = Math.abs(value - found[i]!);
  });
  return most / (high - low);
}

const IDS = [1, 300, 17, 4095, 256, 256, 33, 1024, 7, 999, 3, 2048];

describe('the example model', () => {
  test('logits of a forward pass written independently', async () => {
    // In F32: for F16 weights activations are rounded to F16, as in llama.cpp, and the reference rounds nothing.
    const model = path.join(folder, 'tinycoder-f32.gguf');
    quantize(tinycoder, model, 'F32');
    const opened = await openModel(model);
    const expected = await referenceLogits(requireModel(opened), IDS);
    await opened.close();
    const flat = Float64Array.from(expected.flatMap(row => [...row]));
    for (const backend of backends) {
      expect(difference(await logits(model, IDS, { backend }), flat), backend).toBeLessThan(1e-5);
    }
  });

  // 75 tokens: more than two pages of the cache, and steps that begin and end inside of them.
  const longer = Array.from({ length: 75 }, (_, i) => (IDS[i % IDS.length]! * (1 + (i >> 3)) + i) % 4096);

  test.each(['f32', 'f16'] as const)(
    'the same bits for every backend, instruction set, number of threads and division into steps; cache in %s',
    async cacheType => {
      const expected = await logits(tinycoder, longer, { backend: 'wasm', cacheType });
      const check = async (asked: Asked): Promise<void> => {
        const found = await logits(tinycoder, longer, { cacheType, ...asked });
        expect(Buffer.from(found.buffer).equals(Buffer.from(expected.buffer)), JSON.stringify(asked)).toBe(true);
      };
      for (const backend of backends) {
        await check({ backend, threads: 1, steps: 1 });
        await check({ backend, threads: 2, steps: 29 });
        await check({ backend, threads: 5, steps: 75 });
        const { isas } = (await loadBackend(backend, kernels)).backend;
        for (const isa of isas) await check({ backend, isa });
      }
    },
    240_000,
  );

  test('more threads than a session can have', async () => {
    const expected = await logits(tinycoder, IDS);
    for (const backend of backends) {
      const found = await logits(tinycoder, IDS, { backend, threads: 1000 });
      expect(Buffer.from(found.buffer).equals(Buffer.from(expected.buffer)), backend).toBe(true);
    }
  }, 60_000);

  test.skipIf(!backends.includes('native'))(
    'a program whose memory is taken away while its files are read',
    async () => {
      const addon = createRequire(import.meta.url)(path.join(kernels, 'kernels.node')) as ExecutorAddon;
      const opened = await openModel(tinycoder);
      const limits = { context: 4, sequences: 1, cells: 4, batch: 4, cacheType: 'f32' } as const;
      const { words, weights } = compileProgram(requireModel(opened), new Map(), limits);
      await opened.close();
      const table = weights.flatMap(({ tensor, columns, rows, slices }) => {
        return [0, tensor.fileOffset, tensor.byteLength ?? 0, tensor.typeId, columns, rows, slices];
      });
      const file = addon.mapFile(tinycoder);
      const create = (files: object[]): object => addon.createSession(words, files, Float64Array.from(table), 1, -1);
      addon.endSession(create([file]));
      const taking = Object.defineProperty([file], 0, {
        get: () => {
          structuredClone(words, { transfer: [words.buffer] });
          return file;
        },
      });
      expect(() => create(taking)).toThrow('engine/bad-program');
    },
  );

  test('a cache in F16 changes little', async () => {
    const [full, half] = [await logits(tinycoder, IDS), await logits(tinycoder, IDS, { cacheType: 'f16' })];
    const change = difference(half, full);
    expect(change).toBeGreaterThan(0);
    expect(change).toBeLessThan(1e-3);
  });

  test('a cache in Q8_0 changes more, by as much as its codes are coarser, and the same everywhere', async () => {
    const [full, half] = [await logits(tinycoder, IDS), await logits(tinycoder, IDS, { cacheType: 'f16' })];
    const codes = await logits(tinycoder, IDS, { cacheType: 'q8_0' });
    // A code is off by up to 1/254 of the largest of 32 values m, 1 / (127 sqrt(12)) m = 2.3e-3 m on average; a value x in
    // F16 by about 2^-11 / sqrt(12) x = 1.4e-4 x. With m from 1 to 4 times x that is 16 to 64 times as much; a factor of
    // 3 on both sides for the few values there are.
    const coarser = difference(codes, full) / difference(half, full);
    console.log(
      `Q8_0 changes logits ${coarser.toFixed(1)} times as much as F16: ${difference(codes, full).toExponential(1)}`,
    );
    expect(coarser).toBeGreaterThan(16 / 3);
    expect(coarser).toBeLessThan(64 * 3);
    for (const backend of backends) {
      for (const steps of [1, 5]) {
        const found = await logits(tinycoder, IDS, { backend, steps, cacheType: 'q8_0' });
        expect(Buffer.from(found.buffer).equals(Buffer.from(codes.buffer)), `${backend} ${steps}`).toBe(true);
      }
    }
  });

  test('what cannot be evaluated is refused, and the session goes on', async () => {
    const opened = await openSession(tinycoder, {
      backend: 'auto',
      kernels,
      threads: 2,
      context: 4,
      batch: 3,
      cacheType: 'f32',
    });
    const { session } = opened;
    const refused = async (ids: number[], wanted: StepRequest['wanted'] = 'last'): Promise<string> => {
      try {
        await session.step({ tokens: Int32Array.from(ids), wanted });
      } catch (error) {
        return (error as { code: string }).code;
      }
      return 'accepted';
    };
    expect(await refused([1, 4096])).toBe('engine/bad-token');
    expect(await refused([-1])).toBe('engine/bad-token');
    expect(await refused([])).toBe('engine/bad-step');
    expect(await refused([1, 2, 3, 4])).toBe('engine/bad-step');
    expect(await refused([1], Uint8Array.of(1, 1))).toBe('engine/bad-step');
    expect((await session.step({ tokens: Int32Array.from([1, 300, 17]), wanted: 'none' })).length).toBe(0);
    expect(await refused([5, 6])).toBe('engine/context-full');
    expect(session.length()).toBe(3);
    const last = await session.step({ tokens: Int32Array.from([4095]) });
    const expected = (await logits(tinycoder, IDS.slice(0, 4))).slice(3 * 4096);
    expect(Buffer.from(last.buffer).equals(Buffer.from(expected.buffer))).toBe(true);
    await opened.close();
  });
});

interface GoldenCase {
  readonly kld: number;
  readonly maxAbsDiffToX64Exact?: number;
}
interface Golden {
  readonly models: Record<string, { nVocab: number; tokens: number[]; cases: Record<string, GoldenCase> }>;
}

describe("llama.cpp's logits (../shared)", () => {
  const goldens = path.join(shared, 'data/golden/logits');
  const maker = path.join(shared, 'tools/mkmodel/mkmodel.py');
  const python = spawnSync('python3', ['-c', 'import numpy']).status === 0;
  const available = existsSync(goldens) && existsSync(maker) && python;
  const models = path.join(folder, 'models');
  const floats = (file: string): Float32Array => {
    const bytes = readFileSync(file);
    return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
  };
  const read = (): Golden => {
    if (!existsSync(models)) {
      mkdirSync(models);
      expect(spawnSync('python3', [maker, 'all', models]).status).toBe(0);
    }
    return JSON.parse(readFileSync(path.join(goldens, 'logits.json'), 'utf8')) as Golden;
  };

  test.skipIf(!available)('every architecture, F32: within 1e-4 of the range', async () => {
    const measured: Record<string, string> = {};
    for (const [name, { tokens }] of Object.entries(read().models)) {
      const expected = floats(path.join(goldens, `${name}-f32-exact-x64.f32`));
      for (const backend of backends) {
        const found = await logits(path.join(models, `${name}-f32.gguf`), tokens, { backend });
        measured[name] = difference(found, expected).toExponential(1);
        expect(difference(found, expected), `${name} ${backend}`).toBeLessThan(1e-4);
      }
    }
    console.log(`difference to llama.cpp, of the range: ${JSON.stringify(measured)}`);
    expect(Object.keys(measured).length).toBeGreaterThanOrEqual(11);
  });

  test.skipIf(!available)(
    'every type: as close as llama.cpp is to itself in its two modes, and nearly always the same to rounding',
    async () => {
      const { models: all } = read();
      const golden = all['micro-qwen2']!;
      const measured: Record<string, string> = {};
      let exact = 0;
      for (const { name: type } of availableFileTypes()) {
        const file = path.join(goldens, `micro-qwen2-${type}-exact-x64.f32`);
        if (!existsSync(file)) continue;
        const model = path.join(folder, `${type}.gguf`);
        quantize(path.join(models, 'micro-qwen2-f32.gguf'), model, type);
        const expected = floats(file);
        const found = await logits(model, golden.tokens);
        const most = found.reduce((worst, value, i) => Math.max(worst, Math.abs(value - expected[i]!)), 0);
        measured[type] = most.toExponential(1);
        // Activations are rounded to 8 bits: where a value lies at the edge, the last bit of a sum decides, and one code
        // that differs moves these random models' logits as much as an F16 cache does.
        const between = golden.cases[`${type}/default/x64`]?.maxAbsDiffToX64Exact ?? 0;
        expect(most, type).toBeLessThanOrEqual(between);
        if (most < 1e-4) exact++;
      }
      console.log(`largest difference to llama.cpp by type: ${JSON.stringify(measured)}`);
      expect(exact).toBeGreaterThanOrEqual(Object.keys(measured).length / 2);
    },
    300_000,
  );
});
