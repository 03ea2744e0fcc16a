// What happens when a row cannot be cut into a type's blocks. llama-quantize substitutes silently (promote); here every
// substitution is reported, can be forbidden, or replaced by a type of the user's choice.
// Source: llama.cpp src/llama-quant.cpp, tensor_type_fallback, and measurements of version 0.7.0, which substitutes F16 for
// types with blocks of 32 where earlier versions stopped; it still stops at NVFP4 and Q1_0.
import { ggmlType } from '../ggml/ggml-type.js';
import type { FallbackPolicy } from './quantization-plan.js';

/** Types with blocks of 256 (Q2_0: 64) and the type with blocks of 32 that replaces each. */
const PROMOTION: ReadonlyMap<string, string> = new Map([
  ['IQ1_S', 'IQ4_NL'],
  ['IQ1_M', 'IQ4_NL'],
  ['IQ2_XXS', 'IQ4_NL'],
  ['IQ2_XS', 'IQ4_NL'],
  ['IQ2_S', 'IQ4_NL'],
  ['IQ3_XXS', 'IQ4_NL'],
  ['IQ3_S', 'IQ4_NL'],
  ['IQ4_XS', 'IQ4_NL'],
  ['Q2_0', 'Q4_0'],
  ['Q2_K', 'Q4_0'],
  ['Q3_K', 'Q4_0'],
  ['TQ1_0', 'Q4_0'],
  ['TQ2_0', 'Q4_0'],
  ['Q4_K', 'Q5_0'],
  ['Q5_K', 'Q5_1'],
  ['Q6_K', 'Q8_0'],
]);

/** Rows of `rowLength` weights can be stored as this type. */
export function fitsShape(type: string, rowLength: number): boolean {
  return rowLength % ggmlType(type).blockSize === 0;
}

/**
 * The type to use for rows of `rowLength` weights instead of `type`, which does not fit; undefined if the policy has none:
 * it is `error`, the chosen type does not fit either, or llama-quantize defines no substitute (it stops there as well).
 */
export function fallbackType(type: string, rowLength: number, policy: FallbackPolicy): string | undefined {
  if (policy === 'error') return undefined;
  if (policy !== 'promote') return fitsShape(policy, rowLength) ? ggmlType(policy).name : undefined;
  const promoted = PROMOTION.get(type) ?? (ggmlType(type).blockSize === 32 ? 'F16' : undefined);
  if (promoted === undefined) return undefined;
  return fitsShape(promoted, rowLength) ? promoted : 'F16';
}
