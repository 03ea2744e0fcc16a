// Files that are not accepted cost little memory whatever they claim, and however large they are: under 200 MB for the whole
// process, also where the claims could be true because the file is (sparsely) that large.
import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs';
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
