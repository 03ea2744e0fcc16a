// Plans as text: what the user asked for on top, what every tensor becomes and what is said about it below.
import { expect, test } from 'vitest';
import { filterImportance, type ImportanceMatrix } from '../../../src/core/quantize/importance-matrix.js';
import { headerByteLengths } from '../../../src/core/quantize/plan-metadata.js';
import { defaultOptions, planQuantization, type PlanExtras } from '../../../src/core/quantize/plan.js';
import type { QuantizationPlan, QuantizeOptions, TensorRule } from '../../../src/core/quantize/quantization-plan.js';
import { readGguf } from '../../../src/core/gguf/read.js';
import { readModel } from '../../../src/core/gguf/shards.js';
import { MemorySource } from '../../fixtures/gguf/memory-source.js';
import { buildGguf } from '../../fixtures/gguf/gguf-builder.js';
import { importanceEntry } from '../../fixtures/importance.js';
import { sourceOf } from './plan-golden.js';

/** Two layers of a tied llama; `name ne type` per line may replace or add tensors. */
const MODEL = `
token_embd.weight 256x64 F16
output_norm.weight 256 F32
blk.0.attn_v.weight 256x32 F16
blk.0.attn_norm.weight 256 F32
blk.0.ffn_down.weight 256x32 F16
blk.1.attn_v.weight 256x32 F16
blk.1.ffn_down.weight 256x32 F16`;

function source(tensors = MODEL, metadata: Parameters<typeof sourceOf>[0] = []) {
  const rows = tensors
    .trim()
    .split('\n')
    .map(line => {
      const [name = '', ne = '', type = '', shard = '0'] = line.trim().split(' ');
      return { name, ne: ne.split('x').map(Number), type, shard: Number(shard) };
    });
  return sourceOf(
    [['general.architecture', 'string', 45, 'llama'], ['llama.block_count', 'u32', 33, 2], ...metadata],
    rows,
  );
}

const rule = (pattern: string, type: string, kind: 'glob' | 'regex' = 'glob'): TensorRule => ({
  kind,
  pattern,
  type,
  label: `${pattern}=${type}`,
});

function describe({ tensors, problems }: QuantizationPlan): string {
  return [
    ...tensors.map(
      ({ name, fromType, toType, rule: why }) =>
        `${name} ${fromType === toType ? toType : `${fromType} -> ${toType}`} | ${why}`,
    ),
    ...problems.map(
      ({ severity, code, message, hint }) => `${severity} ${code}: ${message}${hint === undefined ? '' : ` [${hint}]`}`,
    ),
  ].join('\n');
}

function check(
  options: Partial<QuantizeOptions>,
  expected: string,
  input = source(),
  extras: PlanExtras = {},
): QuantizationPlan {
  const plan = planQuantization(input, { ...defaultOptions('Q4_K_M'), ...options }, extras);
  const wanted = expected
    .trim()
    .split('\n')
    .map(line => line.trim())
    .join('\n');
  expect(describe(plan)).toBe(wanted);
  return plan;
}

test('the mixture, with reasons', () => {
  const plan = check(
    {},
    `output_norm.weight F32 | 1-D tensor
     token_embd.weight F16 -> Q6_K | mixture Q4_K_M: token_embd, tied output
     blk.0.attn_norm.weight F32 | 1-D tensor
     blk.0.attn_v.weight F16 -> Q4_K | mixture Q4_K_M: attn_v
     blk.0.ffn_down.weight F16 -> Q4_K | mixture Q4_K_M: ffn_down
     blk.1.attn_v.weight F16 -> Q6_K | mixture Q4_K_M: attn_v, more bits
     blk.1.ffn_down.weight F16 -> Q6_K | mixture Q4_K_M: ffn_down, more bits`,
  );
  expect(plan.bitsPerWeight).toBeCloseTo(
    // 64 rows Q6_K, 64 rows Q4_K, 64 rows Q6_K, 2 x 256 F32
    ((64 * 210 + 64 * 144 + 64 * 210 + 2 * 1024) * 8) / (3 * 64 * 256 + 2 * 256),
    12,
  );
});

