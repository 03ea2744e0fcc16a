// `npm run test:arm64`: the kernels for arm64 on a Linux machine that is none. Cross-compiles them with the flags of
// the build, then runs them under qemu: every reference record, every half-precision pattern, and random rows, NEON and
// scalar reference alike, byte by byte; and every vector function. On an arm64 machine `npm test` checks all of this and more.
//   node scripts/test-arm64.mjs [seed [rounds]]
//
// Not part of `npm test`: it needs Debian's g++-aarch64-linux-gnu and qemu-user. Without them it says so and ends well.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { findCompiler, kernelUnits } from './build-kernels.mjs';

const root = path.resolve(import.meta.dirname, '..');
const golden = path.join(root, 'test/golden/quant');
const seed = process.argv[2] ?? String(Date.now() % 1_000_000);
const rounds = process.argv[3] ?? '4000';

const compiler = await findCompiler(['aarch64-linux-gnu-g++']);
const emulator = await findCompiler(['qemu-aarch64', 'qemu-aarch64-static']);
if (!compiler || !emulator) {
  const missing = [...(compiler ? [] : ['aarch64-linux-gnu-g++']), ...(emulator ? [] : ['qemu-aarch64'])];
  console.log(`skipped: ${missing.join(' and ')} not found (Debian: apt-get install g++-aarch64-linux-gnu qemu-user)`);
  process.exit(0);
}
console.log(`${compiler.name}; ${emulator.name}`);

const work = mkdtempSync(path.join(os.tmpdir(), 'kernels-arm64-'));
try {
  const objects = path.join(work, 'objects');
  mkdirSync(objects);
  const units = kernelUnits('arm64', compiler);
  const compile = ({ source, flags }, target, extra) =>
    run(compiler.command, [...flags, ...extra, path.join('kernels', source), '-o', target], { cwd: root });
  const kernels = units.map(({ source }) => path.join(objects, `${source.replaceAll('/', '-')}.o`));
  await Promise.all(units.map((unit, index) => compile(unit, kernels[index], ['-c'])));
  const flags = [...units[0].flags, '-static'];
  const replay = path.join(work, 'replay');
  const fuzz = path.join(work, 'fuzz');
  const vector = path.join(work, 'vector');
  await compile({ source: 'fuzz/replay-records.cc', flags }, replay, kernels);
  await compile({ source: 'fuzz/fuzz-rows.cc', flags: [...flags, '-DQS_FUZZ_STANDALONE'] }, fuzz, kernels);
  await compile({ source: 'fuzz/fuzz-vector.cc', flags }, vector, kernels);

  await run(emulator.command, [replay, seed], { cwd: golden, input: [...records(), ...conversions(work)].join('\n') });
  await run(emulator.command, [fuzz, seed, rounds], { cwd: root });
  await run(emulator.command, [vector, seed, rounds], { cwd: root });
  console.log('arm64: passed');
} catch (error) {
  console.error(error.message);
  console.error(`arm64: failed; node scripts/test-arm64.mjs ${seed} ${rounds} repeats it`);
  process.exitCode = 1;
} finally {
  rmSync(work, { recursive: true });
}

/** One line per reference record, as kernels/fuzz/replay-records.cc reads them. */
function records() {
  const { rows, cols, types, inputs, records } = JSON.parse(readFileSync(path.join(golden, 'manifest.json'), 'utf8'));
  return records.map(({ type: name, input, variant, offset, dequantOffset, unstable }) => {
    const { id, file } = types.find(type => type.name === name);
    const importance = inputs[`imatrix_${variant}`]?.file ?? '-';
    const decoded = dequantOffset === undefined ? '- 0' : `${file} ${dequantOffset}`;
    // As in test/kernels/parity.test.ts: ggml's from_float_ref of IQ4_NL does not search for a scale.
    const source = unstable || (name === 'iq4_nl' && variant === 'ref') ? '-' : inputs[input].file;
    return `${id} ${rows} ${cols} ${source} ${importance} ${file} ${offset} ${decoded}`;
  });
}

/** Decoding of all 65,536 patterns of F16 and BF16, encoding of the edges between them (the README of the records). */
function conversions(folder) {
  const { conv } = JSON.parse(readFileSync(path.join(golden, 'manifest.json'), 'utf8'));
  const write = (name, array) => {
    const file = path.join(folder, name);
    writeFileSync(file, Buffer.from(array.buffer));
    return file;
  };
  const lows = [0, 0x8000, 0x7fff, 0x1000, 0x1001];
  const edges = Uint32Array.from({ length: 65_536 * 5 }, (_, k) => (Math.floor(k / 5) << 16) | lows[k % 5]);
  const patterns = write(
    'patterns.u16',
    Uint16Array.from({ length: 65_536 }, (_, k) => k),
  );
  // The records hold only the digest of the BF16 edges: round to nearest, ties to even, NaN made quiet.
  const bfloats = Uint16Array.from(edges, bits =>
    (bits & 0x7fffffff) > 0x7f800000 ? (bits >>> 16) | 0x40 : (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16,
  );
  const digest = createHash('sha256').update(new Uint8Array(bfloats.buffer)).digest('hex');
  if (digest !== conv['edges_bf16.u16'].sha256) throw new Error('the expected BF16 edges are not those of the records');
  const source = write('edges.f32', edges);
  const shifted = write(
    'patterns.f32',
    Uint32Array.from({ length: 65_536 }, (_, k) => k << 16),
  );
  return [
    `1 1 65536 - - ${patterns} 0 conv/all_f16_to_f32.f32 0`,
    `30 1 65536 - - ${patterns} 0 ${shifted} 0`,
    `1 1 ${edges.length} ${source} - conv/edges_f16.u16 0 - 0`,
    `30 1 ${edges.length} ${source} - ${write('edges_bf16.u16', bfloats)} 0 - 0`,
  ];
}

/** Runs a program with its output on ours; rejects unless it ends with 0. */
function run(command, args, { cwd, input = '' }) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, stdio: ['pipe', 'inherit', 'inherit'] });
    child.on('error', reject);
    child.on('close', (code, signal) =>
      code === 0 ? resolve() : reject(new Error(`${command} ended with ${signal ?? code}`)),
    );
    child.stdin.on('error', () => undefined); // it may end before it has read everything
    child.stdin.end(input);
  });
}
