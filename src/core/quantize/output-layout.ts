// Where every tensor's bytes come to lie: which output file, at which offset of its data section. As in llama.cpp, tensors
// follow each other without gaps, each padded to 32 bytes, the last one too.
//
//   data section   | tensor 0 | zeros to 32 | tensor 1 | zeros to 32 | …
import { byteLengthOf, ggmlTypeByName } from '../ggml/ggml-type.js';
import type { Decision } from './choose-types.js';
import type { OutputSplit } from './quantization-plan.js';

/** Alignment of tensors in every file we write: llama-quantize's, whatever `general.alignment` of the source says. */
export const OUTPUT_ALIGNMENT = 32;

/** Bytes with padding; in floating point because files are larger than 2^32. */
export function padded(byteLength: number, alignment = OUTPUT_ALIGNMENT): number {
  return Math.ceil(byteLength / alignment) * alignment;
}

export interface Target {
  readonly shard: number;
  readonly offset: number;
  readonly byteLength: number;
}

export interface ShardSize {
  readonly tensorCount: number;
  readonly dataLength: number;
}

/** Bytes of the decided tensor in the output; a copy keeps its bytes even if its type is unknown here. */
export function targetByteLength(decision: Decision): number {
  if (decision.fromType === decision.toType) return decision.tensor.byteLength ?? 0;
  const type = ggmlTypeByName(decision.toType);
  return type ? byteLengthOf(type, decision.tensor.elementCount) : 0;
}

/**
 * Places tensors in order. `single`: one file. `keep`: each tensor stays in the shard of the source it came from.
 * `size`: a new file begins when the next tensor would bring the data of the current one above `maxShardBytes`; as in
 * gguf-split, headers do not count, and a tensor larger than that gets a file of its own.
 */
export function layOut(
  decisions: readonly Decision[],
  split: OutputSplit,
): { readonly targets: readonly Target[]; readonly shards: readonly ShardSize[] } {
  const shards: { tensorCount: number; dataLength: number }[] = [{ tensorCount: 0, dataLength: 0 }];
  let current = 0;
  const targets = decisions.map(decision => {
    const byteLength = targetByteLength(decision);
    const open = shards[current];
    if (split.kind === 'keep') {
      current = decision.tensor.shard;
    } else if (
      split.kind === 'size' &&
      open &&
      open.tensorCount > 0 &&
      open.dataLength + padded(byteLength) > split.maxShardBytes
    ) {
      current++;
    }
    while (shards.length <= current) shards.push({ tensorCount: 0, dataLength: 0 });
    const shard = shards[current] ?? { tensorCount: 0, dataLength: 0 };
    const offset = shard.dataLength;
    shard.tensorCount++;
    shard.dataLength += padded(byteLength);
    return { shard: current, offset, byteLength };
  });
  return { targets, shards };
}
