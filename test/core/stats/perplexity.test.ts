// The statistics of perplexity against their formulas, written out another way.
import { describe, expect, test } from 'vitest';
import { negativeLogLikelihood, perplexityWindows, PerplexitySum } from '../../../src/core/stats/perplexity.js';

describe('negativeLogLikelihood', () => {
  test.each([
    ['equal logits', [3, 3, 3, 3], 1, Math.log(4)],
    ['a certain token', [0, 200, 0], 1, 0],
    ['an impossible one', [0, 200, 0], 2, 200],
    ['logits beyond what exp() can take', [1000, 1000], 0, Math.log(2)],
    ['two tokens, odds of 3 to 1', [Math.log(3), 0], 0, Math.log(4 / 3)],
  ])('%s', (_name, logits, token, expected) => {
    expect(negativeLogLikelihood(Float32Array.from(logits), token)).toBeCloseTo(expected, 6);
  });

  test('what is not finite, or outside the vocabulary, is NaN', () => {
    expect(negativeLogLikelihood(Float32Array.of(1, NaN), 0)).toBeNaN();
    expect(negativeLogLikelihood(Float32Array.of(1, 2), 2)).toBeNaN();
  });

  test('the probabilities of all tokens add up to one', () => {
    const logits = Float32Array.from({ length: 1000 }, (_, i) => 5 * Math.sin(i * i));
    const sum = Array.from(logits, (_, i) => Math.exp(-negativeLogLikelihood(logits, i))).reduce((a, b) => a + b);
    expect(sum).toBeCloseTo(1, 9);
  });
});

test('PerplexitySum: mean and standard error of two values, by hand', () => {
  const sum = new PerplexitySum();
  sum.add(1);
  sum.add(3);
  const { perplexity, standardError, tokens } = sum.result();
  expect(tokens).toBe(2);
  expect(perplexity).toBeCloseTo(Math.exp(2), 12);
  // The sample's standard deviation is sqrt(2), that of the mean of two is 1.
  expect(standardError).toBeCloseTo(Math.exp(2), 12);
});

test('PerplexitySum: equal values have no error, one value or none has no known one', () => {
  const sum = new PerplexitySum();
  expect(sum.result().perplexity).toBeNaN();
  sum.add(0.1);
  expect(sum.result().standardError).toBeNaN();
  for (let i = 0; i < 9; i++) sum.add(0.1);
  expect(sum.result().standardError).toBeCloseTo(0, 7);
});

test.each([
  ['a text shorter than a window', 511, 512, 0],
  ['exactly one', 512, 512, 1],
  ['a rest is left out', 1535, 512, 2],
])('windows: %s', (_name, count, context, windows) => {
  const found = perplexityWindows(count, context);
  expect(found).toHaveLength(windows);
  found.forEach((window, i) => {
    expect(window).toEqual({ start: i * context, length: context, firstScored: context / 2 + 1 });
  });
});

test('windows: 255 of 512 tokens are scored, as llama-perplexity says', () => {
  const [window] = perplexityWindows(512, 512);
  expect(window!.length - window!.firstScored).toBe(255);
});
