// Which tensors are quantized at all, and in which order tensors are written. Both follow llama-quantize by tensor name
// and shape alone; no type is chosen here. Source: llama.cpp src/llama-quant.cpp (tensor_allows_quantization) and
// src/llama-model-loader.h (weight_name_comparer).
import type { GgufTensorInfo } from '../gguf/gguf.js';

/** Name parts of tensors that stay as they are, with the reason shown to the user. */
const KEPT_NAME_PARTS: readonly (readonly [part: string, why: string])[] = [
  ['_norm.weight', 'norm'],
  ['ffn_gate_inp.weight', 'expert router'],
  ['ffn_gate_tid2eid.weight', 'expert routing table'],
  ['altup', 'very small'],
  ['laurel', 'very small'],
  ['per_layer_model_proj', 'small projection'],
  ['ssm_conv1d', 'small convolution'],
  ['shortconv.conv.weight', 'small convolution'],
  ['indexer.k_proj.weight', 'small indexer projection'],
  ['indexer.q_proj.weight', 'small indexer projection'],
  ...[
    'first',
    'w0',
    'w1',
    'w2',
    'v0',
    'v1',
    'v2',
    'a0',
    'a1',
    'a2',
    'g1',
    'g2',
    'decay_w1',
    'decay_w2',
    'lerp_fused',
  ].map(part => [`time_mix_${part}.weight`, 'small RWKV weight'] as const),
  ['attn_rel_b.weight', 'relative position bias'],
  ['.position_embd', 'position embedding'],
  ['sam.pos_embd', 'position embedding'],
  ['sam.neck.', 'vision tensor'],
  ['sam.net_', 'vision tensor'],
  ['.rel_pos', 'relative position'],
  ['.patch_embd', 'patch embedding'],
  ['.patch_merger', 'patch merger'],
  ['a.rvq.codebook', 'audio codebook'],
  ['mm.a.code_embd', 'audio codebook'],
];

const KEPT_NAMES: ReadonlyMap<string, string> = new Map([
  ['position_embd.weight', 'position embedding'],
  ['token_types.weight', 'token types'],
]);

/** Dimensions as ggml counts them: trailing ones do not count, so `[256, 1]` is 1-D. At least one remains. */
export function significantDimensions(ne: readonly number[]): readonly number[] {
  let count = ne.length;
  while (count > 1 && ne[count - 1] === 1) count--;
  return ne.slice(0, count);
}

/** Why a tensor is copied instead of quantized; undefined if it is quantized. */
export function reasonToKeep(tensor: Pick<GgufTensorInfo, 'name' | 'ne'>): string | undefined {
  const dimensions = significantDimensions(tensor.ne).length;
  if (dimensions < 2) return `${dimensions}-D tensor`;
  if (!tensor.name.endsWith('weight')) return 'not a weight';
  const why = KEPT_NAMES.get(tensor.name) ?? KEPT_NAME_PARTS.find(([part]) => tensor.name.includes(part))?.[1];
  return why === undefined ? undefined : `kept: ${why}`;
}

/** Layer number of `blk.<n>…`, or -1. */
export function layerOf(name: string): number {
  const digits = /^blk\.(\d{1,9})/.exec(name)?.[1];
  return digits === undefined ? -1 : Number(digits);
}

/** The order in which llama-quantize writes: tensors outside layers first, then layer by layer, bytewise by name in each. */
export function compareOutputOrder(left: { readonly name: string }, right: { readonly name: string }): number {
  return layerOf(left.name) - layerOf(right.name) || compareBytewise(left.name, right.name);
}

/** Orders as the UTF-8 bytes do. UTF-16 order differs only between surrogates (U+10000 and up) and U+E000 … U+FFFF. */
export function compareBytewise(left: string, right: string): number {
  const shared = Math.min(left.length, right.length);
  for (let i = 0; i < shared; i++) {
    const a = left.charCodeAt(i);
    const b = right.charCodeAt(i);
    if (a !== b) return utf8Rank(a) - utf8Rank(b);
  }
  return left.length - right.length;
}

/** Code units sorted so that surrogates come after every other unit. */
function utf8Rank(unit: number): number {
  return unit >= 0xd800 && unit < 0xe000 ? unit + 0x10000 : unit;
}