test('tensors outside layers come first, then layers by number, bytes decide within', () => {
  const names = [
    'blk.10.b.weight',
    'blk.2.b.weight',
    'blk.2.B.weight',
    'z.weight',
    'blk.2.\u{1f600}.weight',
    'blk.2.\uffee.weight',
    'a',
  ];
  const plan = planQuantization(source(names.map(name => `${name} 32x2 F16`).join('\n')), defaultOptions('Q8_0'));
  expect(plan.tensors.map(tensor => tensor.name)).toEqual([
    'a', 'z.weight', 'blk.2.B.weight', 'blk.2.b.weight', 'blk.2.\uffee.weight', 'blk.2.\u{1f600}.weight', 'blk.10.b.weight',
  ]); // prettier-ignore
});

const SHORT =
  'blk.0.attn_v.weight 256x32 F16\nblk.0.ffn_down.weight 256x32 F16\nblk.0.attn_norm.weight 256 F32\noutput.weight 256x32 F16';

test('the first matching rule wins; rules that decide nothing are named', () => {
  check(
    {
      rules: [
        rule('*attn_v*', 'q8_0'),
        rule('ffn', 'F16', 'regex'),
        rule('blk.0.attn_v.weight', 'Q6_K'),
        rule('nothing', 'Q6_K'),
        rule('*_norm*', 'Q8_0'),
      ],
    },
    `output.weight F16 -> Q6_K | mixture Q4_K_M: output
     blk.0.attn_norm.weight F32 | 1-D tensor
     blk.0.attn_v.weight F16 -> Q8_0 | *attn_v*=q8_0
     blk.0.ffn_down.weight F16 | ffn=F16
     warning plan/rule-shadowed: blk.0.attn_v.weight=Q6_K decides nothing: the one tensor it matches is decided before it, by *attn_v*=q8_0. [The first match wins: put the narrower rule first.]
     warning plan/rule-unused: nothing=Q6_K matches no tensor of this model. [A glob must match the whole name, as in blk.*.attn_v.weight; * stands for any characters.]
     warning plan/rule-without-effect: *_norm*=Q8_0 matches 1 tensor, none of which is quantized (norms, biases, routers and the like keep their type).`,
    source(SHORT),
  );
});

test('rules apply to unquantized file types and to --pure as well; options for the ends come before rules', () => {
  check(
    { fileType: 'F16', rules: [rule('*ffn*', 'Q4_K')], outputTensorType: 'Q8_0' },
    `output.weight F16 -> Q8_0 | output tensor type
     blk.0.attn_norm.weight F32 | 1-D tensor
     blk.0.attn_v.weight F16 | file type F16
     blk.0.ffn_down.weight F16 -> Q4_K | *ffn*=Q4_K`,
    source(SHORT),
  );
  check(
    { pure: true, rules: [rule('*', 'Q6_K')], tokenEmbeddingType: 'Q5_K' },
    `token_embd.weight F16 -> Q5_K | token embedding type
     blk.0.attn_v.weight F16 -> Q6_K | *=Q6_K`,
    source('token_embd.weight 256x32 F16\nblk.0.attn_v.weight 256x32 F16'),
  );
});

const NARROW = 'token_embd.weight 96x8 F16\nblk.0.attn_v.weight 96x8 F16\noutput.weight 256x8 F16';

test('a row that fits no block falls back, and the summary says what that costs', () => {
  check(
    { fileType: 'Q4_K_S' },
    `output.weight F16 -> Q6_K | mixture Q4_K_S: output
     token_embd.weight F16 -> Q5_0 | mixture Q4_K_S: token_embd; fallback from Q4_K
     blk.0.attn_v.weight F16 -> Q5_1 | mixture Q4_K_S: attn_v, first layers; fallback from Q5_K
     warning plan/shape-fallback: 2 of 3 tensors cannot hold the type asked for, because rows of 96 weights do not divide into its blocks: 1 Q4_K -> Q5_0 (4.50 -> 5.50 bits); 1 Q5_K -> Q5_1 (5.50 -> 6.00 bits). The file comes to 6.21 bits per weight instead of 5.89. [Give rules for these tensors, or set the fallback to error or to a type of your choice.]`,
    source(NARROW),
  );
});

