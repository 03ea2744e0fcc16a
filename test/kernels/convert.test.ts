// The fused conversion: same bytes as decoding and encoding apart, and an index instead of a file with NaN in it.
import { describe, expect, it } from 'vitest';
import type { KernelBackend } from '../../src/engine/kernel-backend.js';
import { byteLength, bytesOf, normalSource, randomSource, targets, typeNamed } from './support.js';

/** Encodes float32 rows as `name`. */
function encode(backend: KernelBackend, name: string, source: Float32Array, rows: number, columns: number): Uint8Array {
  const type = typeNamed(backend, name);
  const encoded = new Uint8Array(byteLength(type, source.length));
  backend.quantizeRows(type.id, source, encoded, rows, columns);
  return encoded;
}

describe.each(targets.map(target => ({ ...target, name: `${target.backend.kind}/${target.isa}` })))(
  'convertRows on $name',
  ({ backend, isa }) => {
    const [rows, columns] = [70, 768];
    const normal = normalSource(randomSource(1));
    const weights = Float32Array.from({ length: rows * columns }, () => normal());
    const importance = Float32Array.from({ length: columns }, () => Math.exp(normal()));

    // A conversion has no code for a pair, so each type is tried with itself and three others on either side: all pairs
    // would take minutes.
    it('equals decoding and encoding, for every type as source and as target', () => {
      const { types } = backend;
      for (const [index, from] of types.entries()) {
        const source = encode(backend, from.name, weights, rows, columns);
        const decoded = new Float32Array(weights.length);
        backend.dequantizeRows(from.id, source, decoded, rows, columns, 'ref');
        for (const distance of [0, 1, 5, 12]) {
          const to = types[(index + distance) % types.length]!;
          const expected = new Uint8Array(byteLength(to, weights.length));
          if (from === to) expected.set(source);
          else backend.quantizeRows(to.id, decoded, expected, rows, columns, importance, isa);
          const found = new Uint8Array(expected.length);
          const result = backend.convertRows(from.id, source, to.id, found, rows, columns, importance, isa);
          expect(result).toEqual({ ok: true });
          expect(Buffer.compare(found, expected), `${from.name} -> ${to.name}`).toBe(0);
        }
      }
    });

    it('finds the first value that is not finite', () => {
      for (const [value, at] of [
        [NaN, 0],
        [Infinity, 12_345],
        [-Infinity, rows * columns - 1],
      ] as const) {
        const source = weights.slice();
        source[at] = value;
        source[rows * columns - 1] = NaN;
        for (const to of ['F16', 'BF16', 'Q4_0', 'Q8_0', 'Q4_K', 'Q6_K']) {
          const type = typeNamed(backend, to);
          const target = new Uint8Array(byteLength(type, source.length));
          expect(backend.convertRows(0, bytesOf(source), type.id, target, rows, columns, undefined, isa)).toEqual({
            ok: false,
            code: 'non-finite',
            index: at,
          });
        }
      }
    });

    it('finds a NaN that comes out of a quantized source', () => {
      const source = encode(backend, 'Q8_0', weights, rows, columns);
      const block = 40;
      source.set([0x00, 0x7e], 34 * block); // the scale of one block
      const target = new Uint8Array(byteLength(typeNamed(backend, 'F32'), weights.length));
      const result = backend.convertRows(8, source, 0, target, rows, columns, undefined, isa);
      expect(result).toEqual({ ok: false, code: 'non-finite', index: 32 * block });
    });

    it('copies equal types, also in place, and finds what is not finite in every one', () => {
      for (const { id, name, blockSize, blockBytes } of backend.types) {
        const count = 9;
        const good = new Uint8Array(count * blockBytes);
        const target = new Uint8Array(good.length).fill(1);
        const copy = (bytes: Uint8Array, to: Uint8Array) =>
          backend.convertRows(id, bytes, id, to, count, blockSize, undefined, isa);
        expect(copy(good, target), name).toEqual({ ok: true });
        expect(target, name).toEqual(good);
        for (const block of [0, 5, count - 1]) {
          // All bits set is a NaN in every format that has one for its numbers or scales.
          const bad = good.slice().fill(0xff, block * blockBytes, (block + 1) * blockBytes);
          const decoded = new Float32Array(count * blockSize);
          backend.dequantizeRows(id, bad, decoded, count, blockSize, isa);
          const expected = decoded.every(Number.isFinite)
            ? { ok: true }
            : { ok: false, code: 'non-finite', index: block * blockSize };
          if (/^(F16|BF16|F32|Q\d_[01K])$/.test(name)) expect(expected.ok, name).toBe(false);
          const before = bad.slice();
          expect(copy(bad, target), `${name} block ${block}`).toEqual(expected);
          expect(copy(bad, bad), `${name} block ${block} in place`).toEqual(expected);
          expect(bad).toEqual(before);
        }
      }
    });

    it('reports a scale that does not fit in half precision, by its first weight', () => {
      const at = 3 * columns + 300;
      const source = weights.slice();
      source[at] = -1e8;
      for (const [to, blockSize] of [
        ['F16', 1],
        ['Q4_0', 32],
        ['Q4_1', 32],
        ['Q5_0', 32],
        ['Q5_1', 32],
        ['Q8_0', 32],
        ['Q2_K', 256],
        ['Q3_K', 256],
        ['Q4_K', 256],
        ['Q5_K', 256],
        ['IQ1_S', 256],
        ['IQ1_M', 256],
        ['IQ2_XXS', 256],
        ['IQ2_XS', 256],
        ['IQ2_S', 256],
        ['IQ3_XXS', 256],
        ['IQ3_S', 256],
      ] as const) {
        const type = typeNamed(backend, to);
        const target = new Uint8Array(byteLength(type, source.length));
        const result = backend.convertRows(0, bytesOf(source), type.id, target, rows, columns, undefined, isa);
        const index = at - (at % blockSize);
        expect(result, to).toEqual({ ok: false, code: 'scale-overflow', index });
      }
      // BF16 has the range of F32 except its last half step.
      source[at] = 3.4028234e38;
      const target = new Uint8Array(source.length * 2);
      const result = backend.convertRows(0, bytesOf(source), 30, target, rows, columns, undefined, isa);
      expect(result).toEqual({ ok: false, code: 'scale-overflow', index: at });
    });

    it('accepts the largest half and no rows at all', () => {
      const source = new Float32Array(256).fill(65_504);
      const target = new Uint8Array(512);
      expect(backend.convertRows(0, bytesOf(source), 1, target, 1, 256, undefined, isa)).toEqual({ ok: true });
      const none = backend.convertRows(0, new Uint8Array(0), 12, new Uint8Array(0), 0, 256, undefined, isa);
      expect(none).toEqual({ ok: true });
    });

    it('works on shared memory', () => {
      const shared = new Float32Array(new SharedArrayBuffer(weights.byteLength));
      shared.set(weights);
      const type = typeNamed(backend, 'Q4_K');
      const size = byteLength(type, weights.length);
      const expected = new Uint8Array(size);
      const found = new Uint8Array(new SharedArrayBuffer(size));
      const sharedImportance = new Float32Array(new SharedArrayBuffer(columns * 4));
      sharedImportance.set(importance);
      backend.quantizeRows(type.id, weights, expected, rows, columns, importance, isa);
      const bytes = new Uint8Array(shared.buffer);
      const result = backend.convertRows(0, bytes, type.id, found, rows, columns, sharedImportance, isa);
      expect(result).toEqual({ ok: true });
      expect(Buffer.compare(found, expected)).toBe(0);
      const decoded = new Float32Array(new SharedArrayBuffer(weights.byteLength));
      const plain = new Float32Array(weights.length);
      backend.dequantizeRows(type.id, found, decoded, rows, columns, isa);
      backend.dequantizeRows(type.id, expected, plain, rows, columns, isa);
      expect(Buffer.compare(bytesOf(decoded), bytesOf(plain))).toBe(0);
    });
  },
);

