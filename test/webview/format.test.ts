import { expect, test } from 'vitest';
import {
  formatBitsPerWeight,
  formatBytes,
  formatBytesExactly,
  formatHex,
  formatInteger,
  formatNumber,
  formatOffset,
  formatParameters,
  formatShape,
  formatShare,
  plural,
} from '../../webview/model/format.js';

test.each([
  [0, '0 bytes'],
  [1, '1 byte'],
  [999, '999 bytes'],
  [1000, '1.00 kB'],
  [9994, '9.99 kB'],
  [9996, '10.0 kB'],
  [99_960, '100 kB'],
  [999_499, '999 kB'],
  [999_600, '1.00 MB'],
  [10_099_776, '10.1 MB'],
  [4_920_739_232, '4.92 GB'],
  [789_121_171_456, '789 GB'],
  [1.2e15, '1.20 PB'],
  [-1, 'unknown'],
  [NaN, 'unknown'],
])('%d bytes are %s', (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text);
});

test('sizes with their exact value', () => {
  expect([formatBytesExactly(999), formatBytesExactly(10_099_776)]).toEqual([
    '999 bytes',
    '10.1 MB (10,099,776 bytes)',
  ]);
});

test.each([
  [0, '0'],
  [738, '738'],
  [4_984_576, '4.98 M'],
  [7_241_732_096, '7.24 B'],
  [1_900_000_000_000, '1.90 T'],
])('%d parameters are %s', (count, text) => {
  expect(formatParameters(count)).toBe(text);
});

test.each([
  [0, 100, '0.0 %'],
  [1, 100_000, '< 0.1 %'],
  [1, 3, '33.3 %'],
  [5, 5, '100.0 %'],
  [5, 0, ''],
])('%d of %d is %s', (part, whole, text) => {
  expect(formatShare(part, whole)).toBe(text);
});

test('f32 values are printed with the digits they have', () => {
  // 1e-5 and 0.1 as f32 are 9.999999747378752e-06 and 0.10000000149011612 when widened.
  const values = [1e-5, 0.1, 1 / 3, 16_777_217, 3.4e38, 1e-45].map(value => formatNumber(Math.fround(value), 'f32'));
  expect(values).toEqual(['0.00001', '0.1', '0.33333334', '16777216', '3.4e+38', '1.4013e-45']);
  expect(formatNumber(Math.fround(0.1), 'f64')).toBe('0.10000000149011612');
  expect([NaN, Infinity, -Infinity, -0].map(value => formatNumber(value))).toEqual([
    'NaN',
    '+Infinity',
    '-Infinity',
    '-0',
  ]);
});

test('any f32 reads back as itself', () => {
  const seed = 20_260_101;
  const words = new Uint32Array(1);
  const floats = new Float32Array(words.buffer);
  let state = seed;
  for (let i = 0; i < 20_000; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    words[0] = state;
    const value = floats[0]!;
    if (!Number.isFinite(value)) continue;
    if (!Object.is(Math.fround(Number(formatNumber(value, 'f32'))), value)) throw new Error(`seed ${seed}: ${value}`);
  }
});

test('the rest', () => {
  expect(formatInteger(1_234_567)).toBe('1,234,567');
  expect(formatInteger(18_446_744_073_709_551_615n)).toBe('18,446,744,073,709,551,615');
  expect(formatHex(127_040)).toBe('0x1F040');
  expect(formatOffset(4096)).toBe('0x1000 (4,096)');
  expect([formatShape([256, 4096]), formatShape([])]).toEqual(['256 × 4096', 'scalar']);
  expect([formatBitsPerWeight(4.5), formatBitsPerWeight(0), formatBitsPerWeight(NaN)]).toEqual([
    '4.50',
    'unknown',
    'unknown',
  ]);
  expect([plural(1, 'entry', 'entries'), plural(0, 'tensor'), plural(47, 'tensor')]).toEqual([
    '1 entry',
    '0 tensors',
    '47 tensors',
  ]);
});
