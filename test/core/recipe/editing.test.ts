// Completion at `|` and hovers at the place over a `^` line, on the example model of model.ts.
import { describe, expect, test } from 'vitest';
import { bitsPerWeight, GGML_TYPES } from '../../../src/core/ggml/ggml-type.js';
import { completeRecipe, writeValue } from '../../../src/core/recipe/complete-recipe.js';
import { hoverRecipe } from '../../../src/core/recipe/hover-recipe.js';
import { LineIndex } from '../../../src/core/recipe/line-index.js';
import { exampleModel } from './model.js';
import { yamlParser } from './yaml.js';

const bound = exampleModel();

function complete(marked: string) {
  const offset = marked.indexOf('|');
  const text = marked.slice(0, offset) + marked.slice(offset + 1);
  const lines = new LineIndex(text);
  return { text, lines, items: completeRecipe(lines, offset, bound) };
}

const labels = (marked: string): string =>
  complete(marked)
    .items.map(item => item.label)
    .join(' ');

/** The text after accepting the item with this label; places for the cursor are shown as $1. */
function accept(marked: string, label: string): string {
  const { text, lines, items } = complete(marked);
  const item = items.find(candidate => candidate.label === label);
  if (!item) throw new Error(`no ${label} among ${items.map(other => other.label).join(' ')}`);
  return text.slice(0, lines.offsetAt(item.range.start)) + item.insert + text.slice(lines.offsetAt(item.range.end));
}

/** The tensor types that can be written, from large to small. */
const TENSOR_TYPES = GGML_TYPES.filter(({ canQuantize }) => canQuantize)
  .sort((a, b) => bitsPerWeight(b) - bitsPerWeight(a))
  .map(({ name }) => name)
  .join(' ');

const OPTION_KEYS =
  'include_weights exclude_weights pure output_tensor_type token_embedding_type leave_output_tensor allow_requantize ' +
  'prune_layers metadata runtime keep_split max_shard_size';
const ROOT_KEYS = `recipe source output type rules imatrix fallback ${OPTION_KEYS}`;

describe('completion offers', () => {
  test.each([
    ['keys at the start', '|', ROOT_KEYS],
    ['keys after a part of one', 'so|', ROOT_KEYS],
    [
      'keys that are not there yet, above and below',
      'recipe: 1\n|\nsource: a\nrules:\n  - type: Q8_0\n',
      `output type imatrix fallback ${OPTION_KEYS}`,
    ],
    [
      'keys after rules',
      'rules:\n  - tensors: a\n    type: Q8_0\n|',
      `recipe source output type imatrix fallback ${OPTION_KEYS}`,
    ],
    ['keys of a rule after the dash', 'rules:\n  - |', 'tensors type'],
    ['keys of a rule, the other one', 'rules:\n  - tensors: a\n    |', 'type'],
    ['keys of a rule, the other one below', 'rules:\n  - |\n    type: Q8_0\n  - tensors: b\n', 'tensors'],
    ['not the keys of the next rule', 'rules:\n  - tensors: a\n    |\n  - tensors: b\n    type: Q8_0', 'type'],
    ['keys of a rule whose dash is at the margin', 'rules:\n- tensors: a\n  |', 'type'],
    ['keys of a rule in braces', 'rules:\n  - {|', 'tensors type'],
    ['keys of a rule in braces, the other one', 'rules:\n  - {tensors: a, |}', 'type'],
    ['keys of a rule in braces, the other one behind', 'rules:\n  - {|, type: F16}', 'tensors'],
    ['keys in braces in brackets', 'rules: [{tensors: a, |}]', 'type'],
    ['keys of a recipe in braces', '{recipe: 1, |}', `source output type rules imatrix fallback ${OPTION_KEYS}`],
    ['true and false for a switch', 'pure: |', 'true false'],
    ['types for the output matrix', 'output_tensor_type: |', TENSOR_TYPES],
    ['a new rule under the last', 'rules:\n  - tensors: a\n    type: Q8_0\n  |', '- tensors, type'],
    ['a first rule', 'rules:\n  |', '- tensors, type'],
    ['tensor types in a rule', 'rules:\n  - type: |', TENSOR_TYPES],
    ['tensor types in braces', 'rules:\n  - {tensors: a, type: |}', TENSOR_TYPES],
    ['words and types as fallback', 'fallback: |', `promote error ${TENSOR_TYPES}`],
    ['the version', 'recipe: |', '1'],
    ['nothing in a comment', 'type: Q8_0 # |', ''],
    ['nothing for unknown keys', 'foo: |', ''],
    ['nothing under a value', 'source: a\n  |', ''],
    ['nothing after a closed brace', 'rules:\n  - {tensors: a} |', ''],
  ])('%s', (_, marked, expected) => {
    expect(labels(marked)).toBe(expected);
  });

  test('file types that can be made, with what they cost for this model', () => {
    const { items } = complete('type: Q|');
    const found = items.find(item => item.label === 'Q8_0');
    // 34 bytes per 32 weights, except for the norms (9 of 896 weights, 4 bytes each), over all weights.
    const weights = 1000 * 896 + 4 * (2 * 896 * 896 + 2 * 896 * 128 + 3 * 896 * 4864);
    const norms = 9 * 896;
    const expected = ((weights * 34) / 32 + norms * 4) * (8 / (weights + norms));
    expect(Number(/^[\d.]+/.exec(found?.detail ?? '')?.[0])).toBeCloseTo(expected, 2);
    expect(items.map(item => item.label)).not.toContain('NVFP4');
  });

  test('patterns of the model before single tensors', () => {
    const found = complete('rules:\n  - tensors: |').items;
    expect(found.slice(0, 2).map(item => [item.label, item.detail])).toEqual([
      ['blk.*.attn_norm.weight', '4 tensors'],
      ['blk.*.attn_q.weight', '4 tensors'],
    ]);
    expect(found.map(item => item.label)).toContain('blk.3.ffn_down.weight');
  });
});

