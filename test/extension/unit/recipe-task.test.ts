// Recipe tasks, their problem matcher and new recipes: text in, text out.
import { readFileSync } from 'node:fs';
import * as path from 'node:path';
import { describe, expect, test } from 'vitest';
import { newRecipeText, recipePathFor, yamlText } from '../../../src/extension/recipes/recipe-text.js';
import {
  commandLine,
  parseDefinition,
  taskName,
  writtenOutput,
} from '../../../src/extension/tasks/recipe-task-definition.js';

const manifest = JSON.parse(readFileSync(path.resolve(import.meta.dirname, '../../../package.json'), 'utf8')) as {
  contributes: {
    problemPatterns: { regexp: string }[];
    taskDefinitions: { type: string; required: string[]; properties: Record<string, unknown> }[];
  };
};

describe('definition', () => {
  test.each([
    [{ type: 'quantsmith', recipe: 'a.quant.yaml' }, 'run a.quant.yaml'],
    [{ type: 'quantsmith', recipe: 'a.quant.yaml', args: ['--dry-run'] }, 'run a.quant.yaml --dry-run'],
    [{ type: 'quantsmith' }, undefined],
    [{ type: 'quantsmith', recipe: '' }, undefined],
    [{ type: 'quantsmith', recipe: 7 }, undefined],
    [{ type: 'quantsmith', recipe: 'a', args: [1] }, undefined],
    [{ type: 'shell', recipe: 'a' }, undefined],
  ])('%o', (raw, expected) => {
    const definition = parseDefinition(raw);
    expect(definition && taskName(definition)).toBe(expected);
  });

  test('is the one that the manifest declares', () => {
    const [declared] = manifest.contributes.taskDefinitions;
    expect([declared!.type, declared!.required, Object.keys(declared!.properties)]).toEqual([
      'quantsmith',
      ['recipe'],
      ['recipe', 'args'],
    ]);
  });

  test('arguments of the task come after the settings, so that they win', () => {
    const definition = { type: 'quantsmith', recipe: 'a b.quant.yaml', args: ['--threads', '1'] } as const;
    expect(commandLine(definition, { threads: 4, backend: 'wasm' })).toEqual([
      'run',
      'a b.quant.yaml',
      '--threads',
      '4',
      '--backend',
      'wasm',
      '--threads',
      '1',
    ]);
    expect(commandLine({ type: 'quantsmith', recipe: 'a' }, { threads: 0, backend: 'auto' })).toEqual(['run', 'a']);
  });
});

describe('problem matcher', () => {
  const pattern = new RegExp(manifest.contributes.problemPatterns[0]!.regexp);
  test.each([
    [
      'a.quant.yaml:4:7: error: unknown type Q4_K_X [recipe/unknown-type]',
      ['a.quant.yaml', '4', '7', 'error', 'unknown type Q4_K_X', 'recipe/unknown-type'],
    ],
    [
      'C:\\m\\a.quant.yaml:4:7: warning: x: y [a] z [recipe/b]',
      ['C:\\m\\a.quant.yaml', '4', '7', 'warning', 'x: y [a] z', 'recipe/b'],
    ],
    ['a.quant.yaml:1:1: info: no code', ['a.quant.yaml', '1', '1', 'info', 'no code', undefined]],
    ['tiny-Q4_K_M.gguf: 4.90 bits per weight', undefined],
  ])('%s', (line, expected) => {
    expect(pattern.exec(line)?.slice(1)).toEqual(expected);
  });
});

describe('output as written', () => {
  test.each([
    ['output: out/x.gguf', 'out/x.gguf'],
    ['recipe: 1\r\noutput: out/x.gguf\r\ntype: Q8_0', 'out/x.gguf'],
    ['output: "a b.gguf" # why', 'a b.gguf'],
    ["output: 'it.gguf'", 'it.gguf'],
    ['output: my model.gguf   # why', 'my model.gguf'],
    ['output: a#b.gguf', 'a#b.gguf'],
    // Nested, folded, anchored, escaped or missing: left to the program that reads recipes properly.
    ['x:\n  output: a.gguf', undefined],
    ['output: |\n  a.gguf', undefined],
    ['output: *a', undefined],
    ['output: "a\\tb"', undefined],
    ['output:', undefined],
    ['outputs: a', undefined],
  ])('%j', (text, expected) => {
    expect(writtenOutput(text)).toBe(expected);
  });
});

describe('new recipe', () => {
  test('names source and output relative to its folder', () => {
    expect(newRecipeText('/m/sub/my tiny-f16.gguf', 'Q4_K_M', '/m').split('\n').slice(1, 5)).toEqual([
      'recipe: 1',
      'source: sub/my tiny-f16.gguf',
      'output: sub/my tiny-Q4_K_M.gguf',
      'type: Q4_K_M',
    ]);
  });

  test('names the first shard, whichever is given', () => {
    const text = newRecipeText('/m/big-f16-00002-of-00003.gguf', 'Q4_K_M', '/m');
    expect(text).toBe(newRecipeText('/m/big-f16-00001-of-00003.gguf', 'Q4_K_M', '/m'));
    expect(text.split('\n').slice(2, 4)).toEqual(['source: big-f16-00001-of-00003.gguf', 'output: big-Q4_K_M.gguf']);
  });

  test.each([
    ['/m/tiny-f16.gguf', 1, '/m/tiny-f16.quant.yaml'],
    ['/m/tiny-f16.gguf', 2, '/m/tiny-f16-2.quant.yaml'],
    ['/m/tiny.v1.GGUF', 1, '/m/tiny.v1.quant.yaml'],
    ['/m/big-f16-00002-of-00003.gguf', 1, '/m/big-f16.quant.yaml'],
    ['/m/big-f16-00002-of-00003.gguf', 2, '/m/big-f16-2.quant.yaml'],
  ])('for %s, number %i, is %s', (model, number, expected) => {
    expect(recipePathFor(model, number)).toBe(expected);
  });

  test.each([
    ['a.gguf', 'a.gguf'],
    ['../a b.gguf', '../a b.gguf'],
    ["it's.gguf", "'it''s.gguf'"],
    ['a: b.gguf', "'a: b.gguf'"],
    ['#a.gguf', "'#a.gguf'"],
    ['a #b.gguf', "'a #b.gguf'"],
    ['- a', "'- a'"],
    ['1.5', "'1.5'"],
    ['true', "'true'"],
    ['modèle.gguf', "'modèle.gguf'"],
    ['', "''"],
  ])('%s in YAML is %s', (text, expected) => {
    expect(yamlText(text)).toBe(expected);
  });
});
