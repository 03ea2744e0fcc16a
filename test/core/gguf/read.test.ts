// What comes out of good files: every value type in every version and byte order, pages of arrays, long strings.
import { describe, expect, test } from 'vitest';
import { MemorySource } from '../../fixtures/gguf/memory-source.js';
import { metadataArray, metadataEntry, metadataNumber, metadataString } from '../../../src/core/gguf/gguf.js';
import { readArray, readString } from '../../../src/core/gguf/read-values.js';
import { readGguf } from '../../../src/core/gguf/read.js';
import { cpuTime } from '../../fixtures/cpu-time.js';
import { buildGguf, sampleGguf } from '../../fixtures/gguf/gguf-builder.js';
import { CountingSource, textOf } from './world.js';

/** A header as text: one line per entry and tensor. */
async function dump(world: string): Promise<string> {
  const { value } = await readGguf(new MemorySource(buildGguf(world).bytes));
  if (!value) return 'nothing';
  const entries = value.metadata.map(({ key, type, value: v }) =>
    typeof v === 'object'
      ? `${key}: ${v.elementType}[${v.length}] ${v.head.map(String).join('|')}`
      : `${key}: ${type} ${String(v)}`,
  );
  const tensors = value.tensors.map(
    t => `${t.name}: type ${t.typeId} [${t.ne.join(',')}] @${t.offset} +${t.byteLength ?? '?'}`,
  );
  return [...entries, ...tensors].join('\n');
}

const EXPECTED = `
general.architecture: string llama
general.name: string naïve 模型
general.alignment: u32 32
a.u8: u8 255
a.i8: i8 -128
a.u16: u16 65535
a.i16: i16 -32768
a.u32: u32 4294967295
a.i32: i32 -2147483648
a.f32: f32 0.5
a.bool: bool true
a.u64: u64 18446744073709551615
a.i64: i64 -9223372036854775808
a.f64: f64 0.1
b.u16: u16[3] 1|2|3
b.i64: i64[2] -1|9007199254740993
b.f32: f32[2] 0.5|-0.25
b.bool: bool[2] true|false
b.string: string[3] |ä|tok
b.empty: u32[0] 
token_embd.weight: type 1 [32,3] @0 +192
blk.0.attn_q.weight: type 8 [32,2] @192 +68
blk.0.attn_norm.weight: type 0 [5] @288 +20`;

test.each(['', 'version 1', 'version 2', 'big-endian', 'version 1\nbig-endian', 'version 2\nbig-endian'])(
  'every type in %j',
  async variant => {
    expect(await dump(sampleGguf(variant))).toBe(EXPECTED.slice(1));
  },
);

test('offsets are absolute where they say so', async () => {
  const { bytes, dataOffset } = buildGguf(
    'u32 general.alignment = 256\npad 256\nstring s = "abc"\ntensor a F32 [4]\ntensor b F32 [4]',
  );
  const { value, problems } = await readGguf(new MemorySource(bytes));
  expect(problems).toEqual([]);
  expect(value).toMatchObject({ version: 3, littleEndian: true, alignment: 256, dataOffset, fileSize: bytes.length });
  expect(value!.tensors.map(tensor => tensor.fileOffset)).toEqual([dataOffset, dataOffset + 256]);
  const entry = metadataEntry(value!.metadata, 's')!;
  const raw = bytes.subarray(entry.fileOffset, entry.fileOffset + entry.byteLength);
  expect([...raw]).toEqual([1, 0, 0, 0, 0, 0, 0, 0, 115, 8, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 97, 98, 99]);
  const info = new TextDecoder().decode(bytes.subarray(value!.tensors[1]!.infoOffset).subarray(8, 9));
  expect(info).toBe('b');
});

test('lookups', async () => {
  const { value } = await readGguf(new MemorySource(buildGguf(sampleGguf()).bytes));
  const { metadata } = value!;
  expect(metadataString(metadata, 'general.architecture')).toBe('llama');
  expect(metadataString(metadata, 'a.u8')).toBeUndefined();
  expect(metadataNumber(metadata, 'a.u8')).toBe(255);
  expect(metadataNumber(metadata, 'a.u64')).toBeUndefined();
  expect(metadataNumber(metadata, 'none')).toBeUndefined();
  expect(metadataArray(metadata, 'b.u16')?.head).toEqual([1, 2, 3]);
});

