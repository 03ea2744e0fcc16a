// The tag of a task's source: of its bytes alone, however they were cut into pieces.
import { createCipheriv } from 'node:crypto';
import { expect, test } from 'vitest';
import { SourceTag } from '../../src/platform/piece-tag.js';

const tag = (...pieces: readonly Uint8Array[]): string => {
  const source = new SourceTag();
  for (const piece of pieces) source.update(piece);
  return Buffer.from(source.digest()).toString('hex');
};

test('pieces have the tag of the whole, which is GMAC', () => {
  const bytes = Uint8Array.from({ length: 10_000 }, (_, i) => (i * i) >> 3);
  const cipher = createCipheriv('aes-128-gcm', new Uint8Array(16).fill(0x71), new Uint8Array(12));
  cipher.setAAD(bytes);
  cipher.final();
  const whole = cipher.getAuthTag().toString('hex');
  expect(tag(bytes)).toBe(whole);
  for (const cut of [0, 1, 15, 16, 17, 4096, 9999]) {
    expect(tag(bytes.subarray(0, cut), bytes.subarray(cut))).toBe(whole);
  }
});

test('another bit, another length, another tag', () => {
  const bytes = new Uint8Array(100);
  const other = bytes.slice();
  other[50] = 1;
  const tags = [tag(), tag(bytes), tag(other), tag(new Uint8Array(99)), tag(new Uint8Array(101))];
  expect(new Set(tags).size).toBe(tags.length);
});
