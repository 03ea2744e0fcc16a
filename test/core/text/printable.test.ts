import { expect, test } from 'vitest';
import { cutText, printable, quote, visibleSegments } from '../../../src/core/text/printable.js';

test.each([
  ['blk.0.attn_q.weight', 'blk.0.attn_q.weight'],
  ['', ''],
  ['line\nbreak\ttab\r\0', 'line\\nbreak\\ttab\\r\\0'],
  ['a\u001b[2Jb\u009b1m', 'a\\u{001B}[2Jb\\u{009B}1m'],
  ['safe\u202Egpj.exe', 'safe\\u{202E}gpj.exe'],
  ['zero\u200Bwidth\uFEFF', 'zero\\u{200B}width\\u{FEFF}'],
  ['a\u00A0b\u3000c\u2800\u3164', 'a\\u{00A0}b\\u{3000}c\\u{2800}\\u{3164}'],
  ['tag\u{E0041}', 'tag\\u{E0041}'],
  ['half \uD800', 'half \\u{D800}'],
  ['Ġtoken 日本語 עברית 🙂', 'Ġtoken 日本語 עברית 🙂'],
])('%j is shown as %s', (text, shown) => {
  expect(printable(text)).toBe(shown);
  expect(printable(shown)).toBe(shown);
});

test('every control and bidirectional character is shown, and ASCII stays', () => {
  const hidden = [
    ...Array.from({ length: 0x20 }, (_, i) => i),
    ...Array.from({ length: 0x21 }, (_, i) => 0x7f + i),
    ...[0x61c, 0x200e, 0x200f, 0x202a, 0x202b, 0x202c, 0x202d, 0x202e, 0x2066, 0x2067, 0x2068, 0x2069],
  ];
  for (const code of hidden) expect(printable(String.fromCharCode(code)), `U+${code.toString(16)}`).toMatch(/^\\/);
  const ascii = Array.from({ length: 0x5f }, (_, i) => String.fromCharCode(0x20 + i)).join('');
  expect(printable(ascii)).toBe(ascii);
});

test('line feeds and tabs can stay', () => {
  expect(printable('a\n\tb\r\u001b', { lines: true })).toBe('a\n\tb\\r\\u{001B}');
});

test('long text is cut, between characters, with its length', () => {
  expect(printable('x'.repeat(2000), { limit: 3 })).toBe('xxx… (2,000 characters)');
  expect(printable('ab🙂c', { limit: 3 })).toBe('ab… (5 characters)');
  expect(printable('\n\n\n', { limit: 3 })).toBe('\\n\\n\\n');
});

test('escapes are segments of their own', () => {
  expect(visibleSegments('a\u0007b')).toEqual([
    { text: 'a', escape: false },
    { text: '\\u{0007}', escape: true },
    { text: 'b', escape: false },
  ]);
  expect(visibleSegments('a\n\tb\r', true)).toEqual([
    { text: 'a\n\tb', escape: false },
    { text: '\\r', escape: true },
  ]);
  expect(visibleSegments('')).toEqual([{ text: '', escape: false }]);
});

test('a quoted name ends where its quotes end, on one line', () => {
  expect(['plain', 'a"b\\c', 'two\nlines\u202E', ''].map(quote)).toEqual([
    '"plain"',
    '"a\\"b\\\\c"',
    '"two\\nlines\\u{202E}"',
    '""',
  ]);
  expect(quote('x'.repeat(81))).toBe(`"${'x'.repeat(80)}…"`);
});

test('text is not cut inside a character', () => {
  expect(cutText('ab🙂c', 3)).toEqual({ text: 'ab', cut: true });
  expect(cutText('ab🙂c', 4)).toEqual({ text: 'ab🙂', cut: true });
  expect(cutText('ab🙂', 4)).toEqual({ text: 'ab🙂', cut: false });
});
