// The quantize job on a real machine: dry runs, progress, byte orders, importance by expert, rows of any length. Kernels are the
// built ones; that the bytes are right is quantize-parity.test.ts.
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { usesImportance, weighsByRow } from '../../src/core/quantize/importance-matrix.js';
import type { JobProgress, PlannedTensor } from '../../src/core/quantize/quantization-plan.js';
import { byteLengthOf, ggmlType } from '../../src/core/ggml/ggml-type.js';
import { chunksOf, largestPiece, PIECE_WEIGHTS, slicesOf } from '../../src/engine/jobs/quantize-chunks.js';
import { loadBackend } from '../../src/platform/load-backend.js';
import type { QuantizeServices } from '../../src/engine/jobs/quantize-services.js';
import { importanceEntry } from '../fixtures/importance.js';
import { tinycoder } from '../worker/built-worker.js';
import { at, built, digest, files, quantize, useQuantize } from './quantize-run.js';
import { bfloat16, weights, writeSmallModel } from './small-model.js';

useQuantize();
const close = (): Promise<void> => Promise.resolve();

test('a dry run touches nothing and still plans', async () => {
  const report = await quantize({ dryRun: true });
  expect(files()).toEqual([]);
  expect(report.byteLength).toBe(3328576);
  expect(report.tensors.every(({ sha256 }) => sha256 === '')).toBe(true);
  // What would stop the run is a problem in its report.
  writeFileSync(at('out.gguf'), '');
  expect((await quantize({ dryRun: true })).problems.map(problem => problem.code)).toContain('output/exists');
});

test('progress counts source bytes to the end, never backwards, and estimates the time', async () => {
  const seen: JobProgress[] = [];
  await quantize({ onProgress: value => seen.push(value) });
  expect(seen[0]?.phase).toBe('plan');
  const running = seen.filter(({ phase }) => phase === 'quantize');
  expect(running.every((value, i) => i === 0 || value.done >= running[i - 1]!.done)).toBe(true);
  const last = running.at(-1)!;
  expect(last.done).toBe(last.total);
  expect(last.total).toBeGreaterThan(9_900_000);
  expect(seen.at(-1)?.phase).toBe('write');
});

test('big-endian F32, F16 and BF16 give the bytes of their little-endian twins', async () => {
  const data = weights(512 * 8, 4);
  const tensors = [
    { name: 'blk.0.ffn_up.weight', ne: [512, 8], type: 'F32', data },
    { name: 'blk.0.ffn_down.weight', ne: [512, 8], type: 'BF16', data: bfloat16(data) },
    {
      name: 'blk.0.attn_q.weight',
      ne: [512, 2],
      type: 'F16',
      data: Uint16Array.from({ length: 1024 }, (_, i) => 0x3000 + i),
    },
    { name: 'output_norm.weight', ne: [512], type: 'F32', data: weights(512, 5) },
  ] as const;
  writeSmallModel(at('le.gguf'), tensors);
  writeSmallModel(at('be.gguf'), tensors, false);
  for (const type of ['Q4_K_M', 'F16', 'F32']) {
    const [little, big] = [
      await quantize({ source: at('le.gguf'), output: at('l'), overwrite: true, type }),
      await quantize({ source: at('be.gguf'), output: at('b'), overwrite: true, type }),
    ];
    expect(big.tensors).toEqual(little.tensors);
    expect(digest(at('b'))).toBe(digest(at('l')));
  }
});

