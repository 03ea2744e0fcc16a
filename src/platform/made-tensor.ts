// Reads lines of JSON about finished tensors: of the journal of a run that was interrupted and of the records of complete
// outputs. Both lie where anything could have changed them, so every field is checked, and a line that is not whole does
// not count.
import type { MadeTensor } from '../engine/jobs/quantize-services.js';

const SHA256 = /^[0-9a-f]{64}$/;

/** The object a line of JSON holds, or the value itself if it is one already. */
export function object(value: unknown): Record<string, unknown> | undefined {
  if (typeof value !== 'string')
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  try {
    const parsed: unknown = JSON.parse(value);
    return typeof parsed === 'object' ? object(parsed) : undefined;
  } catch {
    return undefined;
  }
}

export function madeTensor({ wish, source, sha256 }: Record<string, unknown>): MadeTensor | undefined {
  return isDigest(wish) && isDigest(source) && isDigest(sha256) ? { wish, source, sha256 } : undefined;
}

function isDigest(value: unknown): value is string {
  return typeof value === 'string' && SHA256.test(value);
}
