// Elementary functions and random numbers, against the engine's own functions and the standard's value.
import { expect, test } from 'vitest';
import { exp, log } from '../../src/engine/exact-math.js';
import { MersenneTwister } from '../../src/engine/mersenne-twister.js';
import { random } from '../core/tokenizer/world.js';

const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000);

/** Two units in the last place here and one of the engine. */
const TOLERANCE = 3 * Number.EPSILON;

test('exp and log are those of mathematics to the last places', () => {
  console.log(`SEED=${seed}`);
  const next = random(seed);
  const wrong: string[] = [];
  for (let i = 0; i < 200_000; i++) {
    const x = (next() - 0.5) * (i % 2 ? 1400 : 4);
    if (Math.abs(exp(x) / Math.exp(x) - 1) > TOLERANCE) wrong.push(`exp(${x})`);
    const y = i % 2 ? next() : Math.exp(x / 2);
    if (Math.abs(log(y) - Math.log(y)) > TOLERANCE * Math.abs(Math.log(y))) wrong.push(`log(${y})`);
  }
  expect(wrong).toEqual([]);
});

test('the ends: nothing, one, underflow, overflow', () => {
  expect([0, -0, -Infinity, -746, Infinity, 710].map(exp)).toEqual([1, 1, 0, 0, Infinity, Infinity]);
  expect(exp(-744.4)).toBe(Number.MIN_VALUE);
  expect(log(1)).toBe(0);
  expect(log(Number.MIN_VALUE)).toBeCloseTo(Math.log(Number.MIN_VALUE), 12);
});

test('the generator is MT19937', () => {
  // ISO C++, [rand.predef]: the 10,000th number of a generator with the default seed.
  const generator = new MersenneTwister(5489);
  for (let i = 1; i < 10_000; i++) generator.bits();
  expect(generator.bits()).toBe(4_123_659_995);
  const uniform = new MersenneTwister(1);
  const numbers = Array.from({ length: 10_000 }, () => uniform.uniform());
  expect(Math.min(...numbers)).toBeGreaterThanOrEqual(0);
  expect(Math.max(...numbers)).toBeLessThan(1);
});
