// Reads a few kilobytes of weights from tensors all over a model, for findQuantizationGrid: 24 reads, a few milliseconds on
// a disk that is not busy, whatever the model's size. Always the same places, so that a report can be repeated.
import { bfloat16, float16 } from '../../core/bytes/half.js';
import type { GgufModel } from '../../core/gguf/gguf.js';
import { ggmlTypeByName } from '../../core/ggml/ggml-type.js';
import type { PlannedTensor } from '../../core/quantize/quantization-plan.js';
import { GROUP, type WeightSample } from '../../core/quantize/quantization-grid.js';

/** Enough for several layers of every kind of matrix that a model has. */
const MAX_TENSORS = 24;
/** Per kind of tensor (`blk.*.attn_q.weight`), from layers apart. */
const PER_KIND = 3;
/** 32 groups, half a page of F16. */
const MAX_WEIGHTS = 1024;

interface Float {
  readonly byteLength: number;
  readonly precision: number;
  read(view: DataView, at: number, littleEndian: boolean): number;
}

const FLOATS: Readonly<Record<string, Float>> = {
  F32: { byteLength: 4, precision: 24, read: (view, at, little) => view.getFloat32(at, little) },
  F16: { byteLength: 2, precision: 11, read: (view, at, little) => float16(view.getUint16(at, little)) },
  BF16: { byteLength: 2, precision: 8, read: (view, at, little) => bfloat16(view.getUint16(at, little)) },
};

/** Samples of the tensors that are floats now and will be quantized; none if there are none. Rejects as the source does. */
export async function sampleWeights(
  { shards }: Pick<GgufModel, 'shards'>,
  tensors: readonly PlannedTensor[],
  signal: AbortSignal,
): Promise<readonly WeightSample[]> {
  const samples: WeightSample[] = [];
  for (const tensor of chosen(tensors)) {
    const float = FLOATS[tensor.fromType];
    const shard = shards[tensor.source.shard];
    if (!float || !shard) continue;
    const columns = tensor.ne[0] ?? 1;
    const rows = tensor.elementCount / columns;
    const row = Math.floor(rows / 3);
    const count = Math.min(MAX_WEIGHTS, (rows - row) * columns);
    const bytes = await shard.source.read(
      tensor.source.fileOffset + row * columns * float.byteLength,
      count * float.byteLength,
      signal,
    );
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const values = new Float32Array(count);
    for (let i = 0; i < count; i++) values[i] = float.read(view, i * float.byteLength, shard.file.littleEndian);
    samples.push({ tensor: tensor.name, precision: float.precision, values });
  }
  return samples;
}

/** The first, the middle and the last of each kind, as many kinds as there is room for. */
function chosen(tensors: readonly PlannedTensor[]): readonly PlannedTensor[] {
  const kinds = new Map<string, PlannedTensor[]>();
  for (const tensor of tensors) {
    const columns = tensor.ne[0] ?? 1;
    const quantized = (ggmlTypeByName(tensor.toType)?.blockSize ?? 1) > 1;
    if (!quantized || !(tensor.fromType in FLOATS) || columns % GROUP !== 0) continue;
    const kind = tensor.name.replace(/\d+/g, '*');
    const same = kinds.get(kind);
    if (same) same.push(tensor);
    else kinds.set(kind, [tensor]);
  }
  const picked = [...kinds.values()].map(same => {
    const places = new Set(
      Array.from({ length: PER_KIND }, (_, i) => Math.floor((i * (same.length - 1)) / (PER_KIND - 1))),
    );
    return [...places].map(place => same[place]).filter(tensor => tensor !== undefined);
  });
  // One of every kind before the second of any.
  return Array.from({ length: PER_KIND }, (_, i) => picked.flatMap(list => list.slice(i, i + 1)))
    .flat()
    .slice(0, MAX_TENSORS);
}
