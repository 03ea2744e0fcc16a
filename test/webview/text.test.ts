import { expect, test } from 'vitest';
import { parseTextFilter } from '../../webview/model/text-filter.js';
import { cutText, visibleSegments, visibleText } from '../../webview/model/visible-text.js';

test.each([
  ['blk.0.attn_q.weight', 'blk.0.attn_q.weight'],
  ['', ''],
  ['line\nbreak\ttab\r\0', 'line\\nbreak\\ttab\\r\\0'],
  ['safe\u202Egpj.exe', 'safe\\u{202E}gpj.exe'],
  ['zero\u200Bwidth\uFEFF', 'zero\\u{200B}width\\u{FEFF}'],
  ['a\u00A0b\u3000c\u2800\u3164', 'a\\u{00A0}b\\u{3000}c\\u{2800}\\u{3164}'],
  ['tag\u{E0041}', 'tag\\u{E0041}'],
  ['half \uD800', 'half \\u{D800}'],
  ['Ġtoken 日本語 עברית 🙂', 'Ġtoken 日本語 עברית 🙂'],
])('%j is shown as %s', (text, shown) => {
  expect(visibleText(text)).toBe(shown);
});

test('escapes are segments of their own, line feeds can stay', () => {
  expect(visibleSegments('a\u0007b')).toEqual([
    { text: 'a', escape: false },
    { text: '\\u{0007}', escape: true },
    { text: 'b', escape: false },
  ]);
  expect(visibleSegments('a\n\tb\r', true)).toEqual([
    { text: 'a\n\tb', escape: false },
    { text: '\\r', escape: true },
  ]);
});

test('text is not cut inside a character', () => {
  expect(cutText('ab🙂c', 3)).toEqual({ text: 'ab', cut: true });
  expect(cutText('ab🙂c', 4)).toEqual({ text: 'ab🙂', cut: true });
  expect(cutText('ab🙂', 4)).toEqual({ text: 'ab🙂', cut: false });
});

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