describe('accepting', () => {
  test.each([
    ['a key', 'so|', 'source', 'source: '],
    ['the version', '|', 'recipe', 'recipe: 1'],
    ['rules', '|', 'rules', 'rules:\n  - tensors: $0'],
    ['a key before its colon', 'sor|: a.gguf', 'source', 'source: a.gguf'],
    ['a key in braces', 'rules:\n  - {ty|}', 'type', 'rules:\n  - {type: }'],
    ['a rule', 'rules:\n  |', '- tensors, type', 'rules:\n  - tensors: $1\n    type: $2'],
    ['a type over another', 'type: Q4|_K_M # note', 'Q8_0', 'type: Q8_0 # note'],
    ['a type in braces', 'rules:\n  - {type: Q|, tensors: a}', 'Q6_K', 'rules:\n  - {type: Q6_K, tensors: a}'],
    ['a pattern', 'rules:\n  - tensors: blk|', 'blk.*.attn_q.weight', 'rules:\n  - tensors: blk.*.attn_q.weight'],
    [
      'a pattern in quotes',
      "rules:\n  - {tensors: 'bl|k'}",
      'blk.*.attn_q.weight',
      "rules:\n  - {tensors: 'blk.*.attn_q.weight'}",
    ],
  ])('%s', (_, marked, label, expected) => {
    // Editors indent the lines of a snippet as the line it goes into.
    expect(accept(marked, label).replace('\n  type: $2', '\n    type: $2')).toBe(expected);
  });
});

test('a written value reads back as the same text, in blocks and in braces', async () => {
  const parser = await yamlParser();
  const texts = ['a.gguf', '*.weight', '[ab]*', 'a b', "it's", 'a: b', 'a #b', '- x', '-x', '{0..3}', 'x{0,1}', '@a', '%', '"q"', 'é😀', ' a', 'a:', '?', '!a', '&a', '#a', '/a,b/', '']; // prettier-ignore
  for (const text of texts) {
    for (const quote of ['', "'", '"']) {
      const block = parser.parseRecipeText(`source: ${writeValue(text, false, quote)}\n`);
      const flow = parser.parseRecipeText(`{source: ${writeValue(text, true, quote)}, output: b}\n`);
      const expected = text === '' ? undefined : text;
      expect([block.draft.source?.path, flow.draft.source?.path], `${text} in ${quote}`).toEqual([expected, expected]);
    }
  }
});

describe('hover', () => {
  async function hover(marked: string): Promise<string | undefined> {
    const rows = marked.split('\n');
    const mark = rows.findIndex(row => /^ *\^$/.test(row));
    const position = { line: mark - 1, character: (rows[mark] ?? '').indexOf('^') };
    const text = rows.filter((_, i) => i !== mark).join('\n');
    return hoverRecipe((await yamlParser()).parseRecipeText(text), position, bound)?.markdown;
  }

  test('a key: its documentation', async () => {
    const markdown = await hover('recipe: 1\nfallback: error\n   ^');
    expect(markdown).toContain('**fallback**: What to do with a tensor whose row length is no multiple');
    expect(markdown).toContain('Default: promote.');
  });

  test('a pattern: what it matches, what earlier rules took, what becomes of the size', async () => {
    const markdown = await hover(
      'rules:\n  - {tensors: blk.0.*, type: Q8_0}\n  - tensors: blk.*.ffn_down.weight\n                  ^\n    type: Q6_K\n',
    );
    expect(markdown?.split('\n\n')).toEqual([
      'matches 4 of 38 tensors: `blk.0.ffn_down.weight`, `blk.1.ffn_down.weight`, `blk.2.ffn_down.weight`, `blk.3.ffn_down.weight`',
      '1 of them are taken by earlier rules.',
      // 3 x 4864 x 896 weights: 2 bytes each, then 210 bytes per 256.
      'As Q6_K: 26.1 MB become 10.7 MB.',
    ]);
  });

  test('a pattern that matches nothing', async () => {
    expect(await hover('rules:\n  - {tensors: nothing, type: Q8_0}\n                ^')).toBe(
      'matches none of 38 tensors',
    );
  });

  test('a type: its layout and cost', async () => {
    expect(await hover('rules:\n  - {tensors: a, type: q6_k}\n                        ^')).toContain(
      '6.56 bits per weight: 210 bytes for a block of 256 weights',
    );
  });

  test('a file type: its mixture', async () => {
    expect(await hover('type: Q4_K_M\n       ^')).toContain('A mixture: mostly Q4_K, with Q5_K, Q6_K, Q8_0.');
  });

  test('the source: the model, whose text cannot become markup', async () => {
    expect(await hover('source: a.gguf\n          ^')).toContain('`Example`: architecture `llama`, 38 tensors');
  });

  test('nothing between words', async () => {
    expect(await hover('type:    Q8_0\n      ^')).toBeUndefined();
    expect(await hover('# type: Q8_0\n    ^')).toBeUndefined();
  });
});
