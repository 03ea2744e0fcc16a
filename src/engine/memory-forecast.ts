// What a session takes of memory, said before it is allocated: a system that has less kills processes, or grinds to a halt.
import { QuantsmithError } from '../core/problem.js';
import { formatBytes, formatInteger } from '../core/text/quantity.js';
import { byteLengthOf, type Executor } from './executor.js';
import type { Program } from './graph/program-builder.js';

/** Bytes of caches and activations; for WebAssembly also of the weights, which the native backend leaves in their files. */
export function sessionBytes(program: Program, kind: Executor['kind']): number {
  const { cache, activations } = program.memory;
  const weights = kind === 'wasm' ? program.weights.reduce((sum, weight) => sum + byteLengthOf(weight), 0) : 0;
  return cache + activations + weights;
}

/**
 * @param available bytes that are free; undefined: not known
 * @throws QuantsmithError `engine/out-of-memory`
 */
export function checkMemory(program: Program, executor: Executor, available: number | undefined): void {
  const { kind } = executor;
  const needed = sessionBytes(program, kind);
  const { limits, memory } = program;
  const most = Math.min(available ?? Infinity, executor.addressableBytes);
  if (needed <= most) return;
  const where = most === available ? 'are free' : 'are all that WebAssembly can address';
  throw new QuantsmithError(
    'engine/out-of-memory',
    `A context of ${formatInteger(limits.cells)} tokens needs ${formatBytes(needed)} of memory (${formatBytes(memory.cache)} ` +
      `of them for keys and values); ${formatBytes(most)} ${where}.`,
    kind === 'wasm'
      ? 'Use a shorter context, a smaller model, or the native backend.'
      : 'Use a shorter context (--context), close other programs, or use a smaller model.',
  );
}
