// Headers that are written, read again; entries copied from every version and byte order; the exact length beforehand.
import { describe, expect, test } from 'vitest';
import { MemorySource } from '../../fixtures/gguf/memory-source.js';
import { readModel } from '../../../src/core/gguf/shards.js';
import { layOutHeader, outputMetadata, type GgufHeader, type OutputEntry } from '../../../src/core/gguf/write.js';
import { buildGguf, sampleGguf } from '../../fixtures/gguf/gguf-builder.js';
import { CountingSource } from './world.js';

async function collect(header: GgufHeader): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of header.chunks()) chunks.push(chunk);
  return new Uint8Array(Buffer.concat(chunks));
}

async function modelOf(world: string) {
  const { value } = await readModel(() => Promise.resolve(new MemorySource(buildGguf(world).bytes)), 'world.gguf');
  return value!;
}

/** The same tensors, with the bytes the source announces. */
function sameTensors(model: Awaited<ReturnType<typeof modelOf>>) {
  return model.tensors.map(({ name, ne, typeId, byteLength }) => ({ name, ne, typeId, byteLength: byteLength! }));
}

describe('a header copied from any version is the version 3 header', () => {
  test.each(['', 'version 1', 'version 2', 'big-endian', 'version 1\nbig-endian'])('%j', async variant => {
    const model = await modelOf(sampleGguf(variant));
    const header = layOutHeader(outputMetadata(model, { set: [] }), sameTensors(model));
    const written = await collect(header);
    const { bytes, dataOffset } = buildGguf(sampleGguf());
    expect(header.byteLength).toBe(dataOffset);
    expect(Buffer.from(written).equals(Buffer.from(bytes.subarray(0, dataOffset)))).toBe(true);
    expect(header.tensorOffsets).toEqual([0, 192, 288]);
    expect(header.dataLength).toBe(320);
  });
});

test('long values pass through in pieces', async () => {
  const tokens = Array.from({ length: 20_000 }, (_, i) => `token ${i} ${'é'.repeat(i % 50)}`);
  const rest = `string long = ${JSON.stringify('日本'.repeat(300_000))}\nstring[] tokens = ${JSON.stringify(tokens)}\nstring[] odd = ${JSON.stringify(['', 'x'.repeat(200_000), ''])}\nf64[] f = ${JSON.stringify(tokens.map((_, i) => i / 7))}`;
  const expected = buildGguf(rest);
  for (const variant of ['', 'version 1', 'big-endian']) {
    const model = await modelOf(`${variant}\n${rest}`);
    const header = layOutHeader(outputMetadata(model, { set: [] }), []);
    const chunks: number[] = [];
    const written: Uint8Array[] = [];
    for await (const chunk of header.chunks()) {
      chunks.push(chunk.length);
      written.push(chunk);
    }
    const bytes = Buffer.concat(written);
    expect(Math.max(...chunks), variant).toBeLessThanOrEqual(2 ** 20);
    expect(bytes.length, variant).toBe(header.byteLength);
    // Without tensors the reader wants no padding; the writer pads all the same, as llama.cpp does.
    expect(bytes.subarray(0, expected.bytes.length).equals(Buffer.from(expected.bytes)), variant).toBe(true);
  }
});

test('new values of every type', async () => {
  const entries: OutputEntry[] = [
    { kind: 'scalar', key: 'general.architecture', type: 'string', value: 'llama' },
    { kind: 'scalar', key: 'u8', type: 'u8', value: 1 },
    { kind: 'scalar', key: 'i8', type: 'i8', value: -1 },
    { kind: 'scalar', key: 'u16', type: 'u16', value: 2 },
    { kind: 'scalar', key: 'i16', type: 'i16', value: -2 },
    { kind: 'scalar', key: 'u32', type: 'u32', value: 3 },
    { kind: 'scalar', key: 'i32', type: 'i32', value: -3 },
    { kind: 'scalar', key: 'f32', type: 'f32', value: 0.5 },
    { kind: 'scalar', key: 'f64', type: 'f64', value: 0.1 },
    { kind: 'scalar', key: 'bool', type: 'bool', value: true },
    { kind: 'scalar', key: 'u64', type: 'u64', value: 2n ** 63n },
    { kind: 'scalar', key: 'i64', type: 'i64', value: -4 },
    { kind: 'array', key: 'strings', elementType: 'string', values: ['a', 'ä'] },
    { kind: 'array', key: 'numbers', elementType: 'i16', values: [-1, 1] },
  ];
  const written = await collect(layOutHeader(entries, [{ name: 't', ne: [4, 2, 1, 1], typeId: 0, byteLength: 32 }]));
  const { bytes, dataOffset } = buildGguf(`
    string general.architecture = "llama"
    u8 u8 = 1
    i8 i8 = -1
    u16 u16 = 2
    i16 i16 = -2
    u32 u32 = 3
    i32 i32 = -3
    f32 f32 = 0.5
    f64 f64 = 0.1
    bool bool = true
    u64 u64 = "9223372036854775808"
    i64 i64 = -4
    string[] strings = ["a", "ä"]
    i16[] numbers = [-1, 1]
    tensor t F32 [4,2]`);
  expect([...written]).toEqual([...bytes.subarray(0, dataOffset)]);
});