describe('paging', () => {
  const tokens = Array.from({ length: 5000 }, (_, i) => (i % 97 === 0 ? '' : `t${'é'.repeat(40 + (i % 7))}${i}`));
  const scores = tokens.map((_, i) => i * 0.5);

  test.each(['', 'version 1', 'big-endian'])('%j', async variant => {
    const { bytes } = buildGguf(
      `${variant}\nstring[] tokens = ${JSON.stringify(tokens)}\nf32[] scores = ${JSON.stringify(scores)}`,
    );
    const source = new CountingSource(bytes);
    const { value } = await readGguf(source, { arrayHead: 3 });
    const entries = value!.metadata;
    expect(metadataArray(entries, 'tokens')).toMatchObject({ length: 5000, head: tokens.slice(0, 3) });
    for (const [key, whole] of [
      ['tokens', tokens],
      ['scores', scores],
    ] as const) {
      const entry = metadataEntry(entries, key)!;
      for (const [start, count] of [
        [0, 2],
        [0, 3],
        [2, 4],
        [255, 2],
        [256, 1],
        [4990, 100],
        [5000, 5],
        [9999, 5],
        [-5, 2],
        [100, 0],
        [0, 5000],
      ] as const) {
        const from = Math.max(0, start);
        expect(await readArray(source, value!, entry, start, count), `${key} ${start}+${count}`).toEqual(
          whole.slice(from, from + count),
        );
      }
    }
    // A page in the middle does not read what lies before it.
    source.bytesRead = 0;
    await readArray(source, value!, metadataEntry(entries, 'tokens')!, 2600, 1);
    expect(source.bytesRead).toBeLessThanOrEqual(65_536);
  });

  test('a cut element ends between characters', async () => {
    const { bytes } = buildGguf(`string[] a = ["${'é'.repeat(100)}", "b"]`);
    const source = new MemorySource(bytes);
    const { value } = await readGguf(source, { arrayHead: 0 });
    const values = await readArray(source, value!, value!.metadata[0]!, 0, 2, { maxStringBytes: 10 });
    expect(values).toEqual(['é'.repeat(4), 'b']);
  });

  test('a file that changed under its description is refused by name', async () => {
    const { bytes } = buildGguf(`string[] a = ${JSON.stringify(tokens)}`);
    const { value } = await readGguf(new MemorySource(bytes), { arrayHead: 0 });
    const other = new MemorySource(new Uint8Array(bytes.length).fill(0xff));
    await expect(readArray(other, value!, value!.metadata[0]!, 0, 10)).rejects.toMatchObject({ code: 'gguf/changed' });
    const shorter = new MemorySource(bytes.subarray(0, 60));
    await expect(readArray(shorter, value!, value!.metadata[0]!, 4000, 10)).rejects.toMatchObject({
      code: 'gguf/changed',
    });
  });
});

test('a long string is kept by its beginning and read on demand', async () => {
  const template = `${'日本語'.repeat(200_000)}!`;
  const { bytes } = buildGguf(`string tokenizer.chat_template = ${JSON.stringify(template)}\nu8 after = 7`);
  const source = new MemorySource(bytes);
  const { value, problems } = await readGguf(source);
  expect(problems).toEqual([]);
  const entry = value!.metadata[0]!;
  expect(template.startsWith(textOf(entry))).toBe(true);
  expect(textOf(entry).length).toBeGreaterThan(1000);
  expect(entry.cut?.byteLength).toBe(1_800_001);
  expect(metadataNumber(value!.metadata, 'after')).toBe(7);
  expect(await readString(source, entry)).toEqual({ text: template, complete: true });
  const part = await readString(source, entry, { maxBytes: 100 });
  expect(part).toEqual({ text: '日本語'.repeat(11), complete: false });
});

test('a vocabulary of 150,000 tokens and merges is walked over quickly', async () => {
  const tokens = Array.from({ length: 150_000 }, (_, i) => `token${i}`);
  const { bytes } = buildGguf(`string[] t = ${JSON.stringify(tokens)}\nstring[] m = ${JSON.stringify(tokens)}`);
  let best = Infinity;
  for (let i = 0; i < 5; i++) {
    const { result, milliseconds } = await cpuTime(() => readGguf(new MemorySource(bytes)));
    best = Math.min(best, milliseconds);
    expect(result.value!.metadata).toHaveLength(2);
  }
  // About 10 ms on a slow core; the bound only has to tell it from one await per string.
  expect(best).toBeLessThan(100);
});
