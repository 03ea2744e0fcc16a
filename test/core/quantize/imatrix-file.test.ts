// Importance matrix files: a real one against numbers computed with numpy, and what is wrong with bad ones.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { MemorySource } from '../../fixtures/gguf/memory-source.js';
import { ggmlType } from '../../../src/core/ggml/ggml-type.js';
import { layOutHeader, type NewEntry } from '../../../src/core/gguf/write.js';
import { readImatrix } from '../../../src/core/quantize/imatrix-file.js';
import type { ImportanceMatrix, ImportanceValues } from '../../../src/core/quantize/importance-matrix.js';
import { planQuantization, defaultOptions } from '../../../src/core/quantize/plan.js';
import { goldenModel } from './plan-golden.js';

const read = (bytes: Uint8Array, name = 'm.imatrix') => readImatrix(new MemorySource(bytes, name));

async function good(bytes: Uint8Array): Promise<ImportanceMatrix> {
  const { value, problems } = await read(bytes);
  expect(problems).toEqual([]);
  return value!;
}

const all = (values: ImportanceValues): Promise<Float32Array> => values.read(0, values.length);

/** The error of a bad file, as `code: message`. */
async function error(bytes: Uint8Array): Promise<string> {
  const { value, problems } = await read(bytes);
  expect(value).toBeUndefined();
  const errors = problems.filter(problem => problem.severity === 'error');
  expect(errors).toHaveLength(1);
  return `${errors[0]!.code}: ${errors[0]!.message}`;
}