test('fallback by policy: a type of choice, or an error', () => {
  check(
    { fileType: 'Q4_K_S', onFallback: 'Q8_0', rules: [rule('output.weight', 'F16')] },
    `output.weight F16 | output.weight=F16
     blk.0.attn_v.weight F16 -> Q8_0 | mixture Q4_K_S: attn_v, first layers; fallback from Q5_K
     warning plan/shape-fallback: 1 of 2 tensors cannot hold the type asked for, because rows of 96 weights do not divide into its blocks: 1 Q5_K -> Q8_0 (5.50 -> 8.50 bits). The file comes to 13.95 bits per weight instead of 13.14. [Give rules for these tensors, or set the fallback to error or to a type of your choice.]`,
    source('blk.0.attn_v.weight 96x8 F16\noutput.weight 256x8 F16'),
  );
  check(
    { fileType: 'Q4_K_S', onFallback: 'error' },
    `blk.0.attn_v.weight F16 | mixture Q4_K_S: attn_v, first layers; Q5_K does not fit
     error plan/shape-mismatch: blk.0.attn_v.weight: Q5_K needs rows that are a multiple of 256, found 96. Substitution is switched off. [Allow substitution (llama-quantize would take Q5_1) or give a rule for this tensor.]`,
    source('blk.0.attn_v.weight 96x8 F16'),
  );
});

test('the types of the ends are checked for shape instead of failing half-way', () => {
  const plan = planQuantization(source(NARROW), { ...defaultOptions('Q8_0'), tokenEmbeddingType: 'Q4_K' });
  expect(plan.problems).toMatchObject([
    {
      code: 'plan/shape-mismatch',
      severity: 'error',
      subject: 'token_embd.weight',
      message: expect.stringContaining('multiple of 256, found 96') as string,
    },
  ]);
});

test('nonsense gives no plan but reasons', () => {
  check(
    { fileType: 'Q4_KM' },
    'error plan/unknown-file-type: Expected a file type such as Q4_K_M, Q6_K or Q8_0, found "Q4_KM". [Did you mean Q4_K_M or Q4_K?]',
  );
  check(
    { fileType: 'NVFP4' },
    'error plan/unknown-file-type: Expected a file type such as Q4_K_M, Q6_K or Q8_0, found "NVFP4". [Names are those of llama-quantize.]',
  );
  check(
    { rules: [rule('x[', 'Q4_K_M'), rule('*', 'Q8_K')], onFallback: 'Q9' },
    `error plan/unknown-type: fallback type: expected a ggml type such as Q4_K, Q6_K or Q8_0, found "Q9". [A mixture such as Q4_K_M is a file type, not the type of one tensor.]
     error plan/unknown-type: x[=Q4_K_M: expected a ggml type such as Q4_K, Q6_K or Q8_0, found "Q4_K_M". [Did you mean Q4_K?]
     error plan/bad-pattern: x[=Q4_K_M: expected \`]\` to close this set (at character 2 of "x[").
     error plan/unknown-type: *=Q8_K: Q8_K is not a type weights are stored in (8-bit super-block; activations only, never stored).`,
  );
});

test('quantized sources need permission; a tensor that has its type already is copied', () => {
  const quantized = 'blk.0.attn_v.weight 256x8 Q8_0\nblk.0.ffn_down.weight 256x8 Q4_K';
  const tensors = `blk.0.attn_v.weight Q8_0 -> Q4_K | pure Q4_K
     blk.0.ffn_down.weight Q4_K | pure Q4_K\n`;
  const message =
    '1 tensor of the source is quantized already (1 Q8_0); quantizing again adds their error to the new one (blk.0.attn_v.weight).';
  check(
    { pure: true },
    `${tensors} error plan/requantize: ${message} [Start from an F16, BF16 or F32 model, or allow requantization.]`,
    source(quantized),
  );
  check({ pure: true, allowRequantize: true }, `${tensors} warning plan/requantize: ${message}`, source(quantized));
});

