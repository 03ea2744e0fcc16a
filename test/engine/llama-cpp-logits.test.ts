// The engine's logits against llama.cpp's own, for eight architectures and every type there is a measurement of (../shared,
// if it is there): F32 to rounding, everything else as close as llama.cpp's two modes and three instruction sets are to one
// another. The models are made by ../shared/tools/mkmodel, and quantized here.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fileTypeByName } from '../../src/core/ggml/file-type.js';
import { runQuantize } from '../../src/engine/jobs/quantize.js';
import { openSession } from '../../src/platform/open-session.js';
import { quantizeServices } from '../../src/platform/quantize-services.js';
import { buildWorker, root, scratch, type BuiltWorker } from '../worker/built-worker.js';

const shared = path.resolve(root, '../shared');
const goldens = path.join(shared, 'data/golden/logits');
const maker = path.join(shared, 'tools/mkmodel/mkmodel.py');
const available = existsSync(goldens) && existsSync(maker) && spawnSync('python3', ['-c', 'import numpy']).status === 0;

interface Golden {
  readonly nVocab: number;
  readonly tokens: number[];
  readonly cases: Readonly<Record<string, GoldenCase>>;
}
/** `type/mode/instruction set`; the one the others are compared with is `type/exact/x64`. */
interface GoldenCase {
  readonly maxAbsDiffToX64Exact?: number;
  /** At positions 0, 7 and 15: token and logit, the largest first. */
  readonly top20?: readonly (readonly (readonly [token: number, logit: number])[])[];
}
const POSITIONS_OF_TOP20 = [0, 7, 15];

/** Nats; where llama.cpp's modes differ by more than that, their difference is the limit. */
const KL_LIMIT = 1e-4;
/** Of an unquantized model's logits, as a share of their range. */
const F32_LIMIT = 1e-4;

const { folder, remove } = scratch();
let built: BuiltWorker;
let models: Readonly<Record<string, Golden>>;
beforeAll(async () => {
  if (!available) return;
  built = await buildWorker();
  const made = path.join(folder, 'models');
  mkdirSync(made);
  expect(spawnSync('python3', [maker, 'all', made]).status).toBe(0);
  models = (JSON.parse(readFileSync(path.join(goldens, 'logits.json'), 'utf8')) as { models: typeof models }).models;
});
afterAll(() => {
  if (available) built.remove();
  remove();
});

/** The model in a type, quantized once. `f32` is how it was made. */
async function modelFile(name: string, type: string): Promise<string> {
  const source = path.join(folder, 'models', `${name}-f32.gguf`);
  const output = path.join(folder, `${name}-${type}.gguf`);
  if (type === 'f32') return source;
  if (existsSync(output)) return output;
  const fileType = type.toUpperCase();
  // NVFP4 is a tensor type without a file type, reachable by a rule alone: llama-quantize's --tensor-type.
  const options = { fileType, rules: [], pure: false, allowRequantize: false, onFallback: 'promote' };
  const limits = {
    threads: 2,
    backend: 'auto',
    overwrite: false,
    dryRun: false,
    resume: false,
    keepSplit: false,
  } as const;
  const context = { signal: new AbortController().signal, progress: (): void => undefined };
  await runQuantize({ source, output, options, ...limits }, quantizeServices(built.dist), context);
  return output;
}

async function logits(model: string, ids: readonly number[], backend: 'auto' | 'wasm' = 'auto'): Promise<Float32Array> {
  const opened = await openSession(model, {
    ...{ backend, kernels: path.join(built.dist, 'kernels'), threads: 2, cacheType: 'f32' },
    ...{ context: ids.length, batch: ids.length },
  });
  try {
    return await opened.session.step({ tokens: Int32Array.from(ids), wanted: 'all' });
  } finally {
    await opened.close();
  }
}

function fullLogits(name: string, type: string): Float32Array | undefined {
  const file = path.join(goldens, `${name}-${type}-exact-x64.f32`);
  if (!existsSync(file)) return undefined;
  const bytes = readFileSync(file);
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
}

/** Rows of (token, logit) as llama.cpp has them, all or the first 20. */
type Expected = readonly { readonly position: number; readonly pairs: readonly (readonly [number, number])[] }[];

function expectedOf(name: string, type: string, { nVocab, cases }: Golden): Expected {
  const all = fullLogits(name, type);
  if (all) {
    return Array.from({ length: all.length / nVocab }, (_, position) => ({
      position,
      pairs: Array.from(
        all.subarray(position * nVocab, (position + 1) * nVocab),
        (logit, token) => [token, logit] as const,
      ),
    }));
  }
  const top = cases[`${type}/exact/x64`]?.top20 ?? [];
  return top.map((pairs, i) => ({ position: POSITIONS_OF_TOP20[i]!, pairs }));
}

