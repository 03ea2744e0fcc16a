// Qwen 2 and 2.5 (biases on query, key and value), Qwen 3 (norms on query and key instead), and Qwen 3's mixture of
// experts: pre-norm, gated SiLU, rotation of halves.
import type { Architecture } from '../architecture.js';
import { attention, embed, expertFeedForward, gatedFeedForward, project } from '../blocks.js';
import { ropeTable } from '../rope.js';

export const qwen: Architecture = {
  names: ['qwen2', 'qwen3', 'qwen3moe'],
  describe(g, { hyper: m }) {
    const rope = ropeTable(m, { pairing: 'halves' });
    const normed = g.slot('normed', m.width);
    const stream = embed(g, m);
    for (let layer = 0; layer < m.layers; layer++) {
      g.rmsNorm(normed, stream, `blk.${layer}.attn_norm`, m.epsilon);
      g.add(stream, stream, attention(g, m, layer, normed, { rope }));
      if (layer === m.layers - 1) g.wanted(stream, stream);
      g.rmsNorm(normed, stream, `blk.${layer}.ffn_norm`, m.epsilon);
      const fed = m.experts
        ? expertFeedForward(g, m, layer, normed, m.experts, 'silu')
        : gatedFeedForward(g, m, layer, normed, 'silu');
      g.add(stream, stream, fed);
    }
    return project(g, m, g.rmsNorm(normed, stream, 'output_norm', m.epsilon));
  },
};
