// Products of weights and activations (kernels/product), through the smallest program that has one: the rows of an embedding are
// the inputs, `output.weight` the matrix. The scalar reference is held to sums in double precision of what the weights
// decode to; every other instruction set and WebAssembly to the reference, bit by bit.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { GgufModel, GgufTensorInfo } from '../../src/core/gguf/gguf.js';
import type { Executor, ModelFiles } from '../../src/engine/executor.js';
import { ProgramBuilder } from '../../src/engine/graph/program-builder.js';
import type { KernelBackend } from '../../src/engine/kernel-backend.js';
import { loadExecutor } from '../../src/platform/load-executor.js';
import { MemorySource } from '../fixtures/gguf/memory-source.js';
import { builds, byteLength, kernelDirectory, normalSource, randomSource, typeNamed } from './support.js';

const folder = mkdtempSync(path.join(os.tmpdir(), 'quantsmith-product-'));
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

const seed = Number(process.env['QUANTSMITH_SEED'] ?? Math.floor(Math.random() * 1e6));
console.log(`seed ${seed} (QUANTSMITH_SEED)`);

interface World {
  readonly files: ModelFiles;
  readonly model: GgufModel;
  readonly rows: number;
}

/** A file with `rows` inputs and a matrix of as many rows. */
function makeWorld(name: string, typeId: number, matrix: Uint8Array, inputs: Float32Array, columns: number): World {
  const rows = inputs.length / columns;
  const bytes = new Uint8Array(inputs.byteLength + matrix.byteLength);
  bytes.set(new Uint8Array(inputs.buffer, inputs.byteOffset, inputs.byteLength));
  bytes.set(matrix, inputs.byteLength);
  const tensor = (tensorName: string, type: number, at: number, length: number): GgufTensorInfo => ({
    name: tensorName,
    ne: [columns, rows],
    typeId: type,
    elementCount: columns * rows,
    offset: at,
    fileOffset: at,
    byteLength: length,
    shard: 0,
    infoOffset: 0,
  });
  const file = path.join(folder, `${name}.bin`);
  writeFileSync(file, bytes);
  const tensors = [
    tensor('token_embd.weight', 0, 0, inputs.byteLength),
    tensor('output.weight', typeId, inputs.byteLength, matrix.byteLength),
  ];
  return {
    files: { paths: [file], sources: [new MemorySource(bytes)] },
    model: { tensors } as unknown as GgufModel,
    rows,
  };
}

/** Products of the first `count` inputs with all rows. */
async function products(executor: Executor, isa: string, world: World, count: number): Promise<Float32Array> {
  const g = new ProgramBuilder(world.model);
  const columns = g.weight('token_embd').columns;
  const input = g.embed(g.slot('input', columns), 'token_embd');
  const output = g.matmul(g.slot('output', world.rows), g.wanted(input, input), 'output');
  const limits = { context: count, sequences: 1, cells: count, batch: count, cacheType: 'f32' } as const;
  const session = await executor.createSession(g.finish(output, limits), world.files, { threads: 2, isa });
  try {
    return await session.step({ tokens: Int32Array.from({ length: count }, (_, i) => i), wanted: 'all' });
  } finally {
    await session.end();
  }
}

/** What inputs are rounded to before a product, by the formats' definitions (Q8_0, Q8_K, binary16, bfloat16). */
function rounded(inputs: Float32Array, typeName: string, blockSize: number): Float64Array {
  const result = Float64Array.from(inputs);
  const unit = blockSize === 256 ? 256 : 32;
  if (typeName === 'F32') return result;
  if (typeName === 'F16') return result.map(value => half(value));
  if (typeName === 'BF16') return result.map(value => bfloat(value));
  for (let b = 0; b < inputs.length; b += unit) {
    const block = inputs.subarray(b, b + unit);
    const largest = block.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    if (largest === 0) continue;
    const inverse = unit === 256 ? Math.fround(127 / largest) : Math.fround(1 / Math.fround(largest / 127));
    const scale = unit === 256 ? Math.fround(1 / inverse) : half(Math.fround(largest / 127));
    block.forEach((value, i) => {
      const scaled = Math.fround(value * inverse);
      const code = unit === 256 ? nearestEven(scaled) : Math.sign(scaled) * Math.floor(Math.abs(scaled) + 0.5);
      result[b + i] = code * scale;
    });
  }
  return result;
}

function nearestEven(value: number): number {
  const low = Math.floor(value);
  if (value - low !== 0.5) return Math.round(value);
  return low % 2 === 0 ? low : low + 1;
}

