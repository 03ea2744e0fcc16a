// Where output files go: links, folders that are missing or made for a run, things that are no files, several files at once.
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { errorData } from '../../src/core/problem.js';
import type { OutputRequest } from '../../src/engine/jobs/quantize-services.js';
import { OutputFiles } from '../../src/platform/output-file.js';
import { partialPath } from '../../src/platform/output-place.js';
import { SYSTEM, type OutputSystem } from '../../src/platform/output-system.js';
import { quantizeServices } from '../../src/platform/quantize-services.js';
import { scratch } from '../worker/built-worker.js';

let folder: string;
let remove: () => void;
beforeEach(() => {
  ({ folder, remove } = scratch());
});
afterEach(() => {
  remove();
});

const at = (name: string): string => path.join(folder, name);
/** Names and contents of the folder. */
const look = (): string =>
  readdirSync(folder)
    .sort()
    .map(name => `${name}=${readFileSync(at(name), 'utf8')}`)
    .join(' ');
const fifo = (name: string): void => {
  execFileSync('mkfifo', [at(name)]);
};
const text = (value: string): Uint8Array => new TextEncoder().encode(value);

const request = (more: Partial<OutputRequest> = {}): OutputRequest => ({
  paths: [at('out')],
  byteLengths: [5],
  fingerprint: 'f',
  resume: false,
  overwrite: false,
  createFolder: false,
  ...more,
});

async function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'ok',
    (error: unknown) => errorData(error).code,
  );
}

describe.skipIf(process.platform === 'win32')('what is no file is never replaced', () => {
  test('a pipe, directly and behind a link', async () => {
    fifo('pipe');
    symlinkSync(at('pipe'), at('alias'));
    for (const name of ['pipe', 'alias']) {
      expect(await codeOf(OutputFiles.open(request({ paths: [at(name)], overwrite: true })))).toBe('output/not-a-file');
    }
    expect(readdirSync(folder).sort()).toEqual(['alias', 'pipe']);
    expect(lstatSync(at('pipe')).isFIFO()).toBe(true);
  });

  test('a pipe that appeared during the run', async () => {
    const output = await OutputFiles.open(request({ overwrite: true }));
    await output.write(0, 0, text('abcde'));
    fifo('out');
    expect(await codeOf(output.commit())).toBe('output/not-a-file');
    await output.abandon(false);
    expect(readdirSync(folder)).toEqual(['out']);
    expect(lstatSync(at('out')).isFIFO()).toBe(true);
  });
});

describe('several files with overwriting', () => {
  const all = { paths: ['a', 'b', 'c'], byteLengths: [3, 3, 3] };
  const run = async (system: OutputSystem): Promise<string> => {
    const output = await OutputFiles.open(request({ ...all, paths: all.paths.map(at), overwrite: true }), system);
    for (const i of all.paths.keys()) await output.write(i, 0, text('new'));
    const outcome = await output.commit().then(
      () => 'ok',
      (error: unknown) => `${errorData(error).code}: ${errorData(error).message}`,
    );
    await output.abandon(false);
    return outcome;
  };
  const failing = (broken: (from: string, to: string) => boolean, links = true): OutputSystem => ({
    ...SYSTEM,
    link: (from, to) =>
      links ? SYSTEM.link(from, to) : Promise.reject(Object.assign(new Error('EPERM'), { code: 'EPERM' })),
    rename: (from, to) =>
      broken(from, to)
        ? Promise.reject(Object.assign(new Error('EACCES'), { code: 'EACCES' }))
        : SYSTEM.rename(from, to),
  });
  beforeEach(() => {
    writeFileSync(at('a'), 'old a');
    writeFileSync(at('c'), 'old c');
  });

  for (const links of [true, false]) {
    test(`all are replaced, or all old ones are there again, hard links: ${String(links)}`, async () => {
      const broken = failing((from, to) => from === partialPath(at('a')) && to === at('a'), links);
      expect(await run(broken)).toMatch(/^io\/permission: /);
      expect(look()).toBe('a=old a c=old c');
      expect(await run(failing(() => false, links))).toBe('ok');
      expect(look()).toBe('a=new b=new c=new');
    });
  }

  test('what cannot be restored is named', async () => {
    const outcome = await run(
      failing((_from, to) => to === at('a') || (existsSync(to) && readFileSync(to, 'utf8') === 'new')),
    );
    expect(outcome).toBe(
      `output/mixed: No permission to use ${at('a')}. Already replaced, and not to be put back: ${at('c')}.`,
    );
  });
});

