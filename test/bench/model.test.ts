// The models of the benchmarks: the same bytes from the same seed, readable, and with the features that make a search for
// scales work: heavy channels, tails, outliers.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { GgufModel } from '../../src/core/gguf/gguf.js';
import { readImatrix } from '../../src/core/quantize/imatrix-file.js';
import { FileSource } from '../../src/platform/file-source.js';
import { openModel, requireModel } from '../../src/platform/open-model.js';
import { shapeNamed, writeImatrix, writeModel } from './model.mjs';

const { signal } = new AbortController();
let folder = '';
const file = (name: string): string => path.join(folder, name);

beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'bench-model-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

async function withModel(
  name: string,
  check: (model: GgufModel, bytes: Buffer) => void | Promise<void>,
): Promise<void> {
  const opened = await openModel(file(name), { signal });
  try {
    expect(opened.problems).toEqual([]);
    await check(requireModel(opened), readFileSync(file(name)));
  } finally {
    await opened.close();
  }
}

test('the same seed gives the same bytes, another seed others', () => {
  const shape = shapeNamed('tiny');
  expect(writeModel(file('a.gguf'), shape)).toBe(writeModel(file('b.gguf'), shape));
  writeModel(file('c.gguf'), shape, 2);
  expect(readFileSync(file('a.gguf')).equals(readFileSync(file('b.gguf')))).toBe(true);
  expect(readFileSync(file('a.gguf')).equals(readFileSync(file('c.gguf')))).toBe(false);
});

test('weights have heavy tails and no value that is not finite', async () => {
  writeModel(file('weights.gguf'), shapeNamed('tiny'));
  await withModel('weights.gguf', (model, bytes) => {
    const tensor = model.tensors.find(({ name }) => name === 'blk.1.ffn_up.weight');
    if (!tensor) throw new Error('the tensor is missing');
    const start = (model.shards[0]?.file.dataOffset ?? 0) + tensor.offset;
    const values = Array.from({ length: 256 * 512 }, (_, i) => half(bytes.readUInt16LE(start + 2 * i)));
    expect(values.every(Number.isFinite)).toBe(true);
    const moment = (power: number): number => values.reduce((sum, v) => sum + v ** power, 0) / values.length;
    // 3 is a normal distribution's; trained matrices have 4 to 100.
    const kurtosis = moment(4) / moment(2) ** 2;
    expect(kurtosis).toBeGreaterThan(6);
    expect(kurtosis).toBeLessThan(200);
    expect(Math.sqrt(moment(2))).toBeGreaterThan(0.005);
    expect(Math.sqrt(moment(2))).toBeLessThan(0.1);
  });
});

test('the importance matrix fits its model and has heavy channels', async () => {
  writeModel(file('model.gguf'), shapeNamed('tiny:1'));
  writeImatrix(file('model.imatrix.gguf'), shapeNamed('tiny:1'));
  const source = await FileSource.open(file('model.imatrix.gguf'));
  const { value: imatrix, problems } = await readImatrix(source, { signal, name: 'model.imatrix.gguf' });
  expect(problems).toEqual([]);
  if (!imatrix) throw new Error('no matrix');
  expect(imatrix.entries.size).toBe(7);
  await withModel('model.gguf', model => {
    for (const { name, ne } of model.tensors.filter(tensor => /^blk.*[a-z]\.weight$/.test(tensor.name))) {
      if (ne.length === 2) expect(imatrix.entries.get(name)?.values, name).toHaveLength(ne[0]!);
    }
  });
  const values = imatrix.entries.get('blk.0.ffn_down.weight')?.values;
  const squares = (await values?.read(0, values.length))?.sort() ?? new Float32Array(0);
  await source.close();
  expect(squares).toHaveLength(512);
  expect(squares.at(-1)! / squares[256]!).toBeGreaterThan(20);
});

test('a shape that does not exist is refused', () => {
  expect(() => shapeNamed('7b')).toThrow('expected a shape');
  expect(() => shapeNamed('tiny:0')).toThrow('expected a shape');
});

/** The value of a float16 bit pattern. */
function half(bits: number): number {
  const [exponent, fraction] = [(bits >> 10) & 31, bits & 1023];
  const magnitude = exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25);
  return exponent === 31 ? NaN : bits & 0x8000 ? -magnitude : magnitude;
}
