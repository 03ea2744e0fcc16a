// Files, folders and servers as sources: what comes out, and which error has which name.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FileSource, ioError } from '../../src/platform/file-source.js';
import { openModel, requireModel } from '../../src/platform/open-model.js';
import { buildGguf } from '../fixtures/gguf/gguf-builder.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'quantsmith-source-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, bytes: Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

describe('FileSource', () => {
  test('reads exactly what is asked for', async () => {
    const path = file('a.bin', Uint8Array.from([1, 2, 3, 4, 5]));
    const source = await FileSource.open(path);
    expect(source).toMatchObject({ name: path, size: 5 });
    expect([...(await source.read(1, 3))]).toEqual([2, 3, 4]);
    expect([...(await source.read(5, 0))]).toEqual([]);
    const target = new Uint8Array(2);
    await source.readInto(target, 3);
    expect([...target]).toEqual([4, 5]);
    for (const [offset, length] of [
      [4, 2],
      [-1, 1],
      [6, 0],
      [NaN, 1],
    ] as const) {
      await expect(source.read(offset, length)).rejects.toMatchObject({ code: 'io/out-of-range' });
    }
    await expect(source.read(0, 1, AbortSignal.abort(new Error('enough')))).rejects.toThrow('enough');
    await source.close();
  });

  test('a file that becomes shorter', async () => {
    const path = file('shrinks.bin', new Uint8Array(1000));
    const source = await FileSource.open(path);
    truncateSync(path, 500);
    await expect(source.read(400, 300)).rejects.toMatchObject({ code: 'io/truncated' });
    expect(await source.read(400, 100)).toHaveLength(100);
    await source.close();
  });

  test('beyond 4 GiB of a sparse file', async () => {
    const path = join(folder, 'sparse.bin');
    const handle = await open(path, 'w');
    await handle.write(Uint8Array.from([7, 8]), 0, 2, 5 * 2 ** 30);
    await handle.close();
    const source = await FileSource.open(path);
    expect(source.size).toBe(5 * 2 ** 30 + 2);
    expect([...(await source.read(5 * 2 ** 30 - 1, 3))]).toEqual([0, 7, 8]);
    await source.close();
    rmSync(path);
  });

  test('what cannot be opened has a name', async () => {
    const code = (path: string): Promise<unknown> =>
      FileSource.open(path).then(
        () => 'opened',
        (error: unknown) => (error as { code: string }).code,
      );
    const plain = file('plain', new Uint8Array(1));
    mkdirSync(join(folder, 'dir'));
    symlinkSync(join(folder, 'loop'), join(folder, 'loop'));
    expect(await code(join(folder, 'none.gguf'))).toBe('io/not-found');
    expect(await code(join(plain, 'below'))).toBe('io/not-found');
    expect(await code(join(folder, 'dir'))).toBe('io/is-directory');
    expect(await code('/dev/null')).toBe('io/not-a-file');
    expect(await code(join(folder, 'loop'))).toBe('io/bad-path');
    expect(await code(join(folder, 'n'.repeat(5000)))).toBe('io/bad-path');
    // Opening a pipe that nobody writes to must not wait.
    execFileSync('mkfifo', [join(folder, 'pipe')]);
    expect(await code(join(folder, 'pipe'))).toBe('io/not-a-file');
  });

  // Root may read everything, so these cannot all be provoked.
  test.each([
    ['EACCES', 'io/permission'],
    ['EPERM', 'io/permission'],
    ['ENOSPC', 'io/disk-full'],
    ['EROFS', 'io/read-only'],
    ['EMFILE', 'io/too-many-files'],
    ['EIO', 'io/read'],
  ])('%s is %s', (system, code) => {
    const error = ioError(Object.assign(new Error(`${system}: bad luck`), { code: system }), 'x.gguf');
    expect(error.code).toBe(code);
    expect(error.message).toContain('x.gguf');
    expect(error.hint).toBeTruthy();
  });
});

describe('openModel', () => {
  test('a file, its model and its problems', async () => {
    const path = file('m.gguf', buildGguf('string general.architecture = "llama"\ntensor a F32 [4]').bytes);
    const opened = await openModel(path);
    expect(requireModel(opened).tensors.map(tensor => tensor.name)).toEqual(['a']);
    await opened.close();
    await expect(opened.model!.shards[0]!.source.read(0, 1)).rejects.toMatchObject({ code: 'io/read' });
    await opened.close();
  });

  test('shards beside each other', async () => {
    const shard = (no: number, rest: string): Uint8Array =>
      buildGguf(`u16 split.no = ${no}\nu16 split.count = 2\ni32 split.tensors.count = 1\n${rest}`).bytes;
    const path = file('s-00001-of-00002.gguf', shard(0, 'u8 x = 1'));
    const missing = await openModel(path);
    expect(missing.problems.map(problem => problem.code)).toEqual(['gguf/shard-missing']);
    expect(() => requireModel(missing)).toThrow(join(folder, 's-00002-of-00002.gguf'));
    await missing.close();
    file('s-00002-of-00002.gguf', shard(1, 'tensor a F32 [4]'));
    const opened = await openModel(path);
    expect(opened.problems).toEqual([]);
    expect(opened.model?.tensors[0]).toMatchObject({ name: 'a', shard: 1 });
    await opened.close();
  });

  test('no GGUF', async () => {
    const opened = await openModel(file('page.gguf', new TextEncoder().encode('<!doctype html>')));
    expect(opened.model).toBeUndefined();
    expect(() => requireModel(opened)).toThrow('this is a web page');
    await opened.close();
    await expect(openModel(join(folder, 'none.gguf'))).rejects.toMatchObject({ code: 'io/not-found' });
  });
});
