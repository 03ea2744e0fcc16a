// Properties of every plan, on random models and options. The seed is printed; set SEED to run one again.
import { expect, test } from 'vitest';
import { FILE_TYPES } from '../../../src/core/ggml/file-type.js';
import { byteLengthOf, GGML_TYPES, ggmlType } from '../../../src/core/ggml/ggml-type.js';
import { layOutHeader, outputMetadata } from '../../../src/core/gguf/write.js';
import { MemorySource } from '../../fixtures/gguf/memory-source.js';
import { headerByteLengths } from '../../../src/core/quantize/plan-metadata.js';
import { planQuantization } from '../../../src/core/quantize/plan.js';
import type { OutputSplit, QuantizeOptions } from '../../../src/core/quantize/quantization-plan.js';
import { fullImatrix, sourceOf, type SourceTensor } from './plan-golden.js';

const RUNS = 300;

/** mulberry32: small, and the same everywhere. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const NAMES =
  'attn_q attn_k attn_v attn_output attn_qkv ffn_up ffn_down ffn_gate ffn_down_exps ffn_gate_inp attn_norm other'.split(
    ' ',
  );
const COLUMNS = [1, 20, 32, 64, 96, 128, 224, 256, 512, 896, 1024];

function randomTensors(random: () => number, pick: <T>(items: readonly T[]) => T): readonly SourceTensor[] {
  const tensors = new Map<string, SourceTensor>();
  const layers = Math.floor(random() * 20);
  const add = (name: string) => {
    const ne = [
      pick(COLUMNS),
      ...(random() < 0.85 ? [1 + Math.floor(random() * 9)] : []),
      ...(random() < 0.1 ? [pick([1, 4])] : []),
    ];
    const types = ['F32', 'F16', 'BF16', 'Q8_0', 'Q4_K', 'I32'].filter(
      type => (ne[0] ?? 0) % ggmlType(type).blockSize === 0,
    );
    tensors.set(name, { name, ne, type: random() < 0.8 ? 'F16' : pick(types), shard: Math.floor(random() * 3) });
  };
  for (const name of ['token_embd.weight', 'output.weight', 'output_norm.weight', 'rope_freqs.weight'])
    if (random() < 0.7) add(name);
  for (let layer = 0; layer < layers; layer++)
    for (const name of NAMES) if (random() < 0.6) add(`blk.${layer}.${name}.${random() < 0.9 ? 'weight' : 'bias'}`);
  return [...tensors.values()].sort(() => random() - 0.5);
}

test('plans are complete, aligned, consecutive, and never ask for a type that does not fit', () => {
  const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31));
  console.log(`random plans: seed ${seed}, ${RUNS} runs`);
  const random = randomOf(seed);
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)]!;
  const storable = GGML_TYPES.filter(
    type => !['integer', 'activation'].includes(type.family) && type.name !== 'F64',
  ).map(type => type.name);
  let fallbacks = 0;
  for (let run = 0; run < RUNS; run++) {
    const tensors = randomTensors(random, pick);
    const experts = pick([0, 0, 4, 8]);
    const source = sourceOf(
      [
        ['general.architecture', 'string', 45, pick(['llama', 'falcon', 'qwen2'])],
        ['llama.block_count', 'u32', 33, 20],
        ['qwen2.block_count', 'u32', 33, 20],
        ['falcon.block_count', 'u32', 34, 20],
        ['llama.expert_count', 'u32', 34, experts],
      ],
      tensors,
    );
    const options: QuantizeOptions = {
      fileType: pick(FILE_TYPES.filter(type => type.offered)).name,
      rules: Array.from({ length: pick([0, 0, 1, 3]) }, () => ({
        kind: 'glob' as const,
        pattern: `*${pick(NAMES)}*`,
        type: pick(storable),
        label: 'rule',
      })),
      pure: random() < 0.2,
      allowRequantize: random() < 0.5,
      onFallback: pick(['promote', 'promote', 'error', 'Q8_0']),
      ...(random() < 0.2 && { outputTensorType: pick(storable) }),
      ...(random() < 0.2 && { tokenEmbeddingType: pick(storable) }),
    };
    const split: OutputSplit = pick([{ kind: 'single' }, { kind: 'keep' }, { kind: 'size', maxShardBytes: 20_000 }]);
    const plan = planQuantization(source, options, { split, ...(random() < 0.3 && { imatrix: fullImatrix(source) }) });
    const where = `seed ${seed}, run ${run}: ${JSON.stringify(options)}`;

    expect(plan.tensors.map(tensor => tensor.name).sort(), where).toEqual(tensors.map(tensor => tensor.name).sort());
    const ends = plan.shards.map(() => 0);
    let bytes = 0;
    let elements = 0;
    for (const tensor of plan.tensors) {
      const type = ggmlType(tensor.toType);
      const { shard, offset, byteLength } = tensor.target;
      expect((tensor.ne[0] ?? 0) % type.blockSize, `${where} ${tensor.name}`).toBe(0);
      expect(byteLength, where).toBe(byteLengthOf(type, tensor.elementCount));
      expect(offset, where).toBe(ends[shard]);
      expect(offset % 32, where).toBe(0);
      ends[shard] = offset + Math.ceil(byteLength / 32) * 32;
      bytes += byteLength;
      elements += tensor.elementCount;
      if (tensor.rule.includes('fallback from')) fallbacks++;
      if (tensor.fromType === tensor.toType) expect(tensor.importance).toBe(false);
    }
    expect(
      plan.shards.map(shard => shard.dataLength),
      where,
    ).toEqual(ends);
    expect(plan.dataLength, where).toBe(ends.reduce((sum, end) => sum + end, 0));
    expect(plan.bitsPerWeight, where).toBeCloseTo(elements === 0 ? 0 : (bytes * 8) / elements, 9);
    expect(plan.shards.reduce((sum, shard) => sum + shard.tensorCount, 0)).toBe(tensors.length);
    // The header the writer would lay out for each file has the predicted length, and puts tensors where planned.
    const predicted = headerByteLengths(source, plan);
    const file = {
      version: 3,
      littleEndian: true,
      metadata: source.metadata,
      tensors: source.tensors,
      alignment: 32,
      dataOffset: 0,
      fileSize: 0,
    };
    const model = { ...source, shards: [{ source: new MemorySource(new Uint8Array(0)), file }] };
    plan.shards.forEach((shard, number) => {
      const set = [...(number === 0 ? plan.metadataChanges : []), ...shard.splitMetadata];
      const metadata =
        number === 0
          ? outputMetadata(model, { removed: plan.metadataRemoved, set })
          : outputMetadata({ ...model, metadata: [] }, { set });
      const here = plan.tensors.filter(tensor => tensor.target.shard === number);
      const header = layOutHeader(
        metadata,
        here.map(({ name, ne, toType, target }) => ({
          name,
          ne,
          typeId: ggmlType(toType).id,
          byteLength: target.byteLength,
        })),
      );
      expect(header.byteLength, where).toBe(predicted[number]);
      expect(header.tensorOffsets, where).toEqual(here.map(tensor => tensor.target.offset));
      expect(header.dataLength, where).toBe(shard.dataLength);
    });
  }
  expect(fallbacks).toBeGreaterThan(100);
});
