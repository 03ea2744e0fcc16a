// Speed of every kernel: million weights per second, bytes moved (float32 plus blocks) as a share of what a plain copy
// reaches here, and the factor over the scalar reference.
//   npm run bench [-- --type=Q4_K] [--backend=native|wasm] [--isa=avx2] [--milliseconds=200]
//
// The best of many repetitions counts, and a repetition is kept below a millisecond: on a shared machine the fastest run is
// the one that was not disturbed. (The processor-time clock would be the better judge, but it ticks every 4 ms.)
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const root = path.resolve(import.meta.dirname, '../..');
const options = Object.fromEntries(process.argv.slice(2).map(argument => argument.replace(/^--/, '').split('=')));
const milliseconds = Number(options.milliseconds ?? 200);
const columns = 4096;
const manyRows = 64; // 1 MiB of float32: source and target stay in the level-2 cache
const fewRows = 4; // for kernels that need a millisecond for those already

/** Weights per second of the fastest run of `work(rows)`. */
function best(work) {
  const timed = rows => {
    const start = performance.now();
    work(rows);
    return (performance.now() - start) / 1000;
  };
  for (let warm = 0; warm < 20; warm++) work(fewRows);
  const rows = Math.min(timed(fewRows), timed(fewRows)) * (manyRows / fewRows) > 0.001 ? fewRows : manyRows;
  let fastest = Infinity;
  const end = performance.now() + milliseconds;
  while (performance.now() < end) fastest = Math.min(fastest, timed(rows));
  return (rows * columns) / fastest;
}

// The sources are TypeScript: one bundle in memory.
const bundled = await build({
  entryPoints: [path.join(root, 'src/platform/load-backend.ts')],
  bundle: true,
  platform: 'node',
  format: 'esm',
  outfile: path.join(root, 'dist/.bench/load-backend.mjs'),
});
if (bundled.errors.length > 0) process.exit(1);
const { loadBackend } = await import(pathToFileURL(path.join(root, 'dist/.bench/load-backend.mjs')).href);

let seed = 1;
const uniform = () => ((seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) + 1) / 4294967297;
const weights = manyRows * columns;
const source = Float32Array.from(
  { length: weights },
  () => 0.02 * Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform()),
);
const importance = Float32Array.from({ length: columns }, () => Math.exp(uniform() * 4 - 2));
const decoded = new Float32Array(weights);

const copyTarget = new Float32Array(weights);
const copySpeed = 8 * best(rows => copyTarget.set(source.subarray(0, rows * columns)));
console.log(`plain copy of ${source.byteLength >> 10} KiB: ${(copySpeed / 1e9).toFixed(1)} GB/s read and written`);
console.log('operation            type  backend/isa        Mweights/s     GB/s  of copy  x ref');

for (const kind of ['native', 'wasm']) {
  if (options.backend && options.backend !== kind) continue;
  let backend;
  try {
    ({ backend } = await loadBackend(kind, path.join(root, 'dist/kernels'), ''));
  } catch (error) {
    console.log(`${kind}: ${error.message}`);
    continue;
  }
  for (const type of backend.types) {
    if (options.type && options.type !== type.name) continue;
    const bytesPerWeight = type.blockBytes / type.blockSize;
    const blocks = new Uint8Array(weights * bytesPerWeight);
    backend.quantizeRows(type.id, source, blocks, manyRows, columns);
    const floatsOf = (array, rows) => array.subarray(0, rows * columns);
    const blocksOf = rows => blocks.subarray(0, rows * columns * bytesPerWeight);
    const quantize = (isa, rows, weighted) =>
      backend.quantizeRows(type.id, floatsOf(source, rows), blocksOf(rows), rows, columns, weighted, isa);
    const operations = {
      quantize: isa => rows => quantize(isa, rows, undefined),
      'quantize importance': isa => rows => quantize(isa, rows, importance),
      dequantize: isa => rows =>
        backend.dequantizeRows(type.id, blocksOf(rows), floatsOf(decoded, rows), rows, columns, isa),
    };
    for (const [operation, run] of Object.entries(operations)) {
      if (operation === 'quantize importance' && !/^(Q[2-6]_|IQ)/.test(type.name)) continue;
      const kernels = backend
        .kernels()
        .filter(kernel => kernel.type === type.name && kernel.operation === operation.split(' ')[0]);
      let reference;
      for (const { isa } of kernels) {
        const speed = best(run(isa));
        reference ??= speed;
        if (options.isa && options.isa !== isa) continue;
        const bytesPerSecond = speed * (4 + bytesPerWeight);
        const cells = [
          operation.padEnd(20),
          type.name.padEnd(5),
          `${kind}/${isa}`.padEnd(16),
          (speed / 1e6).toFixed(1).padStart(12),
          (bytesPerSecond / 1e9).toFixed(2).padStart(8),
          `${((100 * bytesPerSecond) / copySpeed).toFixed(0)} %`.padStart(8),
          (speed / reference).toFixed(1).padStart(6),
        ];
        console.log(cells.join(' '));
      }
    }
  }
}
