// Files made to hurt: cut at every byte, damaged at random, or claiming far more than they hold. The reader must end
// quickly, with a problem, and without asking the source for more than its limits say.
import { describe, expect, test } from 'vitest';
import { MemorySource } from '../../fixtures/gguf/memory-source.js';
import { MAX_SCANNED_BYTES } from '../../../src/core/gguf/limits.js';
import { readArray, readString } from '../../../src/core/gguf/read-values.js';
import { readGguf } from '../../../src/core/gguf/read.js';
import { QuantsmithError } from '../../../src/core/problem.js';
import { cpuTime } from '../../fixtures/cpu-time.js';
import { buildGguf, sampleGguf } from '../../fixtures/gguf/gguf-builder.js';
import { CountingSource, problemText, textOf } from './world.js';

const VARIANTS = ['', 'version 1', 'version 2', 'big-endian', 'version 1\nbig-endian'];

describe('cut at every byte', () => {
  test.each(VARIANTS)('%j', async variant => {
    const { bytes, dataOffset } = buildGguf(sampleGguf(variant));
    // The last tensor has 20 bytes; its padding may be missing.
    const needed = bytes.length - 12;
    const whole = await readGguf(new MemorySource(bytes));
    expect(whole.problems.filter(problem => problem.severity === 'error')).toEqual([]);
    for (let length = 0; length < bytes.length; length++) {
      const { value, problems } = await readGguf(new MemorySource(bytes.subarray(0, length)));
      const codes = problems.filter(problem => problem.severity === 'error').map(problem => problem.code);
      if (length >= needed) expect(codes, `length ${length}`).toEqual([]);
      else {
        expect(codes, `length ${length}`).toHaveLength(1);
        const expected =
          length < 4 ? /not-gguf/ : length < dataOffset ? /truncated|beyond-file/ : /^gguf\/data-truncated$/;
        expect(codes[0], `length ${length}`).toMatch(expected);
      }
      // What was read before the cut is there: everything, once the header is whole.
      if (length >= 8) expect(value, `length ${length}`).toBeDefined();
      if (length >= dataOffset) expect(value?.tensors).toHaveLength(3);
      for (const entry of value?.metadata ?? []) {
        expect(entry).toEqual(whole.value?.metadata.find(other => other.key === entry.key));
      }
    }
  });
});

describe('random damage', () => {
  // mulberry32: small, good enough, and the same everywhere.
  function random(seed: number): () => number {
    let state = seed;
    return () => {
      state = (state + 0x6d2b79f5) | 0;
      let t = Math.imul(state ^ (state >>> 15), 1 | state);
      t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
      return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
    };
  }

  test('4000 damaged files', async () => {
    const seed = Number(process.env['QUANTSMITH_SEED'] ?? Date.now() % 1_000_000);
    console.info(`seed ${seed} (QUANTSMITH_SEED)`);
    const next = random(seed);
    const below = (n: number): number => Math.floor(next() * n);
    const originals = VARIANTS.map(variant => buildGguf(sampleGguf(variant)).bytes);
    const interesting = [0, 1, 0x7f, 0x80, 0xff];
    let accepted = 0;
    for (let round = 0; round < 4000; round++) {
      const bytes = originals[below(originals.length)]!.slice();
      for (let damage = 1 + below(4); damage > 0; damage--) {
        const at = 4 + below(bytes.length - 4);
        // Single bytes, and whole fields of ones or zeros: the lengths that overflow.
        const width = [1, 1, 4, 8][below(4)]!;
        const value = below(2) === 0 ? interesting[below(interesting.length)]! : below(256);
        bytes.fill(value, at, at + width);
      }
      const end = below(4) === 0 ? 4 + below(bytes.length - 4) : bytes.length;
      const source = new CountingSource(bytes.subarray(0, end));
      const { value, problems } = await readGguf(source);
      const where = `seed ${seed} round ${round}: ${problemText(problems)}`;
      expect(value !== undefined || problems.some(problem => problem.severity === 'error'), where).toBe(true);
      expect(source.bytesRead, where).toBeLessThanOrEqual(end);
      if (!problems.some(problem => problem.severity === 'error')) accepted++;
      // Everything that the description points to can be read, or is refused with a name.
      for (const entry of value?.metadata ?? []) {
        if (typeof entry.value === 'object') {
          expect(await readArray(source, value!, entry, 0, 1000), where).toHaveLength(
            Math.min(1000, entry.value.length),
          );
        } else if (entry.type === 'string') expect((await readString(source, entry)).complete, where).toBe(true);
      }
    }
    // Damage in data and in values goes unnoticed, damage in structure does not: both must happen.
    expect(accepted).toBeGreaterThan(400);
    expect(accepted).toBeLessThan(3600);
  });
});

