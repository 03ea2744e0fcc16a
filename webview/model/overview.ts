// The overview as data: headline numbers, hyper-parameters, tokenizer, file facts and provenance, each only if the file
// says it. Keys are those of the GGUF specification; a key we do not know stays in the metadata table and is not lost.
import { cutText } from '../../src/core/text/printable.js';
import {
  formatBitsPerWeight,
  formatBytes,
  formatBytesExactly,
  formatCount,
  formatInteger,
  plural,
} from '../../src/core/text/quantity.js';
import type { MetadataRow, ModelDescription } from '../../src/protocol/worker-protocol.js';
import { formatHex } from './format.js';
import { metadataPreview } from './metadata-rows.js';

export interface Fact {
  readonly label: string;
  /** Text as in the file where it comes from there: make it visible before it is shown. */
  readonly value: string;
  /** More precise or longer, for the tooltip. */
  readonly detail?: string;
  /** The metadata key the value comes from. */
  readonly key?: string;
}

export interface FactGroup {
  readonly title: string;
  readonly facts: readonly Fact[];
}

const ARCHITECTURE: readonly (readonly [suffix: string, label: string])[] = [
  ['context_length', 'Context length'],
  ['block_count', 'Layers'],
  ['embedding_length', 'Embedding length'],
  ['feed_forward_length', 'Feed-forward length'],
  ['attention.head_count', 'Attention heads'],
  ['attention.head_count_kv', 'Key/value heads'],
  ['attention.key_length', 'Key length'],
  ['attention.value_length', 'Value length'],
  ['attention.sliding_window', 'Sliding window'],
  ['expert_count', 'Experts'],
  ['expert_used_count', 'Experts used per token'],
  ['expert_shared_count', 'Shared experts'],
  ['rope.freq_base', 'RoPE base'],
  ['rope.dimension_count', 'RoPE dimensions'],
  ['rope.scaling.type', 'RoPE scaling'],
  ['rope.scaling.factor', 'RoPE scaling factor'],
  ['attention.layer_norm_rms_epsilon', 'RMS norm epsilon'],
  ['attention.layer_norm_epsilon', 'Layer norm epsilon'],
];

const PROVENANCE: readonly (readonly [key: string, label: string])[] = [
  ['general.license', 'License'],
  ['general.license.name', 'License name'],
  ['general.license.link', 'License link'],
  ['general.author', 'Author'],
  ['general.organization', 'Organization'],
  ['general.version', 'Version'],
  ['general.basename', 'Base name'],
  ['general.finetune', 'Fine-tune'],
  ['general.size_label', 'Size label'],
  ['general.description', 'Description'],
  ['general.base_model.count', 'Base models'],
  ['general.base_model.0.name', 'Base model'],
  ['general.base_model.0.organization', 'Base model by'],
  ['general.base_model.0.repo_url', 'Base model repository'],
  ['general.quantized_by', 'Quantized by'],
  ['general.quantization_version', 'Quantization version'],
  ['quantize.imatrix.file', 'Importance matrix'],
  ['quantize.imatrix.dataset', 'Importance matrix text'],
  ['general.url', 'URL'],
  ['general.repo_url', 'Repository'],
  ['general.source.url', 'Source'],
  ['general.source.repo_url', 'Source repository'],
  ['general.tags', 'Tags'],
  ['general.languages', 'Languages'],
];

const TOKENIZER: readonly (readonly [key: string, label: string])[] = [
  ['tokenizer.ggml.model', 'Model'],
  ['tokenizer.ggml.pre', 'Pre-tokenizer'],
  ['tokenizer.ggml.bos_token_id', 'BOS token id'],
  ['tokenizer.ggml.eos_token_id', 'EOS token id'],
  ['tokenizer.ggml.eot_token_id', 'EOT token id'],
  ['tokenizer.ggml.fim_pre_token_id', 'FIM prefix token id'],
  ['tokenizer.ggml.fim_suf_token_id', 'FIM suffix token id'],
  ['tokenizer.ggml.fim_mid_token_id', 'FIM middle token id'],
];

/** Characters of a value shown in a fact; the whole text is in the metadata table. */
const FACT_LENGTH = 400;

function metadataIndex(model: ModelDescription): ReadonlyMap<string, MetadataRow> {
  const index = new Map<string, MetadataRow>();
  // Of a duplicate key the first counts, as in llama.cpp.
  for (const row of model.metadata) if (!index.has(row.key)) index.set(row.key, row);
  return index;
}

