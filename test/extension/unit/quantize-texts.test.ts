// Every text of the quantize command, compared word for word.
import { describe, expect, test } from 'vitest';
import type { Problem } from '../../../src/core/problem.js';
import type { JobProgress, QuantizationReport } from '../../../src/core/quantize/quantization-plan.js';
import { parseArguments, quantizeJob } from '../../../src/extension/quantize/quantize-request.js';
import {
  failureText,
  percentDone,
  progressText,
  reportLines,
  resultText,
  typeItems,
} from '../../../src/extension/quantize/quantize-texts.js';
import { sentence } from '../../../src/extension/texts.js';
import type { TypePreview } from '../../../src/protocol/worker-protocol.js';

test('sentences end once', () => {
  expect([sentence('Done'), sentence('Done. '), sentence('Done?')]).toEqual(['Done.', 'Done.', 'Done?']);
});

const preview = (
  fileType: string,
  byteLength: number,
  problems: readonly Problem[] = [],
  more: Partial<TypePreview> = {},
): TypePreview => ({
  fileType,
  summary: `summary of ${fileType}`,
  bitsPerWeight: byteLength / 1_000_000,
  byteLength,
  converted: 7,
  fallback: { share: 0, types: [] },
  problems,
  ...more,
});
const problem = (severity: Problem['severity'], code: string, message: string, hint?: string): Problem => ({
  severity,
  code,
  message,
  ...(hint === undefined ? {} : { hint }),
});

describe('type list', () => {
  const lines = (previews: readonly TypePreview[], sourceBytes?: number) =>
    typeItems(previews, sourceBytes).map(item => `${item.label} | ${item.description} | ${item.detail}`);

  test('is sorted by size, marks the recommended type, and says its share of the source', () => {
    expect(lines([preview('Q8_0', 8_500_000), preview('Q4_K_M', 4_850_000)], 16_000_000)).toEqual([
      'Q4_K_M | 4.85 bits per weight · 4.85 MB · 30 % of the source $(star-full) recommended | summary of Q4_K_M.',
      'Q8_0 | 8.50 bits per weight · 8.50 MB · 53 % of the source | summary of Q8_0.',
    ]);
  });

  test('shows warnings, counts the repeated ones, keeps information out', () => {
    const coarse = (tensor: string) => problem('warning', 'plan/coarse', `${tensor} is very coarse`);
    expect(
      lines([
        preview('Q4_K_M', 4_850_000, [
          coarse('a'),
          coarse('b'),
          coarse('c'),
          problem('warning', 'plan/other', 'Something else.'),
          problem('info', 'plan/note', 'A note'),
        ]),
      ])[0],
    ).toBe(
      'Q4_K_M | 4.85 bits per weight · 4.85 MB $(star-full) recommended | a is very coarse. (and 2 more like it) Something else. summary of Q4_K_M.',
    );
  });

  test('says in a few words how much falls back, and to what', () => {
    const long = problem(
      'warning',
      'plan/shape-fallback',
      '144 of 290 tensors cannot hold the type asked for, because …',
    );
    const detail = (share: number, types: readonly string[]) =>
      typeItems([preview('Q4_K_M', 1, [long], { fallback: { share, types } })], undefined)[0]!.detail;
    expect(detail(0.876, ['Q5_0', 'Q8_0'])).toBe(
      '88 % of the weights become Q5_0, Q8_0: their rows do not fit. summary of Q4_K_M.',
    );
    expect(detail(0.001, ['F16'])).toBe(
      'Under 1 % of the weights become F16: their rows do not fit. summary of Q4_K_M.',
    );
  });

  test('puts last what needs a decision and what is not possible, with the reason, and recommends another type', () => {
    const again = problem('error', 'plan/requantize', '7 tensors are quantized already', 'Use the F16 file.');
    const impossible = problem('error', 'plan/no-kernels', 'Nothing here reads IQ2_XXS');
    const items = typeItems(
      [preview('Q4_0', 1, [again, impossible]), preview('Q4_K_M', 2, [again]), preview('Q8_0', 9)],
      undefined,
    );
    expect(items.map(item => `${item.fileType} ${item.obstacle?.kind} ${item.recommended}: ${item.detail}`)).toEqual([
      'Q8_0 undefined true: summary of Q8_0.',
      'Q4_K_M requantize false: summary of Q4_K_M.',
      'Q4_0 impossible false: Nothing here reads IQ2_XXS.',
    ]);
    expect(items[2]!.obstacle?.problem).toEqual(impossible);
  });

  const recommended = (previews: readonly TypePreview[]) =>
    typeItems(previews, undefined)
      .filter(item => item.recommended)
      .map(item => item.fileType);

  test('recommends a type of which little falls back', () => {
    const types = (share: number, nl: number) => [
      preview('Q4_K_M', 3, [], { fallback: { share, types: ['Q5_0'] } }),
      preview('Q5_K_M', 4, [], { fallback: { share, types: ['Q5_1'] } }),
      preview('Q4_K_S', 2, [], { fallback: { share, types: ['Q5_0'] } }),
      preview('IQ4_NL', 2, [], { fallback: { share: nl, types: ['Q8_0'] } }),
      preview('Q8_0', 8),
    ];
    expect(recommended(types(0, 0))).toEqual(['Q4_K_M']);
    expect(recommended(types(0.1, 0))).toEqual(['Q4_K_M']);
    expect(recommended(types(0.11, 0.1))).toEqual(['IQ4_NL']);
    expect(recommended(types(0.8, 0.3))).toEqual(['Q8_0']);
  });

  test('does not recommend what the model is already, and says so', () => {
    const again = problem('error', 'plan/requantize', '7 tensors are quantized already', 'Use the F16 file.');
    const previews = [preview('Q4_K_M', 2, [], { converted: 0 }), preview('Q8_0', 8, [again])];
    expect(recommended(previews)).toEqual([]);
    expect(typeItems(previews, undefined)[0]!.detail).toBe(
      'No tensor changes: the model has these types already. summary of Q4_K_M.',
    );
  });

  test('of nothing is nothing', () => {
    expect(typeItems([], 10)).toEqual([]);
  });
});

