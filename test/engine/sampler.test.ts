// Choosing tokens: each rule on logits small enough to see, all of them together against a plain and slow definition, and
// against the tokens that llama-server drew.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { MersenneTwister } from '../../src/engine/mersenne-twister.js';
import { GREEDY, Sampler, type SamplingOptions } from '../../src/engine/sampler.js';
import { openSession } from '../../src/platform/open-session.js';
import { metadataOfFile, random, tokenizerOf } from '../core/tokenizer/world.js';
import { root, tinycoder } from '../worker/built-worker.js';
import { isBuilt } from '../cli/built-cli.js';

const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000);

/** How often each token is drawn in 10,000 draws. */
function draws(probabilities: readonly number[], options: Partial<SamplingOptions>, earlier: readonly number[] = []) {
  const sampler = new Sampler({ ...GREEDY, temperature: 1, topK: 0, topP: 1, minP: 0, seed: 1, ...options });
  const counts = probabilities.map(() => 0);
  for (let i = 0; i < 10_000; i++) {
    const token = sampler.next(Float32Array.from(probabilities, Math.log), earlier);
    counts[token] = (counts[token] ?? 0) + 1;
  }
  return counts.map(count => count / 10_000);
}

/** Four standard errors of a share of 10,000. */
const near = (found: readonly number[], expected: readonly number[]): void => {
  found.forEach((share, i) => {
    const p = expected[i]!;
    expect(Math.abs(share - p), `token ${i}`).toBeLessThanOrEqual(4 * Math.sqrt((p * (1 - p)) / 10_000));
  });
};

const FOUR = [0.1, 0.4, 0.2, 0.3];

describe('each rule', () => {
  test('greedy takes the largest, the first of equals', () => {
    const greedy = new Sampler(GREEDY);
    expect(greedy.next(Float32Array.of(1, 3, 2, 3), [])).toBe(1);
    expect(greedy.next(Float32Array.of(-1, -3), [])).toBe(0);
  });

  test('temperature 1 draws as likely as the model says; 0.5 squares, 2 takes the root', () => {
    near(draws(FOUR, {}), FOUR);
    const power = (exponent: number): number[] => {
      const powers = FOUR.map(p => p ** exponent);
      const total = powers.reduce((a, b) => a + b, 0);
      return powers.map(p => p / total);
    };
    near(draws(FOUR, { temperature: 0.5 }), power(2));
    near(draws(FOUR, { temperature: 2 }), power(0.5));
  });

  test('top-k, top-p and min-p leave out the unlikely ones', () => {
    near(draws(FOUR, { topK: 2 }), [0, 4 / 7, 0, 3 / 7]);
    // 0.4 and 0.3 are not yet 0.75: the third belongs to it.
    near(draws(FOUR, { topP: 0.75 }), [0, 4 / 9, 2 / 9, 3 / 9]);
    near(draws(FOUR, { topP: 0 }), [0, 1, 0, 0]);
    near(draws(FOUR, { minP: 0.6 }), [0, 4 / 7, 0, 3 / 7]);
  });

  test('bias moves, forbids and forces; the penalty makes recent tokens less likely, and only those', () => {
    near(draws(FOUR, { bias: new Map([[1, -Infinity]]) }), [1 / 6, 0, 2 / 6, 3 / 6]);
    near(draws(FOUR, { bias: new Map([[0, Infinity]]) }), [1, 0, 0, 0]);
    near(draws(FOUR, { bias: new Map([[0, Math.log(4)]]) }), [0.4 / 1.3, 0.4 / 1.3, 0.2 / 1.3, 0.3 / 1.3]);
    // Logits are negative: times 2 is the square.
    const total = 0.1 + 0.16 + 0.2 + 0.3;
    near(draws(FOUR, { repetitionPenalty: 2 }, [1]), [0.1 / total, 0.16 / total, 0.2 / total, 0.3 / total]);
    near(draws(FOUR, { repetitionPenalty: 2, repetitionWindow: 1 }, [1, 7]), FOUR);
  });

  test('the same seed draws the same, another seed something else', () => {
    const text = (of: number): string => {
      const sampler = new Sampler({ ...GREEDY, temperature: 1, seed: of });
      return Array.from({ length: 40 }, () => sampler.next(Float32Array.from(FOUR, Math.log), [])).join('');
    };
    expect(text(5)).toBe(text(5));
    expect(text(5)).not.toBe(text(6));
  });

  test('logits that are no numbers are refused, and so is a text without tokens to choose from', () => {
    for (const temperature of [0, 1]) {
      const sampler = new Sampler({ ...GREEDY, temperature, bias: new Map([[0, -Infinity]]) });
      expect(() => sampler.next(Float32Array.of(0, NaN, 1), [3, 4])).toThrow(
        /NaN as the score of token 1 after 2 tokens/,
      );
      expect(() => sampler.next(Float32Array.of(Infinity, 1), [])).toThrow(/Infinity as the score of token 0/);
      expect(() => sampler.next(Float32Array.of(1, -Infinity), [])).toThrow(/-Infinity as the score of token 1/);
      expect(() => sampler.next(Float32Array.of(1), [])).toThrow('Every token is forbidden.');
    }
  });
});

