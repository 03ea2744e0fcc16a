import { expect, test } from 'vitest';
import {
  digits,
  formatBitsPerWeight,
  formatByteRate,
  formatBytes,
  formatBytesExactly,
  formatCount,
  formatInteger,
  formatNumber,
  formatSeconds,
  plural,
} from '../../../src/core/text/quantity.js';

test.each([
  [0, '0 bytes'],
  [1, '1 byte'],
  [812, '812 bytes'],
  [999, '999 bytes'],
  [1000, '1.00 kB'],
  [1024, '1.02 kB'],
  [9994, '9.99 kB'],
  [9996, '10.0 kB'],
  [99_940, '99.9 kB'],
  [99_960, '100 kB'],
  [999_499, '999 kB'],
  [999_500, '1.00 MB'],
  [10_099_776, '10.1 MB'],
  [4_920_739_232, '4.92 GB'],
  [140e9, '140 GB'],
  [1.2e15, '1.20 PB'],
  [2 ** 53, '9.01 PB'],
  [-1, 'unknown'],
  [NaN, 'unknown'],
  [Infinity, 'unknown'],
])('%d bytes are %s', (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text);
});

test('what is read of a size is within half of its last digit', () => {
  const units: Readonly<Record<string, number>> = { kB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12, PB: 1e15 };
  for (let bytes = 1000; bytes < 2 ** 53; bytes = Math.round(bytes * 1.00137)) {
    const text = formatBytes(bytes);
    const [, number = '', unit = ''] = /^(\d{3}|\d\d\.\d|\d\.\d\d) ([kMGTP]B)$/.exec(text) ?? [];
    const step = units[unit]! / 10 ** (number.split('.')[1]?.length ?? 0);
    if (!(Math.abs(Number(number) * units[unit]! - bytes) <= step / 2 + 1e-9 * bytes)) {
      throw new Error(`${bytes} bytes are not ${text}`);
    }
  }
});

test('a size names its exact bytes', () => {
  expect([12, 999, 1000, 10_099_776, NaN].map(formatBytesExactly)).toEqual([
    '12 bytes',
    '999 bytes',
    '1.00 kB (1,000 bytes)',
    '10.1 MB (10,099,776 bytes)',
    'unknown',
  ]);
});

test('speeds', () => {
  expect([0.4, 310e6, 1.25e10, Infinity].map(formatByteRate)).toEqual([
    '0 bytes/s',
    '310 MB/s',
    '12.5 GB/s',
    'unknown',
  ]);
});

test.each([
  [0, '0'],
  [999, '999'],
  [1000, '1,000'],
  [123_456_789, '123,456,789'],
  [18_446_744_073_709_551_615n, '18,446,744,073,709,551,615'],
  [NaN, 'unknown'],
] as const)('%s with separators is %s', (value, text) => {
  expect(formatInteger(value)).toBe(text);
});

test('all digits of a number beyond 2^53', () => {
  expect([digits(12), digits(2 ** 64)]).toEqual(['12', '18446744073709551616']);
});

test.each([
  [0, '0'],
  [738, '738'],
  [999.6, '1.00 K'],
  [4_984_576, '4.98 M'],
  [494e6, '494 M'],
  [7_241_732_096, '7.24 B'],
  [1.9e12, '1.90 T'],
  [-1, 'unknown'],
])('%d parameters are %s', (count, text) => {
  expect(formatCount(count)).toBe(text);
});

test.each([
  [0, '0.00 s'],
  [0.031, '0.03 s'],
  [0.996, '1.0 s'],
  [5.26, '5.3 s'],
  [9.97, '10 s'],
  [59.4, '59 s'],
  [59.7, '1 min 0 s'],
  [93.4, '1 min 33 s'],
  [125, '2 min 5 s'],
  [3599.7, '1 h 0 min'],
  [3790, '1 h 3 min'],
  [7199, '2 h 0 min'],
  [Infinity, 'unknown'],
])('%d seconds are %s', (seconds, text) => {
  expect(formatSeconds(seconds)).toBe(text);
});

test('bits per weight', () => {
  expect([4.849, 4.5, 32, 0, NaN].map(formatBitsPerWeight)).toEqual(['4.85', '4.50', '32.00', 'unknown', 'unknown']);
});

test('a noun in the right number', () => {
  expect([plural(1, 'entry', 'entries'), plural(2, 'entry', 'entries')]).toEqual(['1 entry', '2 entries']);
  expect([plural(0, 'tensor'), plural(1, 'tensor'), plural(12_000, 'tensor')]).toEqual([
    '0 tensors',
    '1 tensor',
    '12,000 tensors',
  ]);
});

// Expected texts are the shortest decimals numpy prints for these float32 values.
test.each([
  [1e-5, '0.00001'],
  [0.1, '0.1'],
  [1 / 3, '0.33333334'],
  [500_000, '500000'],
  [16_777_217, '16777216'],
  [3.4e38, '3.4e+38'],
  [1e-45, '1e-45'],
  [-0, '-0'],
  [NaN, 'NaN'],
  [-Infinity, '-Infinity'],
])('float32 %d is printed as %s', (value, text) => {
  expect(formatNumber(Math.fround(value), 'f32')).toBe(text);
});

test('other numbers keep the digits of a double', () => {
  expect([formatNumber(Math.fround(0.1), 'f64'), formatNumber(0.1), formatNumber(-0)]).toEqual([
    '0.10000000149011612',
    '0.1',
    '-0',
  ]);
});

test('every printed float32 reads back as itself', () => {
  const bits = new Uint32Array(1);
  const value = new Float32Array(bits.buffer);
  // Multiples of a prime walk through all exponents and both signs.
  for (let i = 0; i < 2 ** 32; i += 100_003) {
    bits[0] = i;
    const number = value[0]!;
    if (Number.isNaN(number)) continue;
    const text = formatNumber(number, 'f32');
    if (!Object.is(Math.fround(Number(text)), number)) throw new Error(`bits ${i}: ${number} is printed as ${text}`);
  }
});