describe('progress', () => {
  const progress = (values: Partial<JobProgress>): JobProgress => ({
    phase: 'quantize',
    done: 0,
    total: 100,
    bytesPerSecond: 0,
    ...values,
  });
  test('names percent, speed, remaining time and tensor', () => {
    expect(progressText(progress({ phase: 'plan' }))).toBe('reading the model and planning');
    expect(progressText(progress({ subject: 'output.weight' }))).toBe('0 % of 100 bytes · output.weight');
    expect(progressText(progress({ subject: 'a\u202Eb\n' }))).toBe('0 % of 100 bytes · a\\u{202E}b\\n');
    expect(
      progressText(progress({ done: 42, bytesPerSecond: 310e6, etaSeconds: 12.2, subject: 'blk.3.ffn_down.weight' })),
    ).toBe('42 % of 100 bytes · 310 MB/s · 12 s left · blk.3.ffn_down.weight');
    expect(progressText(progress({ phase: 'write', done: 100 }))).toBe('100 % of 100 bytes · finishing the file');
  });
  test('percent is whole and bounded', () => {
    expect(percentDone({ done: 1, total: 3 })).toBe(33);
    expect(percentDone({ done: 999, total: 1000 })).toBe(99);
    expect(percentDone({ done: 5, total: 4 })).toBe(100);
    expect(percentDone({ done: 0, total: 0 })).toBe(100);
  });
});

const report: QuantizationReport = {
  output: '/m/tiny-Q4_K_M.gguf',
  files: [{ path: '/m/tiny-Q4_K_M.gguf', byteLength: 6_100_000 }],
  tensors: [
    { name: 'a', fromType: 'F16', toType: 'Q4_K', rule: '', byteLength: 4_000_000, sha256: '' },
    { name: 'b', fromType: 'F16', toType: 'F32', rule: '', byteLength: 512, sha256: '' },
    { name: 'c', fromType: 'F16', toType: 'Q4_K', rule: '', byteLength: 2_000_000, sha256: '' },
  ],
  origins: { computed: 3, copied: 0, reused: 0, resumed: 0 },
  forecast: { disk: { path: '/models', needed: 5000, free: 8e9 }, memory: { needed: 9_437_184, available: null } },
  bitsPerWeight: 4.9,
  byteLength: 6_100_000,
  seconds: 1.3,
  threads: 2,
  backend: 'native',
  kernels: 'avx512',
  problems: [],
  dryRun: false,
};

describe('result', () => {
  test('in one line', () => {
    expect(resultText(report)).toBe('tiny-Q4_K_M.gguf: 4.90 bits per weight, 6.10 MB, 1.3 s (native avx512).');
  });
  test('says what was not computed', () => {
    expect(resultText({ ...report, origins: { computed: 1, copied: 19, reused: 27, resumed: 0 } })).toBe(
      'tiny-Q4_K_M.gguf: 4.90 bits per weight, 6.10 MB, 1.3 s (native avx512). 27 tensors taken over from earlier outputs, 1 computed.',
    );
  });
  test('names what fell back, and counts the other warnings', () => {
    const fallen = (name: string, from: string, toType: string) => ({
      ...report.tensors[0]!,
      name,
      toType,
      rule: `mixture Q4_K_M; fallback from ${from}`,
    });
    const tensors = [
      fallen('a', 'Q6_K', 'Q8_0'),
      fallen('b', 'Q4_K', 'Q5_0'),
      fallen('c', 'Q4_K', 'Q5_0'),
      ...report.tensors,
    ];
    const facts = 'tiny-Q4_K_M.gguf: 4.90 bits per weight, 6.10 MB, 1.3 s (native avx512).';
    const said = `${facts} 3 tensors fell back to other types, which fit their rows: 2 from Q4_K to Q5_0, 1 from Q6_K to Q8_0.`;
    const problems = [problem('warning', 'plan/shape-fallback', '3 of 6 tensors cannot hold the type asked for')];
    expect(resultText({ ...report, tensors, problems })).toBe(said);
    expect(resultText({ ...report, tensors, problems: [...problems, problem('warning', 'a/b', 'x')] })).toBe(
      `${said} 1 more warning in the log.`,
    );
  });
  test('counts files and warnings', () => {
    const split = { ...report, files: [...report.files, ...report.files] };
    const problems = [problem('warning', 'a/b', 'x', 'Do y.'), problem('info', 'c/d', 'z')];
    expect(resultText({ ...split, problems })).toBe(
      'tiny-Q4_K_M.gguf: 4.90 bits per weight, 6.10 MB in 2 files, 1.3 s (native avx512). 1 warning in the log.',
    );
    expect(reportLines({ ...report, problems }).map(({ level, text }) => `${level} ${text}`)).toEqual([
      'info tiny-Q4_K_M.gguf: 4.90 bits per weight, 6.10 MB, 1.3 s (native avx512). 1 warning in the log.',
      'info   Q4_K        2 tensors    6.00 MB',
      'info   F32          1 tensor  512 bytes',
      'warn x [a/b] Do y.',
      'info z [c/d]',
    ]);
  });
});