test('each expert is quantized with its own importance weights', async () => {
  const [columns, rows, experts] = [256, 5, 4];
  const data = weights(columns * rows * experts, 8);
  const importance = weights(columns * experts, 9).map(value => value * value * 1000);
  const withMatrix =
    (entries: Record<string, Float32Array>) =>
    (services: QuantizeServices): QuantizeServices => ({
      ...services,
      openImatrix: () => {
        const named = Object.entries(entries).map(([name, values]) => [name, importanceEntry(values)] as const);
        const matrix = { name: 'm', format: 'gguf', entries: new Map(named), datasets: [], chunkCount: 1 } as const;
        return Promise.resolve({ matrix, file: { path: tinycoder, size: 0, version: '' }, problems: [], close });
      },
      assertUnchanged: () => Promise.resolve(),
    });
  const run = (name: string, ne: number[], values: Float32Array, matrix: Float32Array, type: string) => {
    writeSmallModel(at('in.gguf'), [{ name, ne, type: 'F32', data: values }]);
    const options = { pure: true };
    return quantize({
      source: at('in.gguf'),
      imatrix: 'm',
      type,
      options,
      overwrite: true,
      services: withMatrix({ [name]: matrix }),
    });
  };
  for (const type of ['Q4_K_S', 'Q4_0', 'Q5_1', 'Q6_K']) {
    const pieces: Buffer[] = [];
    for (let expert = 0; expert < experts; expert++) {
      const part = data.slice(expert * columns * rows, (expert + 1) * columns * rows);
      const own = importance.slice(expert * columns, (expert + 1) * columns);
      const { byteLength } = (await run('blk.0.ffn_down.weight', [columns, rows], part, own, type)).tensors[0]!;
      // The only tensor is the end of the file, but for its padding.
      const file = readFileSync(at('out.gguf'));
      const begin = file.length - Math.ceil(byteLength / 32) * 32;
      pieces.push(file.subarray(begin, begin + byteLength));
    }
    const all = await run('blk.0.ffn_down_exps.weight', [columns, rows, experts], data, importance, type);
    expect(all.tensors[0]?.sha256, type).toBe(createHash('sha256').update(Buffer.concat(pieces)).digest('hex'));
  }
});

/** Types that cannot be made without importance weights. */
const NEEDS_IMPORTANCE = /^IQ(?:1_S|2_XXS|2_XS)$/;

