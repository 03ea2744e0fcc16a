// Choosing tokens: each rule on logits small enough to see.
import { expect, test } from 'vitest';
import { GREEDY, Sampler, type SamplingOptions } from '../../src/engine/sampler.js';

/** Which tokens are ever drawn, and how often in 10,000. */
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

test('bias moves and forbids; the penalty makes recent tokens less likely, and only those', () => {
  near(draws(FOUR, { bias: new Map([[1, -Infinity]]) }), [1 / 6, 0, 2 / 6, 3 / 6]);
  near(draws(FOUR, { bias: new Map([[0, Math.log(4)]]) }), [0.4 / 1.3, 0.4 / 1.3, 0.2 / 1.3, 0.3 / 1.3]);
  // Logits are negative: times 2 is the square.
  const total = 0.1 + 0.16 + 0.2 + 0.3;
  near(draws(FOUR, { repetitionPenalty: 2 }, [1]), [0.1 / total, 0.16 / total, 0.2 / total, 0.3 / total]);
  near(draws(FOUR, { repetitionPenalty: 2, repetitionWindow: 1 }, [1, 7]), FOUR);
});

test('the same seed draws the same, another seed something else', () => {
  const text = (seed: number): string => {
    const sampler = new Sampler({ ...GREEDY, temperature: 1, seed });
    return Array.from({ length: 40 }, () => sampler.next(Float32Array.from(FOUR, Math.log), [])).join('');
  };
  expect(text(5)).toBe(text(5));
  expect(text(5)).not.toBe(text(6));
});