test('types without kernels are refused by name, and planned on request', () => {
  const unsupported = source('blk.0.attn_v.weight 256x8 F16\nblk.0.x.weight 256x8 I32');
  const plan = planQuantization(unsupported, { ...defaultOptions('F16'), rules: [rule('*attn_v*', 'TQ1_0')] });
  const errors = plan.problems.map(({ code, severity, message, subject }) => ({ code, severity, message, subject }));
  expect(errors.filter(({ subject }) => subject === 'blk.0.x.weight')).toEqual([
    {
      code: 'plan/no-kernel',
      severity: 'error',
      message: 'There is no kernel here to read I32, which 1 tensor would need (blk.0.x.weight).',
      subject: 'blk.0.x.weight',
    },
  ]);
  expect(planQuantization(unsupported, defaultOptions('F16'), { kernelsRequired: false }).problems).toEqual([]);
});

test('COPY copies everything, unknown types are refused', () => {
  const copy = planQuantization(
    source('a.weight 256x8 IQ1_S\nb.weight 256x8 F16', [['general.file_type', 'u32', 33, 24]]),
    defaultOptions('COPY'),
  );
  expect(describe(copy)).toBe('a.weight IQ1_S | copy\nb.weight F16 | copy');
  expect(copy.metadataChanges.at(-1)).toEqual({ key: 'general.file_type', type: 'u32', value: 24 });
  const input = source('a.weight 256x8 F16');
  const unknown = {
    ...input,
    tensors: input.tensors.map(tensor => ({ ...tensor, typeId: 99, byteLength: undefined })),
  };
  expect(planQuantization(unknown, defaultOptions('COPY')).problems).toMatchObject([
    { code: 'plan/unknown-source-type', severity: 'error', message: expect.stringContaining('type 99') as string },
  ]);
});

function matrix(entries: Readonly<Record<string, number>>, extra: Partial<ImportanceMatrix> = {}): ImportanceMatrix {
  const map = new Map(
    Object.entries(entries).map(([name, length]) => [name, importanceEntry(new Float32Array(length).fill(1))]),
  );
  return { name: 'i.gguf', format: 'gguf', entries: map, datasets: ['a.txt', 'b.txt'], chunkCount: 7, ...extra };
}

test('importance: used where it fits, reported where it is missing, too short or foreign', () => {
  const input = source(
    `blk.0.attn_v.weight 256x8 F16\nblk.0.ffn_down.weight 256x8 F16\nblk.1.attn_v.weight 256x8 F16\nblk.1.ffn_down_exps.weight 256x8x4 F16\ntoken_embd.weight 256x8 F16`,
  );
  const imatrix = matrix({
    'blk.0.attn_v.weight': 256,
    'blk.0.ffn_down.weight': 128,
    'blk.1.ffn_down_exps.weight': 1024,
    'token_embd.weight': 1,
    'blk.9.x.weight': 256,
  });
  const plan = planQuantization(input, { ...defaultOptions('Q4_K_M'), pure: true }, { imatrix });
  expect(plan.tensors.filter(tensor => tensor.importance).map(tensor => tensor.name)).toEqual([
    'blk.0.attn_v.weight',
    'blk.1.ffn_down_exps.weight',
  ]);
  expect(plan.problems.map(({ code, severity, subject }) => `${severity} ${code} ${subject ?? ''}`)).toEqual([
    'warning plan/imatrix-foreign ',
    'info plan/imatrix-size token_embd.weight',
    'error plan/imatrix-size blk.0.ffn_down.weight',
    'warning plan/imatrix-missing-entry blk.1.attn_v.weight',
  ]);
  const unweighted = planQuantization(input, { ...defaultOptions('Q8_0'), pure: true }, { imatrix });
  expect(unweighted.tensors.some(tensor => tensor.importance)).toBe(false);
});

test('very low bits need importance, with the tensor named; the ends only where the encoder cannot do without', () => {
  const input = source('token_embd.weight 256x8 F16\noutput.weight 256x8 F16\nblk.0.attn_q.weight 256x8 F16');
  for (const imatrix of [undefined, matrix({ 'blk.7.x.weight': 1 })]) {
    for (const [type, message] of [
      ['IQ2_M', /^1 tensor would become IQ2_S.* blk\.0\.attn_q\.weight\.$/],
      ['IQ2_XS', /^3 tensors would become IQ2_XS.* output\.weight, token_embd\.weight, blk\.0\.attn_q\.weight\.$/],
    ] as const) {
      const plan = planQuantization(
        input,
        { ...defaultOptions(type), pure: true },
        { kernelsRequired: false, ...(imatrix && { imatrix }) },
      );
      const required = plan.problems.filter(problem => problem.severity === 'error');
      expect(required.map(({ code }) => code)).toEqual(['plan/imatrix-required']);
      expect(required[0]?.message).toMatch(message);
    }
  }
});

