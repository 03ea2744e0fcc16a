// Names and verdicts of outputs, as text: `source TYPE -> output`.
import * as path from 'node:path';
import { mkdtempSync, rmSync, writeFileSync, mkdirSync, chmodSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, describe, expect, test } from 'vitest';
import {
  importanceMatricesBeside,
  isImportanceMatrixName,
  outputFacts,
} from '../../../src/extension/quantize/output-check.js';
import {
  defaultOutput,
  judgeOutput,
  modelStem,
  resolveOutput,
  samePath,
} from '../../../src/extension/quantize/output-name.js';

describe('default output', () => {
  test.each([
    ['/m/tiny-f16.gguf', 'Q4_K_M', '/m/tiny-Q4_K_M.gguf'],
    ['/m/tiny coder f16.gguf', 'Q4_K_M', '/m/tiny coder-Q4_K_M.gguf'],
    ['/m/tiny-F32.gguf', 'F16', '/m/tiny-F16.gguf'],
    ['/m/Qwen2.5-Coder-0.5B-Instruct-BF16.gguf', 'Q8_0', '/m/Qwen2.5-Coder-0.5B-Instruct-Q8_0.gguf'],
    ['/m/llama.Q5_K_S.gguf', 'Q4_0', '/m/llama-Q4_0.gguf'],
    ['/m/llama-IQ2_XXS.gguf', 'Q4_0', '/m/llama-Q4_0.gguf'],
    ['/m/gpt-oss-MXFP4_MOE.gguf', 'Q8_0', '/m/gpt-oss-Q8_0.gguf'],
    ['/m/big-f16-00001-of-00003.gguf', 'Q6_K', '/m/big-Q6_K.gguf'],
    ['/m/model.gguf', 'Q6_K', '/m/model-Q6_K.gguf'],
    // Not a type: a version, a size.
    ['/m/phi-3.5.gguf', 'Q6_K', '/m/phi-3.5-Q6_K.gguf'],
    ['/m/iq-test-q4.gguf', 'Q6_K', '/m/iq-test-q4-Q6_K.gguf'],
    // Never the source itself.
    ['/m/tiny-Q4_K_M.gguf', 'Q4_K_M', '/m/tiny-Q4_K_M-requantized.gguf'],
    ['/m/tiny-q4_k_m.gguf', 'Q4_K_M', '/m/tiny-Q4_K_M-requantized.gguf'],
    ['/m/-f16.gguf', 'Q8_0', '/m/model-Q8_0.gguf'],
  ])('%s as %s is %s', (source, fileType, expected) => {
    expect(defaultOutput(source, fileType)).toBe(expected);
  });

  test('the stem has neither folder nor extension', () => {
    expect(modelStem('/a/b/x-f16.GGUF')).toBe('x');
  });
});

describe('resolved output', () => {
  test.each([
    ['', undefined],
    ['   ', undefined],
    ['/other/x.gguf', '/other/x.gguf'],
    ['x.gguf', '/m/x.gguf'],
    ['sub/x', '/m/sub/x.gguf'],
    ['x-v1.5', '/m/x-v1.5.gguf'],
    ['../x.gguf', '/x.gguf'],
    ['~/x.gguf', '/home/me/x.gguf'],
    ['~x.gguf', '/m/~x.gguf'],
    // A folder stays one, so that the verdict can say so.
    ['/other/', '/other'],
  ])('"%s" is %s', (typed, expected) => {
    expect(resolveOutput(typed, '/m/tiny-f16.gguf', '/home/me')).toBe(expected);
  });

  test('paths that differ in case or in form are the same', () => {
    expect(samePath('/m/A.gguf', '/m/sub/../a.gguf')).toBe(true);
    expect(samePath('/m/a.gguf', '/m/b.gguf')).toBe(false);
  });
});

describe('verdict', () => {
  const check = (
    output: string | undefined,
    exists: 'no' | 'file' | 'folder',
    folder: 'writable' | 'read-only' | 'missing' | 'not-a-folder',
  ) => {
    const { kind, message } = judgeOutput(output, ['/m/a.gguf', '/m/a-00002-of-00002.gguf'], { exists, folder });
    return message === undefined ? kind : `${kind}: ${message}`;
  };
  test.each([
    ['/m/b.gguf', 'no', 'writable', 'ok'],
    ['/m/b.gguf', 'file', 'writable', 'overwrite: "b.gguf" exists. Press Enter to be asked before it is replaced.'],
    [
      '/m/a.gguf',
      'file',
      'writable',
      'refused: "a.gguf" is the source itself; the result needs another name or folder.',
    ],
    ['/m/A.gguf', 'no', 'writable', 'refused: "A.gguf" is the source itself; the result needs another name or folder.'],
    [
      '/m/a-00002-of-00002.gguf',
      'file',
      'writable',
      'refused: "a-00002-of-00002.gguf" is the source itself; the result needs another name or folder.',
    ],
    ['/m/sub', 'folder', 'writable', 'refused: "/m/sub" is a folder; add a file name that ends in .gguf.'],
    ['/q/b.gguf', 'no', 'missing', 'ok: The folder "/q" does not exist yet; it is made with the file.'],
    ['/q/b.gguf', 'no', 'not-a-folder', 'refused: "/q" is a file, not a folder; choose a folder.'],
    [
      '/q/b.gguf',
      'file',
      'read-only',
      'refused: Nothing can be written to the folder "/q"; choose another or change its permissions.',
    ],
    [undefined, 'no', 'writable', 'refused: Type the path of the file to write.'],
  ] as const)('%s (%s, folder %s)', (output, exists, folder, expected) => {
    expect(check(output, exists, folder)).toBe(expected);
  });
});

describe('facts of the file system', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'quantsmith-output-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(path.join(folder, 'a.gguf'), 'x');
  mkdirSync(path.join(folder, 'closed'));

  test('existing file, missing file, missing folder, file as folder, folder', async () => {
    const facts = async (name: string) => {
      const { exists, folder: kind } = await outputFacts(path.join(folder, name));
      return `${exists} ${kind}`;
    };
    expect(await facts('a.gguf')).toBe('file writable');
    expect(await facts('b.gguf')).toBe('no writable');
    expect(await facts('none/b.gguf')).toBe('no missing');
    expect(await facts('a.gguf/b.gguf')).toBe('no not-a-folder');
    expect(await facts('closed')).toBe('folder writable');
  });

  test('a folder without permission to write, which does not bind the superuser', async () => {
    chmodSync(path.join(folder, 'closed'), 0o500);
    const expected = process.getuid?.() === 0 ? 'writable' : 'read-only';
    expect((await outputFacts(path.join(folder, 'closed/b.gguf'))).folder).toBe(expected);
  });

  test('importance matrices beside a model', async () => {
    const model = path.join(folder, 'my-imatrix-model.gguf');
    for (const name of [
      'z.imatrix',
      'imatrix.dat',
      'tiny.imatrix.gguf',
      'train.dat',
      'other.gguf',
      'my-imatrix-model.gguf',
    ]) {
      writeFileSync(path.join(folder, name), '');
    }
    const names = (await importanceMatricesBeside(model)).map(file => path.basename(file));
    expect(names).toEqual(['imatrix.dat', 'tiny.imatrix.gguf', 'z.imatrix']);
    expect(await importanceMatricesBeside(path.join(folder, 'none/x.gguf'))).toEqual([]);
    expect(isImportanceMatrixName('game-save.dat')).toBe(false);
  });
});
