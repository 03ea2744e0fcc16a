// The facts about a model that its header gives away, for overviews and reports. Only what can be counted or looked up:
// no judgement, no estimate. Missing keys give undefined, odd ones are left out.
import { fileTypeName } from '../ggml/file-type.js';
import { ggmlTypeName } from '../ggml/ggml-type.js';
import { metadataString, type GgufModel } from '../gguf/gguf.js';
import { sourceFileTypeId } from '../quantize/model-facts.js';
import { tensorRole, type TensorGroup } from './tensor-role.js';

export interface TypeCount {
  readonly type: string;
  readonly tensors: number;
  readonly byteLength: number;
  readonly elementCount: number;
}

export interface GroupCount {
  readonly group: TensorGroup;
  readonly tensors: number;
  readonly byteLength: number;
  readonly elementCount: number;
}

export interface ModelFacts {
  readonly architecture: string | undefined;
  readonly name: string | undefined;
  /** By `general.file_type`, or guessed from the tensors; undefined for a file without tensors and key. */
  readonly fileType: string | undefined;
  /** Elements of all tensors. */
  readonly parameterCount: number;
  /** Bytes of all files. */
  readonly byteLength: number;
  /** Bytes of all tensors times 8, over their elements; 0 without tensors. Tensors of unknown size do not count. */
  readonly bitsPerWeight: number;
  /** By bytes, the largest first. */
  readonly typeCounts: readonly TypeCount[];
  readonly groupCounts: readonly GroupCount[];
}

export function describeModel(model: GgufModel): ModelFacts {
  const types = new Map<string, Tally>();
  const groups = new Map<TensorGroup, Tally>();
  const all = newTally();
  const known = newTally();
  for (const tensor of model.tensors) {
    const bytes = tensor.byteLength ?? 0;
    const type = ggmlTypeName(tensor.typeId);
    const { group } = tensorRole(tensor.name);
    const tallies = [all, tallyOf(types, type), tallyOf(groups, group)];
    if (tensor.byteLength !== undefined) tallies.push(known);
    for (const tally of tallies) {
      tally.tensors++;
      tally.byteLength += bytes;
      tally.elementCount += tensor.elementCount;
    }
  }
  const fileTypeId = sourceFileTypeId(model);
  return {
    architecture: metadataString(model.metadata, 'general.architecture'),
    name: metadataString(model.metadata, 'general.name'),
    fileType: fileTypeId === undefined ? undefined : fileTypeName(fileTypeId),
    parameterCount: all.elementCount,
    byteLength: model.shards.reduce((sum, { file }) => sum + file.fileSize, 0),
    bitsPerWeight: known.elementCount === 0 ? 0 : (known.byteLength * 8) / known.elementCount,
    typeCounts: bySize(types).map(([type, tally]) => ({ type, ...tally })),
    groupCounts: bySize(groups).map(([group, tally]) => ({ group, ...tally })),
  };
}

interface Tally {
  tensors: number;
  byteLength: number;
  elementCount: number;
}

function newTally(): Tally {
  return { tensors: 0, byteLength: 0, elementCount: 0 };
}

function tallyOf<K>(tallies: Map<K, Tally>, key: K): Tally {
  const tally = tallies.get(key) ?? newTally();
  tallies.set(key, tally);
  return tally;
}

function bySize<K>(tallies: Map<K, Tally>): readonly (readonly [K, Tally])[] {
  return [...tallies].sort(([, a], [, b]) => b.byteLength - a.byteLength || b.elementCount - a.elementCount);
}
