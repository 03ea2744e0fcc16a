// IQ4_NL and IQ4_XS where their vector kernels take short cuts: weights that land on, or a step of float32 beside, the
// middle between two values of the grid, in every try of the search; and scales far too small for the largest weights.
import { describe, expect, it } from 'vitest';
import { byteLength, randomSource, targets, typeNamed } from './support.js';

const SEED = Number(process.env['QUANTSMITH_TEST_SEED'] ?? Date.now() % 1_000_000);
const GRID = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];
const middles = GRID.slice(1).map((value, index) => (value + GRID[index]!) / 2);

/** The float32 that is `steps` steps from `value`. */
function stepsFrom(value: number, steps: number): number {
  const float = Float32Array.of(value);
  new Int32Array(float.buffer)[0]! += value < 0 ? -steps : steps;
  return float[0]!;
}

describe(`the grid of IQ4 (QUANTSMITH_TEST_SEED=${SEED})`, () => {
  const uniform = randomSource(SEED);
  // What the 16 tries map the largest weight to, and every middle, 4 steps to either side: blocks of 31 such weights after
  // the largest one, a new random largest weight for each block.
  const mapped = [127, ...Array.from({ length: 15 }, (_, index) => index - 134)].flatMap(largest =>
    middles.flatMap(middle => Array.from({ length: 9 }, (_, index) => ({ largest, middle, steps: index - 4 }))),
  );
  const blocks = Math.ceil(mapped.length / 31 / 8) * 8;
  const source = Float32Array.from({ length: 32 * blocks });
  for (let block = 0; block < blocks; block++) {
    const largest = (uniform() < 0.5 ? -1 : 1) * (0.5 + uniform());
    source[32 * block] = largest;
    for (let k = 0; k < 31; k++) {
      const at = mapped[(31 * block + k) % mapped.length]!;
      source[32 * block + 1 + k] = stepsFrom((at.middle * largest) / at.largest, at.steps);
    }
  }

  it('has weights on both sides of every middle', () => {
    const scale = -127 / source[0]!;
    expect(mapped.length).toBe(16 * 15 * 9);
    expect(Math.abs(source[1]! * scale)).toBeLessThan(127);
  });

  for (const { backend, isa } of targets) {
    if (isa === 'ref') continue;
    it.each(['IQ4_NL', 'IQ4_XS'])(`${backend.kind}/${isa} %s decides as the reference there`, name => {
      const type = typeNamed(backend, name);
      const encode = (with_: string, rows: number, importance?: Float32Array): Uint8Array => {
        const encoded = new Uint8Array(byteLength(type, source.length));
        backend.quantizeRows(type.id, source, encoded, rows, source.length / rows, importance, with_);
        return encoded;
      };
      const columns = source.length;
      // Importance for the smallest weights alone makes the scale so small that the others leave the grid.
      const smallest = Float32Array.from(source, value => (Math.abs(value) < 0.1 ? 1 : 0));
      const single = Float32Array.from({ length: columns }, () => (uniform() < 0.03 ? 1 : 0));
      for (const importance of [undefined, smallest, single]) {
        const expected = encode('ref', 1, importance);
        expect(Buffer.compare(encode(isa, 1, importance), expected)).toBe(0);
      }
    });

    // A block whose scale is denormal has an infinite inverse: 0 * infinity is NaN, which goes to the upper end.
    it.each(['IQ4_NL', 'IQ4_XS'])(`${backend.kind}/${isa} %s with a denormal scale`, name => {
      const type = typeNamed(backend, name);
      const tiny = Float32Array.from({ length: 512 }, (_, k) =>
        k % 32 === 0 ? 1 : k % 5 === 0 ? 0 : (k % 7 === 0 ? -1 : 1) * 1e-42,
      );
      const importance = Float32Array.from(tiny, value => (value === 1 ? 0 : 1));
      const [expected, found] = ['ref', isa].map(with_ => {
        const encoded = new Uint8Array(byteLength(type, tiny.length));
        backend.quantizeRows(type.id, tiny, encoded, 1, tiny.length, importance, with_);
        return encoded;
      });
      expect(found).toEqual(expected);
    });
  }
});
