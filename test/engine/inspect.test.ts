// What an inspector is told about a model: plain data, small, whatever the file holds.
import { expect, test } from 'vitest';
import { MemorySource } from '../fixtures/gguf/memory-source.js';
import { readModel } from '../../src/core/gguf/shards.js';
import { tensorRole } from '../../src/core/model/tensor-role.js';
import {
  inspectArray,
  inspectModel,
  inspectString,
  MAX_ELEMENT_STRING,
  MAX_PAGE,
  MAX_STRING,
  type InspectedModel,
} from '../../src/engine/jobs/inspect.js';
import { buildGguf } from '../fixtures/gguf/gguf-builder.js';

async function open(world: string): Promise<InspectedModel> {
  const source = new MemorySource(buildGguf(world).bytes, 'dir/world.gguf');
  const { value, problems } = await readModel(() => Promise.resolve(source), source.name);
  return { path: source.name, model: value, problems };
}

test('a description', async () => {
  const world = `
    string general.architecture = "llama"
    string general.name = "World"
    u32 general.file_type = 7
    u64 big = "18446744073709551615"
    string[] tokens = ["a", "b"]
    tensor token_embd.weight F16 [32,4]
    tensor blk.0.ffn_up.weight Q8_0 [64,2]
    tensor blk.0.ffn_down.weight Q8_0 [64,2]
    tensor blk.0.attn_norm.weight F32 [32]
    tensor new 57 [10]
    data 800`;
  const description = inspectModel(await open(world));
  expect(structuredClone(description)).toEqual(description);
  const { metadata, tensors, problems, ...rest } = description;
  const { bytes, dataOffset } = buildGguf(world);
  expect(rest).toEqual({
    path: 'dir/world.gguf',
    shards: [{ path: 'dir/world.gguf', byteLength: bytes.length, dataOffset }],
    version: 3,
    littleEndian: true,
    alignment: 32,
    architecture: 'llama',
    name: 'World',
    fileType: 'Q8_0',
    parameterCount: 128 + 128 + 128 + 32 + 10,
    byteLength: bytes.length,
    // F16 256, Q8_0 2 x 136, F32 128 bytes over 416 weights of known size.
    bitsPerWeight: (656 * 8) / 416,
    typeCounts: [
      { type: 'Q8_0', tensors: 2, byteLength: 272, elementCount: 256 },
      { type: 'F16', tensors: 1, byteLength: 256, elementCount: 128 },
      { type: 'F32', tensors: 1, byteLength: 128, elementCount: 32 },
      { type: 'type 57', tensors: 1, byteLength: 0, elementCount: 10 },
    ],
  });
  expect(metadata).toEqual([
    { key: 'general.architecture', type: 'string', value: 'llama' },
    { key: 'general.name', type: 'string', value: 'World' },
    { key: 'general.file_type', type: 'u32', value: 7 },
    { key: 'big', type: 'u64', value: 2n ** 64n - 1n },
    { key: 'tokens', type: 'array', array: { elementType: 'string', length: 2, head: ['a', 'b'] } },
  ]);
  expect(tensors[1]).toEqual({
    name: 'blk.0.ffn_up.weight',
    ne: [64, 2],
    type: 'Q8_0',
    elementCount: 128,
    offset: 256,
    fileOffset: dataOffset + 256,
    shard: 0,
    byteLength: 136,
  });
  expect(tensors[4]?.byteLength).toBeUndefined();
  expect(problems.map(problem => problem.code)).toContain('gguf/unknown-type');
});

test('without general.file_type it is guessed from the tensors', async () => {
  const description = inspectModel(await open('tensor blk.0.ffn_up.weight Q4_K [256,2]\ntensor a F32 [4]'));
  expect(description).toMatchObject({ fileType: 'Q4_K_M', architecture: undefined, name: undefined });
  expect(inspectModel(await open('u8 a = 1'))).toMatchObject({
    fileType: undefined,
    bitsPerWeight: 0,
    parameterCount: 0,
  });
});