describe('claims', () => {
  const GIB = 2 ** 30;

  async function read(world: string, size: number): Promise<{ source: CountingSource; text: string; seconds: number }> {
    const source = new CountingSource(buildGguf(world).bytes, size);
    const { result, milliseconds } = await cpuTime(() => readGguf(source));
    return { source, text: problemText(result.problems), seconds: milliseconds / 1000 };
  }

  test('a string array of 10^9 elements in a file that could hold it is given up', async () => {
    const { source, text, seconds } = await read('string[] a = [] !1000000000', 100 * GIB);
    expect(text).toMatch(
      /^gguf\/header-too-long @\d+: The header is longer than the 268435456 bytes that are looked at; reading stops in the value of "a"\.$/,
    );
    expect(source.bytesRead).toBeLessThanOrEqual(MAX_SCANNED_BYTES);
    expect(source.largestRead).toBeLessThanOrEqual(2 ** 20);
    expect(seconds).toBeLessThan(20);
  });

  test('an array of 2^26 numbers is jumped over', async () => {
    const { source, text } = await read('u32[] a = [] !67108864', 8 * GIB);
    expect(text).toMatch(/^info gguf\/trailing-bytes @268435505: /);
    expect(source.bytesRead).toBeLessThan(2 ** 18);
  });

  test('arrays of numbers beyond 256 MiB, one or all together, are refused', async () => {
    const said = 'elements of 4 bytes; expected at most 268435456 bytes in all arrays of numbers';
    const one = await read('u32[] a = [] !67108865', 8 * GIB);
    expect(one.text).toBe(`gguf/array-too-large @41: Array "a" announces 67108865 ${said}. Reading stops here.`);
    const milliard = await read('u32[] a = [] !1000000000', 8 * GIB);
    expect(milliard.text).toContain(`Array "a" announces 1000000000 ${said}.`);
    expect(milliard.source.bytesRead).toBeLessThan(2 ** 18);
    // The second of two entries: what lies between is zeros, so that both are laid out by hand.
    const first = buildGguf('count metadata 2\nu32[] a = [] !40000000').bytes;
    const second = buildGguf('u32[] b = [] !40000000').bytes.subarray(24);
    const gap = 4 * 40_000_000;
    const bytes = new Uint8Array(first.length + gap + second.length);
    bytes.set(first);
    bytes.set(second, first.length + gap);
    expect(problemText((await readGguf(new CountingSource(bytes, 8 * GIB))).problems)).toBe(
      `gguf/array-too-large @${first.length + gap + 17}: Array "b" announces 40000000 ${said}, of which those before have 160000000. Reading stops here.`,
    );
  });

  test('an array beyond 2^30 elements is refused', async () => {
    const { source, text } = await read('u8[] a = [] !1073741825', 8 * GIB);
    expect(text).toBe(
      'gguf/array-too-long @41: Array "a" announces 1073741825 elements; llama.cpp and Quantsmith read at most 1073741824.',
    );
    expect(source.bytesRead).toBeLessThan(2 ** 17);
  });

  test('a string beyond 1 GiB is refused', async () => {
    const { source, text } = await read('string a = "" !1073741825', 8 * GIB);
    expect(text).toBe(
      'gguf/string-too-long @37: The length of the value of "a" is 1073741825 bytes; llama.cpp and Quantsmith read at most 1073741824.',
    );
    expect(source.bytesRead).toBeLessThan(2 ** 17);
  });

  test('a string of 1 GiB costs a preview', async () => {
    const source = new CountingSource(buildGguf('string a = "" !1073741824').bytes, 8 * GIB);
    const { value } = await readGguf(source);
    const entry = value?.metadata[0];
    expect(entry?.cut).toEqual({ fileOffset: 45, byteLength: GIB });
    expect(textOf(entry).length).toBeLessThanOrEqual(4096);
    expect(source.bytesRead).toBeLessThan(2 ** 18);
  });

  test.each([
    ['2^34 entries', 'count metadata 17179869184', /^gguf\/count-too-large @16/],
    ['2^34 tensors', 'count tensors 17179869184', /^gguf\/count-too-large @8/],
    ['16384 empty entries', 'count metadata 16384', /^gguf\/empty-key @24/],
    ['65536 empty tensors', 'count tensors 65536', /^warning gguf\/empty-name @24: .*\ngguf\/duplicate-tensor @48/],
  ])('%s in a sparse file of 1 TiB', async (_name, world, expected) => {
    const { source, text, seconds } = await read(world, 1024 * GIB);
    expect(text).toMatch(expected);
    expect(text.split('\n').length).toBeLessThan(100);
    expect(source.bytesRead).toBeLessThan(2 ** 23);
    expect(seconds).toBeLessThan(10);
  });

  test('many long strings share one budget of text', async () => {
    const long = 'x'.repeat(2 ** 19);
    const world = Array.from({ length: 64 }, (_, i) => `string k${i} = "${long}"`).join('\n');
    const { value, problems } = await readGguf(new MemorySource(buildGguf(world).bytes));
    expect(problems).toEqual([]);
    const kept = value!.metadata.reduce((sum, entry) => sum + textOf(entry).length, 0);
    expect(kept).toBeGreaterThan(2 ** 23);
    expect(kept).toBeLessThanOrEqual(2 ** 24 + 64 * 64);
    const last = value!.metadata.at(-1)!;
    expect(last.cut?.byteLength).toBe(2 ** 19);
    expect((await readString(new MemorySource(buildGguf(world).bytes), last)).text).toBe(long);
  });

  test('reading stops when asked to', async () => {
    const source = new CountingSource(buildGguf('string[] a = [] !1000000000').bytes, 100 * GIB);
    // As a file does: other things happen while it reads.
    const read = source.read.bind(source);
    source.read = async (offset, length, signal) => {
      await new Promise(resolve => setImmediate(resolve));
      return read(offset, length, signal);
    };
    const controller = new AbortController();
    setTimeout(() => controller.abort(new Error('enough')), 20);
    await expect(readGguf(source, { signal: controller.signal })).rejects.toThrow('enough');
    expect(source.bytesRead).toBeLessThan(MAX_SCANNED_BYTES);
  });

  test('a source that fails is a problem, and what was read before remains', async () => {
    const { bytes } = buildGguf(
      `string a = "x"\nu8[] filler = ${JSON.stringify(Array.from({ length: 70_000 }, () => 0))}\nstring b = "y"`,
    );
    const inner = new MemorySource(bytes);
    const source = {
      name: 'unreliable',
      size: bytes.length,
      read: (offset: number, length: number) =>
        offset > 60_000
          ? Promise.reject(new QuantsmithError('io/read', 'broken disk', 'replace it'))
          : inner.read(offset, length),
    };
    const { value, problems } = await readGguf(source);
    expect(problemText(problems)).toMatch(/^io\/read @\d+: broken disk$/);
    expect(value?.metadata.map(entry => entry.key)).toEqual(['a', 'filler']);
  });
});

test('a sparse file of 60 GB with 2,000 tensors costs less than a mebibyte', async () => {
  const tensors = Array.from({ length: 2000 }, (_, i) => `tensor blk.${i}.ffn_down.weight F16 [4096,3662]`).join('\n');
  const { bytes, dataOffset } = buildGguf(`string general.architecture = "llama"\n${tensors}\ndata 0`);
  const source = new CountingSource(bytes, dataOffset + 2000 * 4096 * 3662 * 2);
  expect(source.size).toBeGreaterThan(59e9);
  const { value, problems } = await readGguf(source);
  expect(problems).toEqual([]);
  expect(value?.tensors).toHaveLength(2000);
  expect(source.bytesRead).toBeLessThan(2 ** 20);
  expect(source.reads).toBeLessThan(8);
});
