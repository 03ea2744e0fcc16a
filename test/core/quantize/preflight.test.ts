// Pre-flight: what is said about the place of the output, and the list a type is picked from.
import { expect, test } from 'vitest';
import { preflight, type PreflightFacts } from '../../../src/core/quantize/preflight.js';
import { headerByteLengths } from '../../../src/core/quantize/plan-metadata.js';
import { defaultOptions, planQuantization } from '../../../src/core/quantize/plan.js';
import { previewFileTypes } from '../../../src/core/quantize/preview.js';
import { formatBytesExactly } from '../../../src/core/text/quantity.js';
import { golden, goldenModel, sourceOf } from './plan-golden.js';

const source = goldenModel('micro-llama');
const plan = planQuantization(source, defaultOptions('Q8_0'));
const headers = headerByteLengths(source, plan);
/** llama-quantize's own file. */
const SIZE = golden.files['micro-llama/Q8_0']!.size!;

const output = {
  path: '/out/m.gguf',
  exists: false,
  isSource: false,
  isDirectory: false,
  isSpecial: false,
  isInUse: false,
};
const good: PreflightFacts = {
  outputs: [output],
  overwrite: false,
  folder: { path: '/out', exists: true, isOther: false, writable: true },
  diskFree: 2 ** 40,
  resumedBytes: 0,
  memoryNeeded: 2 ** 28,
  memoryAvailable: 2 ** 33,
};

function check(facts: Partial<PreflightFacts>, ...expected: readonly string[]): void {
  const problems = preflight(plan, headers, { ...good, ...facts });
  expect(problems.map(({ severity, code, message }) => `${severity} ${code}: ${message}`)).toEqual(expected);
}

test('a good place is passed in silence', () => {
  check({});
  check({ diskFree: undefined, memoryAvailable: undefined });
  check({ overwrite: true, outputs: [{ ...output, exists: true }] });
});

test('files above the size wished for are announced: the limit is for tensors, and a tensor is not divided', () => {
  const size = headers[0]! + plan.dataLength;
  check({ maxShardBytes: size });
  check(
    { maxShardBytes: plan.dataLength },
    `warning output/shard-too-large: 1 of 1 file will be larger than ${formatBytesExactly(plan.dataLength)}, the largest with ` +
      `${formatBytesExactly(size)}: the limit is for the tensors of a file, to which its header comes, and a tensor is not divided.`,
  );
});

test('each conflict of the output has its code', () => {
  check({ outputs: [{ ...output, exists: true }] }, 'error output/exists: /out/m.gguf exists already.');
  check(
    { overwrite: true, outputs: [{ ...output, exists: true, isSource: true }] },
    'error output/is-source: /out/m.gguf is the model to be read; it would be destroyed.',
  );
  check(
    { outputs: [{ ...output, exists: true, isDirectory: true }] },
    'error output/is-folder: Expected /out/m.gguf to be a file, found a folder.',
  );
  check(
    { overwrite: true, outputs: [{ ...output, exists: true, isSpecial: true }] },
    'error output/not-a-file: Expected /out/m.gguf to be a file or free, found a device, pipe or socket.',
  );
  check(
    { folder: { path: '/out', exists: false, isOther: true, writable: false } },
    'error output/no-folder: Expected /out to be a folder, found a file.',
  );
  check({ outputs: [{ ...output, isInUse: true }] }, 'error output/in-use: Another run is writing /out/m.gguf.');
  check(
    { folder: { path: '/out', exists: false, isOther: false, writable: false } },
    'error output/no-folder: The folder /out does not exist.',
  );
  check(
    { folder: { path: '/out', exists: true, isOther: false, writable: false } },
    'error output/not-writable: Nothing can be written to the folder /out.',
  );
});

test('disk: exactly enough is enough, one byte less is not, what is resumed counts', () => {
  const codes = (facts: Partial<PreflightFacts>) =>
    preflight(plan, headers, { ...good, ...facts }).map(problem => problem.code);
  expect(codes({ diskFree: SIZE })).toEqual(['disk/nearly-full']);
  expect(codes({ diskFree: SIZE - 1 })).toEqual(['disk/too-small']);
  expect(codes({ diskFree: SIZE - 1, resumedBytes: 1 })).toEqual(['disk/nearly-full']);
  expect(codes({ diskFree: SIZE + 2 ** 28 })).toEqual([]);
  check({ diskFree: 1000 }, 'error disk/too-small: 1.03 MB are needed in /out, 1.00 kB are free.');
});

test('memory that is short is a warning, an error if the run alone fills the machine, and errors come first', () => {
  check(
    { memoryAvailable: 2 ** 27, outputs: [{ ...output, exists: true }] },
    'error output/exists: /out/m.gguf exists already.',
    'warning memory/low: The run takes up to 268 MB of memory, 134 MB are available.',
  );
  check(
    { memoryNeeded: 2 ** 34 },
    'error memory/too-small: The run takes up to 17.2 GB of memory, 8.59 GB are available.',
  );
  const refused = planQuantization(source, {
    ...defaultOptions('Q8_0'),
    onFallback: 'error',
    tokenEmbeddingType: 'Q9',
  });
  expect(preflight(refused, headerByteLengths(source, refused), good).map(problem => problem.code)).toEqual([
    'plan/unknown-type',
  ]);
});

test('previewed sizes are those of the files llama-quantize wrote', () => {
  for (const model of ['micro-llama', 'micro-qwen2', 'tiny-qwen2', 'tiny-llama']) {
    const previews = previewFileTypes(goldenModel(model));
    expect(previews.length).toBeGreaterThanOrEqual(13);
    let compared = 0;
    for (const { fileType, byteLength, bitsPerWeight } of previews) {
      expect(bitsPerWeight, fileType).toBeGreaterThan(1);
      const file = golden.files[`${model}/${fileType}`];
      if (file?.size === undefined) continue;
      expect(byteLength, `${model} ${fileType}`).toBe(file.size);
      compared++;
    }
    expect(compared).toBeGreaterThanOrEqual(7);
  }
});

test('a preview says how much changes and how much falls back', () => {
  const tensors = [
    { name: 'blk.0.ffn_down.weight', ne: [896, 100], type: 'F16' },
    { name: 'blk.0.ffn_up.weight', ne: [512, 100], type: 'F16' },
    { name: 'blk.0.ffn_gate.weight', ne: [512, 100], type: 'Q8_0' },
  ];
  const previews = previewFileTypes(sourceOf([['general.architecture', 'string', 5, 'llama']], tensors));
  const facts = (name: string) => previews.find(({ fileType }) => fileType === name);
  // 896 = 3.5 x 256: no K-quant; 28 x 32: every type with blocks of 32.
  expect(facts('Q4_K_M')?.fallback.share).toBeCloseTo(896 / (896 + 512 + 512), 12);
  expect(facts('Q4_K_M')?.fallback.types).toEqual(['Q8_0']);
  expect(facts('Q4_K_M')?.converted).toBe(3);
  expect(facts('Q8_0')).toMatchObject({ fallback: { share: 0, types: [] }, converted: 2 });
});
