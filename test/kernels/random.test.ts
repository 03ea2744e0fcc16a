// Every instruction set against the scalar reference on rows the reference records do not have: other lengths (padding of
// incomplete batches), special values, random bytes for the decoders. A failure prints the seed.
import { describe, expect, it } from 'vitest';
import { byteLength, bytesOf, normalSource, randomSource, targets } from './support.js';

const SEED = Number(process.env['QUANTSMITH_TEST_SEED'] ?? Date.now() % 1_000_000);

/** Name -> makes a value from a standard normal and a uniform source and its index. Everything is finite. */
const distributions: Record<string, (normal: () => number, uniform: () => number, index: number) => number> = {
  gauss: normal => normal() * 0.02,
  'heavy tail': (normal, uniform) => normal() / (0.01 + uniform() ** 4),
  zeros: () => 0,
  'signed zeros': (_, uniform) => (uniform() < 0.5 ? 0 : -0),
  constant: () => 0.731,
  'negative constant': () => -0.731,
  'equal magnitudes': (_, uniform) => (uniform() < 0.5 ? 1.5 : -1.5),
  'mostly zero': (normal, uniform) => (uniform() < 0.95 ? 0 : normal()),
  positive: (_, uniform) => 5 + uniform(),
  negative: (_, uniform) => -5 - uniform(),
  denormal: normal => normal() * 1e-40,
  'smallest denormals': (_, uniform) => Math.round(uniform() * 20 - 10) * 1.4e-45,
  'around the empty block': normal => normal() * 1e-15,
  'near halves': (_, uniform) => Math.round(uniform() * 254 - 127) + (uniform() < 0.5 ? 0.5 : 0.49999997),
  large: normal => normal() * 1e15,
  'largest half': normal => normal() * 60_000,
  'denormal sub-blocks among normal ones': (normal, _, index) => normal() * (Math.floor(index / 32) % 3 === 1 ? 1e-39 : 1),
  'mixed scales': (normal, uniform) => normal() * 10 ** Math.floor(uniform() * 24 - 12),
};

const shapes = [
  [1, 256],
  [3, 768],
  [1, 1792],
  [2, 2304],
  [5, 1024],
] as const;

const importances: Record<string, (normal: () => number, uniform: () => number) => number> = {
  none: () => 1,
  lognormal: normal => Math.exp(normal() * 1.5),
  'with zeros': (_, uniform) => (uniform() < 0.3 ? 0 : uniform() * 100),
  'all zero': () => 0,
};

