// The YAML tree against an independent parser (js-yaml with every scalar a string), on hand-picked and on random documents.
import { FAILSAFE_SCHEMA, load } from 'js-yaml';
import { describe, expect, test } from 'vitest';
import { LineIndex } from '../../../src/core/recipe/line-index.js';
import { MAX_DEPTH } from '../../../src/core/recipe/recipe-limits.js';
import { yamlDocument, type YamlNode } from '../../../src/core/recipe/yaml-tree.js';
import { randomFrom } from '../../server/random-edits.js';
import { yamlParser } from './yaml.js';

const parser = await yamlParser();

function read(text: string) {
  return parser.withTree(text, root => yamlDocument(root, new LineIndex(text)));
}

function plain(node: YamlNode | undefined): unknown {
  // Nothing is the empty text where every scalar is a text.
  if (node === undefined) return '';
  if (node.kind === 'scalar') return node.value;
  if (node.kind === 'sequence') return node.items.map(plain);
  return Object.fromEntries(node.pairs.map(pair => [pair.key.value, plain(pair.value)]));
}

function check(text: string): void {
  const { root, diagnostics } = read(text);
  expect(diagnostics, text).toEqual([]);
  expect(plain(root), text).toEqual(load(text, { schema: FAILSAFE_SCHEMA }));
}

describe('reads as js-yaml does', () => {
  test.each([
    'a: b\n',
    'a: b # c\nd: e#f\n',
    "a: 'it''s'\nb: \"\\\"\\\\\\n\\t\\x41\\u00e9\\U0001F600\"\n",
    'a: one\n  two\n\n  three\n',
    'a: \'one\n  two\n\n  three\'\nb: "one\\\n  two\n  three \\\n  four"\n',
    'a: |\n  one\n   two\n\n  three\n\nb: c\n',
    'a: |-\n  one\n\nb: |+\n  two\n\nc: d\n',
    'a: >\n  one\n  two\n\n  three\n    four\n  five\nb: >-\n  six\n',
    '- a\n-\n- - b\n  - c\n- d: e\n  f: g\n',
    'a: {b: c, d: [e, {f: g}], "h": i}\nj: []\nk: {}\n',
    'a:\n- b\n- c\nd:\n  - e\n',
    'a:\r\n  - b\r\n  - c: d\r\n',
    '? a\n: b\n',
    '---\na: b\n...\n',
    'a: [b: c, d]\n',
    'a: {b, c: d}\n',
    '"a b": c\n\'d\': e\n',
    'a: -b\nc: ?d\ne: :f\ng: x:y\n',
    'a: 漢字 😀\n😀: b\n',
  ])('%j', check);

  const SEED = Number(process.env.SEED ?? Date.now() % 2 ** 31);
  test(`random documents (SEED=${SEED})`, () => {
    const random = randomFrom(SEED);
    for (let i = 0; i < 300; i++) check(`${block(random, 0, 3)}\n`);
  });
});

const WORDS = [
  'a',
  'blk.0.attn_v.weight',
  'two words',
  '-1',
  '1.5',
  'true',
  '~x',
  'é😀',
  'x:y',
  'a#b',
  '/r+/',
  'q?',
  'z*',
  '@'.slice(1) + 'w',
];

function scalar(random: () => number, flow: boolean): string {
  const word = WORDS[Math.floor(random() * WORDS.length)] ?? 'a';
  const style = random();
  if (style < 0.2) return `'${word.replaceAll("'", "''")}'`;
  if (style < 0.4) return JSON.stringify(word);
  return flow ? word.replaceAll(/[?*]/g, '') : word;
}

function block(random: () => number, indent: number, depth: number): string {
  const pad = ' '.repeat(indent);
  const count = 1 + Math.floor(random() * 4);
  const isMapping = random() < 0.6;
  return Array.from({ length: count }, (_, i) => {
    const head = isMapping ? `${pad}k${i}:` : `${pad}-`;
    const kind = random();
    const comment = random() < 0.2 ? ' # note' : '';
    if (depth === 0 || kind < 0.5) return `${head} ${scalar(random, false)}${comment}`;
    if (kind < 0.7) return `${head} ${flowNode(random, depth - 1)}${comment}`;
    return `${head}${comment}\n${block(random, indent + 2, depth - 1)}`;
  }).join('\n');
}

function flowNode(random: () => number, depth: number): string {
  const count = Math.floor(random() * 3);
  const item = (): string => (depth === 0 || random() < 0.6 ? scalar(random, true) : flowNode(random, depth - 1));
  if (random() < 0.5) return `[${Array.from({ length: count }, item).join(', ')}]`;
  return `{${Array.from({ length: count }, (_, i) => `k${i}: ${item()}`).join(', ')}}`;
}

test('ranges are those of the text, in UTF-16 units, with the line ends of editors', () => {
  const { root } = read('😀: 漢\r\nb:\r\n  - "x 😀" # c\r\n  - {d: e}\r\n');
  const ranges = (node: YamlNode | undefined): string[] => {
    if (!node) return [];
    const { start, end } = node.range;
    const own = `${node.kind} ${start.line}:${start.character}-${end.line}:${end.character}`;
    if (node.kind === 'scalar') return [own];
    if (node.kind === 'sequence') return [own, ...node.items.flatMap(ranges)];
    return [own, ...node.pairs.flatMap(pair => [...ranges(pair.key), ...ranges(pair.value)])];
  };
  expect(ranges(root)).toEqual([
    'mapping 0:0-3:10',
    'scalar 0:0-0:2',
    'scalar 0:4-0:5',
    'scalar 1:0-1:1',
    'sequence 2:2-3:10',
    'scalar 2:4-2:10',
    'mapping 3:4-3:10',
    'scalar 3:5-3:6',
    'scalar 3:8-3:9',
  ]);
});

test('depth is limited, and what is deeper is left out', () => {
  const nested = (depth: number): string => `a: ${'['.repeat(depth)}x${']'.repeat(depth)}\n`;
  expect(read(nested(MAX_DEPTH - 2)).diagnostics).toEqual([]);
  const { diagnostics } = read(nested(MAX_DEPTH + 10));
  expect(diagnostics.map(({ code }) => code)).toEqual(['recipe/too-deep']);
});

test('a bad escape that the grammar lets through is reported where it stands', () => {
  const { diagnostics } = read('a: "x\\U00110000"\n');
  expect(diagnostics.map(({ code, range }) => [code, range.start.character, range.end.character])).toEqual([
    ['recipe/syntax', 5, 15],
  ]);
});