describe('links', () => {
  test('overwriting through a symbolic link replaces the file behind it', async () => {
    mkdirSync(at('real'));
    writeFileSync(at('real/model'), 'old');
    symlinkSync(at('real/model'), at('out'));
    const output = await OutputFiles.open(request({ overwrite: true }));
    await output.write(0, 0, text('abcde'));
    await output.commit();
    expect(readFileSync(at('real/model'), 'utf8')).toBe('abcde');
    expect(readdirSync(at('real'))).toEqual(['model']);
  });

  test('one that leads nowhere yet: the file is made there, the link stays', async () => {
    mkdirSync(at('real'));
    mkdirSync(at('links'));
    symlinkSync('../links/second', at('links/out'));
    symlinkSync('../real/model', at('links/second'));
    const output = await OutputFiles.open(request({ paths: [at('links/out')], overwrite: true }));
    await output.write(0, 0, text('abcde'));
    expect(readdirSync(at('links')).sort()).toEqual(['out', 'second']);
    await output.commit();
    expect(readFileSync(at('real/model'), 'utf8')).toBe('abcde');
    expect(lstatSync(at('links/out')).isSymbolicLink()).toBe(true);
  });

  test('in a circle are refused', async () => {
    symlinkSync(at('out'), at('other'));
    symlinkSync(at('other'), at('out'));
    expect(await codeOf(OutputFiles.open(request({ overwrite: true })))).toBe('io/bad-path');
  });

  test('the pre-flight looks where the writer writes', async () => {
    mkdirSync(at('real'));
    writeFileSync(at('real/model'), 'old');
    symlinkSync(at('real/model'), at('out'));
    const output = await OutputFiles.open(request({ overwrite: true }));
    await output.write(0, 0, new Uint8Array(8192));
    const asked: string[] = [];
    const services = quantizeServices('', {
      ...SYSTEM,
      diskFree: place => {
        asked.push(place);
        return Promise.resolve(1);
      },
    });
    const place = { paths: [at('out')], sources: [], createFolder: false };
    const facts = await services.placeFacts({ ...place, overwrite: true });
    expect(facts.folder.path).toBe(at('real'));
    expect(asked).toEqual([at('real')]);
    expect(facts.outputs[0]?.isInUse).toBe(true);
    expect(facts.resumedBytes).toBeGreaterThanOrEqual(8192);
    expect((await services.placeFacts({ ...place, overwrite: false })).folder.path).toBe(folder);
    await output.abandon(false);
  });
});

test('the pre-flight sees the input under another name, folders, links to nowhere and what is free', async () => {
  writeFileSync(at('model'), 'x');
  linkSync(at('model'), at('twin'));
  symlinkSync(at('model'), at('alias'));
  symlinkSync(at('nothing'), at('dangling'));
  mkdirSync(at('sub'));
  fifo('pipe');
  const names = ['model', 'twin', 'alias', 'dangling', 'sub', 'pipe', 'new'].map(at);
  const facts = await quantizeServices('').placeFacts({
    paths: names,
    sources: [{ path: at('model'), size: 1, version: '' }],
    overwrite: false,
    createFolder: false,
  });
  const shown = facts.outputs.map(
    ({ path: file, exists, isSource, isDirectory, isSpecial }) =>
      `${path.basename(file)} ${exists ? 'exists' : 'free'}${isSource ? ' source' : ''}${isDirectory ? ' folder' : ''}${isSpecial ? ' special' : ''}`,
  );
  expect(shown).toEqual([
    'model exists source',
    'twin exists source',
    'alias exists source',
    'dangling exists',
    'sub exists folder',
    'pipe exists special',
    'new free',
  ]);
  expect(facts.folder).toEqual({ path: folder, exists: true, isOther: false, writable: true });
  expect(facts.diskFree).toBeGreaterThan(0);
});

test('a missing folder is made if that was asked for, and otherwise named', async () => {
  const paths = [at('new/er/out')];
  expect(await codeOf(OutputFiles.open(request({ paths })))).toBe('io/not-found');
  expect(look()).toBe('');
  const facts = await quantizeServices('').placeFacts({ paths, sources: [], overwrite: false, createFolder: true });
  expect(facts.folder).toEqual({ path: folder, exists: true, isOther: false, writable: true });
  expect(facts.diskFree).toBeGreaterThan(0);
  const output = await OutputFiles.open(request({ paths, createFolder: true }));
  await output.write(0, 0, text('abcde'));
  await output.commit();
  expect(readdirSync(at('new/er'))).toEqual(['out']);
});

test('folders that a run made go with it, those that have something in them stay', async () => {
  const made = { paths: [at('new/er/out')], createFolder: true };
  await (await OutputFiles.open(request(made))).abandon(false);
  expect(readdirSync(folder)).toEqual([]);
  const output = await OutputFiles.open(request(made));
  writeFileSync(at('new/theirs'), '');
  await output.abandon(false);
  expect(readdirSync(at('new'))).toEqual(['theirs']);
  await (await OutputFiles.open(request(made))).abandon(true);
  expect(readdirSync(at('new/er')).length).toBe(2);
});

test('a file where a folder should be is called one', async () => {
  writeFileSync(at('file'), '');
  for (const createFolder of [false, true]) {
    const place = { paths: [at('file/sub/out')], sources: [], overwrite: false, createFolder };
    const { folder: found } = await quantizeServices('').placeFacts(place);
    expect(found).toMatchObject({ path: at('file'), exists: false, isOther: true });
  }
});