test('long strings are cut, and whole on demand', async () => {
  const medium = `${'x'.repeat(MAX_STRING - 1)}😀😀`;
  const long = 'é'.repeat(700_000);
  const opened = await open(
    `string medium = ${JSON.stringify(medium)}\nstring long = ${JSON.stringify(long)}\nu8 n = 1`,
  );
  const [a, b] = inspectModel(opened).metadata;
  expect(a).toEqual({ key: 'medium', type: 'string', value: 'x'.repeat(MAX_STRING - 1), fullLength: MAX_STRING + 3 });
  expect(String(b?.value).length).toBeLessThanOrEqual(MAX_STRING);
  expect(b?.fullLength).toBe(1_400_000);
  expect(await inspectString(opened, 'long')).toEqual({ value: long });
  expect(await inspectString(opened, 'medium')).toEqual({ value: medium });
  await expect(inspectString(opened, 'n')).rejects.toMatchObject({ code: 'model/wrong-type' });
  await expect(inspectString(opened, 'none')).rejects.toMatchObject({ code: 'model/no-such-key' });
});

test('arrays are paged, and a page is bounded', async () => {
  const values = Array.from({ length: MAX_PAGE + 50 }, (_, i) => i);
  const opened = await open(`u32[] a = ${JSON.stringify(values)}\nstring[] s = ["${'y'.repeat(5000)}", "z"]\nu8 n = 1`);
  expect(inspectModel(opened).metadata[0]?.array).toEqual({
    elementType: 'u32',
    length: MAX_PAGE + 50,
    head: values.slice(0, 64),
  });
  expect(await inspectArray(opened, 'a', 10_000, 20)).toEqual({
    values: values.slice(10_000, 10_020),
    length: MAX_PAGE + 50,
  });
  expect((await inspectArray(opened, 'a', 0, Infinity)).values).toHaveLength(MAX_PAGE);
  expect(await inspectArray(opened, 's', 0, 2)).toEqual({
    values: [`${'y'.repeat(MAX_ELEMENT_STRING)}…`, 'z'],
    length: 2,
  });
  await expect(inspectArray(opened, 'n', 0, 1)).rejects.toMatchObject({ code: 'model/wrong-type' });
});

test('what is no GGUF is refused with the reason', async () => {
  const opened = await open('magic PK..');
  expect(() => inspectModel(opened)).toThrow(/dir\/world\.gguf: Not a GGUF file/);
  await expect(inspectArray(opened, 'a', 0, 1)).rejects.toMatchObject({ code: 'gguf/not-gguf' });
});

test.each([
  ['token_embd.weight', 'embedding', undefined, 'token_embd', 'weight'],
  ['output.weight', 'output', undefined, 'output', 'weight'],
  ['output_norm.weight', 'norm', undefined, 'output_norm', 'weight'],
  ['blk.12.attn_q.weight', 'attention', 12, 'attn_q', 'weight'],
  ['blk.0.attn_q_norm.weight', 'norm', 0, 'attn_q_norm', 'weight'],
  ['blk.0.attn_output.bias', 'attention', 0, 'attn_output', 'bias'],
  ['blk.3.ffn_down.weight', 'feed-forward', 3, 'ffn_down', 'weight'],
  ['blk.3.ffn_down_exps.weight', 'experts', 3, 'ffn_down_exps', 'weight'],
  ['blk.3.ffn_down.7.weight', 'experts', 3, 'ffn_down.7', 'weight'],
  ['blk.3.ffn_gate_inp.weight', 'experts', 3, 'ffn_gate_inp', 'weight'],
  ['blk.1.ssm_a', 'recurrent', 1, 'ssm_a', ''],
  ['enc.blk.2.attn_k.weight', 'attention', 2, 'attn_k', 'weight'],
  ['something.else', 'other', undefined, 'something', 'else'],
  ['', 'other', undefined, '', ''],
])('role of %j', (name, group, layer, base, kind) => {
  expect(tensorRole(name)).toMatchObject({ group, layer, base, kind });
});
