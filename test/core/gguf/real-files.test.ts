// Against files and programs that are not ours. The headers in llama-quantize-headers.json were written by llama-quantize
// 0.7.0 from the example model (see its `made` line). Files of ../shared, where that folder exists, are the real
// tokenizer files and the formats of the past; their contents are compared with what an independent parser in Python reads.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ggmlTypeById, byteLengthOf } from '../../../src/core/ggml/ggml-type.js';
import { readArray, readString } from '../../../src/core/gguf/read-values.js';
import { layOutHeader, outputMetadata } from '../../../src/core/gguf/write.js';
import { openModel, requireModel } from '../../../src/platform/open-model.js';
import { problemText } from './world.js';

const root = join(import.meta.dirname, '../../..');
const shared = join(root, '../shared');

interface Reference {
  readonly fileType: number;
  readonly headerLength: number;
  readonly fileLength: number;
  readonly sha256: string;
  readonly tensors: readonly (readonly [name: string, typeId: number])[];
}

const references = JSON.parse(readFileSync(join(root, 'test/fixtures/gguf/llama-quantize-headers.json'), 'utf8')) as {
  readonly headers: Record<string, Reference>;
};

test.each(Object.entries(references.headers))(
  'the header of %s equals that of llama-quantize',
  async (_name, reference) => {
    const opened = await openModel(join(root, 'examples/tinycoder-f16.gguf'));
    const model = requireModel(opened);
    const sources = new Map(model.tensors.map(tensor => [tensor.name, tensor]));
    const tensors = reference.tensors.map(([name, typeId]) => {
      const { ne, elementCount } = sources.get(name)!;
      return { name, ne, typeId, byteLength: byteLengthOf(ggmlTypeById(typeId)!, elementCount) };
    });
    const set = [
      { key: 'general.quantization_version', type: 'u32', value: 2 },
      { key: 'general.file_type', type: 'u32', value: reference.fileType },
    ] as const;
    const header = layOutHeader(outputMetadata(model, { set }), tensors);
    const hash = createHash('sha256');
    for await (const chunk of header.chunks()) hash.update(chunk);
    await opened.close();
    expect(header.byteLength).toBe(reference.headerLength);
    expect(header.byteLength + header.dataLength).toBe(reference.fileLength);
    expect(hash.digest('hex')).toBe(reference.sha256);
  },
);

test('the example model is read without a problem', async () => {
  const opened = await openModel(join(root, 'examples/tinycoder-f16.gguf'));
  await opened.close();
  expect(opened.problems).toEqual([]);
  // Its card: 4,96 million parameters, vocabulary of 4096, 5 layers of 9 tensors, embeddings and norm.
  expect(opened.model?.tensors).toHaveLength(5 * 9 + 2);
});

function listed(folder: string): string[] {
  return readdirSync(folder)
    .filter(name => /\.(gguf|bin)$/.test(name))
    .map(name => join(folder, name));
}

