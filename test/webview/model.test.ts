import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import type { MetadataRow, ModelDescription } from '../../src/protocol/worker-protocol.js';
import {
  listMetadata,
  metadataPreview,
  metadataType,
  objectAsJson,
  scalarAsJson,
  arrayAsJson,
} from '../../webview/model/metadata-rows.js';
import { factGroups, headline, modelTitle } from '../../webview/model/overview.js';
import { countProblems, sortProblems } from '../../webview/model/problem-list.js';
import { listTensors, tensorFacts, tensorsAsMarkdown, tensorsAsTsv } from '../../webview/model/tensor-rows.js';
import { describeBreakdown, typeBreakdown } from '../../webview/model/type-breakdown.js';
import { emptyModel, exampleModel, hostileModel, largeModel } from './models.js';

const root = path.resolve(import.meta.dirname, '../..');

function overview(model: ModelDescription): string {
  const facts = (list: readonly { label: string; value: string }[]) =>
    list.map(({ label, value }) => `  ${label}: ${value}`);
  return [
    modelTitle(model),
    ...facts(headline(model)),
    ...factGroups(model).flatMap(group => [group.title, ...facts(group.facts)]),
    describeBreakdown(typeBreakdown(model)),
  ].join('\n');
}

test('the overview of the example model', async () => {
  expect(overview(await exampleModel())).toBe(`TinyCoder 5M
  Architecture: llama
  Parameters: 4.98 M
  File type: F16
  Bits per weight: 16.01
  Size: 10.1 MB
  Tensors: 47
  Context: 512
Architecture
  Context length: 512
  Layers: 5
  Embedding length: 256
  Feed-forward length: 768
  Attention heads: 4
  Key/value heads: 2
  Key length: 64
  Value length: 64
  RoPE base: 10,000
  RoPE dimensions: 64
  RMS norm epsilon: 0.00001
Tokenizer
  Vocabulary: 4,096 tokens
  Model: gpt2
  Pre-tokenizer: qwen2
  BOS token id: 4089
  EOS token id: 4089
  FIM prefix token id: 4090
  FIM suffix token id: 4092
  FIM middle token id: 4091
File
  Format: GGUF version 3, little-endian
  Alignment: 32 bytes
  Size: 10.1 MB (10,099,776 bytes)
  Tensor data from: 0x1F040 (127,040)
  Metadata: 38 entries
License and provenance
  License: mit
  Base name: TinyCoder
  Size label: 5M
  Description: Small code model with fill-in-the-middle, trained from scratch on permissively licensed code as a test and demo model
  Quantization version: 2
  Tags: text-generation, code, fim
  Languages: en
Bytes by tensor type: F16 99.9 % in 36 tensors, F32 0.1 % in 11 tensors`);
});

test('a model that says nothing', () => {
  expect(overview(emptyModel())).toBe(`vocab-only.gguf
  Architecture: not given
  Parameters: 0
  File type: unknown
  Bits per weight: unknown
  Size: 1.02 kB
  Tensors: 0
File
  Format: GGUF version 3, little-endian
  Alignment: 32 bytes
  Size: 1.02 kB (1,024 bytes)
  Tensor data from: 0x400 (1,024)
  Metadata: 0 entries
No tensors`);
});

test('the bar of types fills its width, in order of size, and shows what is small', () => {
  const parts = typeBreakdown(largeModel());
  expect(parts.map(part => `${part.type} ${part.share} ${part.bitsPerWeight}`)).toEqual([
    'Q4_K 69.1 % 4.50',
    'IQ2_XXS 30.1 % 2.06',
    'Q6_K 0.5 % 6.56',
    'F16 0.2 % 16.00',
    'F32 < 0.1 % 32.00',
  ]);
  const last = parts.at(-1)!;
  expect(last.x + last.width).toBeCloseTo(1000, 6);
  expect(Math.min(...parts.map(part => part.width))).toBeGreaterThan(4);
  for (const [index, part] of parts.entries())
    expect(part.x).toBeCloseTo(
      parts.slice(0, index).reduce((sum, { width }) => sum + width, 0),
      6,
    );
});

test('a type that is not known has a size only if the file gives one', () => {
  expect(
    typeBreakdown(hostileModel()).map(({ type, bytes, share, bitsPerWeight }) => [type, bytes, share, bitsPerWeight]),
  ).toEqual([
    ['F32', '16.4 kB', '100.0 %', '32.00'],
    ['type 57', 'unknown', '', ''],
  ]);
});

