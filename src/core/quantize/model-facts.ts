// What planning reads of a model's metadata. Missing or odd values fall back to what llama.cpp assumes; nothing throws.
import { metadataArray, metadataNumber, metadataString, type GgufModel, type GgufTensorInfo } from '../gguf/gguf.js';
import { ggmlTypeName } from '../ggml/ggml-type.js';
import { guessFileType } from '../ggml/file-type.js';
import { layerOf, reasonToKeep } from './tensor-selection.js';
import { tensorCategory, type MixtureModel } from './mixture.js';

/** The part of a model that planning looks at: a GgufModel, or anything that can describe itself as one. */
export type PlanSource = Pick<GgufModel, 'metadata' | 'tensors'> & Partial<Pick<GgufModel, 'shards'>>;

/** A number under `key`, or the first of llama.cpp's per-layer arrays, of which the mixtures read layer 0. */
function numberOfLayer0({ metadata }: PlanSource, key: string): number | undefined {
  const first = metadataArray(metadata, key)?.head[0];
  return metadataNumber(metadata, key) ?? (typeof first === 'number' ? first : undefined);
}

/** Layers by metadata, or by the names of the tensors if the key is missing. */
function blockCount(source: PlanSource, architecture: string): number {
  return (
    metadataNumber(source.metadata, `${architecture}.block_count`) ??
    source.tensors.reduce((most, tensor) => Math.max(most, layerOf(tensor.name) + 1), 0)
  );
}

/** `kept` are the tensors that will be written. llama-quantize takes the number of layers as it was, also if some are left out. */
export function readMixtureModel(
  source: PlanSource,
  kept: readonly Pick<GgufTensorInfo, 'name'>[],
  hasImatrix: boolean,
): MixtureModel {
  const architecture = metadataString(source.metadata, 'general.architecture') ?? '';
  const heads = numberOfLayer0(source, `${architecture}.attention.head_count`) ?? 0;
  const headsKv = numberOfLayer0(source, `${architecture}.attention.head_count_kv`) ?? heads;
  const experts = numberOfLayer0(source, `${architecture}.expert_count`) ?? 0;
  return {
    architecture,
    blockCount: blockCount(source, architecture),
    expertCount: experts > 1 ? experts : 0,
    gqa: headsKv === 0 ? 0 : Math.floor(heads / headsKv),
    attentionVCount: kept.filter(tensor => tensorCategory(tensor.name) === 'attn_v').length,
    tied: !kept.some(tensor => tensor.name === 'output.weight'),
    hasImatrix,
  };
}

/** `general.file_type` of the source, or what its tensors suggest: the type most quantizable tensors have. */
export function sourceFileTypeId(source: PlanSource): number | undefined {
  const stored = metadataNumber(source.metadata, 'general.file_type');
  if (stored !== undefined) return stored;
  const counts = new Map<number, number>();
  for (const tensor of source.tensors) {
    if (reasonToKeep(tensor) === undefined) counts.set(tensor.typeId, (counts.get(tensor.typeId) ?? 0) + 1);
  }
  const [most] = [...counts].sort((a, b) => b[1] - a[1]);
  return most && guessFileType(ggmlTypeName(most[0]))?.id;
}