test('entries are filtered by substring, and none left means no matrix', () => {
  const all = matrix({ 'blk.0.attn_v.weight': 1, 'blk.0.ffn_down.weight': 1, 'blk.1.attn_v.weight': 1 });
  const names = (filter: Parameters<typeof filterImportance>[1]) => [...filterImportance(all, filter).entries.keys()];
  expect(names({ include: ['attn'] })).toEqual(['blk.0.attn_v.weight', 'blk.1.attn_v.weight']);
  expect(names({ exclude: ['blk.0', 'xyz'] })).toEqual(['blk.1.attn_v.weight']);
  expect(names({ include: ['blk.0'], exclude: ['ffn'] })).toEqual(['blk.0.attn_v.weight']);
  const none = planQuantization(source(), defaultOptions('Q4_0'), {
    imatrix: filterImportance(all, { include: ['zzz'] }),
  });
  expect(none.metadataChanges).toEqual(planQuantization(source(), defaultOptions('Q4_0')).metadataChanges);
});

test('texts that choose no entries are named, and entries left out are not called missing', () => {
  const said = (extras: PlanExtras, type = 'Q4_0') =>
    planQuantization(source(), { ...defaultOptions(type), pure: true }, { kernelsRequired: false, ...extras })
      .problems.filter(({ code }) => /weights|imatrix/.test(code))
      .map(({ severity, code, message }) => `${severity} ${code}: ${message}`);
  const imatrix = matrix({ 'blk.0.attn_v.weight': 256, 'blk.0.ffn_down.weight': 256, 'blk.1.attn_v.weight': 256 });
  expect(said({ imatrix, weights: { exclude: ['attn'] } })).toEqual([
    'info plan/imatrix-entry-left-out: The entries of i.gguf for 2 tensors are left out as asked, so these are quantized without importance weights: blk.0.attn_v.weight, blk.1.attn_v.weight.',
    'warning plan/imatrix-missing-entry: i.gguf has no entry for 1 tensor, quantized without importance weights: blk.1.ffn_down.weight.',
  ]);
  expect(said({ imatrix, weights: { include: ['attn', 'x"y'], exclude: ['zz', 'zz'] } }).slice(0, 2)).toEqual([
    'warning plan/include-weights-unused: Importance weights to include: expected part of the name of an entry of i.gguf, found "x\\"y", which none of its 3 entries contains.',
    'warning plan/exclude-weights-unused: Importance weights to exclude: expected part of the name of an entry of i.gguf, found "zz", which none of its 3 entries contains.',
  ]);
  expect(said({ weights: { include: ['a'], exclude: ['b', 'c', 'd', 'e'] } })).toEqual([
    'warning plan/include-weights-unused: Importance weights to include are named ("a"), and there is no importance matrix: they do nothing.',
    'warning plan/exclude-weights-unused: Importance weights to exclude are named ("b", "c", "d", …), and there is no importance matrix: they do nothing.',
  ]);
  expect(said({ imatrix, weights: { exclude: ['blk'] } })[0]).toBe(
    'warning plan/no-weights-left: All 3 entries of i.gguf are left out, so the result is that without an importance matrix.',
  );
  expect(said({ imatrix, weights: { exclude: ['attn'] } }, 'IQ2_XS')[0]).toContain(
    'the entries chosen of the matrix leave out blk.0.attn_v.weight, blk.1.attn_v.weight.',
  );
});