/** By how much llama.cpp differs from itself: other modes, other instruction sets. */
function ownNoise(type: string, { cases }: Golden): number {
  const differences = Object.entries(cases)
    .filter(([name]) => name.startsWith(`${type}/`))
    .map(([, { maxAbsDiffToX64Exact = 0 }]) => maxAbsDiffToX64Exact);
  return Math.max(...differences);
}

/** KL divergence of the distributions over the tokens of `pairs`: all there are, or given that it is one of the first 20. */
function klDivergence(pairs: readonly (readonly [number, number])[], found: (token: number) => number): number {
  const logProbabilities = (values: readonly number[]): number[] => {
    const largest = Math.max(...values);
    const total = Math.log(values.reduce((sum, value) => sum + Math.exp(value - largest), 0)) + largest;
    return values.map(value => value - total);
  };
  const p = logProbabilities(pairs.map(([, logit]) => logit));
  const q = logProbabilities(pairs.map(([token]) => found(token)));
  return p.reduce((sum, value, i) => sum + Math.exp(value) * (value - q[i]!), 0);
}

describe.skipIf(!available)("llama.cpp's logits (../shared)", () => {
  test('every architecture, F32: within 1e-4 of the range, by both backends', async () => {
    const measured: Record<string, string> = {};
    for (const [name, { tokens }] of Object.entries(models)) {
      const expected = fullLogits(name, 'f32')!;
      const range = expected.reduce((a, b) => Math.max(a, b)) - expected.reduce((a, b) => Math.min(a, b));
      for (const backend of ['auto', 'wasm'] as const) {
        const found = await logits(await modelFile(name, 'f32'), tokens, backend);
        expect(found.length).toBe(expected.length);
        // Not max(): a NaN must count.
        const most = found.reduce((worst, value, i) => {
          const difference = Math.abs(value - expected[i]!);
          return difference <= worst ? worst : difference;
        }, 0);
        measured[name] = (most / range).toExponential(1);
        expect(most / range, `${name} ${backend}`).toBeLessThan(F32_LIMIT);
      }
    }
    console.log(`difference to llama.cpp, of the range: ${JSON.stringify(measured)}`);
    expect(Object.keys(measured).length).toBeGreaterThanOrEqual(11);
  });

  test('every model and type: no further from llama.cpp than it is from itself', { timeout: 300_000 }, async () => {
    const types = new Set<string>();
    let [cases, exact] = [0, 0];
    let worst = { share: 0, what: '' };
    for (const [name, golden] of Object.entries(models)) {
      const measured = Object.keys(golden.cases).filter(key => key.endsWith('/exact/x64') && !key.startsWith('f32/'));
      for (const type of measured.map(key => key.split('/')[0]!)) {
        if (!fileTypeByName(type.toUpperCase())?.available) continue;
        const what = `${name} ${type}`;
        const found = await logits(await modelFile(name, type), golden.tokens);
        const noise = ownNoise(type, golden);
        let most = 0;
        for (const { position, pairs } of expectedOf(name, type, golden)) {
          const logit = (token: number): number => found[position * golden.nVocab + token]!;
          for (const [token, expected] of pairs) {
            const difference = Math.abs(logit(token) - expected);
            if (!(difference <= most)) most = difference;
          }
          // To second order a divergence is half the variance of the differences, which is at most their square.
          const limit = Math.max(KL_LIMIT, noise ** 2 / 2);
          expect(klDivergence(pairs, logit), `${what}, divergence at ${position}`).toBeLessThanOrEqual(limit);
          const [[best, first], [, second]] = [...pairs].sort(([, a], [, b]) => b - a) as [
            [number, number],
            [number, number],
          ];
          if (first - second <= 2 * noise) continue;
          const row = found.subarray(position * golden.nVocab, (position + 1) * golden.nVocab);
          expect(row.indexOf(Math.max(...row)), `${what}, best token at ${position}`).toBe(best);
        }
        expect(most, what).toBeLessThanOrEqual(noise);
        types.add(type);
        cases++;
        if (most < 1e-3 * noise || most < 1e-4) exact++;
        if (most / noise > worst.share) worst = { share: most / noise, what };
      }
    }
    const share = `${(100 * worst.share).toFixed(0)} % (${worst.what})`;
    console.log(
      `${cases} cases of ${[...types].join(' ')}: ${exact} equal to rounding, the worst ${share} of llama.cpp's own`,
    );
    expect(cases).toBeGreaterThanOrEqual(94);
    // Activations are rounded to 8 bits. Where a value lies at the edge, the last bit of a sum decides, and one code that
    // differs moves these random models' logits as much as an F16 cache does; but for most cases nothing does.
    expect(exact).toBeGreaterThanOrEqual(cases / 2);
  });
});
