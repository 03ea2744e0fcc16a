// Files that repeat what the tables say are up to date. UPDATE_FIXTURES=1 rewrites them.
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { format } from 'prettier';
import { expect, test } from 'vitest';
import { FILE_TYPES } from '../../../src/core/ggml/file-type.js';
import { GGML_TYPES } from '../../../src/core/ggml/ggml-type.js';
import { keyReference, recipeJsonSchema, typeTables } from '../../../src/core/recipe/recipe-documents.js';
import { keyName, RECIPE_KEYS } from '../../../src/core/recipe/recipe-schema.js';
import { yamlParser } from './yaml.js';

const ROOT = path.resolve(import.meta.dirname, '../../..');
const STYLE = { printWidth: 120, singleQuote: true } as const;

function check(file: string, expected: string): void {
  const target = path.join(ROOT, file);
  if (process.env.UPDATE_FIXTURES === '1') writeFileSync(target, expected);
  expect(readFileSync(target, 'utf8')).toBe(expected);
}

test('the JSON Schema', async () => {
  check(
    'schemas/quant-recipe.schema.json',
    await format(JSON.stringify(recipeJsonSchema()), { ...STYLE, parser: 'json' }),
  );
});

test('the reference', async () => {
  const text = readFileSync(path.join(ROOT, 'docs/recipes.md'), 'utf8');
  const sections: Readonly<Record<string, string>> = { keys: keyReference(), types: typeTables() };
  const filled = text.replace(
    /(<!-- generated: (\w+) -->\n)[^]*?(<!-- end -->)/g,
    (_, open: string, name: string, close: string) => `${open}\n${sections[name] ?? ''}\n\n${close}`,
  );
  check('docs/recipes.md', await format(filled, { ...STYLE, parser: 'markdown' }));
});

test('recipes in the reference are recipes', async () => {
  const parser = await yamlParser();
  const text = readFileSync(path.join(ROOT, 'docs/recipes.md'), 'utf8');
  const recipes = [...text.matchAll(/```yaml\n(recipe: 1\n[^]*?\n)```/g)]
    .map(match => match[1] ?? '')
    .filter(recipe => recipe.includes('source:'));
  expect(recipes.length).toBeGreaterThan(0);
  for (const recipe of recipes) expect(parser.parseRecipeText(recipe).diagnostics).toEqual([]);
});

test('examples of keys are valid values', async () => {
  const parser = await yamlParser();
  for (const key of RECIPE_KEYS) {
    for (const example of key.examples) {
      const line = key.path.endsWith('[]') ? `rules: [${example}]` : `${keyName(key)}: ${example}`;
      const text = key.path.startsWith('rules[].') ? `rules:\n  - ${line}\n` : `${line}\n`;
      const found = parser.parseRecipeText(text).diagnostics.filter(({ code }) => code !== 'recipe/missing-key');
      expect(found, text).toEqual([]);
    }
  }
});

test('the TextMate grammar knows the keys and types of the tables', () => {
  const grammar = readFileSync(path.join(ROOT, 'syntaxes/quant-recipe.tmLanguage.json'), 'utf8');
  const { repository } = JSON.parse(grammar) as {
    repository: Record<string, { patterns: { name?: string; match: string }[] }>;
  };
  const words = (pattern: string | undefined): string[] =>
    (
      /\(([\w|]+)\)|\(\?:(\w+(?:\|\w+)+)\)/
        .exec(pattern ?? '')
        ?.slice(1)
        .find(Boolean) ?? ''
    )
      .split('|')
      .sort();
  const names = RECIPE_KEYS.filter(key => !key.path.endsWith('[]')).map(keyName);
  expect(words(repository.key?.patterns[0]?.match)).toEqual([...new Set(names)].sort());
  const types = repository.value?.patterns.find(({ name }) => name?.startsWith('support.type'));
  expect(words(types?.match)).toEqual([...new Set([...GGML_TYPES, ...FILE_TYPES].map(({ name }) => name))].sort());
});