test('a type for an output matrix that is the token embedding: what it does, and when it does nothing', () => {
  const said = (options: Partial<QuantizeOptions>, input = source()) => {
    const plan = planQuantization(input, { ...defaultOptions('Q4_K_M'), outputTensorType: 'Q8_0', ...options });
    const problems = plan.problems.filter(({ code }) => code === 'plan/output-type-tied');
    const embedding = plan.tensors.find(({ name }) => /^(?:token_embd|output)\.weight$/.test(name));
    return [embedding?.toType, ...problems.map(({ severity, message }) => `${severity}: ${message}`)];
  };
  const tied = 'There is no output.weight: this model uses its token embedding as output matrix';
  expect(said({})).toEqual([
    'Q8_0',
    `info: ${tied}. The type for output.weight, Q8_0, is asked for token_embd.weight instead, as in llama-quantize.`,
  ]);
  for (const [options, type, why] of [
    [{ tokenEmbeddingType: 'F16' }, 'F16', 'token embedding type'],
    [{ pure: true }, 'Q4_K', 'pure Q4_K'],
    [{ rules: [rule('token_embd.weight', 'Q5_0')] }, 'Q5_0', 'token_embd.weight=Q5_0'],
    [{ fileType: 'F16' }, 'F16', 'file type F16'],
  ] as const) {
    expect(said(options)).toEqual([
      type,
      `warning: ${tied}. The type for output.weight, Q8_0, does nothing: token_embd.weight becomes ${type} (${why}).`,
    ]);
  }
  expect(said({}, source('output.weight 256x8 F16'))).toEqual(['Q8_0']);
  expect(said({}, source('blk.0.attn_v.weight 256x8 F16'))[1]).toMatch(/^warning: .* does nothing\.$/);
});

test('metadata: llama-quantize’s keys in its order, long names cut at 127 bytes without splitting a character', () => {
  const imatrix = matrix({ 'blk.0.attn_v.weight': 256 }, { name: `${'x'.repeat(126)}é.gguf` });
  const input = source(MODEL, [
    ['split.count', 'u16', 23, 1],
    ['general.alignment', 'u32', 33, 64],
  ]);
  const plan = planQuantization(input, defaultOptions('Q4_K_M'), { imatrix });
  expect(plan.metadataChanges.map(({ key, type, value }) => `${key} ${type} ${String(value)}`)).toEqual([
    'general.quantization_version u32 2',
    'general.file_type u32 15',
    `quantize.imatrix.file string ${'x'.repeat(126)}`,
    'quantize.imatrix.dataset string a.txt',
    'quantize.imatrix.entries_count u32 1',
    'quantize.imatrix.chunks_count u32 7',
  ]);
  expect(plan.metadataRemoved).toEqual(['split.count', 'general.alignment']);
});

test('splitting: by the shards of the source, or by size, with llama.cpp’s keys', () => {
  const input = source(
    'b.weight 256x8 F16 1\na.weight 256x8 F16 0\nblk.0.attn_v.weight 256x8 F16 0\nc.weight 256x8 F16 1',
  );
  const files = (plan: QuantizationPlan) =>
    plan.shards.map((shard, i) => {
      const names = plan.tensors
        .filter(({ target }) => target.shard === i)
        .map(({ name, target }) => `${name}@${target.offset}`);
      return `${names.join(' ')} | ${shard.tensorCount} ${shard.dataLength} | ${shard.splitMetadata.map(({ key, type, value }) => `${key} ${type} ${String(value)}`).join(' ')}`;
    });
  const q8 = (256 * 8 * 34) / 32;
  expect(files(planQuantization(input, defaultOptions('Q8_0'), { split: { kind: 'keep' } }))).toEqual([
    `a.weight@0 blk.0.attn_v.weight@${q8} | 2 ${2 * q8} | split.no u16 0 split.count u16 2 split.tensors.count i32 4`,
    `b.weight@0 c.weight@${q8} | 2 ${2 * q8} | split.no u16 1 split.count u16 2 split.tensors.count i32 4`,
  ]);
  expect(
    files(planQuantization(input, defaultOptions('Q8_0'), { split: { kind: 'size', maxShardBytes: 2 * q8 + 1 } })),
  ).toEqual([
    `a.weight@0 b.weight@${q8} | 2 ${2 * q8} | split.no u16 0 split.count u16 2 split.tensors.count i32 4`,
    `c.weight@0 blk.0.attn_v.weight@${q8} | 2 ${2 * q8} | split.no u16 1 split.count u16 2 split.tensors.count i32 4`,
  ]);
  const tiny = planQuantization(input, defaultOptions('Q8_0'), { split: { kind: 'size', maxShardBytes: 1 } });
  expect(tiny.shards.map(shard => shard.tensorCount)).toEqual([1, 1, 1, 1]);
  expect(files(planQuantization(input, defaultOptions('Q8_0')))[0]).toMatch(/\| 4 \d+ \| $/);
  expect(headerByteLengths(input, tiny)).toHaveLength(4);
});

