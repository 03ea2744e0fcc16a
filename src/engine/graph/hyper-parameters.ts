// The numbers of a model that its forward pass is built from, read from metadata once and checked: what an architecture's
// description sees is present and sane, or the model was refused with the key that is wrong.
import { metadataArray, metadataEntry, metadataString, type GgufModel } from '../../core/gguf/gguf.js';
import { QuantsmithError } from '../../core/problem.js';

/** Limits that no model comes near; beyond them a header is damaged or hostile. */
const MAX_LAYERS = 1024;
const MAX_WIDTH = 1 << 24;
const MAX_HEADS = 1024;
const MAX_EXPERTS = 4096;

export interface HyperParameters {
  /** `block_count`. */
  readonly layers: number;
  /** Positions the model was trained for. */
  readonly trainedContext: number;
  /** `embedding_length`. */
  readonly width: number;
  readonly vocabulary: number;
  readonly headCount: number;
  /** Key and value heads of a layer. */
  keyValueHeads(layer: number): number;
  /** Values of one head's keys (and queries) and of its values. */
  readonly keyLength: number;
  readonly valueLength: number;
  /** Added under the root of a norm. */
  readonly epsilon: number;
  readonly experts: { readonly count: number; readonly used: number } | undefined;
  /** An architecture's own key, `<architecture>.<name>`; undefined if absent. */
  number(name: string): number | undefined;
  flag(name: string): boolean | undefined;
  text(name: string): string | undefined;
}

/** @param architecture the value of `general.architecture`, with which the other keys begin */
export function readHyperParameters(model: GgufModel, architecture: string): HyperParameters {
  const { metadata } = model;
  const keyOf = (name: string): string => `${architecture}.${name}`;
  const number = (name: string): number | undefined => {
    const value = metadataEntry(metadata, keyOf(name))?.value;
    return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
  };
  const count = (name: string, limit: number, fallback?: number): number => {
    const found = metadataEntry(metadata, keyOf(name))?.value;
    const value = found ?? fallback;
    if (value === undefined) throw missing(keyOf(name), `a number from 1 to ${limit}`);
    if (typeof value !== 'number' || !Number.isInteger(value) || value < 1 || value > limit) {
      throw wrong(keyOf(name), found, `a whole number from 1 to ${limit}`);
    }
    return value;
  };

  const layers = count('block_count', MAX_LAYERS);
  const width = count('embedding_length', MAX_WIDTH);
  const headCount = count('attention.head_count', MAX_HEADS);
  const keyLength = count('attention.key_length', MAX_WIDTH, width / headCount);
  const perLayer = metadataArray(metadata, keyOf('attention.head_count_kv'));
  const keyValueHeads = (layer: number): number => {
    const value = perLayer ? perLayer.head[layer] : count('attention.head_count_kv', MAX_HEADS, headCount);
    if (typeof value !== 'number' || !Number.isInteger(value) || value < 1 || headCount % value !== 0) {
      throw wrong(keyOf('attention.head_count_kv'), value, `a divisor of the ${headCount} heads for layer ${layer}`);
    }
    return value;
  };
  const expertCount = number('expert_count') ?? 0;
  const embedding = model.tensors.find(({ name }) => name === 'token_embd.weight');
  if (!embedding) throw missingTensor('token_embd.weight');
  const vocabulary = embedding.ne[1] ?? 1;
  const epsilon = number('attention.layer_norm_rms_epsilon') ?? number('attention.layer_norm_epsilon');
  if (epsilon === undefined) throw missing(keyOf('attention.layer_norm_rms_epsilon'), 'a number');
  return {
    layers,
    trainedContext: count('context_length', 1 << 24),
    width,
    vocabulary,
    headCount,
    keyValueHeads,
    keyLength,
    valueLength: count('attention.value_length', MAX_WIDTH, keyLength),
    epsilon,
    experts:
      expertCount === 0
        ? undefined
        : { count: count('expert_count', MAX_EXPERTS), used: count('expert_used_count', expertCount) },
    number,
    flag: name => {
      const value = metadataEntry(metadata, keyOf(name))?.value;
      return typeof value === 'boolean' ? value : undefined;
    },
    text: name => metadataString(metadata, keyOf(name)),
  };
}

function missing(key: string, expected: string): QuantsmithError {
  return new QuantsmithError(
    'engine/missing-metadata',
    `The model cannot be run: its metadata has no "${key}"; ${expected} is expected.`,
    'The file is damaged, or was written for another program. Convert the model again.',
  );
}

function wrong(key: string, found: unknown, expected: string): QuantsmithError {
  return new QuantsmithError(
    'engine/bad-metadata',
    `The model cannot be run: "${key}" is ${String(found)}; ${expected} is expected.`,
    'The file is damaged, or was written for another program. Convert the model again.',
  );
}

export function missingTensor(name: string): QuantsmithError {
  return new QuantsmithError(
    'engine/missing-tensor',
    `The model cannot be run: it has no tensor "${name}".`,
    'The file is damaged or incomplete, or its layers were renamed. Convert or download the model again.',
  );
}
