// The planner against llama-quantize itself: 648 dry runs of measured models (13 models, 36 file types, with and without
// importance matrix), 720 of models that are only names and shapes, and the files it wrote. Not one tensor may get another
// type.
import { expect, test } from 'vitest';
import { parseOverride } from '../../../src/core/quantize/metadata-override.js';
import { headerByteLengths } from '../../../src/core/quantize/plan-metadata.js';
import { defaultOptions, planQuantization } from '../../../src/core/quantize/plan.js';
import type { QuantizationPlan, QuantizeOptions, TensorRule } from '../../../src/core/quantize/quantization-plan.js';
import { parseLayers } from '../../../src/core/quantize/prune-layers.js';
import { fallbackType, fitsShape } from '../../../src/core/quantize/shape-fallback.js';
import { decodeTypes, fullImatrix, golden, goldenModel } from './plan-golden.js';

function errors(plan: QuantizationPlan): readonly string[] {
  return plan.problems.filter(problem => problem.severity === 'error').map(problem => problem.code);
}

/** What differs from the expected types, one line per tensor. */
function differences(label: string, plan: QuantizationPlan, expected: readonly string[]): readonly string[] {
  const lines = plan.tensors.flatMap((tensor, i) =>
    tensor.toType === expected[i]
      ? []
      : [`${label} ${tensor.name}: ${tensor.toType} (${tensor.rule}), expected ${expected[i] ?? 'none'}`],
  );
  return plan.tensors.length === expected.length
    ? lines
    : [...lines, `${label}: ${plan.tensors.length} tensors, expected ${expected.length}`];
}

test('every dry run of llama-quantize gives the same types in the same order', () => {
  const found: string[] = [];
  const cases = { measured: 0, shapes: 0 };
  let tensors = 0;
  for (const [label, stored] of Object.entries(golden.dryRuns)) {
    const letters = stored === '=' ? golden.dryRuns[label.replace('/imatrix', '')] : stored;
    const [model = '', fileType = '', variant] = label.split('/');
    const source = goldenModel(model);
    const extras = variant === 'imatrix' ? { imatrix: fullImatrix(source) } : {};
    const plan = planQuantization(source, defaultOptions(fileType), { ...extras, kernelsRequired: false });
    // A dry run does not ask for the matrix that the real run would need.
    const failed = errors(plan).filter(code => code !== 'plan/imatrix-required');
    if (typeof letters !== 'string') {
      if (!failed.includes('plan/no-fallback'))
        found.push(`${label}: expected plan/no-fallback, found ${failed.join()}`);
    } else {
      const order = golden.models[model]!.order.map(i => golden.models[model]!.tensors[i]![0]);
      expect(plan.tensors.map(tensor => tensor.name)).toEqual(order);
      found.push(...failed.map(code => `${label}: ${code}`), ...differences(label, plan, decodeTypes(letters)));
      tensors += plan.tensors.length;
    }
    cases[model.startsWith('shape-') ? 'shapes' : 'measured']++;
  }
  console.log(
    `llama-quantize dry runs: ${cases.measured} cases and ${cases.shapes} of shapes alone, ${tensors} tensors, ${found.length} differences`,
  );
  expect(found).toEqual([]);
  expect(cases).toEqual({ measured: 648, shapes: 720 });
});

test('every type in rows it does not fit becomes what llama-quantize makes of it', () => {
  const found: string[] = [];
  for (const [label, letter] of Object.entries(golden.fallbacks)) {
    const [type = '', length = ''] = label.split('/');
    const rowLength = Number(length);
    const result = fitsShape(type, rowLength) ? type : fallbackType(type, rowLength, 'promote');
    const expected = letter === null ? undefined : golden.letters[letter];
    if (result !== expected) found.push(`${label}: ${String(result)}, expected ${String(expected)}`);
  }
  expect(found).toEqual([]);
  expect(Object.keys(golden.fallbacks)).toHaveLength(135);
});

test('every file llama-quantize wrote has the planned types, offsets, size and metadata', () => {
  const found: string[] = [];
  let cases = 0;
  for (const [label, file] of Object.entries(golden.files)) {
    const [model = '', kind = '', variant] = label.split('/');
    const options = kind === 'opt' ? optionsOf(file.ftype ?? '', file.args ?? []) : defaultOptions(kind);
    const source = goldenModel(model);
    const kv = file.kv ?? {};
    const imatrix =
      variant === 'imatrix'
        ? fullImatrix(source, {
            name: String(kv['quantize.imatrix.file']),
            datasets: [String(kv['quantize.imatrix.dataset'])],
            chunkCount: Number(kv['quantize.imatrix.chunks_count']),
          })
        : undefined;
    const plan = planQuantization(source, options, { ...(imatrix && { imatrix }), kernelsRequired: false });
    cases++;
    if (file.size === undefined) {
      expect(errors(plan), label).toEqual(['plan/imatrix-required']);
      continue;
    }
    expect(errors(plan), label).toEqual([]);
    found.push(...differences(label, plan, decodeTypes(file.types ?? '')));
    expect(plan.tensors.at(-1)?.target.offset, label).toBe(file.lastOffset);
    expect(headerByteLengths(source, plan)[0]! + plan.dataLength, label).toBe(file.size);
    // The measurement has the keys every file gets; what options add is compared in whole files.
    const added = new Set(['llama.block_count', ...(options.metadata ?? []).map(({ key }) => key)]);
    const set = plan.metadataChanges
      .filter(({ key }) => !added.has(key))
      .map(({ key, value }) => [key, value] as const);
    expect(Object.fromEntries(set), label).toEqual(kv);
  }
  console.log(`llama-quantize files: ${cases} cases, ${found.length} differences`);
  expect(found).toEqual([]);
  expect(cases).toBe(245);
});

/** The options of one measured command line. */
function optionsOf(fileType: string, args: readonly string[]): QuantizeOptions {
  let options = defaultOptions(fileType);
  const rules: TensorRule[] = [];
  for (let i = 0; i < args.length; i++) {
    const value = args[i + 1] ?? '';
    switch (args[i]) {
      case '--pure':
        options = { ...options, pure: true };
        break;
      case '--token-embedding-type':
        options = { ...options, tokenEmbeddingType: value };
        break;
      case '--output-tensor-type':
        options = { ...options, outputTensorType: value };
        break;
      case '--tensor-type':
        rules.push({
          kind: 'regex',
          pattern: value.split('=')[0]!,
          type: value.split('=')[1]!,
          label: `--tensor ${value}`,
        });
        break;
      case '--leave-output-tensor':
        options = { ...options, leaveOutputTensor: true };
        break;
      case '--prune-layers':
        options = { ...options, pruneLayers: parseLayers(value)! };
        break;
      case '--override-kv': {
        const parsed = parseOverride(value);
        if (!parsed.ok) throw new Error(parsed.message);
        options = { ...options, metadata: [...(options.metadata ?? []), parsed.override] };
        break;
      }
      default:
    }
  }
  return { ...options, rules };
}
