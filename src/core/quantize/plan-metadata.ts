// What a quantized file says about itself: keys set, keys left out, and how long the header becomes.
// Source: llama.cpp src/llama-quant.cpp and tools/quantize/quantize.cpp.
import type { FileType } from '../ggml/file-type.js';
import type { ImportanceMatrix } from './importance-matrix.js';
import { entryLengthInV3 } from '../gguf/copy-entry.js';
import { metadataNumber, metadataString } from '../gguf/gguf.js';
import { SPLIT_COUNT, SPLIT_KEYS, SPLIT_NO, SPLIT_TENSORS_COUNT } from '../gguf/shards.js';
import { valueSize } from '../gguf/value.js';
import type { MetadataOverride } from './metadata-override.js';
import { sourceFileTypeId, type PlanSource } from './model-facts.js';
import { OUTPUT_ALIGNMENT, padded, type ShardSize } from './output-layout.js';
import type { MetadataChange, OutputShard, QuantizationPlan } from './quantization-plan.js';

/** ggml's version of the quantized formats, unchanged since May 2023. */
const QUANTIZATION_VERSION = 2;
/** llama.cpp holds overridden strings in 128 bytes with a terminator, so longer names arrive cut. */
const MAX_OVERRIDE_BYTES = 127;

/**
 * The keys llama-quantize sets, in its order: its own two, the user's, those of the imatrix (only if at least one entry is
 * used), the number of layers if some were left out. A key set twice counts the last time, at its last place.
 */
export function metadataChanges(
  source: PlanSource,
  fileType: FileType,
  imatrix: ImportanceMatrix | undefined,
  overrides: readonly MetadataOverride[] = [],
  layers?: number,
): readonly MetadataChange[] {
  const u32 = (key: string, value: number): MetadataChange => ({ key, type: 'u32', value });
  const text = (key: string, value: string): MetadataChange => ({ key, type: 'string', value: cutToBytes(value) });
  const changes = [u32('general.quantization_version', QUANTIZATION_VERSION)];
  const id = fileType.id ?? sourceFileTypeId(source);
  if (id !== undefined) changes.push(u32('general.file_type', id));
  changes.push(...overrides.map(({ key, type, value }) => ({ key, type, value })));
  if (imatrix && imatrix.entries.size > 0) {
    changes.push(text('quantize.imatrix.file', imatrix.name));
    const [dataset] = imatrix.datasets;
    if (dataset !== undefined) changes.push(text('quantize.imatrix.dataset', dataset));
    changes.push(u32('quantize.imatrix.entries_count', imatrix.entries.size));
    if (imatrix.chunkCount !== undefined && imatrix.chunkCount > 0) {
      changes.push(u32('quantize.imatrix.chunks_count', imatrix.chunkCount));
    }
  }
  const architecture = metadataString(source.metadata, 'general.architecture');
  if (layers !== undefined && architecture) changes.push(u32(`${architecture}.block_count`, layers));
  return changes.filter(({ key }, i) => changes.findLastIndex(other => other.key === key) === i);
}

/** The longest beginning of at most 127 UTF-8 bytes that does not split a character. */
function cutToBytes(value: string): string {
  let bytes = 0;
  let end = 0;
  for (const character of value) {
    bytes += new TextEncoder().encode(character).length;
    if (bytes > MAX_OVERRIDE_BYTES) break;
    end += character.length;
  }
  return value.slice(0, end);
}

export function metadataRemoved(source: PlanSource): readonly string[] {
  const removed = [...SPLIT_KEYS];
  const alignment = metadataNumber(source.metadata, 'general.alignment');
  if (alignment !== undefined && alignment !== OUTPUT_ALIGNMENT) removed.push('general.alignment');
  return removed.filter(key => source.metadata.some(entry => entry.key === key));
}

export function splitMetadata(shards: readonly ShardSize[], tensorCount: number): readonly OutputShard[] {
  return shards.map((shard, number) => ({
    ...shard,
    splitMetadata:
      shards.length === 1
        ? []
        : [
            { key: SPLIT_NO, type: 'u16', value: number },
            { key: SPLIT_COUNT, type: 'u16', value: shards.length },
            { key: SPLIT_TENSORS_COUNT, type: 'i32', value: tensorCount },
          ],
  }));
}

/**
 * Bytes of each output file's header: up to its data section, padding included. Equal to what `layOutHeader` of
 * gguf/write.ts gives for the same plan, without needing the source's bytes.
 *
 *   "GGUF" | version:u32 | tensors:u64 | entries:u64 | entries | tensor infos | zeros to 32
 *   entry  key:string | type:u32 | value        info  name:string | n:u32 | ne:u64 × n | type:u32 | offset:u64
 */
export function headerByteLengths(source: PlanSource, plan: QuantizationPlan): readonly number[] {
  const dropped = new Set([...plan.metadataRemoved, ...plan.metadataChanges.map(change => change.key)]);
  const encoding = source.shards?.[0]?.file ?? { version: 3, littleEndian: true };
  const copied = source.metadata
    .filter(entry => !dropped.has(entry.key))
    .reduce((sum, entry) => sum + entryLengthInV3(encoding, entry), 0);
  const infos = new Array<number>(plan.shards.length).fill(0);
  for (const tensor of plan.tensors) {
    const info = stringLength(tensor.name) + 4 + 8 * tensor.ne.length + 4 + 8;
    infos[tensor.target.shard] = (infos[tensor.target.shard] ?? 0) + info;
  }
  return plan.shards.map((shard, number) => {
    const own = [...(number === 0 ? plan.metadataChanges : []), ...shard.splitMetadata];
    const entries = own.reduce((sum, change) => sum + entryLength(change), number === 0 ? copied : 0);
    return padded(24 + entries + (infos[number] ?? 0));
  });
}

function stringLength(text: string): number {
  return 8 + new TextEncoder().encode(text).length;
}

function entryLength({ key, type, value }: MetadataChange): number {
  return stringLength(key) + 4 + (type === 'string' ? stringLength(String(value)) : valueSize(type));
}