describe.each(targets.filter(({ isa }) => isa !== 'ref').map(target => ({ ...target, name: target.backend.kind })))(
  'rows of unusual size on $name $isa',
  ({ backend, isa }) => {
    it('handles a row longer than any slice or scratch buffer', () => {
      const columns = 1 << 20;
      const source = Float32Array.from({ length: columns }, (_, k) => Math.sin(k));
      const type = typeNamed(backend, 'Q8_0');
      const expected = new Uint8Array(byteLength(type, columns));
      const found = new Uint8Array(expected.length);
      backend.quantizeRows(type.id, source, expected, 1, columns, undefined, 'ref');
      expect(backend.convertRows(0, bytesOf(source), 8, found, 1, columns, undefined, isa)).toEqual({ ok: true });
      expect(Buffer.compare(found, expected)).toBe(0);
    });

    it('handles many short rows', () => {
      const [rows, columns] = [20_000, 32];
      const source = Float32Array.from({ length: rows * columns }, (_, k) => Math.sin(k));
      const type = typeNamed(backend, 'Q5_1');
      const expected = new Uint8Array(byteLength(type, source.length));
      const found = new Uint8Array(expected.length);
      backend.quantizeRows(type.id, source, expected, rows, columns, undefined, 'ref');
      backend.convertRows(0, bytesOf(source), type.id, found, rows, columns, undefined, isa);
      expect(Buffer.compare(found, expected)).toBe(0);
      source[source.length - 5] = NaN;
      expect(backend.convertRows(0, bytesOf(source), type.id, found, rows, columns, undefined, isa)).toEqual({
        ok: false,
        code: 'non-finite',
        index: source.length - 5,
      });
    });
  },
);