describe('failure', () => {
  test.each([
    [
      { code: 'output/exists', message: 'The file exists', hint: 'Choose another name' },
      'Could not quantize tiny.gguf: The file exists. Choose another name. (output/exists)',
      false,
    ],
    [
      { code: 'worker/gone', message: 'The worker process was killed (SIGKILL).' },
      'Could not quantize tiny.gguf: The worker process was killed (SIGKILL). (worker/gone)',
      true,
    ],
    [
      { code: 'io/disk-full', message: 'The disk is full.' },
      'Could not quantize tiny.gguf: The disk is full. (io/disk-full)',
      true,
    ],
    [
      { code: 'gguf/not-gguf', message: '/m/tiny.gguf: Not a GGUF file.' },
      'Could not quantize tiny.gguf: Not a GGUF file. (gguf/not-gguf)',
      false,
    ],
  ])('%o', (error, message, canRetry) => {
    expect(failureText(error, '/m/tiny.gguf')).toEqual({ message, canRetry });
  });
});

describe('arguments', () => {
  test('of the explorer and the editor title are not ours', () => {
    expect(parseArguments(undefined)).toBeUndefined();
    expect(parseArguments([{ scheme: 'file' }])).toBeUndefined();
    expect(parseArguments({ groupId: 0, editorIndex: 1 })).toBeUndefined();
    expect(parseArguments('Q4_K_M')).toBeUndefined();
  });
  test('of a keybinding are checked', () => {
    expect(parseArguments({ fileType: 'Q8_0' })).toEqual({
      fileType: 'Q8_0',
      overwrite: false,
      allowRequantize: false,
      resume: false,
      wishes: {},
    });
    expect(
      parseArguments({
        fileType: 'Q8_0',
        output: 'x',
        imatrix: 'y',
        overwrite: true,
        allowRequantize: true,
        resume: true,
        options: { pure: 'yes' },
      }),
    ).toEqual({
      fileType: 'Q8_0',
      output: 'x',
      imatrix: 'y',
      overwrite: true,
      allowRequantize: true,
      resume: true,
      wishes: { pure: 'yes' },
    });
    expect(() => parseArguments({ fileType: 'Q8_0', options: { pruneLayers: 'x' } })).toThrow(
      '"options" of quantsmith.quantize: Expected numbers of layers such as 3, 7..9.',
    );
    expect(() => parseArguments({ fileType: 'Q8_0', options: { prun: '3' } })).toThrow(
      /^"options" .* prun is not an option/,
    );
    for (const wrong of [
      { fileType: 4 },
      { fileType: 'Q8_0', output: 1 },
      { fileType: 'Q8_0', overwrite: 'yes' },
      { fileType: 'Q8_0', resume: 1 },
    ]) {
      expect(() => parseArguments(wrong)).toThrow(/Expected \{"fileType"/);
    }
  });
  test('become a job without rules', () => {
    const request = {
      source: '/m/a.gguf',
      output: '/m/b.gguf',
      fileType: 'Q8_0',
      imatrix: '/m/i',
      overwrite: true,
      allowRequantize: true,
      wishes: {},
      resume: true,
    };
    expect(quantizeJob(request, { threads: 3, backend: 'wasm' })).toEqual({
      source: '/m/a.gguf',
      output: '/m/b.gguf',
      imatrix: '/m/i',
      imatrixName: 'i',
      options: { fileType: 'Q8_0', rules: [], pure: false, allowRequantize: true, onFallback: 'promote' },
      threads: 3,
      backend: 'wasm',
      overwrite: true,
      dryRun: false,
      resume: true,
      keepSplit: false,
      createFolder: true,
    });
  });
});