function sharedFiles(): void {
  const data = join(shared, 'data');

  test.each([
    ['legacy-ggjt-vocab.bin', /^gguf\/legacy-format @0: .* a GGJT file/],
    ['legacy-ggmf-vocab.bin', /^gguf\/legacy-format @0: .* a GGMF file/],
    // The first format had no magic of its own in this file.
    ['legacy-ggml-vocab.bin', /^gguf\/not-gguf @0: .* 00 7d 00 00/],
    ['v1-FUGG-prerelease-example.gguf', /^gguf\/legacy-format @0: .* magic FUGG/],
    ['v1-FUGG-prerelease-ggml-vocab-llama.gguf', /^gguf\/legacy-format @0: .* magic FUGG/],
    ['v1-ggml-vocab-llama.gguf', /^info gguf\/old-version @4[^\n]*$/],
    ['v1-ggml-vocab-llama-b.gguf', /^info gguf\/old-version @4[^\n]*$/],
    ['v2-ggml-vocab-falcon.gguf', /^$/],
    [
      'v3-ggml-vocab-dbrx.gguf',
      /^gguf\/duplicate-key @561: Key "general.file_type" occurs twice, at byte 408 and at byte 561\.$/,
    ],
    ['v3-ggml-vocab-stablelm-old.gguf', /^$/],
    ['v3-test_writer-3tensors-30kv.gguf', /^gguf\/unknown-value-type @204: Key "dict1" has value type 13;[^\n]*$/],
    [
      '../tiny/weight-inspect-tiny.gguf',
      /^gguf\/data-truncated @122: The file has 122 bytes, but its tensors reach to byte 32896: tensor "test.weight.0" is incomplete\.$/,
    ],
    ['../tiny/weight-inspect-empty.gguf', /^$/],
    ['../tiny/llama-2-tiny-random.gguf', /^$/],
  ])('%s', async (name, expected) => {
    const opened = await openModel(join(data, 'gguf/history', name));
    await opened.close();
    expect(problemText(opened.problems)).toMatch(expected);
  });

  const parsed = [
    ...listed(join(data, 'gguf/vocab')),
    join(data, 'gguf/tiny/llama-2-tiny-random.gguf'),
    join(data, 'gguf/history/v2-ggml-vocab-falcon.gguf'),
    join(data, 'models/tinycoder/tinycoder-f16.gguf'),
  ];
  test.each(parsed)('%s is what Python reads', async path => {
    // Every value as a digest of its UTF-8 text or its repr; numbers as Python prints them.
    const script = `
import hashlib, json, sys
sys.path.insert(0, sys.argv[1])
import ggufio
r = ggufio.Reader(sys.argv[2])
def text(v):
    if isinstance(v, bool): return 'true' if v else 'false'
    if isinstance(v, str): return v.encode('utf-8', 'surrogateescape').decode('utf-8', 'replace')
    if isinstance(v, float): return repr(v)
    return str(v)
def digest(v):
    items = v if isinstance(v, list) else [v]
    h = hashlib.sha256()
    for item in items:
        t = float(item).hex() if isinstance(item, float) else text(item)
        h.update(t.encode('utf-8') + b'\\0')
    return [len(items), h.hexdigest()]
print(json.dumps({'version': r.ver, 'base': r.base, 'kv': [[k, digest(v)] for k, v in r.kv.items()], 'tensors': r.tensors}))`;
    const expected = JSON.parse(
      execFileSync('python3', ['-c', script, join(shared, 'tools/mkmodel'), path], { maxBuffer: 2 ** 26 }).toString(),
    ) as {
      version: number;
      base: number;
      kv: [string, [number, string]][];
      tensors: [string, number[], number, number][];
    };
    const opened = await openModel(path);
    const model = requireModel(opened);
    const { source, file } = model.shards[0]!;
    const kv: [string, [number, string]][] = [];
    for (const entry of model.metadata) {
      const values =
        typeof entry.value === 'object'
          ? await readArray(source, file, entry, 0, entry.value.length)
          : [entry.type === 'string' ? (await readString(source, entry)).text : entry.value];
      const type = typeof entry.value === 'object' ? entry.value.elementType : entry.type;
      const hash = createHash('sha256');
      for (const value of values)
        hash.update(`${type === 'f32' || type === 'f64' ? hexFloat(Number(value)) : String(value)}\0`);
      kv.push([entry.key, [values.length, hash.digest('hex')]]);
    }
    await opened.close();
    expect(kv).toEqual(expected.kv);
    expect(file.version).toBe(expected.version);
    expect(model.tensors.map(({ name, ne, typeId, offset }) => [name, ne, typeId, offset])).toEqual(expected.tensors);
    if (expected.tensors.length > 0) expect(file.dataOffset).toBe(expected.base);
  });
}

/** Python's float.hex(). */
function hexFloat(value: number): string {
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return value < 0 ? '-inf' : 'inf';
  const bits = new DataView(new ArrayBuffer(8));
  bits.setFloat64(0, value);
  const high = bits.getUint32(0);
  const exponent = (high >>> 20) & 0x7ff;
  const mantissa = (high & 0xfffff).toString(16).padStart(5, '0') + bits.getUint32(4).toString(16).padStart(8, '0');
  const sign = high >>> 31 ? '-' : '';
  if (exponent === 0 && /^0+$/.test(mantissa)) return `${sign}0x0.0p+0`;
  const power = exponent === 0 ? -1022 : exponent - 1023;
  return `${sign}0x${exponent === 0 ? 0 : 1}.${mantissa}p${power < 0 ? '-' : '+'}${Math.abs(power)}`;
}

if (existsSync(join(shared, 'data/gguf'))) describe('files of ../shared', sharedFiles);
else test.skip('files of ../shared, which is not here', () => undefined);
