// What a killed run left is found by the output's name, whole or split, and nothing else is.
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeEach, expect, test } from 'vitest';
import { discardInterrupted, interruptedFiles, isInterrupted } from '../../src/platform/interrupted-output.js';

const folder = mkdtempSync(path.join(tmpdir(), 'quantsmith-interrupted-'));
afterAll(() => rmSync(folder, { recursive: true }));
const OURS = ['.a.gguf.quantsmith-journal', '.a.gguf.quantsmith-partial'];
const OTHERS = ['.aa.gguf.quantsmith-partial', '.b.gguf.quantsmith-partial', 'a.gguf', '.a.gguf'];
const SPLIT = ['.s-00001-of-00002.gguf.quantsmith-journal', '.s-00001-of-00002.gguf.quantsmith-partial'];
const journal = (pid: number) =>
  JSON.stringify({ quantsmith: 1, fingerprint: '', owner: { pid, host: hostname() }, partials: [] });

beforeEach(() => {
  for (const name of [...OURS, ...OTHERS, ...SPLIT])
    writeFileSync(path.join(folder, name), name.endsWith('journal') ? journal(2 ** 30) : 'x');
});

test('they are found by the name of the output', async () => {
  const names = async (output: string) =>
    (await interruptedFiles(path.join(folder, output))).map(file => path.basename(file));
  expect(await names('a.gguf')).toEqual(OURS);
  expect(await names('s.gguf')).toEqual(SPLIT);
  expect(await names('none.gguf')).toEqual([]);
  expect(await interruptedFiles(path.join(folder, 'no-folder', 'a.gguf'))).toEqual([]);
});

test('discarding deletes them and nothing else', async () => {
  expect(await discardInterrupted(path.join(folder, 'a.gguf'))).toBe(true);
  expect(readdirSync(folder).sort()).toEqual([...OTHERS, ...SPLIT].sort());
});

test('those of a run that goes on stay', async () => {
  writeFileSync(path.join(folder, OURS[0]!), journal(process.ppid));
  expect(await discardInterrupted(path.join(folder, 'a.gguf'))).toBe(false);
  expect(readdirSync(folder)).toEqual(expect.arrayContaining(OURS));
});

test('a run can be gone on with if nobody writes its files', async () => {
  const output = path.join(folder, 'a.gguf');
  expect(await isInterrupted(output)).toBe(true);
  expect(await isInterrupted(path.join(folder, 's.gguf'))).toBe(true);
  expect(await isInterrupted(path.join(folder, 'none.gguf'))).toBe(false);
  writeFileSync(path.join(folder, OURS[0]!), journal(process.ppid));
  expect(await isInterrupted(output)).toBe(false);
});
