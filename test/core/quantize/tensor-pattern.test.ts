// Patterns: which names match, which patterns are refused and where, and that none can hang.
import { expect, test } from 'vitest';
import { cpuTime } from '../../fixtures/cpu-time.js';
import {
  compilePattern,
  MAX_MATCHED_NAME,
  MAX_PATTERN_LENGTH,
  MAX_REGEX_NAME,
} from '../../../src/core/quantize/tensor-pattern.js';

const NAMES = `
token_embd.weight output.weight output_norm.weight blk.0.attn_v.weight blk.1.attn_v.weight blk.10.attn_v.weight
blk.10.attn_q.weight blk.0.ffn_down.weight blk.7.ffn_down_exps.weight Blk.0.Upper.weight a[1].weight`
  .trim()
  .split(/\s+/);

function check(kind: 'glob' | 'regex', pattern: string, expected: string): void {
  const compiled = compilePattern(kind, pattern);
  if (!compiled.ok) throw new Error(`${pattern}: ${compiled.message}`);
  expect(NAMES.filter(compiled.matches).join(' '), pattern).toBe(expected);
}

test('globs match whole names', () => {
  check('glob', 'output.weight', 'output.weight');
  check('glob', 'output', '');
  check('glob', 'output*', 'output.weight output_norm.weight');
  check('glob', 'blk.*.attn_v.weight', 'blk.0.attn_v.weight blk.1.attn_v.weight blk.10.attn_v.weight');
  check('glob', 'blk.?.attn_v.weight', 'blk.0.attn_v.weight blk.1.attn_v.weight');
  check(
    'glob',
    'blk.*.attn_{q,v}.weight',
    'blk.0.attn_v.weight blk.1.attn_v.weight blk.10.attn_v.weight blk.10.attn_q.weight',
  );
  check(
    'glob',
    'blk.{0..7}.{attn_v,ffn_*}.weight',
    'blk.0.attn_v.weight blk.1.attn_v.weight blk.0.ffn_down.weight blk.7.ffn_down_exps.weight',
  );
  check('glob', 'blk.{1,{9..11}}.attn_v.weight', 'blk.1.attn_v.weight blk.10.attn_v.weight');
  check('glob', 'blk.[0-1].attn_[!q].weight', 'blk.0.attn_v.weight blk.1.attn_v.weight');
  check('glob', '*[U]*', 'Blk.0.Upper.weight');
  check('glob', 'a\\[1\\].weight', 'a[1].weight');
  check('glob', 'a[[]1[]].weight', 'a[1].weight');
  check('glob', '*ffn*weight', 'blk.0.ffn_down.weight blk.7.ffn_down_exps.weight');
  check('glob', '*{,_exps}.weight', NAMES.join(' '));
});

test('regular expressions match anywhere, upper case included', () => {
  check('regex', 'attn_v', 'blk.0.attn_v.weight blk.1.attn_v.weight blk.10.attn_v.weight');
  check('regex', '^output\\.', 'output.weight');
  check('regex', 'blk\\.(0|1)\\.attn', 'blk.0.attn_v.weight blk.1.attn_v.weight');
  check('regex', 'blk\\.\\d+\\.ffn_.*\\.weight$', 'blk.0.ffn_down.weight blk.7.ffn_down_exps.weight');
  check('regex', 'Upper', 'Blk.0.Upper.weight');
  check('regex', '(?:blk\\.1)+0', 'blk.10.attn_v.weight blk.10.attn_q.weight');
});

test('what is no pattern says why and where', () => {
  const refused = (kind: 'glob' | 'regex', pattern: string): string => {
    const compiled = compilePattern(kind, pattern);
    return compiled.ok ? 'accepted' : `${compiled.position}: ${compiled.message}`;
  };
  expect(refused('glob', '')).toMatch(/^0: expected a pattern/);
  expect(refused('glob', 'blk.{0,1')).toMatch(/^4: expected `}`/);
  expect(refused('glob', 'blk.0}')).toMatch(/^5: found `}`/);
  expect(refused('glob', 'blk.[0')).toMatch(/^4: expected `]`/);
  expect(refused('glob', 'blk.{7..0}')).toMatch(/^5: expected a rising range/);
  expect(refused('glob', '[9-0]')).toMatch(/rising range in the set/);
  expect(refused('glob', 'x\\')).toMatch(/^1: expected a character/);
  expect(refused('glob', '{0..999}{0..999}')).toMatch(/more than 4096 alternatives/);
  expect(refused('glob', '{0..999999}')).toMatch(/rising range of at most/);
  expect(refused('glob', 'x'.repeat(MAX_PATTERN_LENGTH + 1))).toMatch(/at most 1000 characters, found 1001/);
  expect(refused('regex', 'blk.(')).toMatch(/expected a regular expression/);
  expect(refused('regex', '(a+)+$')).toMatch(/^0: a repeated group/);
  expect(refused('regex', 'x(?:a|ab)*y')).toMatch(/^1: a repeated group/);
  expect(refused('regex', '((a)*b){2,}')).toMatch(/a repeated group/);
  expect(refused('regex', '.*.*.*.*.*x')).toMatch(/too many repetitions/);
  expect(refused('regex', '(a?){30}a{30}')).toMatch(/a repeated group/);
  expect(refused('regex', `${'a?'.repeat(24)}${'a'.repeat(24)}`)).toMatch(/too many repetitions/);
  expect(refused('regex', '(a|a)'.repeat(24))).toMatch(/too many repetitions/);
  expect(refused('regex', '(a)\\1')).toMatch(/back references/);
  expect(refused('regex', '[(+*]+[)]+')).toBe('accepted');
  expect(refused('regex', 'blk\\.(?:[0-9]|1[0-9])\\.(?:ffn_(?:up|gate|down)|attn_(q|k|v))(?:_exps)?\\.weight')).toBe(
    'accepted',
  );
  expect(refused('regex', '.*a.*?b.+c.*')).toBe('accepted');
});

test('no accepted pattern hangs on a long name', async () => {
  const names = { glob: `${'a'.repeat(MAX_MATCHED_NAME - 1)}b`, regex: `${'a'.repeat(MAX_REGEX_NAME - 1)}b` };
  const { milliseconds } = await cpuTime(() => {
    for (const [kind, pattern] of [
      ['glob', `${'*a'.repeat(200)}*c`],
      ['glob', '{*a*a*a*a*a*c,*a*a*a*a*d}'],
      ['regex', 'a*a*a*a*c'],
      ['regex', '(a|a)(a|a)(a|a)(a|a)a*a*c'],
      ['regex', `${'a?'.repeat(12)}a*c`],
    ] as const) {
      const compiled = compilePattern(kind, pattern);
      expect(compiled.ok && compiled.matches(names[kind]), pattern).toBe(false);
      expect(compiled.ok, pattern).toBe(true);
    }
  });
  // A tenth of a second on an idle machine; without the limits it would not end today.
  expect(milliseconds).toBeLessThan(20_000);
  const any = compilePattern('glob', '*');
  expect(any.ok && any.matches('a'.repeat(MAX_MATCHED_NAME + 1))).toBe(false);
});