/**
 * The definition: bias, penalty, sort, cut three times, temperature, draw. Doubles throughout, and Math.exp; so a number that
 * falls within `doubt` of a boundary of top-p or of the draw may go either way.
 */
const doubt = 1e-6;

function reference(logits: Float32Array, earlier: readonly number[], o: SamplingOptions, drawn: number): number[] {
  const adjusted = Float32Array.from(logits, (logit, id) => logit + (o.bias?.get(id) ?? 0));
  const recent = o.repetitionWindow > 0 ? earlier.slice(-o.repetitionWindow) : [];
  adjusted.forEach((logit, id) => {
    if (!recent.includes(id)) return;
    adjusted[id] = logit > 0 ? logit / o.repetitionPenalty : logit * o.repetitionPenalty;
  });
  let tokens = Array.from(adjusted, (logit, id) => ({ id, logit }));
  const bySize = [...tokens].sort((a, b) => b.logit - a.logit || a.id - b.id);
  const top = bySize[0]!;
  if (o.temperature === 0) return [top.id];
  if (o.topK > 0) tokens = bySize.slice(0, o.topK);
  if (o.topP < 1) {
    const total = tokens.reduce((sum, { logit }) => sum + Math.exp(logit - top.logit), 0);
    tokens = (o.topK > 0 ? tokens : bySize).filter(
      (
        (sum: number) =>
        ({ logit }: { logit: number }) => {
          const before = sum;
          sum += Math.exp(logit - top.logit) / total;
          return before === 0 || before < o.topP;
        }
      )(0),
    );
  }
  if (o.minP > 0) tokens = tokens.filter(({ logit }) => logit >= top.logit + Math.log(o.minP) || logit === top.logit);
  const weights = tokens.map(({ logit }) => Math.exp((logit - top.logit) / o.temperature));
  const total = weights.reduce((a, b) => a + b, 0);
  const found: number[] = [];
  let sum = 0;
  tokens.forEach(({ id }, i) => {
    const from = sum;
    sum += weights[i]! / total;
    if (drawn > from - doubt && drawn <= sum + doubt) found.push(id);
  });
  return found;
}

test('all rules together are those of a plain definition', () => {
  console.log(`SEED=${seed}`);
  const next = random(seed);
  const oneOf = <T>(...values: readonly T[]): T => values[Math.floor(next() * values.length)]!;
  for (let round = 0; round < 1500; round++) {
    const size = round % 50 ? oneOf(1, 2, 7, 100, 700) : 5000;
    const spread = oneOf(0, 1, 5, 20);
    // Whole numbers: many equal logits.
    const logits = Float32Array.from({ length: size }, () => (next() - 0.5) * 2 * spread).map(x =>
      round % 3 ? x : Math.round(x),
    );
    const earlier = Array.from({ length: Math.floor(next() * 40) }, () => Math.floor(next() * size));
    const options: SamplingOptions = {
      temperature: oneOf(0, 0.3, 1, 1.7),
      topK: oneOf(0, 0, 1, 5, 40, 600, 3000),
      topP: oneOf(0, 0.1, 0.5, 0.95, 0.999, 1),
      minP: oneOf(0, 0.05, 0.3, 1),
      repetitionPenalty: oneOf(1, 1.25, 0.5),
      repetitionWindow: oneOf(0, 3, 64),
      seed: Math.floor(next() * 2 ** 32),
      ...(next() < 0.5 ? {} : { bias: new Map([[Math.floor(next() * size), oneOf(-Infinity, -2, 2)]]) }),
    };
    if (size === 1 && options.bias?.get(0) === -Infinity) continue;
    const drawn = new MersenneTwister(options.seed).uniform();
    const { topP } = options;
    const expected = (topP > 0 && topP < 1 ? [topP - doubt, topP, topP + doubt] : [topP]).flatMap(p =>
      reference(logits, earlier, { ...options, topP: p }, drawn),
    );
    expect(expected, `round ${round}: ${JSON.stringify(options)}`).toContain(
      new Sampler(options).next(logits, earlier),
    );
  }
});

