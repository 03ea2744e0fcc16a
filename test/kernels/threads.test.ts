// Several threads, each with its own instance of the addon, working on one shared buffer; and loading it twice in one.
import { Worker } from 'node:worker_threads';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { NativeBackend, type KernelAddon } from '../../src/engine/backends/native.js';
import { builds, byteLength, kernelDirectory, typeNamed } from './support.js';

const native = builds.find(({ kind }) => kind === 'native');
const addonFile = path.join(kernelDirectory, 'kernels.node');

// Plain JavaScript: a worker started from a test has no TypeScript loader.
const WORKER = `
  const { parentPort, workerData } = require('node:worker_threads');
  const module_ = { exports: {} };
  process.dlopen(module_, workerData.addonFile);
  const { source, target, row, rows, columns, type, rowBytes } = workerData;
  const floats = new Float32Array(source, row * columns * 4, rows * columns);
  const bytes = new Uint8Array(target, row * rowBytes, rows * rowBytes);
  const best = module_.exports.describe().isas.findLastIndex(isa => isa.available);
  for (let round = 0; round < 20; round++) module_.exports.quantizeRows(type, floats, bytes, rows, columns, undefined, best);
  parentPort.postMessage('done');
`;

describe('worker threads', () => {
  const backend = native?.backend;
  if (!backend) {
    it.skip(`native: ${native?.reason ?? 'missing'}`);
    return;
  }

  it('quantize parts of one shared tensor at the same time', async () => {
    const [threads, rowsEach, columns] = [4, 8, 1024];
    const type = typeNamed(backend, 'Q4_K');
    const source = new Float32Array(new SharedArrayBuffer(threads * rowsEach * columns * 4));
    for (let k = 0; k < source.length; k++) source[k] = Math.sin(k * k);
    const rowBytes = byteLength(type, columns);
    const target = new SharedArrayBuffer(threads * rowsEach * rowBytes);
    await Promise.all(
      Array.from({ length: threads }, async (_, thread) => {
        const workerData = {
          addonFile,
          source: source.buffer,
          target,
          row: thread * rowsEach,
          rows: rowsEach,
          columns,
          type: type.id,
          rowBytes,
        };
        const worker = new Worker(WORKER, { eval: true, workerData });
        await new Promise((resolve, reject) => {
          worker.once('message', resolve);
          worker.once('error', reject);
        });
        await worker.terminate();
      }),
    );
    const expected = new Uint8Array(target.byteLength);
    backend.quantizeRows(type.id, source, expected, threads * rowsEach, columns, undefined, 'ref');
    expect(Buffer.compare(new Uint8Array(target), expected)).toBe(0);
  });

  it('load the addon again in the same thread', () => {
    const module = { exports: {} };
    process.dlopen(module, addonFile);
    const second = new NativeBackend(module.exports as KernelAddon);
    expect(second.isas).toEqual(backend.isas);
  });
});
