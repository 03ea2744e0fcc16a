// MXFP4 and NVFP4 against arithmetic of our own: the scale bytes from logarithms and from the list of all 8-bit floats,
// around every place where they change; and the vector kernels against the reference where distances are equal, round or
// overflow.
import { describe, expect, it } from 'vitest';
import { byteLength, randomSource, targets, typeNamed } from './support.js';

const SEED = Number(process.env['QUANTSMITH_TEST_SEED'] ?? Date.now() % 1_000_000);
const MAGNITUDES = [0, 1, 2, 3, 4, 6, 8, 12];
const LARGEST = 0x7f7f_ffff; // bits of the largest float32

const bitsOf = (value: number): number => new Int32Array(Float32Array.of(value).buffer)[0]!;
const floatOf = (bits: number): number => new Float32Array(Int32Array.of(bits).buffer)[0]!;

/** Bits of positive finite floats up to `steps` steps around `value`. */
function around(value: number, steps: number): number[] {
  const centre = value >= 2 ** 128 ? LARGEST + 1 : bitsOf(value);
  return Array.from({ length: 2 * steps + 1 }, (_, k) => centre + k - steps).filter(bits => bits > 0 && bits <= LARGEST);
}

/** What ggml's formula gives with a logarithm in double precision, rounded once; x86 wraps what does not fit in a byte. */
const exponentByte = (largest: number): number => (Math.floor(Math.fround(Math.log2(largest))) - 2 + 127) & 255;

/** The value of a scale byte of NVFP4, 0 .. 0x7e. */
const scaleOf = (byte: number): number =>
  byte < 8 ? byte * 2 ** -9 : 2 ** (Math.floor(byte / 8) - 7) * (1 + (byte % 8) / 8);

/**
 * The nearest scale, the larger one of two equally near; but 448 from 256 on, as in ggml. Below 2^-6 there are seven steps,
 * found by adding a half in float32, which rounds up what is one step of float32 below it.
 */
function scaleByte(largest: number): number {
  const value = Math.fround(largest / 6);
  if (value >= 248) return 0x7e; // half way between 240 and 256
  if (value < 2 ** -6) return Math.min(7, Math.floor(Math.fround(value * 512 + 0.5)));
  let best = 8;
  for (let byte = 9; byte <= 0x77; byte++) {
    if (Math.abs(scaleOf(byte) - value) <= Math.abs(scaleOf(best) - value)) best = byte;
  }
  return best;
}

describe(`E2M1 (QUANTSMITH_TEST_SEED=${SEED})`, () => {
  const uniform = randomSource(SEED);
  const powers = Array.from({ length: 128 + 150 }, (_, k) => k - 149);

  for (const { backend, isa } of targets) {
    const encode = (name: string, source: Float32Array, with_ = isa): Uint8Array => {
      const type = typeNamed(backend, name);
      const encoded = new Uint8Array(byteLength(type, source.length));
      backend.quantizeRows(type.id, source, encoded, 1, source.length, undefined, with_);
      return encoded;
    };

    it(`${backend.kind}/${isa} takes the exponent of MXFP4 from a rounded logarithm`, () => {
      // Just below 2^128 the logarithm rounds up for 44 floats; nowhere for more than 88.
      const largest = powers.flatMap(power => around(2 ** power, 100)).map(floatOf);
      const source = new Float32Array(32 * largest.length);
      largest.forEach((value, index) => (source[32 * index + (index % 32)] = index % 2 === 0 ? value : -value));
      const encoded = encode('MXFP4', source);
      expect(largest.findIndex((value, index) => encoded[17 * index] !== exponentByte(value))).toBe(-1);
    });

    it(`${backend.kind}/${isa} rounds the scales of NVFP4 to the nearest`, () => {
      const changes = Array.from({ length: 0x77 }, (_, byte) => (scaleOf(byte) + scaleOf(byte + 1)) * 3);
      const largest = [...changes, 6 * 248, 6 * 256, 6 * 448, 2 ** 127].flatMap(value => around(value, 8)).map(floatOf);
      const source = new Float32Array(64 * Math.ceil(largest.length / 4));
      largest.forEach((value, index) => (source[16 * index + (index % 16)] = index % 2 === 0 ? value : -value));
      const encoded = encode('NVFP4', source);
      const found = largest.map((_, index) => encoded[36 * Math.floor(index / 4) + (index % 4)]!);
      expect(found).toEqual(largest.map(scaleByte));
    });

    if (isa === 'ref') continue;

    it(`${backend.kind}/${isa} decides as the reference around every middle, and where distances round`, () => {
      const middles = MAGNITUDES.slice(1).map((value, index) => (value + MAGNITUDES[index]!) / 2);
      /** Blocks of `size`: the weight that sets the scale, then weights around the middles for that scale. */
      const blocks = (size: number, largest: number, d: number): number[] =>
        Array.from({ length: size }, (_, k) => {
          if (k === 0) return largest;
          const bits = bitsOf(middles[k % 7]! * d) + (k % 5) - 2;
          return (k % 2 === 0 ? -1 : 1) * (bits > 0 && bits <= LARGEST ? floatOf(bits) : 0);
        });
      const nvfp4 = Array.from({ length: 0x7e }, (_, k) => scaleOf(k + 1) / 2).flatMap(d => [
        ...blocks(16, 12 * d, d),
        ...blocks(16, -11.5 * d, d),
      ]);
      const mxfp4 = powers.filter(power => power < 128).flatMap(power => blocks(32, 1.75 * 2 ** power, 2 ** (power - 3)));
      // Weights of every size in one block: far beyond the largest scale, far below the smallest, near 2^128.
      const wild = powers.flatMap(power =>
        Array.from({ length: 64 }, () => {
          const value = 2 ** (power - Math.floor(uniform() * 40)) * (1 + uniform());
          return (uniform() < 0.5 ? -1 : 1) * Math.min(value, floatOf(LARGEST - Math.floor(uniform() * 50)));
        }),
      );
      const top = Array.from({ length: 4096 }, (_, k) => floatOf(LARGEST - Math.floor(uniform() * (k % 32 === 0 ? 50 : 2 ** 25))));
      for (const [name, size, list] of [
        ['NVFP4', 64, nvfp4],
        ['MXFP4', 32, mxfp4],
        ['NVFP4', 64, wild],
        ['MXFP4', 32, wild],
        ['NVFP4', 64, top],
        ['MXFP4', 32, top],
      ] as const) {
        const source = new Float32Array(Math.ceil(list.length / size) * size);
        source.set(list);
        expect(Buffer.compare(encode(name, source), encode(name, source, 'ref')), name).toBe(0);
      }
    });

    it(`${backend.kind}/${isa} refuses the exponent that stands for NaN`, () => {
      const source = new Float32Array(64);
      source[40] = 1.5 * 2 ** -126; // the only scale that a finite weight turns into 255
      const type = typeNamed(backend, 'MXFP4');
      const bytes = new Uint8Array(source.buffer);
      const result = backend.convertRows(0, bytes, type.id, new Uint8Array(34), 1, 64, undefined, isa);
      expect(result).toEqual({ ok: false, code: 'scale-overflow', index: 32 });
    });
  }
});
