import { expect, test } from 'vitest';
import { parseTextFilter } from '../../webview/model/text-filter.js';

test.each([
  ['', 'anything', true],
  ['ATTN q', 'blk.0.attn_q.weight', true],
  ['attn v', 'blk.0.attn_q.weight', false],
  ['/^blk\\.\\d+\\.attn_[qk]/', 'blk.12.attn_k.weight', true],
  ['/^BLK/', 'blk.0', false],
  ['/^BLK/i', 'blk.0', true],
  ['/', 'a/b', true],
  ['/no', 'blk.0', false],
])('filter %j on %j: %s', (query, text, expected) => {
  const filter = parseTextFilter(query);
  // Twice: a pattern must not remember where it stopped.
  expect([filter.matches(text), filter.matches(text)]).toEqual([expected, expected]);
});

test('a pattern with the flags g and y works like one without', () => {
  const filter = parseTextFilter('/a/gy');
  expect([filter.matches('xa'), filter.matches('xa')]).toEqual([true, true]);
});

test('an unfinished pattern is reported and filters nothing', () => {
  const filter = parseTextFilter('/blk.(/');
  expect([filter.active, filter.matches('x'), filter.error]).toEqual([
    false,
    true,
    'Not a regular expression: /blk.(/: Unterminated group',
  ]);
});

test('words may match in different texts of a row', () => {
  expect(parseTextFilter('license mit').matches('general.license', 'mit')).toBe(true);
});