describe('rows longer than a task', () => {
  const columns = (2 << 18) + 512;
  const tensor = (importance: boolean, toType: PlannedTensor['toType']): PlannedTensor => ({
    name: 'a.weight',
    sourceName: 'a.weight',
    ne: [columns, 2],
    elementCount: 2 * columns,
    fromType: 'F32',
    toType,
    rule: '',
    importance,
    source: { shard: 0, fileOffset: 0, byteLength: 8 * columns },
    target: { shard: 0, offset: 0, byteLength: byteLengthOf(ggmlType(toType), 2 * columns) },
  });

  test('are cut between blocks and give the bytes of whole rows in every format, with and without importance weights', async () => {
    const data = weights(2 * columns, 6);
    const importance = weights(columns, 7).map(value => value * value);
    // Parts of very different size: what looked beyond a block would show.
    for (let i = 0; i < data.length; i++) data[i]! *= 1 + (i >> 12);
    for (let i = 0; i < importance.length; i++) importance[i]! *= 1 + (i >> 11);
    const source = new Uint8Array(data.buffer);
    const { backend } = await loadBackend('auto', path.join(built.dist, 'kernels'));
    const compared: string[] = [];
    for (const { id, name, blockSize } of backend.types) {
      for (const weighted of [false, true]) {
        if (blockSize === 1 || (weighted ? !usesImportance(name) : NEEDS_IMPORTANCE.test(name))) continue;
        const convert = (bytes: Uint8Array, rows: number, length: number, from: number): Uint8Array => {
          const target = new Uint8Array(byteLengthOf(ggmlType(name), rows * length));
          const own = weighted ? importance.slice(from, from + length) : undefined;
          expect(backend.convertRows(0, bytes, id, target, rows, length, own)).toMatchObject({ ok: true });
          return target;
        };
        const chunks = [...chunksOf(tensor(weighted, name), true)];
        const isWhole = weighted && weighsByRow(name);
        expect(chunks.length, name).toBe(isWhole ? 2 : weighted ? 6 : 2);
        expect(chunks.flatMap(({ task }) => [...slicesOf(task)])).toHaveLength(isWhole ? 2 : weighted ? 6 : 5);
        const whole = Buffer.from(convert(source, 2, columns, 0));
        let length = 0;
        for (const { task, offset, importance: range } of chunks) {
          if (weighted) expect(range!.end - range!.start).toBe(task.columns);
          for (const slice of slicesOf(task)) {
            if (!isWhole) expect(slice.rows * task.columns).toBeLessThanOrEqual(PIECE_WEIGHTS);
            const from = task.source.fileOffset + slice.source.offset;
            const bytes = source.subarray(from, from + slice.source.byteLength);
            const piece = convert(bytes, slice.rows, task.columns, range?.start ?? 0);
            expect(piece.length).toBe(slice.target.byteLength);
            const place = offset + slice.target.offset;
            expect(whole.subarray(place, place + piece.length).equals(piece), `${name} at ${place}`).toBe(true);
            length += piece.length;
          }
        }
        expect(length).toBe(whole.length);
        compared.push(weighted ? `${name} weighted` : name);
      }
    }
    console.log(`cut rows equal whole rows: ${compared.join(', ')}`);
    expect(compared).toEqual(expect.arrayContaining(['Q4_0', 'Q4_0 weighted', 'Q6_K', 'Q4_K weighted']));
  });

  test('of any length and number are cut into whole rows that follow each other', () => {
    const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31);
    console.log(`seed ${seed} (SEED=${seed} repeats it)`);
    let state = seed;
    const random = (below: number): number => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    for (let i = 0; i < 500; i++) {
      const length = 256 * (1 + random([4, 64, 1024, 4096][random(4)]!));
      const ne = [length, 1 + random(Math.ceil(2 ** 22 / length)), 1 + random(3)];
      const elementCount = ne[0]! * ne[1]! * ne[2]!;
      const [fromType, toType] = [
        ['F32', 'F16', 'Q8_0'],
        ['Q4_0', 'BF16', 'IQ4_XS', 'Q8_0'],
      ].map(types => types[random(types.length)]!) as [string, string];
      const bytes = (type: string): number => byteLengthOf(ggmlType(type), elementCount);
      const source = { shard: 0, fileOffset: 0, byteLength: bytes(fromType) };
      const target = { shard: 0, offset: 0, byteLength: bytes(toType) };
      const importance = usesImportance(toType) && random(2) === 0;
      const cut = { ...tensor(importance, toType), ne, elementCount, fromType, source, target };
      let [read, written, elements] = [0, 0, 0];
      for (const { task, firstElement, offset } of chunksOf(cut, true)) {
        expect([task.source.fileOffset, offset, firstElement]).toEqual([read, written, elements]);
        for (const slice of slicesOf(task)) {
          expect(offset + slice.target.offset).toBe(written);
          expect(task.source.fileOffset + slice.source.offset).toBe(read);
          expect(firstElement + slice.firstElement).toBe(elements);
          read += slice.source.byteLength;
          written += slice.target.byteLength;
          if (fromType !== toType) elements += slice.rows * task.columns;
          else elements = (read / ggmlType(fromType).typeSize) * ggmlType(fromType).blockSize;
        }
        expect([written, read]).toEqual([offset + task.byteLength, task.source.fileOffset + task.source.byteLength]);
        // One expert has the importance weights of one.
        if (importance)
          expect(Math.floor(firstElement / (length * ne[1]!))).toBe(Math.floor((elements - 1) / (length * ne[1]!)));
      }
      expect([read, written, elements]).toEqual([source.byteLength, target.byteLength, elementCount]);
    }
  });

  test('memory is asked for what is not cut', () => {
    expect(largestPiece([tensor(false, 'Q4_K')])).toMatchObject({ weights: PIECE_WEIGHTS, importance: 0 });
    expect(largestPiece([tensor(true, 'Q4_K')])).toMatchObject({ weights: PIECE_WEIGHTS, importance: PIECE_WEIGHTS });
    expect(largestPiece([tensor(true, 'Q4_0')])).toMatchObject({ weights: columns, importance: columns });
  });

  test('a run gives the bytes of the same weights in short rows', async () => {
    const long = 3 << 18;
    const data = bfloat16(weights(long * 2, 6));
    const rows = (length: number) =>
      [{ name: 'blk.0.ffn_up.weight', ne: [length, (long * 2) / length], type: 'BF16', data }] as const;
    writeSmallModel(at('long.gguf'), rows(long));
    const one = await quantize({ source: at('long.gguf'), type: 'Q4_K_S', threads: 1 });
    expect(one.tensors[0]?.byteLength).toBe((long * 2 * 144) / 256);
    writeSmallModel(at('wide.gguf'), rows(256));
    const many = await quantize({ source: at('wide.gguf'), output: at('wide.out'), type: 'Q4_K_S', threads: 3 });
    expect(many.tensors[0]?.sha256).toBe(one.tensors[0]?.sha256);
  });
});