describe('GGUF', () => {
  interface Part {
    readonly name: string;
    readonly ne: readonly number[];
    readonly values: readonly number[];
    readonly type?: string;
  }
  const METADATA: readonly NewEntry[] = [
    { kind: 'scalar', key: 'general.type', type: 'string', value: 'imatrix' },
    { kind: 'array', key: 'imatrix.datasets', elementType: 'string', values: ['a.txt', 'b.txt'] },
    { kind: 'scalar', key: 'imatrix.chunk_count', type: 'u32', value: 3 },
    { kind: 'scalar', key: 'imatrix.chunk_size', type: 'u32', value: 512 },
  ];

  async function file(parts: readonly Part[], metadata = METADATA): Promise<Uint8Array> {
    const header = layOutHeader(
      metadata,
      parts.map(({ name, ne, type = 'F32', values }) => ({
        name,
        ne,
        typeId: ggmlType(type).id,
        byteLength: values.length * ggmlType(type).typeSize,
      })),
    );
    const bytes = new Uint8Array(header.byteLength + header.dataLength);
    let at = 0;
    for await (const chunk of header.chunks()) {
      bytes.set(chunk, at);
      at += chunk.length;
    }
    parts.forEach(({ values }, i) => {
      const view = new DataView(bytes.buffer, header.byteLength + header.tensorOffsets[i]!);
      values.forEach((value, j) => view.setFloat32(j * 4, value, true));
    });
    return bytes;
  }

  const pair = (
    name: string,
    sums: readonly number[],
    counts: readonly number[],
    columns = sums.length / counts.length,
  ): readonly Part[] => [
    { name: `${name}.in_sum2`, ne: [columns, counts.length], values: sums },
    { name: `${name}.counts`, ne: [1, counts.length], values: counts },
  ];

  test('a matrix by llama-imatrix has the mean squares numpy computes', async () => {
    const bytes = readFileSync(new URL('../../golden/plan/micro-llama.imatrix.gguf', import.meta.url));
    const matrix = await good(bytes);
    const hash = createHash('sha256');
    for (const [name, { values }] of [...matrix.entries].sort(([a], [b]) => (a < b ? -1 : 1))) {
      hash.update(name);
      hash.update(new Uint8Array((await all(values)).buffer));
    }
    // sha256 over name and float32 in_sum2/counts, names sorted, with numpy
    expect(hash.digest('hex')).toBe('736c3b1fe4c57bc47d2b41b60e747914cf990c5fb9bddc84f64a12ac7253fc13');
    expect(matrix).toMatchObject({ format: 'gguf', datasets: ['text/calib_code.txt'], chunkCount: 8 });
    const plan = planQuantization(goldenModel('micro-llama'), defaultOptions('Q4_K_M'), { imatrix: matrix });
    expect(plan.problems).toEqual([]);
    expect(plan.tensors.filter(tensor => tensor.importance)).toHaveLength(14);
  });

  test('experts never chosen get ones, others their own count', async () => {
    const matrix = await good(await file(pair('w', [2, 4, 5, 6, 30, 60], [2, 0, 3])));
    const { values, unseenSlices } = matrix.entries.get('w')!;
    expect([await all(values), unseenSlices]).toEqual([Float32Array.of(1, 2, 1, 1, 10, 20), 1]);
    // Any part, across slices too.
    for (let start = 0; start < 6; start++) {
      for (let end = start; end <= 6; end++) {
        expect([...(await values.read(start, end))]).toEqual([1, 2, 1, 1, 10, 20].slice(start, end));
      }
    }
    expect(matrix).toMatchObject({ datasets: ['a.txt', 'b.txt'], chunkCount: 3, name: 'm.imatrix' });
  });

  test('other tensors are ignored, missing metadata is a warning', async () => {
    const parts = [...pair('w', [2], [2]), { name: 'w.stats', ne: [1], values: [7] }];
    expect([...(await good(await file(parts))).entries.keys()]).toEqual(['w']);
    const { value, problems } = await read(await file(parts, METADATA.slice(0, 2)));
    expect(problems.map(problem => `${problem.severity} ${problem.code}`)).toEqual([
      'warning imatrix/missing-metadata',
    ]);
    expect(value?.chunkCount).toBeUndefined();
  });

  test('what does not add up is refused', async () => {
    const [sums, counts] = pair('w', [1, 2, 3, 4], [1, 1]) as readonly [Part, Part];
    expect(await error(await file([sums]))).toBe('imatrix/incomplete: m.imatrix: w has in_sum2 but no counts.');
    expect(await error(await file([counts]))).toBe('imatrix/incomplete: m.imatrix: w has counts but no in_sum2.');
    expect(await error(await file([{ ...sums, type: 'I32' }, counts]))).toMatch(
      /^imatrix\/not-f32: .*w.in_sum2, found I32/,
    );
    expect(await error(await file([sums, { ...counts, ne: [3], values: [1, 1, 1] }]))).toMatch(
      /^imatrix\/bad-shape: .*4 sums do not divide into 3/,
    );
    expect(await error(await file(pair('w', [1, NaN], [1])))).toMatch(/^imatrix\/not-finite: .*NaN at index 1 of w/);
    expect(await error(await file(pair('w', [Infinity], [1])))).toMatch(/^imatrix\/not-finite/);
    expect(await error(await file([{ name: 'blk.0.attn_v.weight', ne: [1], values: [1] }]))).toMatch(
      /^imatrix\/not-imatrix/,
    );
  });

  test('negative sums are kept with a warning', async () => {
    const { value, problems } = await read(await file(pair('w', [1, -2], [1])));
    expect(problems).toMatchObject([{ code: 'imatrix/negative', severity: 'warning', subject: 'w' }]);
    expect(value?.entries.size).toBe(1);
  });

  test('a file cut anywhere is refused and nothing throws', async () => {
    const bytes = await file([...pair('blk.0.w', [1, 2], [1]), ...pair('blk.1.w', [1, 2], [1])]);
    // The last tensor's padding may be missing; its 4 bytes of counts may not.
    const needed = bytes.length - 28;
    for (let length = 0; length < needed; length++) await error(bytes.subarray(0, length));
  });
});