describe(`against the scalar reference (QUANTSMITH_TEST_SEED=${SEED})`, () => {
  for (const { backend, isa } of targets) {
    if (isa === 'ref') continue;
    for (const type of backend.types) {
      const name = `${backend.kind}/${isa} ${type.name}`;

      it(`${name} encodes the same bytes`, () => {
        const uniform = randomSource(SEED + type.id);
        const normal = normalSource(uniform);
        for (const [distribution, value] of Object.entries(distributions)) {
          for (const [rows, columns] of shapes) {
            const source = Float32Array.from({ length: rows * columns }, (_, k) => value(normal, uniform, k));
            for (const [kind, weight] of Object.entries(importances)) {
              const importance =
                kind === 'none' ? undefined : Float32Array.from({ length: columns }, () => weight(normal, uniform));
              const expected = new Uint8Array(byteLength(type, source.length));
              const found = new Uint8Array(expected.length);
              backend.quantizeRows(type.id, source, expected, rows, columns, importance, 'ref');
              backend.quantizeRows(type.id, source, found, rows, columns, importance, isa);
              const at = found.findIndex((byte, index) => byte !== expected[index]);
              expect(at, `${distribution}, importance ${kind}, ${rows} x ${columns}: first different byte`).toBe(-1);
            }
          }
        }
      });

      it(`${name} decodes the same bits, whatever the bytes`, () => {
        const uniform = randomSource(SEED + 1000 + type.id);
        for (const [rows, columns] of shapes) {
          const count = rows * columns;
          const source = Uint8Array.from({ length: byteLength(type, count) }, () => uniform() * 256);
          const expected = new Float32Array(count);
          const found = new Float32Array(count);
          backend.dequantizeRows(type.id, source, expected, rows, columns, 'ref');
          backend.dequantizeRows(type.id, source, found, rows, columns, isa);
          const [a, b] = [new Uint32Array(expected.buffer), new Uint32Array(found.buffer)];
          // Arithmetic on NaN scales may give another NaN; which one is not defined by IEEE 754 or WebAssembly.
          const at = b.findIndex((bits, k) => bits !== a[k] && !(Number.isNaN(found[k]) && Number.isNaN(expected[k])));
          expect(at, `${rows} x ${columns}: first different weight`).toBe(-1);
        }
      });
    }
  }

  // Weights in a falling geometric series with importance rising faster: each better fit shrinks the range, until the
  // largest weights lie millions of steps outside it. That is where the vector kernels leave their fast rounding
  // (4 % of these rows; without that check they fail here and nowhere else).
  it('follows a range that shrinks step by step', () => {
    const uniform = randomSource(SEED + 3000);
    const columns = 1024;
    for (let round = 0; round < 300; round++) {
      const ratio = 2 + uniform() * 60;
      const growth = ratio ** (1 + uniform() * 3);
      const levels = 2 + Math.floor(uniform() * 12);
      const source = new Float32Array(columns);
      const importance = new Float32Array(columns);
      for (let k = 0; k < columns; k++) {
        const level = Math.floor(uniform() * levels);
        source[k] = -(ratio ** -level) * (1 + uniform() * 0.2);
        importance[k] = uniform() < 0.1 ? 0 : growth ** level;
      }
      for (const { backend, isa } of targets) {
        if (isa === 'ref') continue;
        for (const type of backend.types.filter(({ name }) => /^Q[245]_[1K]$/.test(name))) {
          const expected = new Uint8Array(byteLength(type, columns));
          const found = new Uint8Array(expected.length);
          backend.quantizeRows(type.id, source, expected, 1, columns, importance, 'ref');
          backend.quantizeRows(type.id, source, found, 1, columns, importance, isa);
          expect(Buffer.compare(found, expected), `${backend.kind}/${isa} ${type.name}, round ${round}`).toBe(0);
        }
      }
    }
  });

  it('runs the builds against each other', () => {
    const [first, ...others] = targets.filter(({ isa }) => isa === 'ref').map(({ backend }) => backend);
    const normal = normalSource(randomSource(SEED + 2000));
    const source = Float32Array.from({ length: 4 * 1024 }, () => normal());
    for (const type of first!.types) {
      const expected = new Uint8Array(byteLength(type, source.length));
      first!.quantizeRows(type.id, source, expected, 4, 1024);
      for (const backend of others) {
        const found = new Uint8Array(expected.length);
        backend.quantizeRows(type.id, source, found, 4, 1024);
        expect(Buffer.compare(found, expected), type.name).toBe(0);
      }
    }
  });

  // Distortion per weight of a normal row, as a two-sided bound: an encoder that is too good is a test that looks away.
  // The reference records' relative root mean square errors, +- 15 %.
  it('loses as much as each format must', () => {
    const expected: Record<string, number> = {
      F16: 0.00021,
      BF16: 0.00167,
      Q8_0: 0.00555,
      Q6_K: 0.0186,
      Q5_K: 0.0373,
      Q2_K: 0.294,
      Q3_K: 0.1496,
      IQ1_M: 0.595,
      IQ2_S: 0.27,
      IQ3_XXS: 0.217,
      IQ3_S: 0.1674,
      Q5_0: 0.0447,
      Q5_1: 0.0384,
      Q4_K: 0.0722,
      Q4_0: 0.0895,
      Q4_1: 0.0794,
      IQ4_NL: 0.0767,
      IQ4_XS: 0.0776,
      NVFP4: 0.1034,
      MXFP4: 0.1121,
      Q1_0: 0.596,
      Q2_0: 0.726,
      TQ1_0: 0.81,
      TQ2_0: 0.81,
    };
    const normal = normalSource(randomSource(7));
    const source = Float32Array.from({ length: 16 * 1024 }, () => normal());
    const power = source.reduce((sum, value) => sum + value * value, 0);
    for (const { backend, isa } of targets) {
      for (const type of backend.types.filter(({ name }) => name in expected)) {
        const encoded = new Uint8Array(byteLength(type, source.length));
        const decoded = new Float32Array(source.length);
        backend.quantizeRows(type.id, source, encoded, 16, 1024, undefined, isa);
        backend.dequantizeRows(type.id, encoded, decoded, 16, 1024, isa);
        const error = decoded.reduce((sum, value, index) => sum + (value - source[index]!) ** 2, 0);
        const ratio = Math.sqrt(error / power) / expected[type.name]!;
        expect(ratio, `${backend.kind}/${isa} ${type.name}`).toBeGreaterThan(0.85);
        expect(ratio, `${backend.kind}/${isa} ${type.name}`).toBeLessThan(1.15);
      }
    }
  });

  it('covers an address that is not a multiple of the vector size', () => {
    for (const { backend, isa } of targets) {
      for (const type of backend.types) {
        const room = new Float32Array(1024 + 1);
        const source = room.subarray(1);
        source.forEach((_, index) => (source[index] = Math.sin(index)));
        const expected = new Uint8Array(byteLength(type, 1024));
        const shift = type.name === 'F32' ? 4 : 2;
        const found = new Uint8Array(expected.length + shift).subarray(shift);
        backend.quantizeRows(type.id, source.slice(), expected, 2, 512, undefined, 'ref');
        backend.quantizeRows(type.id, source, found, 2, 512, undefined, isa);
        expect(Buffer.compare(found, expected), `${backend.kind}/${isa} ${type.name}`).toBe(0);
        const decoded = new Float32Array(1024 + 1).subarray(1);
        const straight = new Float32Array(1024);
        backend.dequantizeRows(type.id, found, decoded, 2, 512, isa);
        backend.dequantizeRows(type.id, expected, straight, 2, 512, 'ref');
        expect(Buffer.compare(bytesOf(decoded), bytesOf(straight))).toBe(0);
      }
    }
  });
});
