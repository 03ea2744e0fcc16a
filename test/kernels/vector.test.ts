// The functions of kernels/vector: every one of every instruction set against the scalar reference in C++
// (kernels/fuzz/fuzz-vector.cc), and the elementary ones also through the bindings, in WebAssembly and against the same
// function in double precision.
import { execFile, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { KERNEL_FUNCTIONS, type KernelFunction } from '../../src/engine/kernel-backend.js';
import { bytesOf, randomSource, root, targets, typeNamed } from './support.js';

const SEED = Number(process.env['QUANTSMITH_TEST_SEED'] ?? Date.now() % 1_000_000);
const run = promisify(execFile);

const bitsOf = (floats: Float32Array): Uint32Array => new Uint32Array(floats.buffer, floats.byteOffset, floats.length);

/** Index of the first value with other bits; NaN are all alike. */
function firstDifference(found: Float32Array, expected: Float32Array): number {
  const [a, b] = [bitsOf(found), bitsOf(expected)];
  return a.findIndex((bits, i) => bits !== b[i] && !(Number.isNaN(found[i]) && Number.isNaN(expected[i])));
}

const double = new Float64Array(1);
const doubleWords = new Uint32Array(double.buffer);

/** The error of a float in units of the last place of a float near `exact`. */
function ulps(found: number, exact: number): number {
  double[0] = exact;
  const exponent = ((doubleWords[1]! >>> 20) & 2047) - 1023;
  return Math.abs(found - exact) / 2 ** (Math.max(exponent, -126) - 23);
}

/** The largest error of a function at the floats from `low` to `high`, both positive, and at their negatives. */
function largestError(name: KernelFunction, exact: (x: number) => number, low: number, high: number, step: number) {
  const { backend, isa } = targets.find(target => target.isa === target.backend.isa)!;
  const count = 1 << 18;
  const [source, found] = [new Float32Array(count), new Float32Array(count)];
  const range = bitsOf(Float32Array.of(low, high));
  const bits = bitsOf(source);
  let [most, at, tried] = [0, 0, 0];
  for (const sign of [0, 0x80000000]) {
    for (let first = range[0]! + (SEED % step); first <= range[1]!; first += count * step) {
      for (let i = 0; i < count; i++) bits[i] = Math.min(first + i * step, range[1]!) | sign;
      backend.apply(name, source, found, isa);
      tried += count;
      for (let i = 0; i < count; i++) {
        const error = ulps(found[i]!, exact(source[i]!));
        if (!(error <= most)) [most, at] = [error, source[i]!];
      }
    }
  }
  console.log(`${name}: error of at most ${most.toFixed(3)} ulp, at ${at}, of ${tried} floats from every ${step}.`);
  return most;
}

describe(`vector functions (QUANTSMITH_TEST_SEED=${SEED})`, () => {
  const special = [0, 1e-45, 1e-39, 1.17549435e-38, 1e-20, 6e-8, 0.6249, 0.625, 1, 9.99, 10, 65504, 65520, 3.4e38];
  const edges = [87.33654, 87.336545, 88.72283, 88.72284, 103, Infinity, NaN];
  const both = [...special, ...edges].flatMap(x => [x, -x]);
  const uniform = randomSource(SEED);
  const anyBits = Uint32Array.from({ length: 100_000 }, () => uniform() * 2 ** 32);
  const source = Float32Array.from([
    ...both,
    ...new Float32Array(anyBits.buffer),
    ...Array.from({ length: 100_003 }, () => (uniform() - 0.5) * 40),
  ]);

  for (const { backend, isa } of targets) {
    it(`${backend.kind}/${isa} has the bits of the reference`, () => {
      const reference = targets[0]!;
      for (const name of KERNEL_FUNCTIONS) {
        const expected = new Float32Array(source.length);
        reference.backend.apply(name, source, expected, 'ref');
        const found = source.slice();
        backend.apply(name, found, found, isa);
        const at = firstDifference(found, expected);
        expect(at, `${name} of ${source[at]}: ${found[at]}, not ${expected[at]}`).toBe(-1);
      }
    });
  }

  // Everywhere with CI=true; otherwise one float of 61, others each time.
  const step = process.env['CI'] === 'true' ? 1 : 61;

  it('exp: below one unit in the last place, at every float', { timeout: 300_000 }, () => {
    // Smaller arguments give 1 exactly, larger ones 0 and infinity, as below.
    expect(largestError('exp', Math.exp, 2 ** -26, 87.33654, step)).toBeLessThan(0.98);
    const { backend } = targets[0]!;
    const found = new Float32Array(8);
    backend.apply('exp', Float32Array.of(-87.336548, -1e30, 88.722832, 88.72284, -0, 2 ** -26, 1, NaN), found);
    expect([...found]).toEqual([0, 0, 3.402798519021476e38, Infinity, 1, 1, Math.fround(Math.E), NaN]);
  });

  it('tanh and silu: a few units in the last place', { timeout: 120_000 }, () => {
    expect(largestError('tanh', Math.tanh, 2 ** -13, 20, 61)).toBeLessThan(1.4);
    // Where e^-x is finite; the error of exp(-x) and two roundings.
    expect(largestError('silu', x => x / (1 + Math.exp(-x)), 1e-20, 80, 61)).toBeLessThan(3);
  });

  it("gelu: every value of llama.cpp's table", () => {
    const { f16round } = Math as unknown as { readonly f16round: (x: number) => number };
    const f = Math.fround;
    const { backend } = targets[0]!;
    const halves = new Float32Array(1 << 16);
    const patterns = Uint16Array.from({ length: 1 << 16 }, (_, i) => i);
    backend.dequantizeRows(typeNamed(backend, 'F16').id, bytesOf(patterns), halves, 1, 1 << 16);
    const source = halves.filter(x => x > -10 && x < 10);
    const found = new Float32Array(source.length);
    backend.apply('gelu', source, found);
    source.forEach((x, i) => {
      const inner = f(f(f(0.7978845608028654) * x) * f(1 + f(f(f(0.044715) * x) * x)));
      const exact = f(f(0.5 * x) * f(1 + f(Math.tanh(inner))));
      expect(found[i], `gelu(${x})`).toBe(f16round(exact));
    });
  });

  // With the objects that the addon was linked from.
  it('every function, in C++', { timeout: 120_000 }, async context => {
    const cache = path.join(root, 'dist/.kernels');
    const names = existsSync(cache) ? readdirSync(cache) : [];
    const objects = names.filter(name => /^vector-\w+\.cc\.[0-9a-f]+\.o$/.test(name));
    const compiler = process.env['CXX'] ?? (spawnSync('clang++', ['--version']).status === 0 ? 'clang++' : 'g++');
    if (objects.length === 0 && process.env['CI'] !== 'true') return context.skip('no native kernels');
    const folder = mkdtempSync(path.join(tmpdir(), 'fuzz-vector-'));
    try {
      const program = path.join(folder, 'fuzz-vector');
      const flags = ['-std=c++20', '-O1', '-ffp-contract=off', '-Ikernels', 'kernels/fuzz/fuzz-vector.cc'];
      const inputs = objects.map(name => path.join(cache, name));
      await run(compiler, [...flags, ...inputs, '-o', program], { cwd: root });
      const { stdout } = await run(program, [String(SEED), '1500']);
      expect(stdout).toContain('every function the same');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