/** Nearest binary16, ties to even, of a value in its normal range. */
function half(value: number): number {
  if (value === 0) return 0;
  const step = 2 ** Math.max(Math.floor(Math.log2(Math.abs(value))) - 10, -24);
  return nearestEven(value / step) * step;
}

function bfloat(value: number): number {
  if (value === 0) return 0;
  const step = 2 ** (Math.floor(Math.log2(Math.abs(value))) - 7);
  return nearestEven(value / step) * step;
}

function encode(backend: KernelBackend, name: string, values: Float32Array, columns: number): Uint8Array {
  const type = typeNamed(backend, name);
  const target = new Uint8Array(byteLength(type, values.length));
  const rows = values.length / columns;
  const importance = new Float32Array(columns).fill(1);
  backend.quantizeRows(type.id, values, target, rows, columns, importance);
  return target;
}

const reference = builds.find(({ backend }) => backend?.kind === 'wasm')?.backend;
if (!reference) throw new Error('WebAssembly must load everywhere');
const executors = await Promise.all(
  builds.flatMap(({ backend }) =>
    backend ? [loadExecutor(backend.kind, kernelDirectory).then(({ executor }) => ({ executor, backend }))] : [],
  ),
);

describe.each(reference.types.map(({ name }) => name))('%s', name => {
  const type = typeNamed(reference, name);
  // Rows that fill no panel, columns that fill no tile; 26 inputs are more than a block of float products.
  const columns = type.blockSize === 256 ? 1280 : type.blockSize === 1 ? 1100 : 1024 + 3 * type.blockSize;
  const rows = 37;
  const normal = normalSource(randomSource(seed + type.id));
  const weights = Float32Array.from({ length: rows * columns }, () => normal() * 0.02);
  const inputs = Float32Array.from({ length: rows * columns }, () => normal());
  const matrix = encode(reference, name, weights, columns);
  const world = makeWorld(name, type.id, matrix, inputs, columns);

  test('the reference: sums of decoded weights, in double precision', async () => {
    const decoded = new Float32Array(weights.length);
    reference.dequantizeRows(type.id, matrix, decoded, rows, columns);
    const x = rounded(inputs, name, type.blockSize);
    for (const { executor } of executors) {
      const found = await products(executor, 'ref', world, 2);
      for (let k = 0; k < 2; k++) {
        for (let r = 0; r < rows; r++) {
          let [sum, magnitudes] = [0, 0];
          for (let c = 0; c < columns; c++) {
            const term = (decoded[r * columns + c] ?? 0) * (x[k * columns + c] ?? 0);
            sum += term;
            magnitudes += Math.abs(term);
          }
          // Each float operation adds an error of 2^-24 of what is summed so far: the terms of a unit have four, each sum one.
          const steps = type.blockSize === 1 ? columns / 16 + 6 : columns / 32 + 8;
          expect(Math.abs((found[k * rows + r] ?? NaN) - sum)).toBeLessThanOrEqual(steps * 2 ** -24 * magnitudes);
        }
      }
    }
  });

  test('every instruction set and number of inputs: the bits of the reference', async () => {
    const [first] = executors;
    if (!first) throw new Error('no executor');
    const expected = Buffer.from((await products(first.executor, 'ref', world, rows)).buffer);
    for (const { executor, backend } of executors) {
      for (const isa of backend.isas) {
        for (const count of [1, 2, 3, 4, 6, 26, rows]) {
          const found = Buffer.from((await products(executor, isa, world, count)).buffer);
          const same = found.equals(expected.subarray(0, found.length));
          expect(same, `${backend.kind} ${isa}, ${count} inputs`).toBe(true);
        }
      }
    }
  });

  test('an input that is not finite makes every product NaN', async () => {
    const damaged = inputs.slice();
    damaged[5] = NaN;
    damaged[columns + 7] = Infinity;
    const broken = makeWorld(`${name}-broken`, type.id, matrix, damaged, columns);
    for (const { executor, backend } of executors) {
      for (const isa of backend.isas) {
        const found = await products(executor, isa, broken, 3);
        expect(found.subarray(0, rows).every(Number.isNaN), `${backend.kind} ${isa}, NaN`).toBe(true);
        const infinite = found.subarray(rows, 2 * rows);
        expect(infinite.some(Number.isFinite), `${backend.kind} ${isa}, infinity`).toBe(false);
        expect(found.subarray(2 * rows).every(Number.isFinite), `${backend.kind} ${isa}, finite`).toBe(true);
      }
    }
  });
});
