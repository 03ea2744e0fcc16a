// A small model made of header facts: four layers, rows of 896 (no multiple of 256) and of 4864 (19 x 256).
import type { GgufModel, GgufTensorInfo } from '../../../src/core/gguf/gguf.js';
import { ggmlType } from '../../../src/core/ggml/ggml-type.js';
import type { BoundModel } from '../../../src/core/recipe/bound-model.js';

export function tensor(name: string, ne: readonly number[], type = 'F16'): GgufTensorInfo {
  const elementCount = ne.reduce((product, n) => product * n, 1);
  const { id, blockSize, typeSize } = ggmlType(type);
  const byteLength = (elementCount / blockSize) * typeSize;
  return { name, ne, typeId: id, elementCount, offset: 0, fileOffset: 0, byteLength, shard: 0, infoOffset: 0 };
}

export function modelOf(tensors: readonly GgufTensorInfo[]): GgufModel {
  const entry = { fileOffset: 0, byteLength: 0 };
  return {
    shards: [],
    metadata: [
      { ...entry, key: 'general.architecture', type: 'string', value: 'llama' },
      { ...entry, key: 'general.name', type: 'string', value: 'Example' },
      { ...entry, key: 'llama.block_count', type: 'u32', value: 4 },
      { ...entry, key: 'llama.attention.head_count', type: 'u32', value: 14 },
      { ...entry, key: 'llama.attention.head_count_kv', type: 'u32', value: 2 },
    ],
    tensors,
  };
}

function layer(n: number): GgufTensorInfo[] {
  const at = (part: string): string => `blk.${n}.${part}.weight`;
  return [
    tensor(at('attn_norm'), [896], 'F32'),
    tensor(at('attn_q'), [896, 896]),
    tensor(at('attn_k'), [896, 128]),
    tensor(at('attn_v'), [896, 128]),
    tensor(at('attn_output'), [896, 896]),
    tensor(at('ffn_norm'), [896], 'F32'),
    tensor(at('ffn_up'), [896, 4864]),
    tensor(at('ffn_gate'), [896, 4864]),
    tensor(at('ffn_down'), [4864, 896]),
  ];
}

export const EXAMPLE_TENSORS: readonly GgufTensorInfo[] = [
  tensor('token_embd.weight', [896, 1000]),
  ...[0, 1, 2, 3].flatMap(layer),
  tensor('output_norm.weight', [896], 'F32'),
];

export function exampleModel(tensors = EXAMPLE_TENSORS): BoundModel {
  return { path: '/models/example-f16.gguf', model: modelOf(tensors), problems: [] };
}