test('tensors: filter by text and type, sort, summary', () => {
  const { tensors } = largeModel();
  const list = (query: string, type: string, column?: string, descending = false) => {
    const { rows, summary } = listTensors(tensors, { query, type }, column ? { column, descending } : undefined);
    return [summary, ...rows.slice(0, 2).map(row => row.name)];
  };
  expect(list('', '')).toEqual(['10,000 tensors · 789 GB', 'blk.0.attn_norm.weight', 'blk.0.attn_q.weight']);
  expect(list('blk.7. attn', '')).toEqual([
    '5 of 10,000 tensors · 24.7 MB',
    'blk.7.attn_norm.weight',
    'blk.7.attn_q.weight',
  ]);
  expect(list('', 'Q6_K')).toEqual(['1,250 of 10,000 tensors · 4.30 GB', 'blk.0.attn_v.weight', 'blk.1.attn_v.weight']);
  expect(list('attn_q', '', 'name', true)).toEqual([
    '1,250 of 10,000 tensors · 11.8 GB',
    'blk.1249.attn_q.weight',
    'blk.1248.attn_q.weight',
  ]);
  expect(list('blk.3.', '', 'bytes', true).slice(1)).toEqual([
    'blk.3.ffn_up_exps.weight',
    'blk.3.ffn_down_exps.weight',
  ]);
  expect(list('blk.3.', '', 'shape').slice(1)).toEqual(['blk.3.ffn_down_exps.weight', 'blk.3.attn_norm.weight']);
  expect(list('none', '')).toEqual(['0 of 10,000 tensors']);
  expect(listTensors(hostileModel().tensors, { query: '', type: '' }, undefined).summary).toBe(
    '8 tensors · 16.4 kB and 4 of unknown size',
  );
});

test('copied tensors keep a table a table', () => {
  const rows = hostileModel().tensors.slice(4, 7);
  const text = tensorsAsTsv(rows.map(row => ({ ...row, name: `${row.name}\t|\n` })));
  expect(text.split('\n').map(line => line.split('\t').length)).toEqual([7, 7, 7, 7, 1]);
  const [head, , first] = tensorsAsMarkdown([{ ...rows[0]!, name: 'a|b<i>*\n' }], 1000).split('\n');
  expect(head).toBe('| Name | Type | Shape | Elements | Offset | Size | Share |');
  expect(first).toBe('| a\\|b\\<i\\>\\*\\\\n | F32 | 256 × 5 | 1,280 | 0x2000 | 5.12 kB | 512.0 % |');
});

test('facts of a tensor', () => {
  const [row] = largeModel().tensors.slice(1);
  expect(tensorFacts(row!, 'model-00001-of-00002.gguf', 1e9).map(fact => `${fact.label}: ${fact.value}`)).toEqual([
    'Type: Q4_K: 4-bit, super-block of 8 x 32 with scales and minimums',
    'Shape: 4096 × 4096 (fastest dimension first)',
    'Elements: 16,777,216',
    'Size: 9,437,184 bytes',
    'Share of the model: 0.9 %',
    'Encoding: 256 weights in 144 bytes per block, 4.50 bits per weight',
    'Offset in file: 0x604000 (6,307,840)',
    'Offset in data: 0x4000 (16,384)',
    'Shard: model-00001-of-00002.gguf',
  ]);
  expect(tensorFacts(hostileModel().tensors[1]!, undefined, 1e9)[0]).toEqual({
    label: 'Type',
    value: 'type 57: not known to this version',
  });
});

const rows: readonly MetadataRow[] = [
  { key: 'general.name', type: 'string', value: 'World' },
  { key: 'a.float', type: 'f32', value: Math.fround(0.1) },
  { key: 'a.big', type: 'u64', value: '18446744073709551615' },
  { key: 'a.flag', type: 'bool', value: true },
  { key: 'long', type: 'string', value: 'abc', fullLength: 5000 },
  { key: 'tokens', type: 'array', array: { elementType: 'string', length: 151_936, head: ['!', '"', '\n'] } },
  { key: 'big', type: 'array', array: { elementType: 'i64', length: 2, head: ['-9223372036854775808', 1] } },
  { key: 'none', type: 'array', array: { elementType: 'i32', length: 0, head: [] } },
];

test('metadata in one line', () => {
  expect(rows.map(row => `${row.key} | ${metadataType(row)} | ${metadataPreview(row)}`)).toEqual([
    'general.name | string | World',
    'a.float | f32 | 0.1',
    'a.big | u64 | 18446744073709551615',
    'a.flag | bool | true',
    'long | string | abc…',
    'tokens | string[151,936] | ["!", "\\"", "\\n", …]',
    'big | i64[2] | [-9223372036854775808, 1]',
    'none | i32[0] | []',
  ]);
});

