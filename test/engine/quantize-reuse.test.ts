// Quantizing again: what is taken over from earlier outputs, and that nothing is that a run would not compute itself. What
// a run without reuse writes is the expectation everywhere.
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { QuantizationReport, TensorRule } from '../../src/core/quantize/quantization-plan.js';
import type { QuantizeServices } from '../../src/engine/jobs/quantize-services.js';
import { recordsFolder } from '../../src/platform/earlier-outputs.js';
import { tinycoder } from '../worker/built-worker.js';
import { importanceEntry } from '../fixtures/importance.js';
import { at, digest, failure, files, quantize, useQuantize, type Run } from './quantize-run.js';
import { weights, writeSmallModel, type SmallTensor } from './small-model.js';

useQuantize();

let cache: string;
beforeEach(() => {
  cache = at('cache');
  vi.stubEnv('QUANTSMITH_CACHE_DIR', cache);
});
afterEach(() => {
  vi.unstubAllEnvs();
});

const rule = (pattern: string, type: string): TensorRule => ({ kind: 'regex', pattern, type, label: pattern });
const close = (): Promise<void> => Promise.resolve();
const LAYERS = 6;
const [COLUMNS, ROWS] = [512, 24];

const tensors = (seed: number): SmallTensor[] => {
  const layers = Array.from({ length: LAYERS }, (_, i) =>
    ['attn_q', 'ffn_up', 'ffn_down'].map((role, j): SmallTensor => {
      const data = weights(COLUMNS * ROWS, seed + 10 * i + j);
      return { name: `blk.${i}.${role}.weight`, ne: [COLUMNS, ROWS], type: 'F32', data };
    }),
  ).flat();
  return [...layers, { name: 'output_norm.weight', ne: [COLUMNS], type: 'F32', data: weights(COLUMNS, seed) }];
};
const QUANTIZED = 3 * LAYERS;

const model = (seed = 100): string => {
  writeSmallModel(at('in.gguf'), tensors(seed));
  return at('in.gguf');
};

/** Runs with reuse to `out.gguf`, and without to another file; they must be equal. */
async function again(run: Run): Promise<QuantizationReport['origins']> {
  const report = await quantize({ output: at('out.gguf'), overwrite: true, ...run });
  const fresh = await quantize({ ...run, output: at('fresh.gguf'), overwrite: true, reuse: false, resume: false });
  expect(fresh.origins).toMatchObject({ reused: 0, resumed: 0 });
  expect(digest(report.output)).toBe(digest(fresh.output));
  expect(report.tensors).toEqual(fresh.tensors);
  return report.origins;
}

const records = (): string[] => readdirSync(path.join(cache, 'outputs')).map(name => path.join(cache, 'outputs', name));
const record = (): string => records()[0] ?? '';

describe('takes over', () => {
  test('everything that stayed the same, and computes what changed', async () => {
    const source = model();
    expect(await again({ source, type: 'Q4_0' })).toEqual({
      computed: QUANTIZED,
      copied: 1,
      reused: 0,
      resumed: 0,
    });
    const rules = [rule('blk\\.2\\.ffn_up', 'Q8_0')];
    expect(await again({ source, type: 'Q4_0', options: { rules } })).toEqual({
      computed: 1,
      copied: 1,
      reused: QUANTIZED - 1,
      resumed: 0,
    });
    // Its own last state, and that of others: the first one is gone, so that tensor is computed again.
    expect((await again({ source, type: 'Q4_0' })).computed).toBe(1);
    expect(files().filter(name => name.startsWith('.'))).toEqual([]);
  });

  test('from every output there is, whatever their names', async () => {
    const source = model();
    await quantize({ source, type: 'Q4_0', output: at('a.gguf') });
    await quantize({ source, type: 'Q8_0', output: at('b.gguf'), maxShardBytes: 100_000 });
    const rules = [rule('ffn_down', 'Q8_0'), rule('attn_q', 'Q5_0')];
    expect(await again({ source, type: 'Q4_0', output: at('c.gguf'), options: { rules } })).toMatchObject({
      computed: LAYERS,
      reused: 2 * LAYERS,
    });
  });

  test('what was moved with its folder, and from a source that was copied and touched', async () => {
    mkdirSync(at('one'));
    await quantize({ source: model(), type: 'Q4_0', output: at('one/a.gguf') });
    renameSync(at('one'), at('two'));
    copyFileSync(at('in.gguf'), at('two/copy.gguf'));
    utimesSync(at('two/copy.gguf'), 1, 1);
    const origins = await again({ source: at('two/copy.gguf'), type: 'Q4_0', output: at('two/b.gguf') });
    expect(origins).toMatchObject({ computed: 0, reused: QUANTIZED });
  });

  test('the output that is replaced, through a link, in several files', async () => {
    const source = model();
    mkdirSync(at('real'));
    await quantize({ source, type: 'Q4_0', output: at('real/out.gguf') });
    symlinkSync(at('real/out.gguf'), at('out.gguf'));
    expect(await again({ source, type: 'Q4_0' })).toMatchObject({ reused: QUANTIZED });
    expect(await again({ source, type: 'Q4_0' })).toMatchObject({ reused: QUANTIZED });
  });
});