describe('metadata of an output', () => {
  const keys = (entries: readonly OutputEntry[]): string[] =>
    entries.map(entry => (entry.kind === 'copy' ? entry.entry.key : `${entry.key}!`));

  test('keys that are set move to the end, the keys of a split go', async () => {
    const model = await modelOf(`
      string general.architecture = "llama"
      u32 general.file_type = 1
      u16 split.no = 0
      u16 split.count = 1
      i32 split.tensors.count = 0
      u32 general.quantization_version = 2
      string x = "kept"`);
    const set = [
      { key: 'general.quantization_version', type: 'u32', value: 2 },
      { key: 'general.file_type', type: 'u32', value: 15 },
    ] as const;
    expect(keys(outputMetadata(model, { set }))).toEqual([
      'general.architecture',
      'x',
      'general.quantization_version!',
      'general.file_type!',
    ]);
    expect(keys(outputMetadata(model, { set: [...set, set[0]], removed: ['x'] }))).toEqual([
      'general.architecture',
      'general.file_type!',
      'general.quantization_version!',
    ]);
  });

  test('an alignment other than the one written is left out', async () => {
    const with64 = await modelOf('u32 general.alignment = 64\npad 64\nu8 a = 1');
    expect(keys(outputMetadata(with64, { set: [] }))).toEqual(['a']);
    expect(keys(outputMetadata(with64, { set: [] }, 64))).toEqual(['general.alignment', 'a']);
    const with32 = await modelOf('u32 general.alignment = 32\nu8 a = 1');
    expect(keys(outputMetadata(with32, { set: [] }))).toEqual(['general.alignment', 'a']);
  });

  test('what would make a file invalid is a programming error', () => {
    const alignment = { kind: 'scalar', key: 'general.alignment', type: 'u32', value: 64 } as const;
    expect(() => layOutHeader([alignment], [])).toThrow('general.alignment does not say 32');
    expect(() =>
      layOutHeader(
        [
          { ...alignment, key: 'a' },
          { ...alignment, key: 'a' },
        ],
        [],
      ),
    ).toThrow('key a twice');
    const tensor = { name: 't', ne: [1], typeId: 0, byteLength: 4 };
    expect(() => layOutHeader([], [tensor, tensor])).toThrow('tensor name twice');
  });
});

test('keys that only look the same are copied as the bytes they are', async () => {
  const long = 'k'.repeat(300);
  const world = `u8 <hex 61 ff> = 1\nu8 <hex 61 fe> = 2\nu8 ${long}a = 3\nu8 ${long}b = 4`;
  const written = await collect(layOutHeader(outputMetadata(await modelOf(world), { set: [] }), []));
  const { bytes } = buildGguf(world);
  expect(Buffer.from(written.subarray(0, bytes.length)).equals(Buffer.from(bytes))).toBe(true);
});

test('a length that grew since is refused before what it claims is read', async () => {
  // A key of one byte and a string of three, then 16 MiB that belong to no entry.
  const world = 'big-endian\nstring a = "abc"\ntrailing 16777216';
  const model = await modelOf(world);
  const { bytes } = buildGguf(world);
  const { fileOffset, byteLength } = model.metadata[0]!;
  const longer = async (field: number, length: number): Promise<CountingSource> => {
    const changed = bytes.slice();
    new DataView(changed.buffer).setBigUint64(fileOffset + field, BigInt(length), false);
    const source = new CountingSource(changed);
    const encoding = model.shards[0]!.file;
    const header = layOutHeader([{ kind: 'copy', source, encoding, entry: model.metadata[0]! }], []);
    await expect(collect(header)).rejects.toMatchObject({ code: 'gguf/changed' });
    return source;
  };
  expect(byteLength).toBe(8 + 1 + 4 + 8 + 3);
  // The value's length, after key length, key and type; then the key's.
  expect((await longer(13, 2 ** 23)).bytesRead).toBeLessThan(2 ** 17);
  expect((await longer(0, 2 ** 23)).bytesRead).toBeLessThan(2 ** 17);
});

test('a source that changed while it is copied is refused by name', async () => {
  const world = 'version 1\nstring[] a = ["abc","d"]';
  const model = await modelOf(world);
  const { bytes } = buildGguf(world);
  const changed = bytes.slice().fill(0xee, 30);
  const source = new MemorySource(changed);
  const header = layOutHeader(
    [{ kind: 'copy', source, encoding: model.shards[0]!.file, entry: model.metadata[0]! }],
    [],
  );
  await expect(collect(header)).rejects.toMatchObject({ code: 'gguf/changed' });
});
