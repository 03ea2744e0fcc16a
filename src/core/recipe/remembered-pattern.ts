// Patterns are compiled once: after a keystroke all but one of a recipe's patterns are the same as before.
import { compilePattern, type CompiledPattern } from '../quantize/tensor-pattern.js';

/** Each version of a pattern being typed leaves an entry behind; at this number all are forgotten. */
const MAX_REMEMBERED = 10_000;

const remembered = new Map<string, CompiledPattern>();

export function rememberedPattern(kind: 'glob' | 'regex', pattern: string): CompiledPattern {
  const key = `${kind} ${pattern}`;
  let compiled = remembered.get(key);
  if (!compiled) {
    if (remembered.size >= MAX_REMEMBERED) remembered.clear();
    remembered.set(key, (compiled = compilePattern(kind, pattern)));
  }
  return compiled;
}
