// A weight that is NaN or infinite is an error that names the tensor and the weight, whatever it is to become and whatever it
// comes from: no output ever holds one. llama-quantize refuses the same files ("tensor … has invalid data").
import path from 'node:path';
import { expect, test } from 'vitest';
import { FILE_TYPES } from '../../src/core/ggml/file-type.js';
import { loadBackend } from '../../src/platform/load-backend.js';
import { at, built, failure, files, quantize, useQuantize } from './quantize-run.js';
import { bfloat16, weights, writeSmallModel, type SmallTensor } from './small-model.js';

useQuantize();

const [COLUMNS, ROWS] = [512, 520];
const NAME = 'blk.0.ffn_up.weight';

/** A matrix of more than one task with one value that is none. */
function poisoned(type: 'F32' | 'F16' | 'BF16', index: number, value: number): SmallTensor {
  const numbers = weights(COLUMNS * ROWS, index + 1);
  const ne = [COLUMNS, ROWS];
  if (type === 'F32') return { name: NAME, ne, type, data: numbers.fill(value, index, index + 1) };
  const data = type === 'BF16' ? bfloat16(numbers) : new Uint16Array(COLUMNS * ROWS).map((_, i) => 0x2c00 + (i % 1024));
  const exponent = type === 'BF16' ? 0x7f80 : 0x7c00;
  data[index] = exponent | (Number.isNaN(value) ? 0x40 : 0) | (value < 0 ? 0x8000 : 0);
  return { name: NAME, ne, type, data };
}

test('in the source of every file type there is, and in copies', async () => {
  const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31);
  console.log(`seed ${seed} (SEED=${seed} repeats it)`);
  let state = seed;
  const random = (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const sources = ['F32', 'F16', 'BF16'] as const;
  const seen: string[] = [];
  for (const [number, { name, offered, available }] of FILE_TYPES.entries()) {
    if (!offered || !available) continue;
    for (const from of [sources[number % 3]!, sources[(number + 1) % 3]!]) {
      const index = random(COLUMNS * ROWS);
      writeSmallModel(at('in.gguf'), [poisoned(from, index, [NaN, Infinity, -Infinity][random(3)]!)]);
      const backend = random(2) === 0 ? 'wasm' : 'auto';
      const outcome = await failure({ source: at('in.gguf'), type: name, options: { pure: random(2) === 0 }, backend });
      expect(files(), name).toEqual(['in.gguf']);
      // Some cannot be made without an importance matrix; that is said before a weight is read.
      if (outcome.startsWith('plan/')) continue;
      const place = `element ${index} (row ${Math.floor(index / COLUMNS)}, column ${index % COLUMNS})`;
      expect(outcome, `${from} to ${name}`).toBe(
        `quantize/non-finite: ${NAME}: expected finite weights, found NaN or infinity at ${place}. -> The model is damaged or was converted wrongly: fetch or convert it again.`,
      );
      seen.push(`${from}>${name}`);
    }
  }
  console.log(`found in ${seen.length} of them: ${seen.join(' ')}`);
  expect(seen.length).toBeGreaterThan(30);
  expect(seen.some(one => one.endsWith('COPY'))).toBe(true);
}, 120_000);

test('in a tensor that is kept as it is, in both byte orders', async () => {
  const norm = weights(COLUMNS, 3);
  norm[77] = -Infinity;
  for (const little of [true, false]) {
    writeSmallModel(at('in.gguf'), [{ name: 'output_norm.weight', ne: [COLUMNS], type: 'F32', data: norm }], little);
    expect(await failure({ source: at('in.gguf'), type: 'Q4_K_M' })).toContain(
      'quantize/non-finite: output_norm.weight: expected finite weights, found NaN or infinity at element 77 (row 0, column 77).',
    );
  }
});

test('in blocks that are copied, and in blocks that are quantized again', async () => {
  const { backend } = await loadBackend('auto', path.join(built.dist, 'kernels'));
  const data = new Uint8Array((COLUMNS * ROWS * 34) / 32);
  backend.quantizeRows(8, weights(COLUMNS * ROWS, 5), data, ROWS, COLUMNS);
  const block = 4321;
  data.fill(0xff, block * 34, block * 34 + 2);
  writeSmallModel(at('in.gguf'), [{ name: NAME, ne: [COLUMNS, ROWS], type: 'Q8_0', data }]);
  for (const type of ['Q8_0', 'COPY', 'Q4_0']) {
    const run = { source: at('in.gguf'), type, options: { allowRequantize: true } };
    expect(await failure(run), type).toContain(
      `${NAME}: expected finite weights, found NaN or infinity at element ${block * 32} `,
    );
  }
  data.fill(0x10, block * 34, block * 34 + 2);
  writeSmallModel(at('in.gguf'), [{ name: NAME, ne: [COLUMNS, ROWS], type: 'Q8_0', data }]);
  expect((await quantize({ source: at('in.gguf'), type: 'COPY' })).origins.copied).toBe(1);
});
