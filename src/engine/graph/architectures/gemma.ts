// Gemma 2 and 3: norms before and after each block, gated GELU, embeddings times sqrt(width), layers that see a window of
// the past between layers that see all of it. Gemma 2 caps attention scores and logits by tanh and alternates window and
// all; Gemma 3 norms query and key instead, has five window layers to one, and rotates those by another base.
import type { Architecture, ModelToDescribe } from '../architecture.js';
import { attention, embed, gatedFeedForward, project } from '../blocks.js';
import type { HyperParameters } from '../hyper-parameters.js';
import type { ProgramBuilder, Slot } from '../program-builder.js';
import { ropeTable, type RopeTable } from '../rope.js';

/** The window layers of Gemma 3 keep the base that Gemma 2 had everywhere, and are not scaled. */
const WINDOW_BASE = 10_000;

/** What Gemma 2 has where the metadata does not say, as in the first files of it. */
const GEMMA2_DEFAULTS = { window: 4096, scoreCap: 50, logitCap: 30 } as const;

/** The 27B models scale queries by width / heads; they are known by their depth. */
const LAYERS_OF_27B = { gemma2: 46, gemma3: 62 } as const;

interface Traits {
  /** Each `period`-th layer sees everything; the metadata may say otherwise. */
  readonly period: number;
  /** Where the metadata does not say; 0 for none. */
  readonly window: number;
  readonly scoreCap: number;
  readonly logitCap: number;
  readonly windowRope: RopeTable;
  readonly fullRope: RopeTable;
  readonly layersOf27B: number;
}

export const gemma2: Architecture = {
  names: ['gemma2'],
  describe(g, model) {
    const rope = ropeTable(model.hyper, { pairing: 'halves' });
    return describeGemma(g, model, {
      ...GEMMA2_DEFAULTS,
      period: 2,
      windowRope: rope,
      fullRope: rope,
      layersOf27B: LAYERS_OF_27B.gemma2,
    });
  },
};

export const gemma3: Architecture = {
  names: ['gemma3'],
  describe(g, model) {
    return describeGemma(g, model, {
      period: 6,
      window: 0,
      scoreCap: 0,
      logitCap: 0,
      windowRope: ropeTable(model.hyper, { pairing: 'halves', base: WINDOW_BASE, unscaled: true }),
      fullRope: ropeTable(model.hyper, { pairing: 'halves' }),
      layersOf27B: LAYERS_OF_27B.gemma3,
    });
  },
};

function describeGemma(g: ProgramBuilder, { hyper: m }: ModelToDescribe, traits: Traits): Slot {
  const scale = queryScale(m, traits.layersOf27B);
  const softCap = m.number('attn_logit_softcapping') ?? traits.scoreCap;
  const slidingWindow = m.number('attention.sliding_window') ?? traits.window;
  const period = m.number('attention.sliding_window_pattern') ?? traits.period;
  const normed = g.slot('normed', m.width);
  const stream = embed(g, m, Math.sqrt(m.width));
  for (let layer = 0; layer < m.layers; layer++) {
    // Without a window there are no window layers, and so none with their rotation.
    const seesAll = slidingWindow === 0 || layer % period === period - 1;
    const options = seesAll ? { rope: traits.fullRope } : { rope: traits.windowRope, window: slidingWindow };
    g.rmsNorm(normed, stream, `blk.${layer}.attn_norm`, m.epsilon);
    const attended = attention(g, m, layer, normed, { ...options, scale, softCap });
    g.rmsNorm(attended, attended, `blk.${layer}.post_attention_norm`, m.epsilon);
    g.add(stream, stream, attended);
    if (layer === m.layers - 1) g.wanted(stream, stream);
    g.rmsNorm(normed, stream, `blk.${layer}.ffn_norm`, m.epsilon);
    const fed = gatedFeedForward(g, m, layer, normed, 'gelu');
    g.rmsNorm(fed, fed, `blk.${layer}.post_ffw_norm`, m.epsilon);
    g.add(stream, stream, fed);
  }
  const logits = project(g, m, g.rmsNorm(normed, stream, 'output_norm', m.epsilon));
  const cap = m.number('final_logit_softcapping') ?? traits.logitCap;
  return cap > 0 ? g.softCap(logits, logits, cap) : logits;
}

function queryScale(m: HyperParameters, layersOf27B: number): number {
  return 1 / Math.sqrt(m.layers === layersOf27B ? m.width / m.headCount : m.keyLength);
}