test('150,000 logits cost no more than a few passes over them, and nothing is sorted', () => {
  const next = random(1);
  // A hundred likely ones over many that are not.
  const logits = Float32Array.from({ length: 150_000 }, (_, i) => (next() + next() - 1) * 4 + (i % 1500 ? 0 : 12));
  const seconds = (work: () => unknown): number => {
    const times = Array.from({ length: 7 }, () => {
      const start = performance.now();
      work();
      return performance.now() - start;
    });
    return times.sort((a, b) => a - b)[3]!;
  };
  const sort = seconds(() => Array.from(logits.keys()).sort((a, b) => logits[b]! - logits[a]!));
  const base = { ...GREEDY, temperature: 0.8 };
  const cases = { defaults: base, minP: { ...base, topK: 0, topP: 1 }, topP: { ...base, topK: 0, minP: 0 } };
  for (const [name, options] of Object.entries(cases)) {
    const sampler = new Sampler(options);
    const own = seconds(() => sampler.next(logits, []));
    console.log(`${name}: ${own.toFixed(2)} ms; sorting: ${sort.toFixed(1)} ms`);
    expect(own, name).toBeLessThan(sort / 2);
  }
});

describe.skipIf(!isBuilt)('the tokens that llama-server drew', () => {
  interface Run {
    prompt: string;
    options: Partial<SamplingOptions> & { bias?: Record<string, number> };
    ids: string;
  }
  const runs = JSON.parse(readFileSync(path.join(root, 'test/golden/sampling/llama-server.json'), 'utf8')) as Run[];

  test('are drawn here, but where a number falls next to a boundary', async () => {
    const tokenizer = tokenizerOf(await metadataOfFile(tinycoder));
    const different: string[] = [];
    let all = 0;
    for (const { prompt, options, ids } of runs) {
      const start = tokenizer.encode(prompt, { addSpecial: true });
      const drawn = ids.split(' ').map(Number);
      const tokens = Int32Array.of(...start, ...drawn.slice(0, -1));
      const opened = await openSession(tinycoder, {
        ...{ backend: 'auto', kernels: path.join(root, 'dist/kernels') },
        ...{ context: tokens.length, batch: tokens.length, cacheType: 'f32' },
      });
      const logits = await opened.session.step({ tokens, wanted: 'all' });
      const bias = new Map(Object.entries(options.bias ?? {}).map(([id, value]) => [Number(id), value]));
      const sampler = new Sampler({ ...GREEDY, ...options, bias });
      drawn.forEach((token, i) => {
        const at = (start.length - 1 + i) * opened.vocabulary;
        const row = logits.subarray(at, at + opened.vocabulary);
        const found = sampler.next(row, [...tokens.subarray(0, start.length + i)]);
        all++;
        if (found !== token) different.push(`${JSON.stringify(options)} ${i}: ${found}, not ${token}`);
      });
      await opened.close();
    }
    expect(all).toBeGreaterThan(1200);
    // A probability differs by some 1e-3 of itself (activations rounded to F16 there), and so do the places of boundaries.
    expect(different.length, different.join('\n')).toBeLessThanOrEqual(all / 100);
    console.log(`${different.length} of ${all} differ`);
  });
});
