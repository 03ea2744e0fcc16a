// Which builds of llama.cpp are refused, warned of, or passed, by the types of a plan.
import { expect, test } from 'vitest';
import { defaultOptions, planQuantization } from '../../../src/core/quantize/plan.js';
import { sourceOf } from './plan-golden.js';

function said(type: string, runtime: string): string {
  const source = sourceOf(
    [
      ['general.architecture', 'string', 45, 'llama'],
      ['llama.block_count', 'u32', 33, 1],
    ],
    [{ name: 'blk.0.ffn_up.weight', ne: [256, 4], type: 'F16', shard: 0 }],
  );
  const rules = [{ kind: 'glob', pattern: '*', type, label: 'a' }] as const;
  const plan = planQuantization(source, { ...defaultOptions('Q8_0'), rules, runtime }, { kernelsRequired: false });
  return plan.problems
    .filter(({ code }) => code.includes('runtime'))
    .map(({ severity, code, message }) => `${severity} ${code}: ${message}`)
    .join('\n');
}

test.each([
  ['Q4_K', 'llama.cpp@b2000', ''],
  ['IQ4_XS', 'llama.cpp@b3265', ''],
  ['IQ2_XS', 'llama.cpp@b1961', ''],
  ['NVFP4', 'llama.cpp@b11669', ''],
  [
    'MXFP4',
    'llama.cpp@b6090',
    'error plan/runtime-cannot-read: llama.cpp b6090 cannot read MXFP4, which 1 tensor would have (b6090 does not read it, b6845 does).',
  ],
  [
    'TQ1_0',
    'LLAMA.CPP@b3600',
    'warning plan/runtime-unsure: llama.cpp b3600 may not read TQ1_0, which 1 tensor would have (b3543 does not read it, b3887 does).',
  ],
  [
    'Q8_0',
    'ollama@0.5',
    'error plan/unknown-runtime: Expected a build of llama.cpp such as llama.cpp@b3887, found "ollama@0.5".',
  ],
])('%s for %s', (type, runtime, expected) => {
  expect(said(type, runtime)).toBe(expected);
});
