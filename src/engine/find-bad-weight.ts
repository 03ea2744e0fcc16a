// Which weight it was, asked after a model has computed something that is no number: reading all of them before would cost
// more than most runs.
import { ggmlTypeById } from '../core/ggml/ggml-type.js';
import type { GgufModel } from '../core/gguf/gguf.js';
import type { KernelBackend } from './kernel-backend.js';

/** Bytes that are read and looked at together. */
const PIECE_BYTES = 2 ** 20;

export interface BadWeight {
  readonly tensor: string;
  /** The element, or the first of the block whose scale is not finite. */
  readonly index: number;
}

/** The first weight that is NaN or infinite, in the order of the file; undefined if all are finite. Rejects as reading does. */
export async function findBadWeight(
  { tensors, shards }: GgufModel,
  backend: KernelBackend,
  signal?: AbortSignal,
): Promise<BadWeight | undefined> {
  const known = new Set(backend.types.map(({ id }) => id));
  for (const { name, typeId, fileOffset, byteLength, shard } of tensors) {
    const type = ggmlTypeById(typeId);
    const source = shards[shard]?.source;
    if (!type || !source || byteLength === undefined || !known.has(type.id)) continue;
    const step = Math.floor(PIECE_BYTES / type.typeSize) * type.typeSize;
    for (let at = 0; at < byteLength; at += step) {
      const bytes = await source.read(fileOffset + at, Math.min(step, byteLength - at), signal);
      const blocks = bytes.length / type.typeSize;
      const result = backend.convertRows(type.id, bytes, type.id, bytes, blocks, type.blockSize);
      if (!result.ok) return { tensor: name, index: (at / type.typeSize) * type.blockSize + result.index };
    }
  }
  return undefined;
}
