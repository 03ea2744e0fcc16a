// What is printed about results, problems and failures: golden text from plain data.
import { describe, expect, test } from 'vitest';
import { QuantsmithError, type Problem } from '../../src/core/problem.js';
import type { QuantizationReport, TensorReport } from '../../src/core/quantize/quantization-plan.js';
import { failureOf, UsageError } from '../../src/cli/failure.js';
import { jsonDocument, scalarJson } from '../../src/cli/json.js';
import { diagnosticLines, problemsText } from '../../src/cli/problem-text.js';
import { quantizationText } from '../../src/cli/quantization-text.js';
import { styleFor } from '../../src/cli/style.js';
import { capturedIo } from './captured-io.js';

const plain = styleFor(capturedIo().stdout, {});

const tensor = (name: string, toType: string, byteLength: number, rule: string): TensorReport => {
  return { name, fromType: 'F16', toType, rule, byteLength, sha256: '' };
};

const report: QuantizationReport = {
  output: '/models/out.gguf',
  files: [{ path: '/models/out.gguf', byteLength: 5000 }],
  tensors: [
    tensor('output_norm.weight', 'F32', 1024, '1-D tensor'),
    tensor('blk.0.attn_k.weight', 'Q5_0', 704, 'mixture Q4_K_M: attn_k; fallback from Q4_K'),
    tensor('blk.0.ffn_up.weight', 'Q4_K', 1440, 'mixture Q4_K_M: ffn_up'),
    tensor('blk.1.ffn_up.weight', 'Q4_K', 1440, 'mixture Q4_K_M: ffn_up'),
  ],
  origins: { computed: 3, copied: 1, reused: 0, resumed: 0 },
  forecast: { disk: { path: '/models', needed: 5000, free: 8e9 }, memory: { needed: 9_437_184, available: null } },
  bitsPerWeight: 5.5,
  byteLength: 5000,
  seconds: 93.4,
  threads: 1,
  backend: 'native',
  kernels: 'avx2',
  problems: [
    { code: 'plan/shape-fallback', severity: 'warning', message: 'One tensor fell back.', hint: 'Give a rule.' },
  ],
  dryRun: false,
};

describe('a quantization', () => {
  test('that was done', () => {
    expect(quantizationText(report, plain)).toBe(`type   tensors       size  bits/weight
Q4_K         2    2.88 kB         4.50
F32          1    1.02 kB        32.00
Q5_0         1  704 bytes         5.50
total        4    4.61 kB         5.50

fallback             wanted  got   rule
blk.0.attn_k.weight  Q4_K    Q5_0  mixture Q4_K_M: attn_k

warning: One tensor fell back. [plan/shape-fallback]
  Give a rule.

/models/out.gguf  5.00 kB (5,000 bytes)
1 min 33 s, native backend, avx2 kernels, 1 thread
`);
  });

  test('that took tensors over', () => {
    const origins = { computed: 1, copied: 1, reused: 2, resumed: 1 };
    expect(quantizationText({ ...report, origins }, plain)).toContain(
      '(5,000 bytes)\n2 tensors taken over from earlier outputs, 1 tensor from the interrupted run, 1 computed.\n1 min 33 s,',
    );
  });

  test('that was planned', () => {
    const text = quantizationText({ ...report, dryRun: true, problems: [] }, plain);
    expect(text).toBe(`tensor               from  to         size  rule
output_norm.weight   F16   F32     1.02 kB  1-D tensor
blk.0.attn_k.weight  F16   Q5_0  704 bytes  mixture Q4_K_M: attn_k; fallback from Q4_K
blk.0.ffn_up.weight  F16   Q4_K    1.44 kB  mixture Q4_K_M: ffn_up
blk.1.ffn_up.weight  F16   Q4_K    1.44 kB  mixture Q4_K_M: ffn_up

type   tensors       size  bits/weight
Q4_K         2    2.88 kB         4.50
F32          1    1.02 kB        32.00
Q5_0         1  704 bytes         5.50
total        4    4.61 kB         5.50

Dry run: nothing was written. /models/out.gguf would have 5.00 kB (5,000 bytes) (native backend, avx2 kernels, 1 thread).
It would take 5.00 kB in /models, where 8.00 GB are free, and up to 9.44 MB of memory.
`);
  });

  test('with many fallbacks lists the first', () => {
    const many = Array.from({ length: 40 }, (_, i) =>
      tensor(`t${i}`, 'Q8_0', 34, 'file type Q6_K; fallback from Q6_K'),
    );
    const text = quantizationText({ ...report, tensors: many }, plain);
    expect(text).toContain(
      '\nt15       Q6_K    Q8_0  file type Q6_K\nand 24 more tensors; --dry-run and --json list them all\n',
    );
    expect(text).not.toContain('\nt16');
  });

  test('in several files names each', () => {
    const files = [1, 2].map(n => ({ path: `/models/out-0000${n}-of-00002.gguf`, byteLength: 2500 }));
    expect(quantizationText({ ...report, files }, plain)).toContain(
      '\n/models/out-00001-of-00002.gguf  2.50 kB (2,500 bytes)\n/models/out-00002-of-00002.gguf  2.50 kB (2,500 bytes)\n',
    );
  });
});

