// Which models are found in which folders, as a tree of paths.
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { expandFolder, FIND_LIMITS, findModels } from '../../src/platform/find-models.js';

let top: string;
beforeEach(() => {
  top = mkdtempSync(path.join(tmpdir(), 'quantsmith-find-'));
});
afterEach(() => {
  rmSync(top, { recursive: true, force: true });
});

const write = (...files: string[]): void => {
  for (const file of files) {
    mkdirSync(path.dirname(path.join(top, file)), { recursive: true });
    writeFileSync(path.join(top, file), '');
  }
};
const { signal } = new AbortController();
const find = async (folders = ['.'], limits = {}): Promise<string> => {
  const found = await findModels(
    folders.map(folder => path.join(top, folder)),
    signal,
    { ...FIND_LIMITS, ...limits },
  );
  return found.map(file => path.relative(top, file).replaceAll('\\', '/')).join(' ');
};

test('models at every depth; of several files the first; nothing else', async () => {
  write(
    'a.gguf',
    'b/c/D.GGUF',
    'b/x-00001-of-00002.gguf',
    'b/x-00002-of-00002.gguf',
    'b/text.txt',
    'gguf',
    '.git/e.gguf',
  );
  mkdirSync(path.join(top, 'folder.gguf'));
  write('folder.gguf/f.gguf');
  expect(await find()).toBe('a.gguf b/c/D.GGUF b/x-00001-of-00002.gguf folder.gguf/f.gguf');
  expect(await find(['b', 'none', 'b/c'])).toBe('b/c/D.GGUF b/x-00001-of-00002.gguf');
});

test('links are followed, loops end, and a link to nothing is nothing', async () => {
  write('store/blob', 'models/a/a.gguf');
  symlinkSync(path.join(top, 'store/blob'), path.join(top, 'models/linked.gguf'));
  symlinkSync(path.join(top, 'models'), path.join(top, 'models/a/loop'));
  symlinkSync(path.join(top, 'gone'), path.join(top, 'models/gone.gguf'));
  expect(await find(['models'])).toBe('models/a/a.gguf models/linked.gguf');
});

test('never more than so much', async () => {
  write('a/b/c/d.gguf', 'a/e.gguf', 'a/f.gguf');
  expect(await find(['.'], { levels: 1 })).toBe('a/e.gguf a/f.gguf');
  expect(await find(['.'], { folders: 1 })).toBe('');
  expect((await find(['.'], { models: 2 })).split(' ')).toHaveLength(2);
});

test('what cannot be read as a folder is passed over', async () => {
  write('file', 'b/y.gguf');
  expect(await find(['file', 'b'])).toBe('b/y.gguf');
});

test('it can be ended', async () => {
  await expect(findModels([top], AbortSignal.abort(new Error('enough')))).rejects.toThrow('enough');
});

test.each([
  ['~', '/home/me'],
  ['~/models', '/home/me/models'],
  [' /data/models/ ', '/data/models/'],
  ['models', undefined],
  ['~other/models', undefined],
  ['', undefined],
])('the folder "%s"', (text, expected) => {
  const actual = expandFolder(text, '/home/me');
  expect(actual?.replace(/^[A-Za-z]:/, '').replaceAll('\\', '/')).toBe(expected);
});
