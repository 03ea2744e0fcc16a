// Descriptions of models to show: a real file, and made ones that are large, broken or hostile.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { MemorySource } from '../fixtures/gguf/memory-source.js';
import { readModel } from '../../src/core/gguf/shards.js';
import { inspectArray, inspectModel, inspectString, type InspectedModel } from '../../src/engine/jobs/inspect.js';
import type { InspectorRequest, InspectorResponse } from '../../src/protocol/inspector-protocol.js';
import type { MetadataRow, ModelDescription, TensorRow } from '../../src/protocol/worker-protocol.js';

const tinycoder = path.resolve(import.meta.dirname, '../../examples/tinycoder-f16.gguf');

async function openExample(): Promise<InspectedModel> {
  const source = new MemorySource(readFileSync(tinycoder), '/home/ada/models/tinycoder-f16.gguf');
  const { value, problems } = await readModel(() => Promise.resolve(source), source.name);
  return { path: source.name, model: value, problems };
}

/** The example model as the worker describes it. */
export async function exampleModel(): Promise<ModelDescription> {
  return inspectModel(await openExample());
}

/** What the worker answers for {@link exampleModel}. */
export async function answerExample(request: InspectorRequest): Promise<InspectorResponse> {
  const example = await openExample();
  if (request.kind === 'string') return { kind: 'string', ...(await inspectString(example, request.key)) };
  return { kind: 'array', ...(await inspectArray(example, request.key, request.start, request.count)) };
}

export const VOCABULARY = 151_936;

/** Element `index` of the made vocabulary. */
export function token(index: number): string {
  return `Ġtoken${index}`;
}

/** A made mixture of experts with 10,000 tensors, five types and a vocabulary of 151,936 tokens. */
export function largeModel(): ModelDescription {
  const tensors: TensorRow[] = [];
  const kinds: readonly [name: string, type: string, ne: readonly number[], bytes: number][] = [
    ['attn_norm.weight', 'F32', [4096], 16_384],
    ['attn_q.weight', 'Q4_K', [4096, 4096], 9_437_184],
    ['attn_k.weight', 'Q4_K', [4096, 1024], 2_359_296],
    ['attn_v.weight', 'Q6_K', [4096, 1024], 3_440_640],
    ['attn_output.weight', 'Q4_K', [4096, 4096], 9_437_184],
    ['ffn_gate_inp.weight', 'F16', [4096, 128], 1_048_576],
    ['ffn_down_exps.weight', 'IQ2_XXS', [1408, 4096, 128], 190_316_544],
    ['ffn_up_exps.weight', 'Q4_K', [4096, 1408, 128], 415_236_096],
  ];
  let offset = 0;
  for (let i = 0; i < 10_000; i++) {
    const [suffix, type, ne, byteLength] = kinds[i % kinds.length]!;
    const elementCount = ne.reduce((product, n) => product * n, 1);
    const name = `blk.${Math.floor(i / kinds.length)}.${suffix}`;
    tensors.push({ name, type, ne, elementCount, offset, fileOffset: offset + 6_291_456, shard: 0, byteLength });
    offset += byteLength;
  }
  const types = [...new Set(tensors.map(tensor => tensor.type))];
  const typeCounts = types.map(type => {
    const rows = tensors.filter(tensor => tensor.type === type);
    const sum = (of: (row: TensorRow) => number) => rows.reduce((total, row) => total + of(row), 0);
    return {
      type,
      tensors: rows.length,
      byteLength: sum(row => row.byteLength ?? 0),
      elementCount: sum(row => row.elementCount),
    };
  });
  const path = '/data/models/Example-Large-Mixture-of-Experts-780B-A12B-Instruct-Q4_K_M.gguf';
  const parameterCount = tensors.reduce((total, row) => total + row.elementCount, 0);
  return {
    path,
    shards: [{ path, byteLength: offset + 6_291_456, dataOffset: 6_291_456 }],
    version: 3,
    littleEndian: true,
    alignment: 32,
    architecture: 'qwen3moe',
    name: 'Example Large Mixture of Experts 780B A12B Instruct',
    fileType: 'Q4_K_M',
    parameterCount,
    byteLength: offset + 6_291_456,
    bitsPerWeight: (offset * 8) / parameterCount,
    typeCounts,
    metadata: largeMetadata(),
    tensors,
    problems: [],
  };
}

