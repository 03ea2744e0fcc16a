// The grown example model computes what the example does, through every part that was added.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readTokenizer } from '../../src/core/tokenizer/read-tokenizer.js';
import { CachedSequence } from '../../src/engine/cached-sequence.js';
import { requireModel } from '../../src/platform/open-model.js';
import { openSession, openToRun } from '../../src/platform/open-session.js';
import { isBuilt } from '../cli/built-cli.js';
import { root, tinycoder } from '../worker/built-worker.js';
import { writeGrownModel } from './grown-model.mjs';
import { shapeNamed, type Shape } from './model.mjs';

const TEXT = 'export function isBlank(text: string): boolean {\n  return text.trim() === ';
/** Every dimension is larger than the example's, and none a multiple of it. */
const SHAPE: Shape = { layers: 7, embedding: 640, feedForward: 1024, heads: 10, headsKv: 2, vocabulary: 4500 };

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'grown-model-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

async function lastLogits(file: string): Promise<{ ids: number[]; logits: Float32Array }> {
  const opened = await openToRun(file);
  const { value: tokenizer } = await readTokenizer(requireModel(opened));
  const kernels = path.join(root, 'dist/kernels');
  const session = await openSession(opened, { backend: 'auto', kernels, batch: 64, cacheType: 'f32' });
  try {
    const ids = tokenizer?.encode(TEXT) ?? new Int32Array(0);
    const { signal } = new AbortController();
    const logits = await new CachedSequence(session).advance(ids, { signal, turn: () => Promise.resolve() });
    return { ids: Array.from(ids), logits: logits.slice() };
  } finally {
    await session.close();
  }
}

describe.skipIf(!isBuilt)('the grown example model', () => {
  test('splits and weighs a text as the example does, and gives the new tokens no chance', async () => {
    const file = path.join(folder, 'grown.gguf');
    writeGrownModel(file, tinycoder, SHAPE);
    const [example, grown] = [await lastLogits(tinycoder), await lastLogits(file)];
    expect(grown.ids).toEqual(example.ids);
    expect(grown.logits).toHaveLength(SHAPE.vocabulary);
    const known = example.logits.length;
    // The silencing channel adds the same to every known token.
    const shift = grown.logits[0]! - example.logits[0]!;
    const difference = (i: number): number => Math.abs(grown.logits[i]! - shift - example.logits[i]!);
    const spread = Math.max(...example.logits) - Math.min(...example.logits);
    expect(spread).toBeGreaterThan(5);
    expect(Math.max(...Array.from(example.logits, (_, i) => difference(i))) / spread).toBeLessThan(1e-3);
    expect(Math.max(...grown.logits.subarray(known))).toBeLessThan(Math.min(...grown.logits.subarray(0, known)) - 50);
  });
});

test('a shape into which the example does not fit is refused', () => {
  const check = (shape: Shape, message: string): void => {
    expect(() => writeGrownModel(path.join(folder, 'no.gguf'), tinycoder, shape)).toThrow(message);
  };
  check({ ...SHAPE, layers: 3 }, 'expected at least 5 layers, found 3');
  check({ ...SHAPE, embedding: 1280 }, 'head size, 64, found 128');
  check({ ...SHAPE, headsKv: 5 }, 'KV heads, 2, found 5');
  check(shapeNamed('1.5b'), 'head size, 64, found 128');
});
