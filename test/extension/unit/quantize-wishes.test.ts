// The options of "Quantize Model…" as text in, part of a job or refusal out; and that the list has what the job has.
import { describe, expect, test } from 'vitest';
import { quantizeJob } from '../../../src/extension/quantize/quantize-request.js';
import { parseWishes, WISH_OPTIONS, wishesText } from '../../../src/extension/quantize/quantize-wishes.js';

function parsed(key: string, text: string): unknown {
  const result = parseWishes({ [key]: text });
  return result.ok ? result.part : result.message;
}

test.each([
  [
    'rules',
    'blk.{0..3}.*=Q8_0; /attn_v/=q6_k',
    {
      options: {
        rules: [
          { kind: 'glob', pattern: 'blk.{0..3}.*', type: 'Q8_0', label: 'blk.{0..3}.*=Q8_0' },
          { kind: 'regex', pattern: 'attn_v', type: 'q6_k', label: '/attn_v/=q6_k' },
        ],
      },
    },
  ],
  ['rules', 'attn_v', "Expected PATTERN=TYPE, for example '*.attn_v.weight=Q6_K'."],
  ['rules', '{a=Q8_0', 'Expected `}` to close this brace.'],
  ['outputTensor', 'keep', { options: { leaveOutputTensor: true } }],
  ['outputTensor', 'Q6_K', { options: { outputTensorType: 'Q6_K' } }],
  ['outputTensor', 'Q4_K_M', 'outputTensor: expected a tensor type such as Q6_K, found "Q4_K_M".'],
  ['tokenEmbedding', 'q8_0', { options: { tokenEmbeddingType: 'Q8_0' } }],
  ['pure', 'yes', { options: { pure: true } }],
  ['fallback', 'error', { options: { onFallback: 'error' } }],
  ['fallback', 'F16', { options: { onFallback: 'F16' } }],
  ['pruneLayers', '3, 5..6', { options: { pruneLayers: [3, 5, 6] } }],
  [
    'metadata',
    'general.name=str:a b; x=int:3',
    {
      options: {
        metadata: [
          { key: 'general.name', type: 'string', value: 'a b', text: 'general.name=str:a b' },
          { key: 'x', type: 'u32', value: 3, text: 'x=int:3' },
        ],
      },
    },
  ],
  ['metadata', 'x=3', /^x: expected TYPE:VALUE/],
  ['includeWeights', 'ffn; attn_v', { includeWeights: ['ffn', 'attn_v'], options: {} }],
  ['excludeWeights', 'blk.0.', { excludeWeights: ['blk.0.'], options: {} }],
  ['split', 'keep', { keepSplit: true, options: {} }],
  ['split', '4G', { maxShardBytes: 4e9, options: {} }],
  ['split', 'two', 'Expected keep, or a size such as 4G.'],
  ['earlier', 'ignore', { reuse: false, options: {} }],
  ['earlier', 'use', 'earlier: expected ignore.'],
  ['nonsense', 'x', /^nonsense is not an option; there are rules, /],
])('%s: %s', (key, text, expected) => {
  if (expected instanceof RegExp) expect(parsed(key, text)).toMatch(expected);
  else if (typeof expected === 'string') expect(parsed(key, text)).toBe(expected);
  else expect(parsed(key, text)).toEqual({ options: {}, ...(expected as object) });
});

describe('all together', () => {
  const wishes = { rules: 'a=F16', pure: 'yes', split: '1G', tokenEmbedding: 'Q8_0', pruneLayers: ' ' };

  test('are in the job', () => {
    const request = {
      source: '/a',
      output: '/b',
      fileType: 'Q4_K_M',
      overwrite: false,
      allowRequantize: false,
      resume: false,
      wishes,
    };
    expect(quantizeJob(request, { threads: 0, backend: 'auto' })).toMatchObject({
      maxShardBytes: 1e9,
      keepSplit: false,
      options: { fileType: 'Q4_K_M', pure: true, tokenEmbeddingType: 'Q8_0', rules: [{ pattern: 'a' }] },
    });
  });

  test('are named in the list of types, in the order of the options', () => {
    expect(wishesText(wishes)).toBe('Rules for tensors, Type of the token embedding, Pure, Files');
    expect(wishesText({})).toBe('');
  });

  test('every choice of an option is one of its values', () => {
    for (const option of WISH_OPTIONS)
      for (const { value } of option.choices ?? []) expect(option.parse(value).ok, `${option.key} ${value}`).toBe(true);
  });
});
