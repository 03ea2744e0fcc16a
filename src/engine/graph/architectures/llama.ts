// Llama 1-3, Mistral, Mixtral, DeepSeek-Coder, Code Llama, SmolLM, TinyLlama …: pre-norm, gated SiLU, rotation of
// neighbouring values (converters permute the weights for it). Also Granite, which multiplies by constants in four places.
import type { Architecture } from '../architectures.js';
import { attention, embed, expertFeedForward, gatedFeedForward, project } from '../blocks.js';
import { longRopeFactors, ropeTable } from '../rope.js';

export const llama: Architecture = {
  names: ['llama', 'granite'],
  describe(g, model) {
    const { hyper: m, vector } = model;
    const isLong = m.text('rope.scaling.type') === 'longrope';
    const factors = isLong ? longRopeFactors(model) : vector('rope_freqs.weight');
    const rope = ropeTable(m, { pairing: 'neighbours', factors });
    const residual = m.number('residual_scale') ?? 1;
    const scale = m.number('attention.scale') ?? 1 / Math.sqrt(m.keyLength);
    const normed = g.slot('normed', m.width);
    const stream = embed(g, m, m.number('embedding_scale') ?? 1);
    for (let layer = 0; layer < m.layers; layer++) {
      g.rmsNorm(normed, stream, `blk.${layer}.attn_norm`, m.epsilon);
      const attended = attention(g, m, layer, normed, { rope, scale });
      g.add(stream, stream, g.scale(attended, attended, residual));
      if (layer === m.layers - 1) g.wanted(stream, stream);
      g.rmsNorm(normed, stream, `blk.${layer}.ffn_norm`, m.epsilon);
      const fed = m.experts
        ? expertFeedForward(g, m, layer, normed, m.experts, 'silu')
        : gatedFeedForward(g, m, layer, normed, 'silu');
      g.add(stream, stream, g.scale(fed, fed, residual));
    }
    const logits = project(g, m, g.rmsNorm(normed, stream, 'output_norm', m.epsilon));
    return g.scale(logits, logits, 1 / (m.number('logit_scale') ?? 1));
  },
};