test('a tensor of an expert model without a layer number is refused as llama-quantize does', () => {
  const input = source('blk.7.ffn_down_exps.weight 256x8x4 F16', [['llama.expert_count', 'u32', 34, 4]]);
  expect(planQuantization(input, defaultOptions('Q4_K_M')).problems).toMatchObject([
    { code: 'plan/bad-layer', severity: 'error', subject: 'blk.7.ffn_down_exps.weight' },
  ]);
});

test('offsets stay exact beyond 2^32', () => {
  const input = source('a.weight 8192x1048576 F16\nb.weight 8192x1048576 F16\nc.weight 256x8 F16');
  const plan = planQuantization(input, defaultOptions('Q8_0'));
  expect(plan.tensors.map(({ target }) => target.offset)).toEqual([0, (2 ** 33 * 34) / 32, (2 ** 34 * 34) / 32]);
});

test('names that cannot be written as they are make the plan fail', async () => {
  const plan = async (name: string, count = 1) => {
    const tensors = Array.from({ length: count }, (_, i) => `tensor ${name}${count > 1 ? i : ''} F16 [32,2]`).join(
      '\n',
    );
    const { bytes } = buildGguf(`string general.architecture = "llama"\n${tensors}`);
    const { value } = await readGguf(new MemorySource(bytes));
    return planQuantization(value!, defaultOptions('Q8_0')).problems.map(({ severity, code, message }) =>
      severity === 'error' ? `${code}: ${message}` : '',
    );
  };
  const said = (shown: string, found: string) => [
    `plan/tensor-name: The name of tensor "${shown}" cannot be written: expected at most 63 bytes of UTF-8, found ${found}.`,
  ];
  expect(await plan('n'.repeat(63))).toEqual([]);
  expect(await plan('n'.repeat(64))).toEqual(said('n'.repeat(64), '64 bytes'));
  // 32 characters of two bytes each.
  expect(await plan('é'.repeat(32))).toEqual(said('é'.repeat(32), '64 bytes'));
  expect(await plan('n'.repeat(3000))).toEqual(said(`${'n'.repeat(80)}…`, '3,000 bytes'));
  expect(await plan('<hex 61 ff>')).toEqual(said('a\uFFFD', 'bytes that are not UTF-8'));
  const many = await plan('n'.repeat(70), 40);
  expect(many).toHaveLength(17);
  expect(many[16]).toBe('plan/tensor-name: The names of 24 more tensors cannot be written.');
});

test('a file that llama.cpp could not load as a model is refused', async () => {
  const plan = async (world: string, tensor = 'tensor a F16 [32,2]') => {
    const file = new MemorySource(buildGguf(`${world}\n${tensor}`).bytes);
    const { value, problems: read } = await readModel(() => Promise.resolve(file), 'world.gguf');
    expect(read).toEqual([]);
    return planQuantization(value!, defaultOptions('Q8_0'))
      .problems.map(({ severity, code, message }) => `${severity} ${code}: ${message}`)
      .join('\n');
  };
  const architecture =
    "error plan/no-architecture: Expected the name of the model's architecture in general.architecture, found";
  expect(await plan('string general.architecture = "llama"')).toBe('');
  // A vocabulary alone: it can be read without a problem, but there is nothing to quantize.
  expect(await plan('string general.architecture = "llama"\nstring[] tokenizer.ggml.tokens = ["a","b"]', '')).toBe(
    'error plan/no-tensors: Expected a model with tensors, found none: there is nothing to quantize.',
  );
  expect(await plan('', '')).toMatch(/^error plan\/no-tensors: .*\nerror plan\/no-architecture: /);
  // Not a file, but nothing: options are checked this way.
  expect(planQuantization({ metadata: [], tensors: [] }, defaultOptions('Q8_0')).problems).toEqual([]);
  expect(await plan('u8 a = 1')).toBe(`${architecture} no such key.`);
  expect(await plan('u32 general.architecture = 1')).toBe(`${architecture} type u32.`);
  expect(await plan('string general.architecture = ""')).toBe(`${architecture} no usable name.`);
});
