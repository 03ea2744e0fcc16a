// How numbers look in the inspector. One way per kind of number: sizes are decimal (MB = 10^6 bytes, as file managers and
// model hubs show them) with three digits, exact values have thousands separators, offsets are hexadecimal. The locale is
// fixed, so that what is read here can be pasted into a recipe, a terminal or an issue.
import type { GgufScalar } from '../../src/core/gguf/gguf.js';

const grouped = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

/** An exact count: `1,234,567`. */
export function formatInteger(value: number | bigint): string {
  return typeof value === 'number' && !Number.isFinite(value) ? 'unknown' : grouped.format(value);
}

/** Three significant digits without a trailing exponent: 10.1, 5.05, 738. */
function threeDigits(value: number): string {
  if (value >= 99.95) return value.toFixed(0);
  return value >= 9.995 ? value.toFixed(1) : value.toFixed(2);
}

function scaled(value: number, step: number, units: readonly string[]): string {
  let unit = 0;
  let rest = value;
  // 999.5 would print as 1000: such a value belongs to the next unit.
  while (rest >= step - 0.5 && unit < units.length - 1) {
    rest /= step;
    unit++;
  }
  const suffix = units[unit] ?? '';
  return unit === 0 ? `${grouped.format(rest)}${suffix}` : `${threeDigits(rest)}${suffix}`;
}

/** A size in bytes: `10.1 MB`, `1 byte`. */
export function formatBytes(bytes: number): string {
  if (!Number.isFinite(bytes) || bytes < 0) return 'unknown';
  if (bytes === 1) return '1 byte';
  return scaled(bytes, 1000, [' bytes', ' kB', ' MB', ' GB', ' TB', ' PB']);
}

/** A size with its exact value: `10.1 MB (10,099,776 bytes)`. */
export function formatBytesExactly(bytes: number): string {
  const short = formatBytes(bytes);
  return bytes < 1000 || !Number.isFinite(bytes) ? short : `${short} (${formatInteger(bytes)} bytes)`;
}

/** A count of parameters as model cards write it: `5.05 M`, `7.24 B`. */
export function formatParameters(count: number): string {
  return Number.isFinite(count) && count >= 0 ? scaled(count, 1000, ['', ' K', ' M', ' B', ' T']) : 'unknown';
}

/** Bits per weight: two decimals, as llama.cpp prints them. */
export function formatBitsPerWeight(bits: number): string {
  return Number.isFinite(bits) && bits > 0 ? bits.toFixed(2) : 'unknown';
}

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

/** A metadata number as precisely as it must be to be told from its neighbours: f32 values are not printed as f64. */
export function formatNumber(value: number, type?: string): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'NaN' : value > 0 ? '+Infinity' : '-Infinity';
  if (type !== 'f32' || value === 0) return Object.is(value, -0) ? '-0' : String(value);
  // The shortest decimal that reads back as the same f32: 9 digits always suffice (IEEE 754).
  for (let digits = 6; digits < 9; digits++) {
    const text = value.toPrecision(digits);
    if (Math.fround(Number(text)) === Math.fround(value)) return String(Number(text));
  }
  return String(Number(value.toPrecision(9)));
}

/** A metadata scalar as plain text; strings are as they are (make them visible before they are shown). */
export function formatScalar(value: GgufScalar, type?: string): string {
  if (typeof value === 'string') return value;
  return typeof value === 'number' ? formatNumber(value, type) : String(value);
}

/** `1 tensor`, `47 tensors`, `0 tensors`; an irregular plural is given. */
export function plural(count: number, one: string, many = `${one}s`): string {
  return `${formatInteger(count)} ${count === 1 ? one : many}`;
}
