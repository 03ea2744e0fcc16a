// The window must be invisible: whatever its size, the same bytes come out, and no more than asked for goes in.
import { describe, expect, test } from 'vitest';
import { ByteReader, cutUtf8, decodeUtf8 } from '../../../src/core/bytes/byte-reader.js';
import { MemorySource } from '../../fixtures/gguf/memory-source.js';
import { ByteWriter } from '../../../src/core/bytes/byte-writer.js';
import { CountingSource } from '../gguf/world.js';

function sample(): Uint8Array {
  const writer = new ByteWriter(1);
  writer.u8(200);
  writer.i8(-100);
  writer.u16(60_000);
  writer.i16(-30_000);
  writer.u32(4_000_000_000);
  writer.i32(-2_000_000_000);
  writer.f32(1.5);
  writer.f64(-0.1);
  writer.u64(2n ** 64n - 1n);
  writer.u64(2 ** 53 - 1);
  writer.i64(-(2n ** 63n));
  writer.i64(-5);
  writer.text('né');
  writer.pad(16);
  return writer.toBytes();
}

test.each([8, 9, 16, 1 << 20])('all types through a window of %d', async window => {
  const reader = new ByteReader(new MemorySource(sample()), { window, firstWindow: 8 });
  const values: unknown[] = [];
  const take = async (size: number, read: () => unknown): Promise<void> => {
    expect(await reader.ensure(size)).toBe(true);
    values.push(read());
  };
  await take(1, () => reader.u8());
  await take(1, () => reader.i8());
  await take(2, () => reader.u16());
  await take(2, () => reader.i16());
  await take(4, () => reader.u32());
  await take(4, () => reader.i32());
  await take(4, () => reader.f32());
  await take(8, () => reader.f64());
  await take(8, () => reader.u64());
  await take(8, () => reader.length64());
  await take(8, () => reader.i64());
  await take(8, () => reader.i64());
  await take(3, () => decodeUtf8(reader.view8(3)).text);
  expect(values).toEqual([
    200,
    -100,
    60_000,
    -30_000,
    4_000_000_000,
    -2_000_000_000,
    1.5,
    -0.1,
    2n ** 64n - 1n,
    2 ** 53 - 1,
    -(2n ** 63n),
    -5,
    'né',
  ]);
  expect(reader.position).toBe(61);
  expect(reader.align(16)).toBe(true);
  expect(reader.position).toBe(64);
  expect(reader.remaining).toBe(0);
  expect(await reader.ensure(1)).toBe(false);
  expect(reader.skip(1)).toBe(false);
  expect(reader.overBudget).toBe(false);
});

test('big-endian', async () => {
  const reader = new ByteReader(new MemorySource(Uint8Array.from([1, 2, 0, 0, 0, 1, 0, 0, 0, 2])), {
    littleEndian: false,
  });
  await reader.ensure(10);
  expect([reader.u16(), reader.length64()]).toEqual([258, 2 ** 32 + 2]);
});

describe('what is asked of the source', () => {
  test('nothing is read twice, and jumps read nothing', async () => {
    const source = new CountingSource(Uint8Array.from({ length: 1000 }, (_, i) => i & 0xff));
    const reader = new ByteReader(source, { window: 64, firstWindow: 16 });
    for (let i = 0; i < 300; i++) {
      await reader.ensure(1);
      expect(reader.u8()).toBe(i & 0xff);
    }
    expect(source.bytesRead).toBeLessThanOrEqual(300 + 64);
    expect(source.largestRead).toBe(64);
    const before = source.bytesRead;
    reader.skip(400);
    await reader.ensure(2);
    expect(reader.u8()).toBe(700 & 0xff);
    expect(source.bytesRead - before).toBe(16);
    reader.seek(5);
    await reader.ensure(1);
    expect(reader.u8()).toBe(5);
  });

  test('the budget ends reading and is told from the end of the source', async () => {
    const reader = new ByteReader(new MemorySource(new Uint8Array(1000)), { window: 64, firstWindow: 64, budget: 100 });
    expect(await reader.ensure(64)).toBe(true);
    reader.skip(64);
    expect(await reader.ensure(36)).toBe(true);
    reader.skip(36);
    expect(await reader.ensure(1)).toBe(false);
    expect(reader.overBudget).toBe(true);
  });
});

