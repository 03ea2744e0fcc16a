// What is counted of completions, and what is said of it.
import { expect, test } from 'vitest';
import { CompletionStatistics, percentile, type Answered } from '../../../src/core/completion/completion-statistics.js';

const DAY = '2026-01-31';
const answered = (more: Partial<Answered>): Answered => ({
  ...{ isOffer: true, isFailure: false, isNew: true, isCached: false, firstMs: 100, totalMs: 200 },
  ...more,
});

test('the report', () => {
  const statistics = new CompletionStatistics();
  expect(statistics.report()).toBe('No completion was asked for yet.\n');
  statistics.answered('a.gguf', DAY, answered({}));
  statistics.answered('a.gguf', DAY, answered({ firstMs: 300, totalMs: 400.4 }));
  statistics.answered('a.gguf', DAY, answered({ isNew: false, isCached: true, firstMs: 1, totalMs: 1 }));
  statistics.answered('a.gguf', DAY, answered({ isOffer: false }));
  statistics.answered('a.gguf', DAY, answered({ isOffer: false, isFailure: true }));
  statistics.count('a.gguf', DAY, 'accepted');
  statistics.count('a.gguf', DAY, 'generated', 1000);
  statistics.count('a.gguf', DAY, 'used', 750);
  expect(statistics.report()).toBe(`Completions on this machine. These numbers are kept here and sent nowhere.

a.gguf, since 2026-01-31

  Shown:                        2
  Accepted:                     1 (50 %)
  Accepted in part:             0 (0 %)
  Nothing to show:              1 (20 %)
  Failed:                       1
  Answered from earlier texts:  1 (33 %)
  First text:                   half within 100 ms, 95 % within 300 ms (the last 2)
  Whole text:                   half within 200 ms, 95 % within 400 ms (the last 2)
  From earlier texts:           half within 1 ms, 95 % within 1 ms (the last 1)
  Tokens generated:             1,000
  Tokens wasted:                250 (25 %)
`);
  // As it is kept, and back.
  expect(new CompletionStatistics(JSON.parse(JSON.stringify(statistics.stored))).report()).toBe(statistics.report());
  statistics.reset();
  expect(statistics.stored).toEqual({});
});

test('never more than so much, and the model that was used last is the first', () => {
  const statistics = new CompletionStatistics();
  for (let i = 0; i < 30; i++) {
    for (let k = 0; k < 300; k++) statistics.answered(`${i}.gguf`, DAY, answered({ totalMs: k }));
    statistics.count('0.gguf', DAY, 'accepted');
  }
  const { stored } = statistics;
  expect(Object.keys(stored)).toHaveLength(12);
  expect(stored['29.gguf']?.total).toHaveLength(200);
  expect(stored['29.gguf']?.total.at(-1)).toBe(299);
  expect(stored['0.gguf']?.accepted).toBe(30);
  expect(stored['5.gguf']).toBeUndefined();
  expect(JSON.stringify(stored).length).toBeLessThan(50_000);
  expect(statistics.report().split('\n')[2]).toMatch(/^0\.gguf/);
});

test.each([
  [undefined],
  [null],
  [7],
  ['x'],
  [[1]],
  [{ a: null }],
  [{ a: { shown: 'x', total: 'y', since: 3, first: [NaN, 'z', -1] } }],
])('whatever was kept: %j', kept => {
  const statistics = new CompletionStatistics(kept);
  statistics.answered('a', DAY, answered({}));
  expect(statistics.stored['a']).toMatchObject({ shown: 1, offers: 1, total: [200] });
  expect(statistics.report()).not.toMatch(/NaN|undefined/);
});

test('percentiles are values that occurred', () => {
  expect(percentile([], 0.5)).toBeUndefined();
  expect(percentile([3], 0.95)).toBe(3);
  expect(percentile([4, 1, 3, 2], 0.5)).toBe(2);
  expect(
    percentile(
      Array.from({ length: 100 }, (_, i) => i + 1),
      0.95,
    ),
  ).toBe(95);
});
