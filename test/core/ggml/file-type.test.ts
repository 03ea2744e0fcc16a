// The file type table against what llama-quantize writes, and against the mixtures it summarizes.
import { expect, test } from 'vitest';
import {
  FILE_TYPES,
  fileTypeById,
  fileTypeByName,
  fileTypeName,
  GUESSED_FILE_TYPE,
  suggestFileTypes,
} from '../../../src/core/ggml/file-type.js';
import { GGML_TYPES, ggmlType } from '../../../src/core/ggml/ggml-type.js';
import { editDistance, nearestNames } from '../../../src/core/ggml/nearest-name.js';
import { Mixture, type MixtureModel } from '../../../src/core/quantize/mixture.js';
import { golden } from '../quantize/plan-golden.js';

test('ids are those llama-quantize writes to general.file_type', () => {
  const seen = new Map<string, unknown>();
  for (const [label, { kv }] of Object.entries(golden.files)) {
    const name = label.split('/')[1] ?? '';
    if (kv && name !== 'opt') seen.set(name, kv['general.file_type']);
  }
  expect(seen.size).toBe(35);
  for (const [name, id] of seen) {
    expect(fileTypeByName(name)?.id, name).toBe(id);
    expect(fileTypeById(Number(id))?.name).toBe(name);
  }
});

test('every file type of llama-quantize is offered, and no other', () => {
  const names = new Set(Object.keys(golden.dryRuns).map(label => label.split('/')[1]));
  expect(
    FILE_TYPES.filter(type => type.offered)
      .map(type => type.name)
      .sort(),
  ).toEqual([...names].sort());
});

test('lookups take names, aliases and numbers in any case, and marks of a guess', () => {
  const lookup = (name: string) => fileTypeByName(name)?.name;
  expect(['q4_k_m', 'Q4_K', 'q5_k', 'Q3_K', '15', ' bf16 ', '32'].map(lookup)).toEqual([
    'Q4_K_M', 'Q4_K_M', 'Q5_K_M', 'Q3_K_M', 'Q4_K_M', 'BF16', 'BF16',
  ]); // prettier-ignore
  expect(['', 'Q4', '4', '99', '1e1', '-1', 'constructor'].map(lookup)).toEqual(Array(7).fill(undefined));
  expect(fileTypeById(GUESSED_FILE_TYPE + 15)?.name).toBe('Q4_K_M');
  expect([5, 777].map(fileTypeName)).toEqual(['Q4_2', 'file type 777']);
});

test('misspelt names get the nearest ones', () => {
  expect(suggestFileTypes('Q4_KM')[0]).toMatch(/^Q4_K/);
  expect(suggestFileTypes('q5_k_n')).toContain('Q5_K_M');
  expect(suggestFileTypes('IQ2XXS')).toContain('IQ2_XXS');
  expect(suggestFileTypes('something else entirely')).toEqual([]);
  expect(nearestNames('attnv', ['attn_v', 'attn_q', 'ffn_up'])).toEqual(['attn_v']);
});

test('edit distance counts insertions, deletions, substitutions and swaps', () => {
  const cases: readonly (readonly [string, string, number])[] = [
    ['', '', 0], ['', 'abc', 3], ['abc', '', 3], ['abc', 'abc', 0], ['abc', 'acb', 1], ['abc', 'axc', 1],
    ['kitten', 'sitting', 3], ['ca', 'abc', 3],
  ]; // prettier-ignore
  for (const [a, b, distance] of cases) expect(editDistance(a, b), `${a} ${b}`).toBe(distance);
});

test('the types column is what the mixture can choose', () => {
  const names = [
    'output',
    'token_embd',
    'x',
    ...['attn_v', 'attn_k', 'attn_q', 'attn_output', 'ffn_up', 'ffn_down'].map(part => `blk.0.${part}`),
  ];
  const models: MixtureModel[] = [];
  for (const architecture of ['llama', 'falcon'])
    for (const expertCount of [0, 4, 8])
      for (const gqa of [1, 8])
        for (const tied of [false, true])
          for (const hasImatrix of [false, true])
            models.push({ architecture, expertCount, gqa, tied, hasImatrix, blockCount: 16, attentionVCount: 16 });
  // The 70B rule.
  models.push({ ...models[0]!, expertCount: 0, gqa: 8, blockCount: 80, attentionVCount: 80 });
  for (const type of FILE_TYPES) {
    if (!type.offered || ggmlType(type.defaultType).blockSize === 1) {
      expect(type.types).toEqual([type.defaultType]);
      continue;
    }
    const chosen = new Set<string>();
    for (const model of models) {
      const mixture = new Mixture(type.name, type.defaultType, model);
      for (let layer = 0; layer < model.blockCount; layer++)
        for (const name of names)
          for (const ne of [
            [256, 8],
            [256, 8, 4],
            [32, 8],
          ])
            chosen.add(mixture.choose({ name: `${name.replace('blk.0', `blk.${layer}`)}.weight`, ne }).type);
    }
    expect([...chosen].sort(), type.name).toEqual([...type.types].sort());
  }
});

test('available means that every type of the mixture can be written here', () => {
  const writable = new Set(GGML_TYPES.filter(type => type.canQuantize).map(type => type.name));
  for (const type of FILE_TYPES) {
    expect(type.available, type.name).toBe(type.offered && type.types.every(name => writable.has(name)));
  }
  const least = 'F32 F16 BF16 Q8_0 Q4_0 Q4_1 Q5_0 Q5_1 Q4_K_S Q4_K_M Q5_K_S Q5_K_M Q6_K'.split(' ');
  expect(least.filter(name => !fileTypeByName(name)?.available)).toEqual([]);
});
