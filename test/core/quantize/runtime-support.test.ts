// Which builds of llama.cpp are refused, warned of, or passed, by the types of a plan.
import { expect, test } from 'vitest';
import { GGML_TYPES } from '../../../src/core/ggml/ggml-type.js';
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
    'IQ2_XXS',
    'llama.cpp@b1700',
    'error plan/runtime-cannot-read: llama.cpp b1700 cannot read IQ2_XXS, which 1 tensor would have (b1700 does not read it, b1884 does).',
  ],
  [
    'IQ2_XS',
    'llama.cpp@b1800',
    'warning plan/runtime-unsure: llama.cpp b1800 may not read IQ2_XS, which 1 tensor would have (b1700 does not read it, b1884 does).',
  ],
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

test.each(GGML_TYPES.filter(({ canQuantize }) => canQuantize).map(({ name }) => name))(
  '%s: passed by the newest build, and said to be missing in b1500 if it came after it',
  type => {
    // Types of 2023 and before: what llama.cpp of the autumn of 2023 (b1500) had.
    const old = /^(?:F32|F16|Q[2-6]_K|Q[458]_[01])$/.test(type);
    expect(said(type, 'llama.cpp@b11669')).toBe('');
    expect(said(type, 'llama.cpp@b1500')).toMatch(old ? /^$/ : /^error plan\/runtime-cannot-read/);
  },
);
