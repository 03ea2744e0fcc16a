// The kernels of one WASM thread against those of one native AVX2 thread, per ggml type: rows of F16 in, blocks out, copies
// into the module's memory and back included. Reading, hashing and writing, which cost both the same, are left out.
import { performance } from 'node:perf_hooks';

const COLUMNS = 4096;
const ROWS = 64;
/** The best of so long counts: the run that was not disturbed. */
const MILLISECONDS = 300;

export async function wasmShare({ loadBackend, ggmlType, directory, goal }) {
  const load = async (kind, isa) => {
    try {
      return (await loadBackend(kind, directory, isa)).backend;
    } catch (error) {
      console.log(error.message);
      return undefined;
    }
  };
  const native = await load('native', 'avx2');
  const wasm = await load('wasm', '');
  if (!native || !wasm) return;
  console.log(`\none thread, ${ROWS} x ${COLUMNS} weights from F16, Mweights/s`);
  console.log('type        native AVX2      WASM    share   goal');
  for (const type of wasm.types) {
    if (type.name === 'F16' || type.name === 'F32') continue;
    for (const weighted of ['', '+imatrix']) {
      const result = share(native, wasm, type, weighted !== '', ggmlType);
      if (!result) continue;
      const [fast, slow] = result.map(speed => (speed / 1e6).toFixed(1));
      const part = result[1] / result[0];
      const verdict = part >= goal ? 'yes' : 'no';
      console.log(
        `${(type.name + weighted).padEnd(16)} ${fast.padStart(8)} ${slow.padStart(9)} ${part.toFixed(2).padStart(8)}   ${verdict}`,
      );
    }
  }
}

/** Weights per second, or undefined where the type cannot be made that way. */
function share(native, wasm, type, weighted, ggmlType) {
  const source = halves();
  const importance = weighted ? Float32Array.from({ length: COLUMNS }, (_, i) => 0.5 + ((i * 37) % 64)) : undefined;
  const target = new Uint8Array((ROWS * COLUMNS * type.blockBytes) / type.blockSize);
  const from = ggmlType('F16').id;
  try {
    return [native, wasm].map(backend =>
      best(rows => {
        const result = backend.convertRows(
          from,
          source.subarray(0, rows * COLUMNS * 2),
          type.id,
          target.subarray(0, (target.length / ROWS) * rows),
          rows,
          COLUMNS,
          importance,
        );
        if (!result.ok) throw new Error(result.code);
      }),
    );
  } catch {
    return undefined;
  }
}

let cached;
/** Bit patterns of float16 numbers around +-0.02, all of them different enough. */
function halves() {
  if (cached) return cached;
  const bits = new Uint16Array(ROWS * COLUMNS);
  let state = 1;
  for (let i = 0; i < bits.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bits[i] = ((state >>> 16) & 0x8000) | (0x1c00 + ((state >>> 8) % 0x0c00));
  }
  return (cached = new Uint8Array(bits.buffer));
}

function best(work) {
  const timed = rows => {
    const start = performance.now();
    work(rows);
    return performance.now() - start;
  };
  timed(1);
  // A disturbance is less likely within few rows; the slow types get no more than one.
  const perRow = Math.min(timed(1), timed(1), timed(1));
  const rows = Math.max(1, Math.min(ROWS, Math.floor(1 / perRow)));
  let fastest = Infinity;
  const end = performance.now() + MILLISECONDS;
  do fastest = Math.min(fastest, timed(rows));
  while (performance.now() < end);
  return (rows * COLUMNS * 1000) / fastest;
}
