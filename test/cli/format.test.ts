import { expect, test } from 'vitest';
import {
  exactBytes,
  float32Text,
  grouped,
  humanBytes,
  humanCount,
  humanSeconds,
  printable,
  table,
} from '../../src/cli/format.js';

test.each([
  [0, '0 bytes'],
  [1, '1 byte'],
  [999, '999 bytes'],
  [1000, '0.98 KiB'],
  [1536, '1.50 KiB'],
  [10 * 1024, '10.0 KiB'],
  [999 * 1024, '999 KiB'],
  [1000 * 1024, '0.98 MiB'],
  [1024 ** 3, '1.00 GiB'],
  [60e9, '55.9 GiB'],
  [2 ** 53, '8.00 PiB'],
])('%d bytes are %s', (bytes, text) => {
  expect(humanBytes(bytes)).toBe(text);
});

test('a size names its exact bytes', () => {
  expect(exactBytes(12)).toBe('12 bytes');
  expect(exactBytes(1234567)).toBe('1.18 MiB (1,234,567 bytes)');
});

test.each([
  [0, '0'],
  [999, '999'],
  [1000, '1,000'],
  [123456789, '123,456,789'],
  [18446744073709551615n, '18,446,744,073,709,551,615'],
] as const)('%s is grouped as %s', (value, text) => {
  expect(grouped(value)).toBe(text);
});

test.each([
  [12, '12'],
  [999, '999'],
  [999.6, '1.00 K'],
  [4_998_400, '5.00 M'],
  [494e6, '494 M'],
  [7.6e9, '7.60 B'],
  [1.2e12, '1.20 T'],
])('%d parameters are %s', (count, text) => {
  expect(humanCount(count)).toBe(text);
});

test.each([
  [0.031, '0.03 s'],
  [5.26, '5.3 s'],
  [9.97, '10 s'],
  [59.4, '59 s'],
  [59.7, '1 min 0 s'],
  [93.4, '1 min 33 s'],
  [3599.9, '1 h 0 min'],
  [7322, '2 h 2 min'],
  [Infinity, '?'],
])('%d seconds are %s', (seconds, text) => {
  expect(humanSeconds(seconds)).toBe(text);
});

test.each([
  [Math.fround(1e-5), '0.00001'],
  [Math.fround(0.1), '0.1'],
  [Math.fround(1 / 3), '0.33333334'],
  [500000, '500000'],
  [NaN, 'NaN'],
])('float32 %d prints as %s', (value, text) => {
  expect(float32Text(value)).toBe(text);
});

test('every printed float32 reads back as itself', () => {
  const bits = new Uint32Array(1);
  const value = new Float32Array(bits.buffer);
  // Multiples of a prime walk through all exponents and both signs.
  for (let i = 0; i < 2 ** 32; i += 1_000_003) {
    bits[0] = i;
    const number = value[0]!;
    if (!Number.isNaN(number)) expect(Math.fround(Number(float32Text(number)))).toBe(number);
  }
});

test('a table is aligned and has no trailing blanks', () => {
  const text = table(
    [{ title: 'type' }, { title: 'n', align: 'right' }, { title: 'rule' }],
    [
      ['Q4_K', '12', 'mixture'],
      ['F32', '1234', ''],
    ],
  );
  expect(text).toBe('type     n  rule\nQ4_K    12  mixture\nF32   1234\n');
});

test('text of a file cannot control the terminal', () => {
  expect(printable('a\u001b[2Jb\u009b1m\u202ec\n')).toBe('a\\u001b[2Jb\\u009b1m\\u202ec\\n');
  expect(printable('x'.repeat(2000), 3)).toBe('xxx… (2,000 characters)');
});
