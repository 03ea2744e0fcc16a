// The language server end to end, as an editor talks to it: in this process over a pair of streams, and the built bundle
// over stdio where there is one.
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { PassThrough } from 'node:stream';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createConnection } from 'vscode-languageserver/node';
import { RECIPE_KEYS } from '../../src/core/recipe/recipe-schema.js';
import { startServer } from '../../src/server/server.js';
import { treeSitterFolder } from '../core/recipe/yaml.js';
import { TestClient } from './client.js';
import { ggufBytes } from './gguf.js';

const BUNDLE = path.resolve(import.meta.dirname, '../../dist/server.js');

const MODEL = ggufBytes([
  { name: 'token_embd.weight', ne: [256, 8] },
  { name: 'blk.0.attn_v.weight', ne: [256, 4] },
  { name: 'blk.1.attn_v.weight', ne: [256, 4] },
  { name: 'blk.0.attn_norm.weight', ne: [256], type: 'F32' },
]);

const RECIPE = `recipe: 1
source: ./model-f16.gguf
output: ./model-q8.gguf
type: Q8_0
rules:
  - tensors: blk.*.attn_v.weight
    type: F16
  - {tensors: blk.9.*, type: Q8_0}
`;

let folder: string;
let client: TestClient;
let child: ChildProcess | undefined;

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'quantsmith-server-'));
  await writeFile(path.join(folder, 'model-f16.gguf'), MODEL);
});

afterEach(async () => {
  await client.stop(child !== undefined);
  if (child && child.exitCode === null) await new Promise(resolve => child?.once('exit', resolve));
  child = undefined;
  await rm(folder, { recursive: true, force: true });
});

const uriOf = (name: string): string => pathToFileURL(path.join(folder, name)).href;

async function startInProcess(): Promise<void> {
  const toServer = new PassThrough();
  const fromServer = new PassThrough();
  const connection = createConnection(toServer, fromServer);
  startServer(connection, await treeSitterFolder());
  client = new TestClient(fromServer, toServer);
}

function startBundle(): Promise<void> {
  child = spawn(process.execPath, [BUNDLE, '--stdio'], { stdio: ['pipe', 'pipe', 'inherit'] });
  if (!child.stdout || !child.stdin) throw new Error('no streams');
  client = new TestClient(child.stdout, child.stdin);
  return Promise.resolve();
}

/** The text without its `|`, and where that was. */
function atCursor(marked: string): { text: string; position: { line: number; character: number } } {
  const before = marked.slice(0, marked.indexOf('|')).split('\n');
  return {
    text: marked.replace('|', ''),
    position: { line: before.length - 1, character: before.at(-1)?.length ?? 0 },
  };
}

