// How many tokens are guessed at once, on played machines: what a step of so many tokens costs, and how often guesses are right.
import { describe, expect, test } from 'vitest';
import { DraftLength } from '../../src/engine/speculation/draft-length.js';
import { random } from '../core/tokenizer/world.js';

const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000);
const MOST = 6;
const STEPS = 400;

interface World {
  /** Seconds of a step with so many tokens. */
  readonly cost: (tokens: number) => number;
  /** That a guess is right, if those before it are. */
  readonly chance: number;
}

/** Tokens a second with as many guesses as `choose` says. */
function speed({ cost, chance }: World, choose: () => number, observe?: DraftLength['observe']): number {
  const next = random(seed);
  let [tokens, total] = [0, 0];
  for (let step = 0; step < STEPS; step++) {
    const guessed = choose();
    let right = 0;
    while (right < guessed && next() < chance) right++;
    const seconds = cost(guessed + 1) * (0.9 + 0.2 * next());
    observe?.({ guessed, right, seconds });
    tokens += right + 1;
    total += seconds;
  }
  return tokens / total;
}

/** Speeds with the lengths that are learned, with the best length known from the beginning, and with no guesses. */
function speeds(world: World): { learned: number; best: number; none: number } {
  const length = new DraftLength();
  const fixed = Array.from({ length: MOST + 1 }, (_, guesses) => speed(world, () => guesses));
  return {
    learned: speed(
      world,
      () => length.choose(MOST),
      step => {
        length.observe(step);
      },
    ),
    best: Math.max(...fixed),
    none: fixed[0]!,
  };
}

describe(`seed ${seed}`, () => {
  test.each<[string, World]>([
    ['memory is the limit, guesses are right', { cost: tokens => 1 + 0.02 * tokens, chance: 0.9 }],
    ['memory is the limit, guesses are wrong', { cost: tokens => 1 + 0.02 * tokens, chance: 0.2 }],
    ['computing is the limit', { cost: tokens => tokens, chance: 0.7 }],
    ['two tokens cost as one, three as six', { cost: tokens => (tokens <= 2 ? 1 : 2 * tokens), chance: 0.8 }],
    [
      'two tokens cost as one, three as six, guesses are wrong',
      { cost: tokens => (tokens <= 2 ? 1 : 2 * tokens), chance: 0.1 },
    ],
  ])('%s: nearly as fast as with the best length', (_, world) => {
    const { learned, best, none } = speeds(world);
    expect(learned).toBeGreaterThan(0.85 * best);
    expect(learned).toBeGreaterThan(0.9 * none);
  });

  test('a step that was disturbed when it was first measured is tried again', () => {
    const length = new DraftLength();
    const cost = (tokens: number): number => 1 + 0.02 * tokens;
    length.observe({ guessed: 0, right: 0, seconds: cost(1) });
    for (let guessed = 1; guessed <= MOST; guessed++) length.observe({ guessed, right: guessed, seconds: 7 });
    expect(length.choose(MOST)).toBe(0);
    for (let step = 0; step < 1500; step++) length.observe({ guessed: 0, right: 0, seconds: cost(1) });
    expect(length.choose(MOST)).toBeGreaterThan(0);
  });

  test('never more than is asked for, and something without a clock', () => {
    const length = new DraftLength();
    expect(length.choose(0)).toBe(0);
    for (let most = 0; most < 9; most++) {
      length.observe({ guessed: most, right: most, seconds: 0 });
      expect(length.choose(most)).toBe(most);
    }
  });
});