function largeMetadata(): MetadataRow[] {
  const template =
    '{%- for message in messages %}\n<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{%- endfor %}\n';
  return [
    { key: 'general.architecture', type: 'string', value: 'qwen3moe' },
    { key: 'general.license', type: 'string', value: 'apache-2.0' },
    { key: 'general.author', type: 'string', value: 'Example Organization' },
    { key: 'general.base_model.0.name', type: 'string', value: 'Example Large 780B A12B' },
    { key: 'qwen3moe.context_length', type: 'u32', value: 131_072 },
    { key: 'qwen3moe.block_count', type: 'u32', value: 1250 },
    { key: 'qwen3moe.embedding_length', type: 'u32', value: 4096 },
    { key: 'qwen3moe.attention.head_count', type: 'u32', value: 32 },
    { key: 'qwen3moe.attention.head_count_kv', type: 'u32', value: 8 },
    { key: 'qwen3moe.expert_count', type: 'u32', value: 128 },
    { key: 'qwen3moe.expert_used_count', type: 'u32', value: 8 },
    { key: 'qwen3moe.rope.freq_base', type: 'f32', value: Math.fround(1e6) },
    { key: 'qwen3moe.attention.layer_norm_rms_epsilon', type: 'f32', value: Math.fround(1e-6) },
    { key: 'tokenizer.ggml.model', type: 'string', value: 'gpt2' },
    { key: 'tokenizer.ggml.pre', type: 'string', value: 'qwen2' },
    {
      key: 'tokenizer.ggml.tokens',
      type: 'array',
      array: {
        elementType: 'string',
        length: VOCABULARY,
        head: Array.from({ length: 64 }, (_, index) => token(index)),
      },
    },
    { key: 'tokenizer.chat_template', type: 'string', value: template, fullLength: 9000 },
    { key: 'general.quantization_version', type: 'u32', value: 2 },
  ];
}

/** What the host answers for {@link largeModel}. */
export function answerLarge(request: InspectorRequest): InspectorResponse {
  if (request.kind === 'string') return { kind: 'string', value: `${'x'.repeat(8993)}THE END` };
  const count = Math.min(request.count, VOCABULARY - request.start);
  return {
    kind: 'array',
    values: Array.from({ length: count }, (_, i) => token(request.start + i)),
    length: VOCABULARY,
  };
}

/** Text that would run, load or mislead if it were treated as anything but text. */
export const HOSTILE = [
  '<img src=x onerror="document.title=\'owned\'">',
  '<script>document.title="owned"</script>',
  '</pre></qs-inspector-app><iframe src="https://example.invalid/"></iframe>',
  'javascript:document.title="owned"',
  '${document.title="owned"} {{constructor.constructor("document.title=\'owned\'")()}}',
  'safe\u202Egpj.exe \u0000\u0007\u200Bhidden\u2066',
  '"><style>*{display:none!important}</style>',
  'a'.repeat(3000),
];

/** A broken file in which every text is hostile. */
export function hostileModel(): ModelDescription {
  const tensors: TensorRow[] = HOSTILE.map((name, index) => ({
    name,
    ne: [256, index + 1],
    type: index % 2 ? 'type 57' : 'F32',
    elementCount: 256 * (index + 1),
    offset: index * 1024,
    fileOffset: 4096 + index * 1024,
    shard: 0,
    byteLength: index % 2 ? undefined : 1024 * (index + 1),
  }));
  return {
    path: `/models/${HOSTILE[0]!}.gguf`,
    shards: [{ path: HOSTILE[2]!, byteLength: 20_000, dataOffset: 4096 }],
    version: 3,
    littleEndian: false,
    alignment: 32,
    architecture: HOSTILE[1],
    name: HOSTILE[0],
    fileType: undefined,
    parameterCount: 9216,
    byteLength: 20_000,
    bitsPerWeight: 17.36,
    typeCounts: [
      { type: 'F32', tensors: 4, byteLength: 16_384, elementCount: 4096 },
      { type: 'type 57', tensors: 4, byteLength: 0, elementCount: 5120 },
    ],
    metadata: [
      ...HOSTILE.map((text, index): MetadataRow => ({
        key: index % 2 ? text : `general.hostile.${index}`,
        type: 'string',
        value: text,
      })),
      { key: 'general.license', type: 'string', value: HOSTILE[0]! },
      { key: 'general.tags', type: 'array', array: { elementType: 'string', length: HOSTILE.length, head: HOSTILE } },
      { key: 'numbers', type: 'u64', value: '18446744073709551615' },
      { key: 'not.a.number', type: 'f32', value: 'NaN' },
      { key: 'empty', type: 'string', value: '' },
    ],
    tensors,
    problems: [
      {
        code: 'gguf/truncated',
        severity: 'error',
        message: 'Expected 1,048,576 bytes of tensor data, found 15,904: the file ends too early.',
        hint: 'Download the file again, or compare its size with the one on the model page.',
        offset: 4096,
      },
      {
        code: 'gguf/unknown-type',
        severity: 'warning',
        message: `Tensor ${HOSTILE[5]!} has type 57.`,
        subject: HOSTILE[5]!,
        offset: 212,
      },
      { code: 'gguf/big-endian', severity: 'info', message: 'The file is big-endian.' },
    ],
  };
}

/** A header without tensors. */
export function emptyModel(): ModelDescription {
  const path = '/home/ada/models/vocab-only.gguf';
  return {
    path,
    shards: [{ path, byteLength: 1024, dataOffset: 1024 }],
    version: 3,
    littleEndian: true,
    alignment: 32,
    architecture: undefined,
    name: undefined,
    fileType: undefined,
    parameterCount: 0,
    byteLength: 1024,
    bitsPerWeight: 0,
    typeCounts: [],
    metadata: [],
    tensors: [],
    problems: [],
  };
}
