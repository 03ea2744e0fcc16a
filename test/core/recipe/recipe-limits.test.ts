// What is refused before it is parsed, and that nothing a person would write is.
import { expect, test } from 'vitest';
import { MAX_DEPTH, MAX_MARKS, MAX_RECIPE_LENGTH, refuseText } from '../../../src/core/recipe/recipe-limits.js';
import { DEEP_TEXTS } from '../../server/random-edits.js';
import { yamlParser } from './yaml.js';

const HEAD = 'recipe: 1\nsource: a.gguf\noutput: b.gguf\ntype: Q8_0\n';

/** `code line:character`, or `fine`. */
function check(text: string): string {
  const refused = refuseText(text);
  return refused ? `${refused.code} ${refused.range.start.line}:${refused.range.start.character}` : 'fine';
}

test.each([
  ['nothing', '', 'fine'],
  ['the longest text', 'a'.repeat(100).concat('\n').repeat(2000).slice(0, MAX_RECIPE_LENGTH), 'fine'],
  ['a longer text', ' '.repeat(MAX_RECIPE_LENGTH + 1), 'recipe/too-large 0:0'],
  ['as many marks as can be', `${'?'.repeat(15_999)}\n`.slice(-MAX_MARKS), 'fine'],
  ['a mark more', `${'?'.repeat(MAX_MARKS)}\n`, 'recipe/too-large 0:0'],
  ['dashes in names', 'a-b-'.repeat(5000), 'fine'],
  ['16,000 lines', '\n'.repeat(15_999), 'fine'],
  ['16,001 lines', '\n'.repeat(16_000), 'recipe/too-many-lines 16000:0'],
  ['16,000 marks in lines of \\r\\n', '\r\n'.repeat(8000), 'fine'],
  ['a long line', `# short\n# ${'a'.repeat(31_998)}`, 'fine'],
  ['a longer line', `# short\n# ${'a'.repeat(31_999)}`, 'recipe/line-too-long 1:32000'],
  ['32 levels', `${'- '.repeat(31)}a: b`, 'fine'],
  ['33 levels', `a: 1\nb:\n  ${'- '.repeat(32)}c`, 'recipe/too-deep 2:64'],
  ['two levels per line', staircase(20, '- a:'), 'recipe/too-deep 16:32'],
  ['brackets', `a: ${'['.repeat(31)}${']'.repeat(31)}`, 'fine'],
  ['a bracket more', `a: ${'['.repeat(32)}`, 'recipe/too-deep 0:34'],
  ['brackets in quotes', `a: '${'['.repeat(100)}'\nb: "\\"${'{'.repeat(100)}"`, 'fine'],
  ['brackets in a comment', `a: b # ${'['.repeat(100)}\n# ${'- '.repeat(100)}`, 'fine'],
  ['brackets in a plain value', `a: b${'['.repeat(100)}`, 'fine'],
  ['dashes in a plain value', `a: b ${'- '.repeat(100)}`, 'fine'],
  ['dashes in quotes over lines', `a: 'b\n  ${'- '.repeat(100)}\n  c'`, 'fine'],
  ['dashes in a block scalar', `a: |\n  ${'- '.repeat(100)}\nb: >-\n\n   ${'? '.repeat(100)}\nc: d`, 'fine'],
  ['dashes below a block scalar', `a: |\n  b\n${'- '.repeat(33)}`, 'recipe/too-deep 2:62'],
  ['as many levels in each of many items', '- - - - - - - - - a: b\n'.repeat(800), 'fine'],
  ['as many brackets in each of many lines', 'a: [[[[[[[[b]]]]]]]]\n'.repeat(800), 'fine'],
])('%s', (_, text, expected) => {
  expect(check(text)).toBe(expected);
});

/** Every line one deeper than the one before. */
function staircase(depth: number, line: string): string {
  return Array.from({ length: depth }, (_, i) => `${'  '.repeat(i)}${line}\n`).join('');
}

test.each(DEEP_TEXTS)('%s are refused in time', (_, text) => {
  expect(check(text(MAX_DEPTH * 3)).split(' ')[0]).toBe('recipe/too-deep');
});

test('a recipe of 1,400 rules with every trimming is read', async () => {
  const rules = Array.from(
    { length: 1400 },
    (_, i) => `  - {tensors: 'blk.${i}.ffn_[a-z]*.weight', type: ${i % 2 ? 'Q6_K' : 'q4_k'}} # ${i}\n`,
  );
  const parsed = (await yamlParser()).parseRecipeText(`${HEAD}rules:\n${rules.slice(0, 1000).join('')}`);
  expect(parsed.diagnostics).toEqual([]);
  expect(parsed.recipe?.rules.length).toBe(1000);
  expect(check(`${HEAD}rules:\n${rules.join('')}`)).toBe('recipe/too-large 0:0');
});

test('a text is refused with what was found, the limit and what to do', () => {
  expect(refuseText(`${'\n'.repeat(15_999)}a\rb`)?.message).toBe(
    'this text has 16001 lines, and a recipe at most 16000; use patterns instead of one rule per tensor',
  );
});
