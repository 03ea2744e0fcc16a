// Which layers remain and what they are called; whole files with layers left out are compared in test/cli/options.test.ts.
import { describe, expect, test } from 'vitest';
import { defaultOptions, planQuantization } from '../../../src/core/quantize/plan.js';
import { parseLayers } from '../../../src/core/quantize/prune-layers.js';
import { sourceOf } from './plan-golden.js';

function model(layers: number, names = ['blk.N.attn_v.weight'], metadata: Parameters<typeof sourceOf>[0] = []) {
  const rows = Array.from({ length: layers }, (_, layer) =>
    names.map(name => ({ name: name.replace('N', String(layer)), ne: [256, 4], type: 'F16', shard: 0 })),
  );
  return sourceOf(
    [['general.architecture', 'string', 45, 'llama'], ['llama.block_count', 'u32', 33, layers], ...metadata],
    rows.flat(),
  );
}

function names(source: ReturnType<typeof model>, pruned: readonly number[]): string {
  const plan = planQuantization(source, { ...defaultOptions('Q8_0'), pruneLayers: pruned });
  const first = plan.problems.find(({ severity }) => severity === 'error');
  if (first) return `${first.code}: ${first.message}`;
  const count = plan.metadataChanges.find(({ key }) => key === 'llama.block_count')?.value;
  const list = plan.tensors.map(({ name, sourceName }) => (name === sourceName ? name : `${sourceName} > ${name}`));
  return `${String(count)}: ${list.join(', ').replaceAll('.attn_v.weight', '')}`;
}

describe('what remains', () => {
  test('is numbered from 0 without gaps', () => {
    expect(names(model(4), [1, 1])).toBe('3: blk.0, blk.2 > blk.1, blk.3 > blk.2');
    expect(names(model(4), [3, 0])).toBe('2: blk.1 > blk.0, blk.2 > blk.1');
    expect(names(model(3), [])).toBe('undefined: blk.0, blk.1, blk.2');
  });

  test('is numbered by number, not in the order of names', () => {
    const decoder = names(model(12, ['dec.blk.N.attn_v.weight']), [1]);
    expect(decoder).toContain('dec.blk.2 > dec.blk.1,');
    expect(decoder).toMatch(/dec\.blk\.10 > dec\.blk\.9$/);
  });
});

describe('what cannot be left out', () => {
  test('layers the model has not', () => {
    expect(names(model(4), [4, 2, 9])).toBe(
      'plan/no-such-layer: Expected layers of this model to leave out, found 4, 9; the model has 4 layers, 0 to 3.',
    );
  });
  test('all layers', () => {
    expect(names(model(2), [0, 1])).toMatch(/^plan\/no-layers-left: All 2 layers /);
  });
  test('layers of a model that has values per layer', () => {
    const source = model(2, undefined, [['llama.attention.head_count_kv', 'array', 60, [1, 2]]]);
    expect(names(source, [0])).toMatch(/^plan\/per-layer-metadata: llama\.attention\.head_count_kv has one value/);
  });
});

test.each([
  ['0', [0]],
  ['3..5, 0,3', [0, 3, 4, 5]],
  ['', undefined],
  ['1,', undefined],
  ['-1', undefined],
  ['5..3', undefined],
  ['0..4096', undefined],
  ['1.5', undefined],
])('the list %j', (text, layers) => {
  expect(parseLayers(text)).toEqual(layers);
});