test('metadata is found by key and by value', () => {
  const find = (query: string, column?: string) => {
    const { rows: found, summary } = listMetadata(rows, query, column ? { column, descending: false } : undefined);
    return `${summary}: ${found.map(row => row.key).join(' ')}`;
  };
  expect(find('')).toBe('8 entries: general.name a.float a.big a.flag long tokens big none');
  expect(find('world')).toBe('1 of 8 entries: general.name');
  expect(find('/^a\\./', 'key')).toBe('3 of 8 entries: a.big a.flag a.float');
  expect(find('', 'type')).toBe('8 entries: a.flag a.float none big general.name long tokens a.big');
});

test('JSON of metadata reads back with all digits', () => {
  const text = objectAsJson([
    ['name "x"', scalarAsJson('a\n"b"', 'string')],
    ['digits', scalarAsJson('123', 'string')],
    ['big', scalarAsJson('18446744073709551615', 'u64')],
    ['nan', scalarAsJson('NaN', 'f32')],
    ['small', scalarAsJson(Math.fround(1e-5), 'f32')],
    ['list', arrayAsJson(['-9223372036854775808', 1], 'i64')],
    ['lines', arrayAsJson(Array<string>(30).fill('token'), 'string')],
  ]);
  expect(text).toContain('"big": 18446744073709551615,');
  expect(text).toContain('[-9223372036854775808, 1]');
  expect(JSON.parse(text)).toEqual({
    'name "x"': 'a\n"b"',
    digits: '123',
    big: 18446744073709552000,
    nan: 'NaN',
    small: 0.00001,
    list: [-9223372036854775808, 1],
    lines: Array<string>(30).fill('token'),
  });
  expect(objectAsJson([])).toBe('{}\n');
});

test('problems: worst first, counted', () => {
  const { problems } = hostileModel();
  expect(sortProblems([...problems].reverse()).map(problem => problem.severity)).toEqual(['error', 'warning', 'info']);
  expect([countProblems(problems), countProblems([]), countProblems([problems[0]!, problems[0]!])]).toEqual([
    '1 error, 1 warning, 1 note',
    'No problems found',
    '2 errors',
  ]);
});

test('icons are those of the font', async () => {
  // The list of icons is read from its source: importing it would need a document.
  const source = readFileSync(path.join(root, 'webview/components/icon.ts'), 'utf8');
  const ours = [...source.matchAll(/^ {2}'?([a-z-]+)'?: 0x([0-9a-f]{4}),$/gm)].map(match => [
    match[1],
    match[2]?.toUpperCase(),
  ]);
  const list = readFileSync(path.join(root, 'node_modules/@vscode/codicons/dist/codicon.csv'), 'utf8');
  const font = new Map(list.split(/\r?\n/).map(line => [line.split(',')[0], line.split(',')[2]?.toUpperCase()]));
  expect(ours.length).toBeGreaterThan(10);
  expect(ours.filter(([name, code]) => font.get(name) !== code)).toEqual([]);
  await Promise.resolve();
});

test('every colour that is used exists in a theme of VS Code', () => {
  const themes = ['dark-modern', 'light-modern', 'high-contrast', 'high-contrast-light'].map(
    name =>
      JSON.parse(readFileSync(path.join(root, `test/webview/themes/${name}.json`), 'utf8')) as {
        variables: Record<string, string>;
      },
  );
  const known = new Set(themes.flatMap(theme => Object.keys(theme.variables)));
  // Registered by VS Code, set by no built-in theme.
  for (const name of ['list-hoverForeground', 'list-inactiveSelectionForeground']) known.add(`--vscode-${name}`);
  const files = [
    'styles',
    'table-view.styles',
    'data-grid.styles',
    'overview-view',
    'problems-view',
    'status-card',
    'tab-strip',
    'type-chart',
    'inspector-app',
    'array-pager',
    'value-detail',
  ];
  const used = files.flatMap(file =>
    [...readFileSync(path.join(root, `webview/components/${file}.ts`), 'utf8').matchAll(/--vscode-[A-Za-z-]+/g)].map(
      match => match[0],
    ),
  );
  expect(used.length).toBeGreaterThan(50);
  expect([...new Set(used)].filter(name => !known.has(name))).toEqual([]);
});
