// `quantsmith logits` as a process: what it writes, and what it leaves alone.
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { scratch, tinycoder } from '../worker/built-worker.js';
import { isBuilt, quantsmith, type ErrorDocument } from './built-cli.js';

const { folder, remove } = scratch();
afterAll(remove);
const here = (...argv: string[]) => quantsmith(['logits', ...argv], { cwd: folder });

describe.skipIf(!isBuilt)('logits', () => {
  test('writes a row of float32 for each token, the same by every backend', async () => {
    const files = ['auto', 'wasm'].map(backend => path.join(folder, `${backend}.f32`));
    for (const file of files) {
      const { exit, stdout, stderr } = await here(
        tinycoder,
        ...['--ids', '1,300,17', '-o', file, '--json', '--backend', path.basename(file, '.f32')],
      );
      expect(stderr).toBe('');
      expect(exit).toBe(0);
      const found = JSON.parse(stdout) as Record<string, unknown>;
      expect(found).toMatchObject({ positions: 3, vocabulary: 4096 });
      expect(['native', 'wasm']).toContain(found['backend']);
    }
    const [auto, wasm] = files.map(file => readFileSync(file));
    expect(auto!.length).toBe(3 * 4096 * 4);
    expect(auto!.equals(wasm!)).toBe(true);
    expect(readdirSync(folder).filter(name => name.startsWith('.'))).toEqual([]);
  });

  test('an output that exists stays, and so does a model named as the output', async () => {
    const file = path.join(folder, 'kept');
    writeFileSync(file, 'mine');
    const kept = await here(tinycoder, '--ids', '1', '-o', 'kept', '--json');
    expect((JSON.parse(kept.stdout) as ErrorDocument).error.code).toBe('output/exists');
    expect(kept.exit).toBe(1);
    expect(readFileSync(file, 'utf8')).toBe('mine');
    const model = path.join(folder, 'model.gguf');
    writeFileSync(model, readFileSync(tinycoder));
    const source = await here(model, '--ids', '1', '-o', model, '--overwrite', '--json');
    expect((JSON.parse(source.stdout) as ErrorDocument).error.code).toBe('output/is-source');
    expect(readFileSync(model).equals(readFileSync(tinycoder))).toBe(true);
  });

  test.each([
    ['a token that is not in the vocabulary', ['--ids', '1,2,4096'], 1, 'engine/bad-token', /Token 2 is 4096/],
    ['no ids', [], 2, 'usage/missing-option', /--ids/],
    ['ids that are none', ['--ids', '1,x'], 2, 'usage/invalid-argument', /token ids/],
  ])('%s', async (_name, options, exit, code, message) => {
    const found = await here(tinycoder, ...options, '-o', 'never.f32', '--json');
    const { error } = JSON.parse(found.stdout) as ErrorDocument;
    expect(error.code).toBe(code);
    expect(error.message).toMatch(message);
    expect(found.exit).toBe(exit);
    expect(existsSync(path.join(folder, 'never.f32'))).toBe(false);
    expect(readdirSync(folder).filter(name => name.includes('never'))).toEqual([]);
  });
});
