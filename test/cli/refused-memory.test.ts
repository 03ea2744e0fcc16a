// Files that are not accepted cost little memory whatever they claim, and however large they are: under 200 MB for the whole
// process, also where the claims could be true because the file is (sparsely) that large.
import { closeSync, ftruncateSync, openSync, truncateSync, writeSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { buildGguf } from '../fixtures/gguf/gguf-builder.js';
import { isBuilt, type ErrorDocument } from './built-cli.js';
import { measured } from './measured.js';
import { GOOD, HEAD, file, folder, useFolder } from './model-folder.js';

useFolder();

const LIMIT = 200e6;
const GIB = 2 ** 30;

/** The bytes of `head`, then a hole up to `size`. */
function sparse(head: Uint8Array, size: number): string {
  const handle = openSync(path.join(folder, 'in.gguf'), 'w');
  writeSync(handle, head);
  ftruncateSync(handle, size);
  closeSync(handle);
  return 'in.gguf';
}

/** The header of a file with one text of `length` zero bytes (a hole), and a second entry that is not there. */
function longText(length: number): Uint8Array {
  const head = Buffer.from(buildGguf('count metadata 2\nstring a = ""').bytes);
  head.writeBigUInt64LE(BigInt(length), head.indexOf('a', 24) + 1 + 4);
  return head;
}

const world = (text: string) => buildGguf(text).bytes;
const text = (content: string) => new TextEncoder().encode(content);

/** Rows of a text that would be too long for one line. */
const rows = (piece: string, count: number, indent = 0) =>
  `${piece.repeat(5000)}\n${' '.repeat(indent)}`.repeat(count / 5000);

describe.skipIf(!isBuilt || process.platform === 'win32')('memory of a recipe that is refused', () => {
  test.each([
    ['a million brackets', '['.repeat(1_000_000), 'recipe/too-large'],
    ['150,000 brackets', rows('[', 150_000), 'recipe/too-large'],
    ['15,000 brackets behind a quote', `a: "\n${rows('[', 15_000)}`, 'recipe/syntax'],
    [
      '15,000 items below 250 dashes behind a quote',
      `a: "\n${'- '.repeat(250)}[${rows('a,', 15_000, 501)}`,
      'recipe/syntax',
    ],
    ['15,000 items below 30 dashes', `${'- '.repeat(30)}[${rows('a,', 15_000, 61)}`, 'recipe/syntax'],
    ['100,000 keys', 'a: b\n'.repeat(100_000), 'recipe/too-large'],
    ['32,769 lines', '# a\n'.repeat(32_769), 'recipe/too-many-lines'],
    ['a gigabyte', '', 'recipe/not-text'],
  ])('%s', async (name, recipe, code) => {
    file('x.quant.yaml', text(recipe));
    if (recipe === '') truncateSync(path.join(folder, 'x.quant.yaml'), GIB);
    const { exit, stdout, stderr, peakBytes, cpuSeconds } = await measured(['check', 'x.quant.yaml'], { cwd: folder });
    console.log(`${name}: peak ${Math.round(peakBytes / 1e6)} MB, ${cpuSeconds.toFixed(1)} s of processor time`);
    expect(exit).not.toBe(0);
    expect(stdout + stderr).toContain(code);
    expect(peakBytes).toBeLessThan(LIMIT);
  });
});

describe.skipIf(!isBuilt || process.platform === 'win32')('memory of a file that is refused', () => {
  const cases: readonly (readonly [string, () => string])[] = [
    ['no GGUF, 100 GiB', () => sparse(text('PK\u0003\u0004'), 100 * GIB)],
    ['old GGML, 100 GiB', () => sparse(text('lmgg'), 100 * GIB)],
    ['10^9 strings, in a file that could hold them', () => sparse(world('string[] a = [] !1000000000'), 100 * GIB)],
    ['10^9 strings, in a file that could not', () => file('in.gguf', 'string[] a = [] !1000000000')],
    ['10^9 numbers, in a file that could hold them', () => sparse(world('u32[] a = [] !1000000000'), 100 * GIB)],
    ['2^40 numbers', () => sparse(world('f64[] a = [] !1099511627776'), 100 * GIB)],
    ['2^34 entries', () => sparse(world('count metadata 17179869184'), 1024 * GIB)],
    ['2^34 tensors', () => sparse(world('count tensors 17179869184'), 1024 * GIB)],
    ['65,536 tensors without a name', () => sparse(world('count tensors 65536'), 1024 * GIB)],
    [
      '65,536 entries of the same name',
      () => file('in.gguf', Array.from({ length: 65_536 }, () => 'u32 general.alignment = 32').join('\n')),
    ],
    [
      '40,000 tensors beyond the end of the file',
      () =>
        file(
          'in.gguf',
          `${HEAD}${Array.from({ length: 40_000 }, (_, i) => `tensor blk.${i}.ffn_up.weight F16 [4096, 4096] @${i * 2 ** 25}`).join('\n')}\ndata 0`,
        ),
    ],
    ['a text of 80 MB, six times as long in JSON', () => sparse(longText(80_000_000), 2 ** 27)],
    ['a model cut short', () => file('in.gguf', buildGguf(GOOD).bytes.subarray(0, -40))],
  ];

  test.each(cases)(
    '%s',
    async (name, make) => {
      const source = make();
      const peaks: number[] = [];
      for (const argv of [
        ['inspect', source],
        ['quantize', source, 'out.gguf', '-t', 'Q4_K_M'],
      ]) {
        const { exit, stdout, peakBytes } = await measured([...argv, '--json'], { cwd: folder });
        peaks.push(Math.round(peakBytes / 1e6));
        if (argv[0] === 'quantize') {
          expect(exit, stdout.slice(0, 500)).not.toBe(0);
          expect((JSON.parse(stdout) as ErrorDocument).error.message).toBeTruthy();
        }
        expect(peakBytes, argv[0]).toBeLessThan(LIMIT);
      }
      console.log(`${name}: peak ${peaks.join(' and ')} MB`);
    },
    120_000,
  );
});
