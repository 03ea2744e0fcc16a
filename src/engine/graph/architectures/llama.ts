// Llama 1-3, Mistral, Mixtral, DeepSeek-Coder, Code Llama, SmolLM, TinyLlama …: pre-norm, gated SiLU, rotation of
// neighbouring values (converters permute the weights for it). Also Granite, which multiplies by constants in four places
// and may leave positions out.
import type { Architecture, ModelToDescribe } from '../architecture.js';
import { attention, embed, expertFeedForward, gatedFeedForward, project, type AttentionOptions } from '../blocks.js';
import type { ProgramBuilder, Slot } from '../program-builder.js';
import { longRopeFactors, ropeTable, type RopeTable } from '../rope.js';

interface Traits {
  readonly attention: AttentionOptions;
  /** Factors of embeddings, of what each block adds, and of logits. */
  readonly embedding: number;
  readonly residual: number;
  readonly logits: number;
}

export const llama: Architecture = {
  names: ['llama'],
  describe(g, model) {
    return describeLlama(g, model, { attention: { rope: rotation(model) }, embedding: 1, residual: 1, logits: 1 });
  },
};

export const granite: Architecture = {
  names: ['granite'],
  describe(g, model) {
    const { hyper: m } = model;
    // As everywhere in these files, 0 stands for a factor that is not there.
    const factor = (name: string): number | undefined => (m.number(name) === 0 ? undefined : m.number(name));
    const rope = rotation(model);
    const scale = factor('attention.scale');
    return describeLlama(g, model, {
      attention: {
        // Granite's files say here whether positions are rotated at all.
        ...(m.flag('rope.scaling.finetuned') === false ? {} : { rope }),
        ...(scale === undefined ? {} : { scale }),
      },
      embedding: factor('embedding_scale') ?? 1,
      residual: factor('residual_scale') ?? 1,
      logits: 1 / (factor('logit_scale') ?? 1),
    });
  },
};

function rotation(model: ModelToDescribe): RopeTable {
  const { hyper, vector } = model;
  const isLong = hyper.text('rope.scaling.type') === 'longrope';
  const factors = isLong ? longRopeFactors(model) : vector('rope_freqs.weight');
  return ropeTable(hyper, { pairing: 'neighbours', factors });
}

function describeLlama(g: ProgramBuilder, { hyper: m }: ModelToDescribe, traits: Traits): Slot {
  const { residual } = traits;
  const normed = g.slot('normed', m.width);
  const stream = embed(g, m, traits.embedding);
  for (let layer = 0; layer < m.layers; layer++) {
    g.rmsNorm(normed, stream, `blk.${layer}.attn_norm`, m.epsilon);
    const attended = attention(g, m, layer, normed, traits.attention);
    g.add(stream, stream, g.scale(attended, attended, residual));
    if (layer === m.layers - 1) g.wanted(stream, stream);
    g.rmsNorm(normed, stream, `blk.${layer}.ffn_norm`, m.epsilon);
    const fed = m.experts
      ? expertFeedForward(g, m, layer, normed, m.experts, 'silu')
      : gatedFeedForward(g, m, layer, normed, 'silu');
    g.add(stream, stream, g.scale(fed, fed, residual));
  }
  const logits = project(g, m, g.rmsNorm(normed, stream, 'output_norm', m.epsilon));
  return g.scale(logits, logits, traits.logits);
}