describe('in this process', () => {
  beforeEach(startInProcess);

  test('says what it can do', async () => {
    const { capabilities } = await client.initialize();
    expect(capabilities).toMatchObject({
      textDocumentSync: { openClose: true, change: 2 },
      hoverProvider: true,
      documentSymbolProvider: true,
      codeActionProvider: { codeActionKinds: ['quickfix'] },
    });
    expect(capabilities.completionProvider?.triggerCharacters).toContain(' ');
  });

  test('diagnostics against the bound model, for the version they are about, and gone on close', async () => {
    await client.initialize();
    const uri = uriOf('a.quant.yaml');
    await client.open(uri, RECIPE);
    const [first] = await client.diagnostics(uri, found => found.length === 1);
    expect(first).toMatchObject({
      code: 'recipe/no-match',
      severity: 2,
      source: 'quantsmith',
      range: { start: { line: 7, character: 14 }, end: { line: 7, character: 21 } },
    });
    await client.change(uri, {
      range: { start: { line: 7, character: 14 }, end: { line: 7, character: 21 } },
      text: 'token_embd.weight',
    });
    expect(await client.diagnostics(uri)).toEqual([]);
    await client.notify('textDocument/didClose', { textDocument: { uri } });
    await client.hover(uri, { line: 0, character: 0 });
    expect(client.published.at(-1)).toEqual({ uri, diagnostics: [] });
  });

  test('several changes in one notification apply one after the other', async () => {
    await client.initialize();
    const uri = uriOf('a.quant.yaml');
    await client.open(uri, RECIPE);
    const at = (line: number, character: number) => ({ line, character });
    await client.change(
      uri,
      { range: { start: at(0, 0), end: at(0, 0) }, text: '# first\n' },
      { range: { start: at(4, 6), end: at(4, 10) }, text: 'Q9' },
      { range: { start: at(8, 0), end: at(9, 0) }, text: '' },
    );
    const found = await client.diagnostics(uri, diagnostics => diagnostics.length === 1);
    expect(found[0]).toMatchObject({ code: 'recipe/unknown-type', range: { start: at(4, 6), end: at(4, 8) } });
  });

  test('a model that appears, changes and goes is noticed', async () => {
    await client.initialize();
    const uri = uriOf('a.quant.yaml');
    const model = path.join(folder, 'model-f16.gguf');
    await rm(model);
    await client.open(uri, RECIPE);
    await client.diagnostics(uri, found => found.some(({ code }) => code === 'recipe/source-missing'));
    await writeFile(model, 'PK\u0003\u0004 not a model, but long enough to be looked at');
    await client.notify('workspace/didChangeWatchedFiles', { changes: [] });
    await client.diagnostics(uri, found => found.some(({ code }) => code === 'gguf/not-gguf'));
    await writeFile(model, MODEL);
    // Without a word from the client: the server looks by itself.
    await client.diagnostics(uri, found => found.length === 1 && found[0]?.code === 'recipe/no-match');
  });

  test('a matrix is read, and read again when it changes', async () => {
    await client.initialize();
    const uri = uriOf('a.quant.yaml');
    const matrix = path.join(folder, 'm.dat');
    await writeFile(matrix, 'not a matrix, but long enough to be looked at');
    await client.open(uri, `${RECIPE.replace('  - {tensors: blk.9.*, type: Q8_0}\n', '')}imatrix: m.dat\n`);
    const found = await client.diagnostics(uri, ([first]) => first?.code === 'imatrix/not-imatrix');
    expect(found).toMatchObject([{ severity: 1, range: { start: { line: 7, character: 9 }, end: { character: 14 } } }]);
    await writeFile(matrix, MODEL);
    await client.diagnostics(uri, ([first]) => JSON.stringify(first?.message ?? '').includes('in_sum2'));
    await rm(matrix);
    await client.diagnostics(uri, ([first]) => first?.code === 'recipe/imatrix-missing');
  });

  test('a recipe that was never saved finds the model beside where it will be', async () => {
    await client.initialize();
    const uri = uriOf('new.quant.yaml').replace('file://', 'untitled:');
    await client.open(uri, RECIPE);
    await client.diagnostics(uri, found => found.length === 1 && found[0]?.code === 'recipe/no-match');
  });

  test('completion: keys, types with their cost, tensors, files', async () => {
    await client.initialize();
    const uri = uriOf('a.quant.yaml');
    const labels = async (marked: string): Promise<string[]> => {
      const { text, position } = atCursor(marked);
      await client.change(uri, { text });
      return (await client.completion(uri, position)).map(item => item.label);
    };
    await client.open(uri, RECIPE);
    await client.diagnostics(uri, found => found.length === 1);
    // Every key but the one that is there.
    const others = RECIPE_KEYS.map(key => key.path).filter(name => /^\w+$/.test(name) && name !== 'recipe');
    expect(others.slice(0, 3)).toEqual(['source', 'output', 'type']);
    expect(await labels('recipe: 1\n|')).toEqual(others);
    expect(await labels('source: model-f16.gguf\nrules:\n  - tensors: |')).toEqual([
      'blk.*.attn_v.weight',
      'token_embd.weight',
      'blk.*.attn_norm.weight',
      'blk.0.attn_v.weight',
      'blk.1.attn_v.weight',
      'blk.0.attn_norm.weight',
    ]);
    expect(await labels('source: |')).toEqual(['model-f16.gguf']);
    expect(await labels('# type: |')).toEqual([]);
    const { text, position } = atCursor('source: ./model-f16.gguf\ntype: |');
    await client.change(uri, { text });
    const [, f16] = await client.completion(uri, position);
    // 4096 weights of 2 bytes and the 256 of the norm, which stays F32: 9216 bytes for 4352 weights.
    expect(f16).toMatchObject({
      label: 'F16',
      detail: expect.stringContaining('16.94 bits per weight, 9.22 kB for this model') as string,
    });
  });

  test('hover: what a rule matches', async () => {
    await client.initialize();
    const uri = uriOf('a.quant.yaml');
    await client.open(uri, RECIPE);
    await client.diagnostics(uri, found => found.length === 1);
    const hover = await client.hover(uri, { line: 5, character: 15 });
    expect(hover?.contents).toMatchObject({
      kind: 'markdown',
      value: expect.stringContaining('matches 2 of 4 tensors: `blk.0.attn_v.weight`, `blk.1.attn_v.weight`') as string,
    });
    expect(await client.hover(uri, { line: 4, character: 8 })).toBeNull();
  });

  test('quick fixes and symbols', async () => {
    await client.initialize();
    const uri = uriOf('a.quant.yaml');
    await client.open(uri, 'recipe: 1\ntpye: Q4_K_M\nrules:\n  - {tensors: a, type: Q6K}\n');
    const line = (n: number) => ({ start: { line: n, character: 0 }, end: { line: n, character: 30 } });
    const [rename] = await client.codeActions(uri, line(1));
    expect(rename?.title).toBe('Replace with `type`');
    expect(rename?.edit?.changes?.[uri]).toEqual([
      { range: { start: { line: 1, character: 0 }, end: { line: 1, character: 4 } }, newText: 'type' },
    ]);
    expect((await client.codeActions(uri, line(3))).map(action => action.title)).toEqual(['Replace with `Q6_K`']);
    expect((await client.symbols(uri)).map(({ name, children }) => [name, children?.map(child => child.name)])).toEqual(
      [
        ['recipe', undefined],
        ['tpye', undefined],
        ['rules', ['a']],
      ],
    );
  });

  test('a rule without effect can be removed', async () => {
    await client.initialize();
    const uri = uriOf('a.quant.yaml');
    await client.open(uri, RECIPE.replace('blk.9.*', 'blk.0.attn_v.weight'));
    await client.diagnostics(uri, found => found.some(({ code }) => code === 'recipe/dead-rule'));
    const range = { start: { line: 7, character: 0 }, end: { line: 7, character: 0 } };
    const [remove] = await client.codeActions(uri, range);
    expect(remove?.edit?.changes?.[uri]).toEqual([
      { range: { start: { line: 7, character: 0 }, end: { line: 8, character: 0 } }, newText: '' },
    ]);
  });

  test('a request that makes no sense is logged and answered, and the next one as ever', async () => {
    await client.initialize();
    const uri = uriOf('a.quant.yaml');
    await client.open(uri, RECIPE);
    expect(await client.request('textDocument/completion', { textDocument: { uri } })).toEqual([]);
    expect(await client.request('textDocument/hover', { textDocument: { uri } })).toBeNull();
    expect(client.logged.map(line => line.split(':')[0])).toEqual(['completion', 'hover']);
    expect(await client.hover(uri, { line: 3, character: 1 })).not.toBeNull();
    expect(await client.completion(uriOf('never-opened.quant.yaml'), { line: 0, character: 0 })).toEqual([]);
  });

  test.each([
    ['binary garbage', '\0\u0001\uFFFD\uD800\uDFFF\x7f'.repeat(2000)],
    ['1 KB of dashes', '- '.repeat(500)],
    ['600 bytes of question marks', '? '.repeat(300)],
    ['1 KB of dashes in a quote that is not closed', `a: "\n${'- '.repeat(500)}`],
    ['brackets 10,000 deep', `rules: ${'['.repeat(10_000)}`],
    ['closed brackets 10,000 deep', `rules: ${'['.repeat(10_000)}${']'.repeat(10_000)}`],
    ['indented 2,000 deep', Array.from({ length: 2000 }, (_, i) => `${' '.repeat(i)}a:`).join('\n')],
    [
      'anchors upon anchors',
      `a: &a [x]\n${Array.from({ length: 50 }, (_, i) => `b${i}: &b${i} [*a, *a, *a]`).join('\n')}`,
    ],
    ['3 MB', 'x: y\n'.repeat(600_000)],
    ['20,000 keys', Array.from({ length: 20_000 }, (_, i) => `k${i}: v`).join('\n')],
    ['a line of 1 MB', `source: ${'a'.repeat(1_000_000)}`],
  ])('%s is answered, and the next recipe as ever', async (_, text) => {
    await client.initialize();
    const uri = uriOf('bad.quant.yaml');
    await client.open(uri, text);
    const found = await client.diagnostics(uri);
    expect(found.length).toBeGreaterThan(0);
    expect(found.length).toBeLessThanOrEqual(250);
    await client.completion(uri, { line: 0, character: 7 });
    await client.hover(uri, { line: 0, character: 3 });
    await client.symbols(uri);
    const good = uriOf('good.quant.yaml');
    await client.open(good, RECIPE);
    await client.diagnostics(good, diagnostics => diagnostics.length === 1);
    expect(client.logged).toEqual([]);
  });

  test('places are counted in UTF-16 units, lines end as in the editor', async () => {
    await client.initialize();
    const uri = uriOf('a.quant.yaml');
    await client.open(uri, 'recipe: 1\r\n# 😀\r\nsource: 😀😀.gguf # x\r\n{type: "漢😀", typ');
    await client.change(uri, {
      text: 'recipe: 1\r\noutput: "😀.gguf"\r\nsource: ./model-f16.gguf\r\ntype: Q8_0\r\n😀typ: 1\r\n',
    });
    await client.change(uri, {
      range: { start: { line: 4, character: 2 }, end: { line: 4, character: 3 } },
      text: '漢',
    });
    const found = await client.diagnostics(uri, diagnostics => diagnostics.length > 0);
    expect(found[0]).toMatchObject({
      code: 'recipe/unknown-key',
      range: { start: { line: 4, character: 0 }, end: { line: 4, character: 5 } },
    });
  });
});

