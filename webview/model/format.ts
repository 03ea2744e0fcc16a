// What only the inspector writes: shares, offsets, shapes and values of metadata. Sizes, counts and numbers are written by
// core/text/quantity.ts, as everywhere. Exact values have thousands separators, offsets are hexadecimal.
import type { GgufScalar } from '../../src/core/gguf/gguf.js';
import { formatInteger, formatNumber } from '../../src/core/text/quantity.js';

/** A part of a whole: `12.3 %`; what is there but too small to print is `< 0.1 %`. */
export function formatShare(part: number, whole: number): string {
  if (!(whole > 0) || !Number.isFinite(part)) return '';
  const percent = (part / whole) * 100;
  if (percent > 0 && percent < 0.1) return '< 0.1 %';
  return `${percent.toFixed(1)} %`;
}

/** A byte offset: `0x200000`. */
export function formatHex(offset: number): string {
  return Number.isSafeInteger(offset) && offset >= 0 ? `0x${offset.toString(16).toUpperCase()}` : String(offset);
}

/** A byte offset in both notations: `0x200000 (2,097,152)`. */
export function formatOffset(offset: number): string {
  return `${formatHex(offset)} (${formatInteger(offset)})`;
}

/** Dimensions in ggml order, fastest first, without separators as everybody writes them: `256 × 4096`. */
export function formatShape(ne: readonly number[]): string {
  return ne.length === 0 ? 'scalar' : ne.map(String).join(' × ');
}

/** A metadata scalar as plain text; strings are as they are (make them visible before they are shown). */
export function formatScalar(value: GgufScalar, type?: string): string {
  if (typeof value === 'string') return value;
  return typeof value === 'number' ? formatNumber(value, type) : String(value);
}
