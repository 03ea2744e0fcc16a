// The type table against the layouts as ggml 0.27 documents them: name, weights per block, bytes per block.
import { expect, test } from 'vitest';
import {
  bitsPerWeight,
  byteLengthOf,
  GGML_TYPES,
  ggmlType,
  ggmlTypeById,
  ggmlTypeByName,
  ggmlTypeName,
  REMOVED_GGML_TYPES,
} from '../../../src/core/ggml/ggml-type.js';

const LAYOUTS = `
F16 1/2, BF16 1/2, Q4_0 32/18, Q4_1 32/20, Q5_0 32/22, Q5_1 32/24, Q8_0 32/34, Q8_1 32/36, Q2_K 256/84, Q3_K 256/110,
Q4_K 256/144, Q5_K 256/176, Q6_K 256/210, Q8_K 256/292, IQ2_XXS 256/66, IQ2_XS 256/74, IQ3_XXS 256/98, IQ1_S 256/50,
IQ4_NL 32/18, IQ3_S 256/110, IQ2_S 256/82, IQ4_XS 256/136, IQ1_M 256/56, TQ1_0 256/54, TQ2_0 256/66, MXFP4 32/17,
NVFP4 64/36, Q1_0 128/18, Q2_0 64/18, F32 1/4, F64 1/8, I8 1/1, I16 1/2, I32 1/4, I64 1/8`;

test('layouts are ggml’s', () => {
  const table = GGML_TYPES.map(type => `${type.name} ${type.blockSize}/${type.typeSize}`).sort();
  expect(table).toEqual(LAYOUTS.trim().split(/,\s+/).sort());
});

test('ids are unique, removed ones have no row, unknown ones a name', () => {
  expect(new Set(GGML_TYPES.map(type => type.id)).size).toBe(GGML_TYPES.length);
  for (const id of REMOVED_GGML_TYPES.keys()) expect(ggmlTypeById(id)).toBeUndefined();
  expect([0, 12, 5, 57].map(ggmlTypeName)).toEqual(['F32', 'Q4_K', 'Q4_3', 'type 57']);
});

test('lookups ignore case; sizes follow from blocks', () => {
  expect(ggmlTypeByName('q4_k')).toBe(ggmlTypeById(12));
  expect(ggmlTypeByName('Q4_K_M')).toBeUndefined();
  expect(() => ggmlType('Q4_K_M')).toThrow(RangeError);
  expect(bitsPerWeight(ggmlType('Q4_K'))).toBe(4.5);
  expect(byteLengthOf(ggmlType('Q6_K'), 2 ** 40)).toBe(2 ** 32 * 210);
});