function factOf(row: MetadataRow | undefined, label: string): Fact | undefined {
  if (!row) return undefined;
  const text = factText(row);
  return text === '' ? undefined : { label, value: cutText(text, FACT_LENGTH).text, key: row.key };
}

function factText(row: MetadataRow): string {
  const { key, value, array } = row;
  // Counts are read with separators; an id is a name made of digits.
  if (typeof value === 'number' && Number.isInteger(value) && !key.endsWith('_id')) return formatInteger(value);
  if (array?.elementType === 'string') return array.head.join(', ') + (array.length > array.head.length ? ', …' : '');
  return metadataPreview(row);
}

function pick(index: ReadonlyMap<string, MetadataRow>, keys: readonly (readonly [string, string])[]): Fact[] {
  return keys.map(([key, label]) => factOf(index.get(key), label)).filter(fact => fact !== undefined);
}

export function fileName(path: string): string {
  return path.split(/[\\/]/u).pop() ?? path;
}

/** What the model is called: by itself, or by its file. */
export function modelTitle(model: ModelDescription): string {
  return model.name?.trim() ? model.name : fileName(model.path);
}

/** The numbers people look for first. */
export function headline(model: ModelDescription): Fact[] {
  const index = metadataIndex(model);
  const facts: Fact[] = [
    { label: 'Architecture', value: model.architecture ?? 'not given', key: 'general.architecture' },
    { label: 'Parameters', value: formatCount(model.parameterCount), detail: formatInteger(model.parameterCount) },
    { label: 'File type', value: model.fileType ?? 'unknown', key: 'general.file_type' },
    { label: 'Bits per weight', value: formatBitsPerWeight(model.bitsPerWeight) },
    { label: 'Size', value: formatBytes(model.byteLength), detail: `${formatInteger(model.byteLength)} bytes` },
    { label: 'Tensors', value: formatInteger(model.tensors.length) },
  ];
  const context = factOf(index.get(`${model.architecture ?? ''}.context_length`), 'Context');
  if (context) facts.push(context);
  return facts;
}

export function factGroups(model: ModelDescription): FactGroup[] {
  const index = metadataIndex(model);
  const architecture = model.architecture ?? '';
  const groups: FactGroup[] = [
    {
      title: 'Architecture',
      facts: pick(
        index,
        ARCHITECTURE.map(([suffix, label]) => [`${architecture}.${suffix}`, label]),
      ),
    },
    {
      title: 'Tokenizer',
      facts: [...vocabulary(index, architecture), ...pick(index, TOKENIZER), ...chatTemplate(index)],
    },
    { title: 'File', facts: fileFacts(model) },
    { title: 'License and provenance', facts: pick(index, PROVENANCE) },
  ];
  return groups.filter(group => group.facts.length > 0);
}

function vocabulary(index: ReadonlyMap<string, MetadataRow>, architecture: string): Fact[] {
  const tokens = index.get('tokenizer.ggml.tokens')?.array?.length;
  if (tokens !== undefined)
    return [{ label: 'Vocabulary', value: plural(tokens, 'token'), key: 'tokenizer.ggml.tokens' }];
  return pick(index, [[`${architecture}.vocab_size`, 'Vocabulary']]);
}

function chatTemplate(index: ReadonlyMap<string, MetadataRow>): Fact[] {
  const row = index.get('tokenizer.chat_template');
  if (typeof row?.value !== 'string') return [];
  return [{ label: 'Chat template', value: plural(row.fullLength ?? row.value.length, 'character'), key: row.key }];
}

function fileFacts(model: ModelDescription): Fact[] {
  const facts: Fact[] = [
    { label: 'Format', value: `GGUF version ${model.version}, ${model.littleEndian ? 'little-endian' : 'big-endian'}` },
    { label: 'Alignment', value: plural(model.alignment, 'byte') },
    { label: 'Size', value: formatBytesExactly(model.byteLength) },
  ];
  const [first] = model.shards;
  if (model.shards.length > 1) {
    facts.push({
      label: 'Shards',
      value: formatInteger(model.shards.length),
      detail: model.shards.map(shard => shard.path).join('\n'),
    });
  } else if (first) {
    facts.push({
      label: 'Tensor data from',
      value: `${formatHex(first.dataOffset)} (${formatInteger(first.dataOffset)})`,
    });
  }
  facts.push({ label: 'Metadata', value: plural(model.metadata.length, 'entry', 'entries') });
  return facts;
}
