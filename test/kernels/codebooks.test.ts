// The generated codebooks against what ggml's decoders gave for every index: the SHA-256 of the decoded float32 values, as
// measure.py printed them. With QUANTSMITH_GGML_LIBRARY=<libggml-base of ggml 0.27.0> the measurement itself is repeated.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { bytesOf, root, sha256 } from './support.js';

const folder = path.join(root, 'kernels/quant/codebooks');
const source = readFileSync(path.join(folder, 'grids.cc'), 'utf8');

function numbers(array: string): number[] {
  const [, list] = new RegExp(`\\b${array}\\[\\d+\\] = \\{([^}]*)\\}`).exec(source) ?? [];
  if (list === undefined) throw new Error(`grids.cc has no ${array}`);
  return [...list.matchAll(/-?\w+/g)].map(([text]) => Number(text));
}

// name, entries, weights per entry, bits per weight, SHA-256 of the decoded values
const codebooks = [
  ['Iq2Xxs', 256, 8, 2, '0050706e48cc73b811d15fa6494e352713b9af46fd5f1618c226a5262b196617'],
  ['Iq2Xs', 512, 8, 2, '989f82d20f8b93e2fff6d7d8a4b13ddd1d77ab99f9b034e70670efdf9f477b95'],
  ['Iq2S', 1024, 8, 2, 'a3749175cb085e510fd32743e2dc79c59f91bfba295158afcd1b2e7a3cf663c6'],
  ['Iq3Xxs', 256, 4, 3, 'd9af899c2c1c57d5b3281b5231864c23d7e29cc8d4ebc5a99f43cd3834aa229b'],
  ['Iq3S', 512, 4, 3, 'b703ee82ef0f3d9043b4cf176511d5a69361462fd63e575cca4ac40176c7b580'],
  ['Iq1S', 2048, 8, 2, '4ca82266881c8a7729a16cea56a9bf6d3879d5360735b755907fe4167f69c424'],
] as const;

describe('codebooks', () => {
  for (const [name, entries, weights, bits, expected] of codebooks) {
    it(`${name} decodes to ggml's values`, () => {
      const levels = numbers(`k${name}Levels`);
      const grid = numbers(`k${name}Grid`);
      expect(grid.length).toBe(entries);
      const values = grid.flatMap(entry =>
        Array.from({ length: weights }, (_, i) => levels[(entry >> (bits * i)) & ((1 << bits) - 1)]!),
      );
      expect(sha256(bytesOf(Float32Array.from(values)))).toBe(expected);
    });
  }

  // Measures again, for who has the library: the digests above say the same without it.
  const library = process.env['QUANTSMITH_GGML_LIBRARY'];
  if (library !== undefined) {
    it('are what the library of QUANTSMITH_GGML_LIBRARY decodes', () => {
      const python = process.env['QUANTSMITH_PYTHON'] ?? 'python3';
      const printed = execFileSync(python, [path.join(folder, 'measure.py'), '--check', '--library', library], {
        encoding: 'utf8',
      });
      for (const [, , , , expected] of codebooks) expect(printed).toContain(expected);
    });
  }
});
