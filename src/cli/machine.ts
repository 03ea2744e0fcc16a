// What `doctor` asks the machine: processor features, how fast memory is. Each
// answer takes well under a second and changes nothing.
import { readFileSync } from 'node:fs';

/** Features that kernels of language models use somewhere, as /proc/cpuinfo spells them; of a hundred flags the rest is noise. */
const INTERESTING =
  /^(sse4_2|avx|avx2|fma|f16c|bmi2|avx_vnni|avx_vnni_int8|avx512(f|bw|dq|vl|vbmi|_vnni|_bf16|_fp16|_vbmi2)|amx_(tile|int8|bf16|fp16)|asimd|asimddp|asimdhp|i8mm|bf16|sve|sve2|sme|vx|altivec|v)$/;

/** Features of the processor as far as the system tells; empty where it does not (only Linux has a file for it). */
export function processorFeatures(): readonly string[] {
  let text: string;
  try {
    text = readFileSync('/proc/cpuinfo', 'utf8');
  } catch {
    return [];
  }
  const line = /^(?:flags|Features)\s*:\s*(.*)$/m.exec(text);
  return [...new Set((line?.[1] ?? '').split(/\s+/).filter(flag => INTERESTING.test(flag)))].sort();
}

/** Twice 96 MiB: more than the last-level cache of nearly every machine, little enough for one with 1 GiB of memory. */
const COPIED_BYTES = 96 * 2 ** 20;
const COPY_MILLISECONDS = 300;

/**
 * Bytes per second that one thread copies, counting what is read and what is written: the best pass of 0.3 s. Several
 * threads together reach more; it is a lower bound of what kernels that stream weights can use.
 */
export function copyBandwidth(now: () => number): number {
  const source = new Uint8Array(COPIED_BYTES).fill(1);
  const target = new Uint8Array(COPIED_BYTES).fill(2);
  const end = now() + COPY_MILLISECONDS;
  let best = Infinity;
  let before = now();
  do {
    target.set(source);
    const after = now();
    best = Math.min(best, after - before);
    before = after;
  } while (before < end);
  return (2 * COPIED_BYTES * 1000) / best;
}
