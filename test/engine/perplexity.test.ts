// Perplexity: the windows and what is scored against logits taken one by one, and whole texts against llama-perplexity
// (../shared, if it is there).
//   QUANTSMITH_WHOLE_TEXT=1 npx vitest run test/engine/perplexity.test.ts      all 134 windows, every type: about 10 minutes
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readTokenizer } from '../../src/core/tokenizer/read-tokenizer.js';
import { perplexity, type TextPerplexity } from '../../src/engine/jobs/perplexity.js';
import { runQuantize } from '../../src/engine/jobs/quantize.js';
import { openModel, requireModel } from '../../src/platform/open-model.js';
import { openSession } from '../../src/platform/open-session.js';
import { quantizeServices } from '../../src/platform/quantize-services.js';
import { buildWorker, root, scratch, tinycoder, type BuiltWorker } from '../worker/built-worker.js';

const golden = path.join(root, 'test/golden');
const data = path.resolve(root, '../shared/data/models/tinycoder');
const { signal } = new AbortController();
const { folder, remove } = scratch();
let built: BuiltWorker;
beforeAll(async () => {
  built = await buildWorker();
});
afterAll(() => {
  built.remove();
  remove();
});

interface Asked {
  readonly context: number;
  readonly batch?: number;
  readonly bos?: number;
}

async function measure(
  model: string,
  tokens: Int32Array,
  { context, batch = 512, bos }: Asked,
): Promise<TextPerplexity> {
  const kernels = path.join(built.dist, 'kernels');
  const size = Math.min(batch, context);
  const opened = await openSession(model, {
    backend: 'auto',
    kernels,
    threads: 2,
    context,
    batch: size,
    cacheType: 'f16',
  });
  try {
    const request = { tokens, context, ...(bos === undefined ? {} : { bos }) };
    return await perplexity(request, { model: opened, batch: size, signal });
  } finally {
    await opened.close();
  }
}

/** Tokens that are no text, so that probabilities differ widely. */
const TOKENS = Int32Array.from({ length: 70 }, (_, i) => (i * i * 31 + 5) % 4000);

/** The same from logits of a token at a time and the formulas. */
async function byHand(tokens: Int32Array, context: number, bos?: number): Promise<{ value: number; count: number }> {
  const kernels = path.join(built.dist, 'kernels');
  let [sum, count] = [0, 0];
  for (let start = 0; start + context <= tokens.length; start += context) {
    const window = tokens.slice(start, start + context);
    if (bos !== undefined) window[0] = bos;
    const opened = await openSession(tinycoder, {
      ...{ backend: 'auto', kernels, threads: 1, context, batch: 1, cacheType: 'f16' },
    });
    for (const [i, token] of window.entries()) {
      const logits = await opened.session.step({ tokens: Int32Array.of(token) });
      const next = window[i + 1];
      if (i < Math.floor(context / 2) || next === undefined) continue;
      sum -= Math.log(Math.exp(logits[next]!) / logits.reduce((total, value) => total + Math.exp(value), 0));
      count++;
    }
    await opened.close();
  }
  return { value: Math.exp(sum / count), count };
}

describe('windows', () => {
  test.each([
    ['two windows and a rest', { context: 32 }],
    ['an odd window', { context: 9 }],
    ['the least window', { context: 3 }],
    ['steps that end within halves', { context: 32, batch: 5 }],
    ['BOS in place of the first token', { context: 16, bos: 4089 }],
  ] as const)('%s', async (_name, asked: Asked) => {
    const tokens = asked.context === 3 ? TOKENS.slice(0, 10) : TOKENS;
    const expected = await byHand(tokens, asked.context, asked.bos);
    const found = await measure(tinycoder, tokens, asked);
    expect(found.tokens).toBe(expected.count);
    expect(found.chunks).toBe(Math.floor(tokens.length / asked.context));
    // Sums in double of likelihoods from the same logits: only their order differs.
    expect(Math.abs(found.perplexity / expected.value - 1)).toBeLessThan(1e-6);
    expect(found.standardError).toBeGreaterThan(0);
  });

  test('a text of less than two windows is refused', async () => {
    await expect(measure(tinycoder, TOKENS, { context: 36 })).rejects.toMatchObject({ code: 'perplexity/short-text' });
  });
});

