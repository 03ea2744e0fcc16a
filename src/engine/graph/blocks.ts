// The parts that forward passes are made of: each writes a few operations and returns where its result is. Names of
// temporaries are local to this file and shared by all layers.
import type { HyperParameters } from './hyper-parameters.js';
import type { Activation, ProgramBuilder, Slot } from './program-builder.js';
import type { RopeTable } from './rope.js';

/** The residual stream, from the tokens' embeddings. */
export function embed(g: ProgramBuilder, { width }: HyperParameters, factor = 1): Slot {
  return g.embed(g.slot('stream', width), 'token_embd', factor);
}

export interface AttentionOptions {
  /** Without it, positions make no difference but by what comes before. */
  readonly rope?: RopeTable;
  /** Default: 1 / sqrt(key length). */
  readonly scale?: number;
  readonly softCap?: number;
  /** Positions back that are seen; 0 for all. */
  readonly window?: number;
}

/** Self-attention of a layer on normed input, with whatever of biases and query/key norms the layer has. */
export function attention(
  g: ProgramBuilder,
  m: HyperParameters,
  layer: number,
  normed: Slot,
  options: AttentionOptions,
): Slot {
  const name = `blk.${layer}.attn`;
  const heads = m.headCount;
  const keyValueHeads = m.keyValueHeads(layer);
  const { keyLength, valueLength } = m;
  const widths = [heads * keyLength, keyValueHeads * keyLength, keyValueHeads * valueLength] as const;
  const [query, key, value] = g.has(`${name}_qkv.weight`)
    ? split(g, g.matmul(g.slot(`qkv ${sum(widths)}`, sum(widths)), normed, `${name}_qkv`), widths)
    : [
        g.matmul(g.slot('query', widths[0]), normed, `${name}_q`),
        g.matmul(g.slot(`key ${widths[1]}`, widths[1]), normed, `${name}_k`),
        g.matmul(g.slot(`value ${widths[2]}`, widths[2]), normed, `${name}_v`),
      ];
  if (g.has(`${name}_q_norm.weight`)) g.rmsNorm(query, query, `${name}_q_norm`, m.epsilon, keyLength);
  if (g.has(`${name}_k_norm.weight`)) g.rmsNorm(key, key, `${name}_k_norm`, m.epsilon, keyLength);
  if (options.rope) {
    g.rope(query, heads, options.rope);
    g.rope(key, keyValueHeads, options.rope);
  }
  const cache = g.layer(key.columns, value.columns, keyValueHeads);
  g.store(cache, key, value);
  const { scale = 1 / Math.sqrt(keyLength), softCap = 0, window = 0 } = options;
  const attended = g.slot('attended', heads * valueLength);
  g.attention(attended, query, cache, { heads, scale, softCap, window });
  return g.matmul(g.slot('block output', m.width), attended, `${name}_output`);
}

/** activation(gate x) * up x, then down; `ffn_up` may hold gate and up one after another. */
export function gatedFeedForward(
  g: ProgramBuilder,
  m: HyperParameters,
  layer: number,
  normed: Slot,
  activation: Activation,
): Slot {
  const name = `blk.${layer}.ffn`;
  const rows = g.weight(`${name}_up`).rows;
  const isFused = !g.has(`${name}_gate.weight`);
  const width = isFused ? rows / 2 : rows;
  const up = g.matmul(g.slot(`up ${rows}`, rows), normed, `${name}_up`);
  const hidden = g.slot(`hidden ${width}`, width);
  if (isFused) g.gate(hidden, g.view(up, 0, width), g.view(up, width, width), activation);
  else g.gate(hidden, g.matmul(hidden, normed, `${name}_gate`), up, activation);
  return g.matmul(g.slot('block output', m.width), hidden, `${name}_down`);
}

/** down(activation(up x)). */
export function plainFeedForward(
  g: ProgramBuilder,
  m: HyperParameters,
  layer: number,
  normed: Slot,
  activation: Activation,
): Slot {
  const name = `blk.${layer}.ffn`;
  const { rows } = g.weight(`${name}_up`);
  const hidden = g.slot(`hidden ${rows}`, rows);
  g.activate(hidden, g.matmul(hidden, normed, `${name}_up`), activation);
  return g.matmul(g.slot('block output', m.width), hidden, `${name}_down`);
}

/** A mixture of gated experts: the router's most likely ones, their outputs weighted by its probabilities. */
export function expertFeedForward(
  g: ProgramBuilder,
  m: HyperParameters,
  layer: number,
  normed: Slot,
  experts: { readonly count: number; readonly used: number },
  activation: Activation,
): Slot {
  const name = `blk.${layer}.ffn`;
  const { count, used } = experts;
  const scores = g.matmul(g.slot('router scores', count), normed, `${name}_gate_inp`);
  const pairs = g.route(g.slot('chosen experts', 2 * used), scores, used, { normalize: true });
  const width = used * g.weight(`${name}_up_exps`).rows;
  const up = g.experts(g.slot(`experts up ${width}`, width), normed, pairs, `${name}_up_exps`, experts);
  const hidden = g.experts(g.slot(`experts hidden ${width}`, width), normed, pairs, `${name}_gate_exps`, experts);
  g.gate(hidden, hidden, up, activation);
  const outputs = g.experts(g.slot('experts output', used * m.width), hidden, pairs, `${name}_down_exps`, experts);
  return g.mix(g.slot('block output', m.width), outputs, pairs, used);
}

/** The vocabulary's scores of the normed stream: by `output.weight`, or by the embeddings where they are shared. */
export function project(g: ProgramBuilder, m: HyperParameters, normed: Slot): Slot {
  const name = g.has('output.weight') ? 'output' : 'token_embd';
  return g.matmul(g.slot('logits', m.vocabulary), normed, name);
}

function split(g: ProgramBuilder, slot: Slot, widths: readonly [number, number, number]): [Slot, Slot, Slot] {
  const [a, b, c] = widths;
  return [g.view(slot, 0, a), g.view(slot, a, b), g.view(slot, a + b, c)];
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
