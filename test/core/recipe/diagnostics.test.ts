// Fixtures in test/fixtures/recipes/diagnostics: every section of a file is a recipe with what is said about it. They are
// compared as text; UPDATE_FIXTURES=1 rewrites them (read the difference before committing it).
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { GGML_TYPES } from '../../../src/core/ggml/ggml-type.js';
import { checkRecipe, type RecipeFacts } from '../../../src/core/recipe/check-recipe.js';
import { importanceEntry } from '../../fixtures/importance.js';
import { annotate, stripAnnotations } from './annotate.js';
import { exampleModel, tensor } from './model.js';
import { yamlParser } from './yaml.js';

const FOLDER = path.resolve(import.meta.dirname, '../../fixtures/recipes/diagnostics');

/** What a section's heading may ask for, as `=== name [bound]`. */
const WORLDS: Readonly<Record<string, RecipeFacts>> = {
  unbound: {},
  bound: { source: { state: 'bound', bound: exampleModel() } },
  quantized: { source: { state: 'bound', bound: exampleModel([tensor('blk.0.attn_q.weight', [1024, 1024], 'Q4_K')]) } },
  missing: {
    source: { state: 'missing', nearby: ['./model-f16.gguf', './other.gguf'] },
    output: { exists: false, folderExists: false, sameAsSource: false },
    imatrix: { state: 'missing', nearby: [] },
  },
  matrix: {
    source: { state: 'bound', bound: exampleModel() },
    imatrix: {
      state: 'read',
      problems: [{ code: 'imatrix/negative', severity: 'warning', message: 'm.gguf: found -1.' }],
      matrix: {
        name: '/elsewhere/m.gguf',
        format: 'gguf',
        datasets: [],
        chunkCount: 1,
        entries: new Map([
          ['blk.0.ffn_down.weight', importanceEntry(new Float32Array(4864))],
          ['blk.1.ffn_down.weight', importanceEntry(new Float32Array(7))],
          ['blk.2.ffn_down.weight', importanceEntry(new Float32Array(7))],
          ['blk.9.ffn_down.weight', importanceEntry(new Float32Array(7))],
        ]),
      },
    },
  },
  'not a matrix': {
    imatrix: {
      state: 'unusable',
      problem: {
        code: 'imatrix/not-imatrix',
        severity: 'error',
        message: 'expected sums, found none.',
        hint: 'Make one.',
      },
    },
  },
  unusable: {
    source: {
      state: 'unusable',
      problem: {
        code: 'gguf/magic',
        severity: 'error',
        message: 'expected GGUF, found PK.',
        hint: 'Choose a GGUF file.',
        offset: 1024,
      },
    },
    output: { exists: true, folderExists: true, sameAsSource: false },
  },
  same: { output: { exists: true, folderExists: true, sameAsSource: true } },
};

/** What a message says when it lists every tensor type; the fixtures have {tensor types} instead. */
const TENSOR_TYPES = GGML_TYPES.filter(({ canQuantize }) => canQuantize)
  .map(({ name }) => name)
  .join(', ');

async function check(section: string): Promise<string> {
  const [heading = '', ...rest] = section.split('\n');
  const world = WORLDS[/\[([\w ]+)\]/.exec(heading)?.[1] ?? 'unbound'];
  if (!world) throw new Error(`no such world: ${heading}`);
  const text = stripAnnotations(rest.join('\n'));
  const parsed = (await yamlParser()).parseRecipeText(text);
  const annotated = annotate(text, [...parsed.diagnostics, ...checkRecipe(parsed.draft, world)]);
  return [heading, annotated.replaceAll(TENSOR_TYPES, '{tensor types}')].join('\n');
}

describe.each(readdirSync(FOLDER))('%s', name => {
  const file = path.join(FOLDER, name);
  const sections = readFileSync(file, 'utf8').split(/^(?==== )/m);

  test.each(sections.map(section => [section.split('\n', 1)[0] ?? '', section]))('%s', async (_, section) => {
    expect(section).toMatch(/^=== \S/);
    const actual = await check(section);
    if (process.env.UPDATE_FIXTURES !== '1') expect(actual).toBe(section);
  });

  if (process.env.UPDATE_FIXTURES === '1') {
    test('rewrite', async () => {
      writeFileSync(file, (await Promise.all(sections.map(check))).join(''));
    });
  }
});