test('reading what was not ensured is a programming error', async () => {
  const reader = new ByteReader(new MemorySource(new Uint8Array(8)));
  expect(() => reader.u8()).toThrow(RangeError);
  await reader.ensure(8);
  reader.skip(5);
  expect(() => reader.u32()).toThrow('4 bytes read at 5 without ensure');
  for (const bad of [-1, NaN, Infinity]) expect(reader.skip(bad)).toBe(false);
  for (const bad of [-1, 9, NaN]) expect(reader.seek(bad)).toBe(false);
});

test('UTF-8 is cut between characters', () => {
  const bytes = new TextEncoder().encode('aé日😀');
  const cuts = Array.from({ length: 11 }, (_, limit) => decodeUtf8(cutUtf8(bytes, limit)).text);
  expect(cuts).toEqual(['', 'a', 'a', 'aé', 'aé', 'aé', 'aé日', 'aé日', 'aé日', 'aé日', 'aé日😀']);
  expect(decodeUtf8(Uint8Array.from([0x61, 0xff]))).toEqual({ text: 'a\uFFFD', valid: false });
  expect(decodeUtf8(Uint8Array.from([0xef, 0xbb, 0xbf]))).toEqual({ text: '\uFEFF', valid: true });
});

test('a writer that is emptied starts with zeros again', () => {
  const writer = new ByteWriter(2);
  writer.u32(0xffffffff);
  expect([...writer.takeBytes()]).toEqual([255, 255, 255, 255]);
  writer.u8(1);
  writer.pad(4);
  expect([...writer.toBytes()]).toEqual([1, 0, 0, 0]);
});

describe.each([
  [4, true],
  [4, false],
  [8, true],
  [8, false],
] as const)('texts with lengths in %d bytes, little-endian: %s', (lengthSize, littleEndian) => {
  const encoded = (...texts: readonly { readonly length: number; readonly high?: number }[]): Uint8Array => {
    const parts = texts.flatMap(({ length, high = 0 }) => {
      const head = new DataView(new ArrayBuffer(lengthSize));
      head.setUint32(lengthSize === 8 && !littleEndian ? 4 : 0, length, littleEndian);
      if (lengthSize === 8) head.setUint32(littleEndian ? 4 : 0, high, littleEndian);
      return [new Uint8Array(head.buffer), new Uint8Array(Math.min(length, 1000)).fill(0xff)];
    });
    return Uint8Array.from(parts.flatMap(part => [...part]));
  };
  const at = async (bytes: Uint8Array, window: number, longest = 100): Promise<readonly [number, number]> => {
    const reader = new ByteReader(new MemorySource(bytes), { littleEndian, firstWindow: window });
    await reader.ensure(Math.min(window, bytes.length));
    return [reader.skipTexts(5, lengthSize, longest), reader.position];
  };
  const lengths = [0, 3, 1, 100, 7, 2].map(length => ({ length }));
  const ends = lengths.map((_, i) => encoded(...lengths.slice(0, i + 1)).length);

  test('are walked over as far as they lie in the window, and no further than asked', async () => {
    const bytes = encoded(...lengths);
    for (let window = 1; window <= bytes.length; window++) {
      const whole = ends.slice(0, 5).filter(end => end <= window).length;
      expect(await at(bytes, window), `window ${window}`).toEqual([whole, ends[whole - 1] ?? 0]);
    }
  });

  test('are not walked over when they are longer than allowed, or than anything can be', async () => {
    const bytes = encoded({ length: 3 }, { length: 101 }, { length: 1 });
    expect(await at(bytes, bytes.length)).toEqual([1, lengthSize + 3]);
    if (lengthSize === 8) {
      const huge = encoded({ length: 3 }, { length: 1, high: 1 }, { length: 1 });
      expect(await at(huge, huge.length)).toEqual([1, lengthSize + 3]);
    }
    const most = encoded({ length: 3 }, { length: 0xffff_ffff });
    expect(await at(most, most.length, 2 ** 32)).toEqual([1, lengthSize + 3]);
  });
});
