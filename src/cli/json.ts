// JSON for the values that GGUF holds and JSON has not: integers beyond 2^53 become decimal strings (so that no reader
// rounds them), and NaN and infinities become the strings "NaN", "Infinity" and "-Infinity".
import type { GgufScalar } from '../core/gguf/gguf.js';

/** One metadata scalar as JSON text. */
export function scalarJson(value: GgufScalar): string {
  switch (typeof value) {
    case 'bigint':
      return isSafe(value) ? String(value) : `"${value}"`;
    case 'number':
      return Number.isFinite(value) ? JSON.stringify(value) : `"${String(value)}"`;
    default:
      return JSON.stringify(value);
  }
}

function isSafe(value: bigint): boolean {
  return value <= BigInt(Number.MAX_SAFE_INTEGER) && value >= BigInt(Number.MIN_SAFE_INTEGER);
}

/** A result as the one JSON document on stdout: two spaces of indent, a line feed at the end. */
export function jsonDocument(value: unknown): string {
  return `${JSON.stringify(value, replaceUnrepresentable, 2)}\n`;
}

function replaceUnrepresentable(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return isSafe(value) ? Number(value) : String(value);
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value);
  return value;
}
