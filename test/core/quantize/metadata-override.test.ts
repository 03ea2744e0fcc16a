// `KEY=TYPE:VALUE` as text in, value or refusal out; and what is said of a value beside the model it is set in.
import { expect, test } from 'vitest';
import { parseOverride } from '../../../src/core/quantize/metadata-override.js';
import { defaultOptions, planQuantization } from '../../../src/core/quantize/plan.js';
import { sourceOf } from './plan-golden.js';

function parsed(text: string): string {
  const result = parseOverride(text);
  if (!result.ok) return result.message;
  const { key, type, value } = result.override;
  return `${key} ${type} ${typeof value === 'bigint' ? `${value}n` : JSON.stringify(value)}`;
}

// The first group is what llama-quantize 0.7.0 writes; the refusals are what it writes wrongly.
test.each([
  ['a.b=int:7', 'a.b u32 7'],
  ['a.b=int:-7', 'a.b u32 7'],
  ['a=int:4294967295', 'a u32 4294967295'],
  ['a=float:-1.25e2', 'a f32 -125'],
  ['a=bool:true', 'a bool true'],
  ['a=str:x=y:z ü', 'a string "x=y:z ü"'],
  ['a=str:', 'a string ""'],
  ['a=i32:-7', 'a i32 -7'],
  ['a=u64:18446744073709551615', 'a u64 18446744073709551615n'],
  ['a=i64:-9223372036854775808', 'a i64 -9223372036854775808n'],
  ['a=u8:255', 'a u8 255'],
  ['a=f64:0.1', 'a f64 0.1'],
  [
    'a=int:5000000000',
    'a: expected a whole number from 0 to 4294967295 for u32, found 5000000000; name the type, for example i64 or u64',
  ],
  ['a=int:abc', 'a: expected a whole number, found "abc"'],
  ['a=int:1.5', 'a: expected a whole number, found "1.5"'],
  ['a=u8:256', 'a: expected a whole number from 0 to 255 for u8, found 256'],
  ['a=i8:-129', 'a: expected a whole number from -128 to 127 for i8, found -129'],
  ['a=u64:-1', 'a: expected a whole number from 0 to 18446744073709551615 for u64, found -1'],
  ['a=float:abc', 'a: expected a number that fits an f32, found "abc"'],
  ['a=float:1e39', 'a: expected a number that fits an f32, found "1e39"'],
  ['a=bool:yes', 'a: expected true or false, found "yes"'],
  ['=int:3', 'expected KEY=TYPE:VALUE such as general.name=str:My model, found "=int:3"'],
  ['a', 'expected KEY=TYPE:VALUE such as general.name=str:My model, found "a"'],
])('%s', (text, expected) => {
  expect(parsed(text)).toBe(expected);
});

function problems(...texts: string[]): string {
  const metadata = texts.map(text => {
    const result = parseOverride(text);
    if (!result.ok) throw new Error(result.message);
    return result.override;
  });
  const source = sourceOf(
    [
      ['general.architecture', 'string', 45, 'llama'],
      ['llama.block_count', 'u32', 33, 1],
      ['tokenizer.ggml.tokens', 'array', 99, ['a', 'b']],
    ],
    [{ name: 'blk.0.attn_v.weight', ne: [256, 4], type: 'F16', shard: 0 }],
  );
  const plan = planQuantization(source, { ...defaultOptions('Q8_0'), metadata });
  return plan.problems.map(({ severity, code }) => `${severity} ${code}`).join(', ');
}

test('what is said of a value beside the model', () => {
  expect(problems('general.name=str:x', 'llama.block_count=int:2', 'general.alignment=int:32')).toBe('');
  expect(problems('split.count=u16:3')).toBe('error plan/override-split');
  expect(problems('general.alignment=int:64')).toBe('error plan/override-alignment');
  expect(problems('tokenizer.ggml.tokens=int:1')).toBe('error plan/override-list');
  expect(problems('general.architecture=str:qwen2')).toBe('error plan/override-architecture');
  expect(problems('general.architecture=str:qwen2', 'qwen2.block_count=int:1')).toBe(
    'error plan/override-architecture',
  );
  expect(problems('llama.block_count=float:2')).toBe('warning plan/override-type');
  expect(problems('a=int:1', 'a=int:-2')).toBe('warning plan/override-twice, warning plan/override-sign');
});