describe('computes', () => {
  test('tensors whose source changed, though size and times of the file are the same', async () => {
    const source = model();
    await quantize({ source, type: 'Q4_0' });
    const before = statSync(source);
    const bytes = readFileSync(source);
    // One bit of one weight, low enough that it may not even show in the result.
    bytes[bytes.length - 4 * COLUMNS - 4 * COLUMNS * ROWS * 5]! ^= 1;
    writeFileSync(source, bytes);
    utimesSync(source, before.atime, before.mtime);
    expect(await again({ source, type: 'Q4_0' })).toMatchObject({ computed: 1, reused: QUANTIZED - 1 });
  });

  test('tensors whose importance weights changed', async () => {
    const source = model();
    const values = weights(COLUMNS, 3).map(value => value * value);
    const importance =
      (changed: string) =>
      (services: QuantizeServices): QuantizeServices => ({
        ...services,
        openImatrix: () => {
          const entries = tensors(0)
            .filter(({ ne }) => ne.length === 2)
            .map(({ name }) => [name, importanceEntry(name === changed ? values.map(v => v + 1) : values)] as const);
          const matrix = { name: 'm', format: 'gguf', entries: new Map(entries), datasets: [], chunkCount: 1 } as const;
          return Promise.resolve({ matrix, file: { path: tinycoder, size: 0, version: '' }, problems: [], close });
        },
        assertUnchanged: () => Promise.resolve(),
      });
    const run = { source, type: 'Q4_0', imatrix: 'm' };
    await quantize({ ...run, services: importance('') });
    expect(await again({ ...run, services: importance('') })).toMatchObject({ computed: 0 });
    expect(await again({ ...run, services: importance('blk.1.attn_q.weight') })).toMatchObject({ computed: 1 });
    expect(await again({ source, type: 'Q4_0' })).toMatchObject({ computed: QUANTIZED });
    // A type that does not look at them.
    expect(await again({ source, type: 'Q8_0' })).toMatchObject({ computed: QUANTIZED });
    expect(await again({ ...run, type: 'Q8_0', services: importance('') })).toMatchObject({ computed: 0 });
  });

  test('everything when the kernels changed, and when asked to', async () => {
    const source = model();
    await quantize({ source, type: 'Q4_0' });
    const newer = (services: QuantizeServices): QuantizeServices => ({
      ...services,
      method: () => Promise.resolve('another build'),
    });
    expect(await again({ source, type: 'Q4_0', services: newer })).toMatchObject({ reused: 0 });
    const known = readFileSync(record());
    expect((await quantize({ source, type: 'Q4_0', overwrite: true, reuse: false })).origins.reused).toBe(0);
    expect(readFileSync(record()).equals(known)).toBe(true);
  });

  test('what was edited in the output', async () => {
    const source = model();
    const { tensors: made } = await quantize({ source, type: 'Q4_0' });
    const bytes = readFileSync(at('out.gguf'));
    bytes[bytes.length - made.at(-1)!.byteLength - 100]! ^= 128;
    writeFileSync(at('out.gguf'), bytes);
    const origins = await again({ source, type: 'Q4_0' });
    // After the first tensor that is not what it was nothing of that file is tried.
    expect(origins.reused).toBeLessThan(QUANTIZED);
    expect(origins.computed).toBeGreaterThan(0);
  });

  test('what was in an output that is gone, shorter, longer, a folder', async () => {
    const source = model();
    const changes: (() => void)[] = [
      () => rmSync(at('out.gguf')),
      () => writeFileSync(at('out.gguf'), readFileSync(at('out.gguf')).subarray(0, 50_000)),
      () => appendFileSync(at('out.gguf'), 'x'),
      () => {
        rmSync(at('out.gguf'));
        mkdirSync(at('out.gguf'));
      },
    ];
    for (const change of changes) {
      rmSync(at('out.gguf'), { force: true, recursive: true });
      rmSync(cache, { force: true, recursive: true });
      await quantize({ source, type: 'Q4_0' });
      change();
      expect(await again({ source, type: 'Q4_0', output: at('other.gguf') })).toMatchObject({ reused: 0 });
    }
  });
});

