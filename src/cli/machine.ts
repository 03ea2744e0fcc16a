// What `doctor` asks the machine: processor features.
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