test('repeated problems are counted after the eighth', () => {
  const problems = Array.from({ length: 20 }, (_, i): Problem => {
    return { code: 'gguf/overlap', severity: 'error', message: `Tensor ${i} overlaps.`, offset: 1000 + i };
  });
  const lines = problemsText(problems, plain).trimEnd().split('\n');
  expect(lines).toHaveLength(9);
  expect(lines[7]).toBe('error: Tensor 7 overlaps. [gguf/overlap] at byte 1,007');
  expect(lines[8]).toBe('  and 12 more problems [gguf/overlap]');
});

test('diagnostics count from 1, one line each, hints as info', () => {
  const at = (line: number, character: number) => ({
    start: { line, character },
    end: { line, character: character + 1 },
  });
  expect(
    diagnosticLines('/r/a.quant.yaml', [
      { code: 'recipe/unknown-key', severity: 'error', message: 'two\nlines', range: at(0, 0) },
      { code: 'recipe/output-exists', severity: 'hint', message: 'exists', range: at(9, 4) },
    ]),
  ).toBe(
    '/r/a.quant.yaml:1:1: error: two\\nlines [recipe/unknown-key]\n/r/a.quant.yaml:10:5: info: exists [recipe/output-exists]\n',
  );
});

describe('values JSON has not', () => {
  test.each([
    [9007199254740991n, '9007199254740991'],
    [9007199254740992n, '"9007199254740992"'],
    [-9007199254740992n, '"-9007199254740992"'],
    [NaN, '"NaN"'],
    [-Infinity, '"-Infinity"'],
    [0.1, '0.1'],
    [true, 'true'],
    ['a"b', '"a\\"b"'],
  ])('%s is %s', (value, text) => {
    expect(scalarJson(value)).toBe(text);
    expect(JSON.parse(jsonDocument({ value }))).toEqual({ value: JSON.parse(text) as unknown });
  });
});

describe('failures', () => {
  const system = (code: string, extra: object = {}) =>
    Object.assign(new Error(`${code}: something happened, open '/x'`), { code, syscall: 'open', path: '/x', ...extra });

  test.each([
    ['ENOENT', 'io/not-found'],
    ['EACCES', 'io/permission'],
    ['ENOSPC', 'io/disk-full'],
    ['EMFILE', 'io/too-many-files'],
    ['EROFS', 'io/read-only'],
    ['EWHATEVER', 'io/system'],
  ])('%s becomes %s with the path and a remedy', (errno, code) => {
    const { data, exit } = failureOf(system(errno), false);
    expect(exit).toBe(1);
    expect(data.code).toBe(code);
    expect(data.message).toContain('/x');
    expect(data.message).not.toContain('something happened');
    expect(data.hint).toBeTruthy();
  });

  test.each<[string, unknown, boolean, number, string]>([
    ['wrong arguments', new UsageError('plan/unknown-type', 'm'), false, 2, 'plan/unknown-type'],
    ['a wrong recipe', new QuantsmithError('recipe/too-large', 'm'), false, 2, 'recipe/too-large'],
    ['a failed job', new QuantsmithError('gguf/truncated', 'm'), false, 1, 'gguf/truncated'],
    ['a cancelled job', new QuantsmithError('cancelled', 'm'), false, 130, 'cancelled'],
    ['whatever fails after Ctrl+C', new Error('m'), true, 130, 'cancelled'],
    ['a mistake of ours', new TypeError('m'), false, 1, 'internal'],
    ['something that is no error', 'm', false, 1, 'internal'],
  ])('%s', (_name, error, interrupted, exit, code) => {
    expect(failureOf(error, interrupted)).toMatchObject({ exit, data: { code } });
  });
});