// The bundle is there after `npm run build`, which the full test run does first.
describe.skipIf(!existsSync(BUNDLE))('dist/server.js over stdio', () => {
  beforeEach(startBundle);

  test('serves a recipe', async () => {
    await client.initialize();
    const uri = uriOf('a.quant.yaml');
    await client.open(uri, RECIPE);
    const [first] = await client.diagnostics(uri, found => found.length === 1);
    expect(first?.code).toBe('recipe/no-match');
    const items = await client.completion(uri, { line: 3, character: 6 });
    expect(items.map(item => item.label)).toContain('Q4_K_M');
  });

  test.skipIf(process.platform !== 'linux')(
    'stays below 200 MB whatever is opened and edited',
    async () => {
      await client.initialize();
      const rows = (piece: string, pieces: number, indent: number): string =>
        `${piece.repeat(5000)}\n${' '.repeat(indent)}`.repeat(pieces / 5000);
      const texts = [
        '['.repeat(1_000_000),
        `a: "\n${rows('[', 15_000, 0)}`,
        `a: "\n${'- '.repeat(250)}[${rows('a,', 15_000, 501)}`,
        `${'- '.repeat(30)}[${rows('a,', 15_000, 61)}`,
        `rules:\n${'- {tensors: a, type: F99}\n'.repeat(2000)}`,
        Array.from({ length: 7500 }, (_, i) => `k${i}: v\n`).join(''),
      ];
      for (const [i, text] of texts.entries()) {
        const uri = uriOf(`${i}.quant.yaml`);
        await client.open(uri, text);
        await client.diagnostics(uri);
        const start = { line: 0, character: 0 };
        for (const change of [
          { range: { start, end: start }, text: ' ' },
          { range: { start, end: { line: 0, character: 1 } }, text: '' },
        ]) {
          await client.change(uri, change);
          expect((await client.diagnostics(uri)).length).toBeGreaterThan(0);
        }
        await client.notify('textDocument/didClose', { textDocument: { uri } });
        const peak = Number(/VmHWM:\s*(\d+) kB/.exec(readFileSync(`/proc/${child?.pid}/status`, 'utf8'))?.[1]) * 1024;
        console.log(`text ${i}: peak ${Math.round(peak / 1e6)} MB`);
        expect(peak).toBeLessThan(200e6);
      }
      expect(client.logged).toEqual([]);
    },
    60_000,
  );
});