describe('legacy .dat', () => {
  interface Entry {
    readonly name: string;
    readonly calls: number;
    readonly values: readonly number[];
  }

  /** Little-endian i32 and float32, strings with their length before them. */
  function file(entries: readonly Entry[], tail: readonly (number | string)[] = []): Uint8Array {
    const parts: Buffer[] = [];
    const i32 = (value: number) => {
      const bytes = Buffer.alloc(4);
      bytes.writeInt32LE(value);
      parts.push(bytes);
    };
    const text = (value: string) => {
      i32(Buffer.byteLength(value));
      parts.push(Buffer.from(value));
    };
    i32(entries.length);
    for (const { name, calls, values } of entries) {
      text(name);
      i32(calls);
      i32(values.length);
      for (const value of values) {
        const bytes = Buffer.alloc(4);
        bytes.writeFloatLE(value);
        parts.push(bytes);
      }
    }
    for (const item of tail) {
      if (typeof item === 'string') text(item);
      else i32(item);
    }
    return new Uint8Array(Buffer.concat(parts));
  }

  const TWO = [
    { name: 'blk.0.a.weight', calls: 4, values: [4, 8, 1] },
    { name: 'blk.1.a.weight', calls: 0, values: [4, 8] },
  ];

  test('values are divided by the calls', async () => {
    const matrix = await good(file(TWO, [17, 'wiki.txt']));
    const entries = [...matrix.entries].map(async ([name, { values }]) => [name, [...(await all(values))]] as const);
    expect(await Promise.all(entries)).toEqual([
      ['blk.0.a.weight', [1, 2, 0.25]],
      ['blk.1.a.weight', [4, 8]],
    ]);
    expect(matrix).toMatchObject({ format: 'legacy', chunkCount: 17, datasets: ['wiki.txt'] });
    expect(await good(file(TWO))).toMatchObject({ chunkCount: undefined, datasets: [] });
  });

  test('a file cut anywhere but between its optional parts is refused', async () => {
    const bytes = file(TWO, [17, 'wiki.txt']);
    const body = file(TWO).length;
    for (let length = 0; length < bytes.length; length++) {
      if (length >= body && length < body + 8) continue;
      expect(await error(bytes.subarray(0, length)), String(length)).toMatch(
        /^imatrix\/(truncated|not-imatrix|out-of-range)/,
      );
    }
  });

  test('lengths beyond the file are refused before anything is allocated', async () => {
    const patched = (offset: number, value: number): Uint8Array => {
      const bytes = file(TWO);
      new DataView(bytes.buffer).setInt32(offset, value, true);
      return bytes;
    };
    expect(await error(patched(0, 0x7fffffff))).toMatch(/^imatrix\/not-imatrix/);
    expect(await error(patched(0, -1))).toMatch(/^imatrix\/not-imatrix/);
    expect(await error(patched(4, 0x7fffffff))).toMatch(
      /^imatrix\/out-of-range: .*from 1 to 1024, found 2147483647 at byte 4/,
    );
    expect(await error(patched(26, 0x7fffffff))).toMatch(
      /^imatrix\/out-of-range: .*number of values of blk.0.a.weight/,
    );
    expect(await error(patched(26, 0))).toMatch(/^imatrix\/out-of-range/);
    expect(await error(patched(30, 0x7fc00000))).toMatch(/^imatrix\/not-finite: .*NaN at index 0/);
    expect(await error(new TextEncoder().encode('This is a README, not a matrix.'))).toMatch(/^imatrix\/not-imatrix/);
    expect(await error(new Uint8Array(0))).toMatch(/^imatrix\/truncated/);
  });

  const shared = new URL('../../../../shared/data/imatrix/', import.meta.url);
  // Counts and texts as a separate script reads them.
  test.skipIf(!existsSync(shared))('two real files (skipped without ../shared/data/imatrix)', async () => {
    const facts = [];
    for (const name of ['imatrix.dat', 'imatrix2.dat']) {
      const matrix = await good(readFileSync(new URL(name, shared)));
      const lengths = [...new Set([...matrix.entries.values()].map(entry => entry.values.length))].sort(
        (a, b) => a - b,
      );
      facts.push(
        `${name} ${matrix.entries.size} ${[...matrix.entries.keys()][0]!} ${matrix.chunkCount!} ${matrix.datasets[0]!} ${lengths.join()}`,
      );
    }
    expect(facts).toEqual([
      'imatrix.dat 154 blk.21.ffn_up.weight 365 imatrix-training-full-3 2048,5632',
      'imatrix2.dat 238 blk.33.attn_output.weight 320 imatrix-training-full-3 2048,2560,10240',
    ]);
  });
});
