// Products of a matrix with one input (a generated token) and with many (a prompt): GOP/s, two operations per weight and
// input, and for one input the bytes of weights read per second.
//   node kernels/bench/products.mjs [--backend=native|wasm] [--types=Q4_0,Q8_0] [--threads=1] [--isa=avx2]
//                                   [--columns=1536] [--rows=16384] [--inputs=1,64] [--seconds=1] [--kernels=dist/kernels]
//
// The matrix is larger than every cache unless --rows is small. The fastest step counts: on a shared machine that is the one
// that was not disturbed. Both backends run alternately, so that a change of the machine's speed meets both.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const root = path.resolve(import.meta.dirname, '../..');
const options = Object.fromEntries(process.argv.slice(2).map(argument => argument.replace(/^--/, '').split('=')));
const [columns, rows, threads] = [Number(options.columns ?? 1536), Number(options.rows ?? 16384), Number(options.threads ?? 1)];
const inputs = (options.inputs ?? '1,64').split(',').map(Number);
const names = (options.types ?? 'Q4_0,Q5_0,Q8_0,Q3_K,Q4_K,Q5_K,Q6_K,IQ4_XS,F16').split(',');
const most = Math.max(...inputs);

async function load(source, name) {
  const outfile = path.join(root, `dist/.bench/${name}.mjs`);
  await build({ entryPoints: [path.join(root, source)], bundle: true, platform: 'node', format: 'esm', outfile });
  return import(pathToFileURL(outfile).href);
}
const { loadExecutor } = await load('src/platform/load-executor.ts', 'load-executor');
const { loadBackend } = await load('src/platform/load-backend.ts', 'load-backend');
const { ProgramBuilder } = await load('src/engine/graph/program-builder.ts', 'program-builder');
const { FileSource } = await load('src/platform/file-source.ts', 'file-source');

const kernels = path.resolve(options.kernels ?? path.join(root, 'dist/kernels'));
const folder = mkdtempSync(path.join(os.tmpdir(), 'bench-products-'));
const kinds = options.backend ? [options.backend] : ['native', 'wasm'];
const { backend } = await loadBackend('auto', kernels, '');

let seed = 1;
const uniform = () => ((seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) + 1) / 4294967297;
const floats = count => Float32Array.from({ length: count }, () => (uniform() + uniform() + uniform() - 1.5) * 0.05);

/** One chunk of random rows, repeated: what the values are does not change the time. */
function writeModel(type) {
  const chunk = 64;
  const blocks = new Uint8Array((chunk * columns * type.blockBytes) / type.blockSize);
  backend.quantizeRows(type.id, floats(chunk * columns), blocks, chunk, columns, new Float32Array(columns).fill(1));
  const file = path.join(folder, 'weights');
  writeFileSync(file, Buffer.concat(Array.from({ length: rows / chunk }, () => blocks)));
  const byteLength = (blocks.length * rows) / chunk;
  // The inputs are rows of the same matrix: a program has as many logits as its embedding has rows.
  const place = { typeId: type.id, elementCount: columns * rows, offset: 0, fileOffset: 0, byteLength };
  const tensor = name => ({ name, ne: [columns, rows], ...place, shard: 0, infoOffset: 0 });
  return { file, model: { tensors: [tensor('token_embd.weight'), tensor('output.weight')] }, bytes: byteLength };
}

async function session(kind, { file, model }) {
  const g = new ProgramBuilder(model);
  const input = g.embed(g.slot('input', columns), 'token_embd');
  const output = g.matmul(g.slot('output', rows), g.wanted(input, input), 'output');
  const limits = { context: most, sequences: 1, cells: most, batch: most, cacheType: 'f32' };
  const { executor } = await loadExecutor(kind, kernels);
  const isa = kind === 'native' ? options.isa : undefined;
  const source = await FileSource.open(file);
  try {
    return await executor.createSession(g.finish(output, limits), { paths: [file], sources: [source] }, { threads, isa });
  } finally {
    await source.close();
  }
}

try {
  for (const name of names) {
    const type = backend.types.find(other => other.name === name);
    const made = writeModel(type);
    const sessions = await Promise.all(kinds.map(async kind => ({ kind, session: await session(kind, made) })));
    for (const count of inputs) {
      const tokens = Int32Array.from({ length: count }, (_, i) => i);
      const best = kinds.map(() => Infinity);
      const end = performance.now() + 1000 * Number(options.seconds ?? 1) * kinds.length;
      while (performance.now() < end) {
        for (const [i, each] of sessions.entries()) {
          const start = performance.now();
          await (each.session.truncate(0, 0), each.session.step({ tokens, wanted: 'all' }));
          best[i] = Math.min(best[i], (performance.now() - start) / 1000);
        }
      }
      const cells = kinds.flatMap((kind, i) => {
        const gops = ((2 * rows * columns * count) / best[i] / 1e9).toFixed(1).padStart(7);
        const speed = count === 1 ? ` ${(made.bytes / best[i] / 1e9).toFixed(1).padStart(5)} GB/s` : '';
        return [`${kind} ${gops} GOP/s${speed}`];
      });
      const share = kinds.length === 2 ? `  wasm/native ${(best[0] / best[1]).toFixed(2)}` : '';
      console.log(`${name.padEnd(7)} ${String(count).padStart(3)} inputs  ${cells.join('  ')}${share}`);
    }
    for (const each of sessions) await each.session.end();
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