describe('records', () => {
  test('that are damaged or hostile give the bytes of a fresh run', async () => {
    const source = model();
    await quantize({ source, type: 'Q4_0', output: at('a.gguf') });
    const good = readFileSync(record(), 'utf8');
    const lines = good.trim().split('\n');
    const edit = (change: (fields: Record<string, unknown>, i: number) => object): string =>
      lines
        .map((line, i) => (i === 0 ? line : JSON.stringify(change(JSON.parse(line) as Record<string, unknown>, i))))
        .join('\n');
    const hostile: Record<string, string> = {
      empty: '',
      'not JSON': 'GGUF\0\0\0',
      'cut short': good.slice(0, good.length / 2),
      'another version': good.replace('"quantsmith-made":1', '"quantsmith-made":2'),
      'no files': good.replace(/"files":\[.*?\]/, '"files":[]'),
      'a relative path': good.replace(/"path":"[^"]*"/, '"path":"a.gguf"'),
      'a device': good.replace(/"path":"[^"]*"/, '"path":"/dev/zero"'),
      'positions swapped': edit((fields, i) => ({
        ...fields,
        position: (JSON.parse(lines[1 + (i % 3)]!) as { position: number }).position,
      })),
      'positions outside': edit(fields => ({ ...fields, position: 2 ** 50 })),
      'negative positions': edit(fields => ({ ...fields, position: -1 })),
      'another file': edit(fields => ({ ...fields, file: 7 })),
      'other lengths': edit(fields => ({ ...fields, byteLength: 5 })),
      'no digest': edit(({ sha256, ...fields }) => ({ ...fields, none: sha256 })),
      'text for numbers': edit(fields => ({ ...fields, position: '12' })),
    };
    for (const [name, text] of Object.entries(hostile)) {
      rmSync(cache, { recursive: true });
      mkdirSync(path.join(cache, 'outputs'), { recursive: true });
      writeFileSync(path.join(cache, 'outputs', 'x.jsonl'), text);
      const origins = await again({ source, type: 'Q4_0', output: at('b.gguf') });
      if (name !== 'cut short') expect(origins.reused, name).toBe(0);
    }
  });

  test('are kept for the last 256 outputs, of which each has one, and for nobody else to read', async () => {
    const source = model();
    await quantize({ source, type: 'Q4_0' });
    await quantize({ source, type: 'Q4_0', overwrite: true });
    expect(records()).toHaveLength(1);
    expect(statSync(record()).mode & 0o077).toBe(0);
    for (let i = 0; i < 300; i++) {
      const old = path.join(cache, 'outputs', `${i}.jsonl`);
      writeFileSync(old, 'old');
      utimesSync(old, i, i);
    }
    await quantize({ source, type: 'Q4_0', overwrite: true });
    expect(records()).toHaveLength(256);
    expect(records().map(file => path.basename(file))).not.toContain('44.jsonl');
    expect(records().map(file => path.basename(file))).toContain('45.jsonl');
  });

  test('that cannot be written are said, and nothing else changes', async () => {
    writeFileSync(cache, 'a file');
    const report = await quantize({ source: model(), type: 'Q4_0' });
    expect(report.problems.map(({ code, severity }) => `${severity} ${code}`)).toContain('info reuse/not-recorded');
    expect(files()).toEqual(['cache', 'in.gguf', 'out.gguf']);
  });

  test('lie where the system keeps caches', () => {
    expect(recordsFolder({ QUANTSMITH_CACHE_DIR: '' })).toBeUndefined();
    expect(recordsFolder({ QUANTSMITH_CACHE_DIR: '/c' }, 'linux')).toBe(path.resolve('/c/outputs'));
    expect(recordsFolder({ XDG_CACHE_HOME: '/x' }, 'linux')).toBe('/x/quantsmith/outputs');
    expect(recordsFolder({ XDG_CACHE_HOME: 'x' }, 'linux')).toMatch(/\/\.cache\/quantsmith\/outputs$/);
    expect(recordsFolder({}, 'darwin')).toMatch(/\/Library\/Caches\/quantsmith\/outputs$/);
    expect(recordsFolder({}, 'win32')).toBeUndefined();
  });
});

