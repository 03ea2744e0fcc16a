import { expect, test } from 'vitest';
import { formatHex, formatOffset, formatScalar, formatShape, formatShare } from '../../webview/model/format.js';

test.each([
  [0, 100, '0.0 %'],
  [1, 100_000, '< 0.1 %'],
  [1, 3, '33.3 %'],
  [5, 5, '100.0 %'],
  [5, 0, ''],
])('%d of %d is %s', (part, whole, text) => {
  expect(formatShare(part, whole)).toBe(text);
});

test('offsets and shapes', () => {
  expect(formatHex(127_040)).toBe('0x1F040');
  expect(formatOffset(4096)).toBe('0x1000 (4,096)');
  expect([formatShape([256, 4096]), formatShape([])]).toEqual(['256 × 4096', 'scalar']);
});

test('values of metadata', () => {
  const values = [Math.fround(0.1), true, 'text', 18_446_744_073_709_551_615n].map(value => formatScalar(value, 'f32'));
  expect(values).toEqual(['0.1', 'true', 'text', '18446744073709551615']);
});