interface Reference {
  readonly models: readonly { readonly type: string; readonly imatrix: boolean; readonly ppl: number }[];
}
interface Golden {
  readonly windows: number;
  readonly context: number;
  readonly cases: readonly { readonly type: string; readonly imatrix: boolean; readonly perplexity: number }[];
}

/** What is asked for: equal to 0.1 %. */
const TOLERANCE = 1e-3;
/**
 * In a thousand tokens the rounding of activations does not average out: llama.cpp's own modes and instruction sets differ
 * by up to 0.17 % in such windows. The whole text has 33 times as many.
 */
const SPREAD = 2e-3;

describe.skipIf(!existsSync(data))('llama-perplexity (../shared)', () => {
  const file = path.join(golden, 'perplexity/perplexity.json');
  const { windows, context, cases } = JSON.parse(readFileSync(file, 'utf8')) as Golden;

  async function modelIn(type: string, imatrix: boolean): Promise<string> {
    const output = path.join(folder, `${type}${imatrix ? '-imatrix' : ''}.gguf`);
    const options = { fileType: type, rules: [], pure: false, allowRequantize: false, onFallback: 'promote' };
    const weights = imatrix ? { imatrix: path.join(golden, 'tinycoder/tinycoder.imatrix.gguf') } : {};
    const how = {
      threads: 2,
      backend: 'auto',
      overwrite: false,
      dryRun: false,
      resume: false,
      keepSplit: false,
    } as const;
    const job = { source: tinycoder, output, options, ...weights, ...how };
    if (!existsSync(output))
      await runQuantize(job, quantizeServices(built.dist), { signal, progress: () => undefined });
    return output;
  }

  async function text(): Promise<Int32Array> {
    const opened = await openModel(tinycoder);
    const { value: tokenizer } = await readTokenizer(requireModel(opened), signal);
    await opened.close();
    return tokenizer!.encode(readFileSync(path.join(data, 'val/code.txt'), 'utf8').replace(/\n$/, ''));
  }

  test('the first windows, every type: as near as llama.cpp is to itself', { timeout: 600_000 }, async () => {
    const tokens = (await text()).slice(0, windows * context);
    const measured: string[] = [];
    for (const { type, imatrix, perplexity: theirs } of cases) {
      const { perplexity: ours } = await measure(await modelIn(type, imatrix), tokens, { context });
      const what = `${type}${imatrix ? '+imatrix' : ''}`;
      measured.push(`${what} ${(100 * (ours / theirs - 1)).toFixed(2)} %`);
      expect(Math.abs(ours / theirs - 1), what).toBeLessThan(TOLERANCE + SPREAD);
    }
    console.log(`perplexity of ${windows} windows against llama.cpp: ${measured.join(', ')}`);
    expect(measured).toHaveLength(16);
  });

  // Three minutes: where everything must run, or when asked for. The models with an importance matrix are not here: those that
  // were measured had another one, made on another machine, so their weights differ; the windows above compare the same files.
  test.skipIf(process.env['CI'] !== 'true' && process.env['QUANTSMITH_WHOLE_TEXT'] === undefined)(
    'the whole text, every type without an importance matrix: equal to 0.1 %',
    { timeout: 7_200_000 },
    async () => {
      const { models } = JSON.parse(readFileSync(path.join(data, 'reference-quality.json'), 'utf8')) as Reference;
      const tokens = await text();
      const wrong: string[] = [];
      const without = models.filter(({ imatrix }) => !imatrix);
      expect(without.length).toBeGreaterThan(8);
      for (const { type, ppl } of without) {
        const { perplexity: ours, chunks } = await measure(await modelIn(type, false), tokens, { context });
        expect(chunks).toBe(134);
        const line = `${type}: ${ours.toFixed(4)}, llama.cpp ${ppl.toFixed(4)}, ${(100 * (ours / ppl - 1)).toFixed(3)} %`;
        console.log(line);
        if (!(Math.abs(ours / ppl - 1) <= TOLERANCE)) wrong.push(line);
      }
      expect(wrong).toEqual([]);
    },
  );
});