describe('together with resume', () => {
  /** Stops after `count` finished tensors. */
  const stopAfter =
    (count: number) =>
    (services: QuantizeServices): QuantizeServices => ({
      ...services,
      async openOutput(request) {
        const output = await services.openOutput(request);
        let left = count;
        const finish: typeof output.finish = async (tensor, made) => {
          await output.finish(tensor, made);
          if (--left === 0) throw new Error('power cut');
        };
        return new Proxy(output, {
          get: (target, key) => {
            if (key === 'finish') return finish;
            const value: unknown = Reflect.get(target, key, target);
            return typeof value === 'function' ? (value.bind(target) as unknown) : value;
          },
        });
      },
    });

  test('an interrupted run that took tensors over goes on with them', async () => {
    const source = model();
    await quantize({ source, type: 'Q4_0', output: at('a.gguf') });
    const rules = [rule('ffn_down', 'Q8_0')];
    // One thread, so that tensors are finished in the order of the plan.
    const run = { source, type: 'Q4_0', options: { rules }, resume: true, threads: 1 };
    expect(await failure({ ...run, services: stopAfter(2 * LAYERS + 3) })).toContain('power cut');
    rmSync(at('a.gguf'));
    const origins = await again(run);
    // The norm comes first in the file and is one of the three.
    expect(origins).toEqual({ computed: LAYERS - 2, copied: 0, reused: 0, resumed: 2 * LAYERS + 3 });
  });

  test('does not trust a source that changed in between', async () => {
    const source = model(1);
    const run = { source, type: 'Q4_0', resume: true };
    expect(await failure({ ...run, services: stopAfter(10) })).toContain('power cut');
    const { atime, mtime } = statSync(source);
    model(2);
    utimesSync(source, atime, mtime);
    expect(await again(run)).toMatchObject({ resumed: 0, reused: 0 });
  });
});

test('random changes of a recipe give what a fresh run gives', async () => {
  const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31);
  console.log(`seed ${seed} (SEED=${seed} repeats it)`);
  let state = seed;
  const random = (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const pick = <T>(from: readonly T[]): T => from[random(from.length)]!;
  const types = ['Q4_0', 'Q4_1', 'Q5_0', 'Q5_1', 'Q8_0', 'Q4_K', 'Q5_K', 'Q6_K', 'F16', 'BF16'];
  const source = model();
  const total = { computed: 0, copied: 0, reused: 0, resumed: 0 };
  for (let i = 0; i < 60; i++) {
    const rules = Array.from({ length: random(4) }, () =>
      rule(`blk\\.${random(LAYERS)}\\.${pick(['attn_q', 'ffn_up', 'ffn_down', ''])}`, pick(types)),
    );
    const run = { source, type: pick(['Q4_0', 'Q4_K_M', 'Q8_0', 'Q6_K']), options: { rules } };
    const origins = await again({ ...run, output: at(pick(['out.gguf', 'b.gguf', 'c.gguf'])), threads: 1 + random(3) });
    for (const key of ['computed', 'copied', 'reused', 'resumed'] as const) total[key] += origins[key];
    if (random(8) === 0) rmSync(at(pick(['out.gguf', 'b.gguf', 'c.gguf'])), { force: true });
    if (random(8) === 0) {
      // Some weights of some tensor.
      const bytes = readFileSync(source);
      bytes.writeFloatLE(random(1000) / 1000, bytes.length - 4 * (1 + random(QUANTIZED * COLUMNS * ROWS)));
      writeFileSync(source, bytes);
    }
  }
  console.log(`60 changes of a recipe: ${JSON.stringify(total)}`);
  expect(total.reused).toBeGreaterThan(100);
  expect(total.computed).toBeGreaterThan(100);
}, 600_000);

test('a record in a folder of another user is no obstacle', async () => {
  mkdirSync(path.join(cache, 'outputs'), { recursive: true });
  mkdirSync(path.join(cache, 'outputs', 'folder.jsonl'));
  writeFileSync(path.join(cache, 'outputs', 'secret.jsonl'), '{}');
  chmodSync(path.join(cache, 'outputs', 'secret.jsonl'), 0);
  expect(await again({ source: model(), type: 'Q4_0' })).toMatchObject({ reused: 0 });
});
