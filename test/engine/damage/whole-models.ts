// Small whole models as text (fixtures/gguf/gguf-builder.ts), one per family of descriptions, in whatever types their rows
// allow: what the damage is done to.
import { GGML_TYPES } from '../../../src/core/ggml/ggml-type.js';

const VOCABULARY = 12;
/** A layer of width 256 is 2 MB in F32. */
const LAYERS: Readonly<Record<number, number>> = { 32: 2, 256: 1 };

/** Rows of 256 hold every type, rows of 32 the simple ones. */
const WIDTHS = [32, 256];

type Random = () => number;
export const pick = <T>(random: Random, list: readonly T[]): T => list[Math.floor(random() * list.length)]!;

export const FAMILIES = [
  'llama',
  'llama-moe',
  'granite',
  'qwen2',
  'qwen3',
  'qwen3moe',
  'gemma2',
  'gemma3',
  'phi3',
  'starcoder2',
] as const;

export function wholeModel(family: (typeof FAMILIES)[number], random: Random): string {
  const width = pick(random, WIDTHS);
  const architecture = family.replace('-moe', '');
  const experts = family.endsWith('moe') ? 4 : 0;
  const [heads, keyValueHeads, headWidth, hidden] = [4, 2, width / 4, width];
  const types = GGML_TYPES.filter(type => type.canDequantize && type.name !== 'F32' && width % type.blockSize === 0);
  const layers = LAYERS[width]!;
  const lines: string[] = [];
  const key = (type: string, name: string, value: unknown): void => {
    lines.push(`${type} ${architecture}.${name} = ${JSON.stringify(value)}`);
  };
  const matrix = (name: string, columns: number, rows: number, ...slices: number[]): void => {
    const type = random() < (width === 32 ? 0.3 : 0) ? 'F32' : pick(random, types).name;
    lines.push(`tensor ${name}.weight ${type} [${[columns, rows, ...slices].join(',')}]`);
  };
  const vector = (name: string, length: number): void => void lines.push(`tensor ${name} F32 [${length}]`);

  lines.push(`string general.architecture = "${architecture}"`);
  key('u32', 'block_count', layers);
  key('u32', 'context_length', 64);
  key('u32', 'embedding_length', width);
  key('u32', 'attention.head_count', heads);
  key('u32', 'attention.head_count_kv', keyValueHeads);
  key('f32', 'attention.layer_norm_rms_epsilon', 1e-5);
  key('f32', 'rope.freq_base', 10000);
  if (experts > 0) {
    key('u32', 'expert_count', experts);
    key('u32', 'expert_used_count', 2);
  }
  if (architecture.startsWith('gemma')) key('u32', 'attention.sliding_window', 5);
  matrix('token_embd', width, VOCABULARY);
  if (random() < 0.5) matrix('output', width, VOCABULARY);
  vector('output_norm.weight', width);
  const biased = family === 'starcoder2';
  if (biased) vector('output_norm.bias', width);
  for (let i = 0; i < layers; i++) {
    const name = (part: string): string => `blk.${i}.${part}`;
    vector(name('attn_norm.weight'), width);
    vector(name('ffn_norm.weight'), width);
    if (biased) vector(name('attn_norm.bias'), width);
    if (biased) vector(name('ffn_norm.bias'), width);
    if (family === 'phi3') {
      matrix(name('attn_qkv'), width, (heads + 2 * keyValueHeads) * headWidth);
    } else {
      matrix(name('attn_q'), width, heads * headWidth);
      matrix(name('attn_k'), width, keyValueHeads * headWidth);
      matrix(name('attn_v'), width, keyValueHeads * headWidth);
    }
    if (family === 'qwen2' || biased) vector(name('attn_q.bias'), width);
    if (family === 'qwen3' || family === 'gemma3') vector(name('attn_q_norm.weight'), headWidth);
    if (family === 'qwen3' || family === 'gemma3') vector(name('attn_k_norm.weight'), headWidth);
    matrix(name('attn_output'), width, width);
    if (architecture.startsWith('gemma')) vector(name('post_attention_norm.weight'), width);
    if (architecture.startsWith('gemma')) vector(name('post_ffw_norm.weight'), width);
    if (experts > 0) {
      lines.push(`tensor ${name('ffn_gate_inp.weight')} F32 [${width},${experts}]`);
      for (const part of ['gate', 'up']) matrix(name(`ffn_${part}_exps`), width, hidden, experts);
      matrix(name('ffn_down_exps'), hidden, width, experts);
    } else {
      if (!biased && family !== 'phi3') matrix(name('ffn_gate'), width, hidden);
      matrix(name('ffn_up'), width, family === 'phi3' ? 2 * hidden : hidden);
      matrix(name('ffn_down'), hidden, width);
    }
  }
  return lines.join('\n');
}
