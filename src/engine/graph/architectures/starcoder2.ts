// StarCoder 2: layer norms with bias, biases on every matrix, a plain GELU feed-forward, rotation of halves.
import type { Architecture } from '../architecture.js';
import { attention, embed, plainFeedForward, project } from '../blocks.js';
import { ropeTable } from '../rope.js';

export const starcoder2: Architecture = {
  names: ['starcoder2'],
  describe(g, { hyper: m }) {
    const rope = ropeTable(m, { pairing: 'halves' });
    const normed = g.slot('normed', m.width);
    const stream = embed(g, m);
    for (let layer = 0; layer < m.layers; layer++) {
      g.layerNorm(normed, stream, `blk.${layer}.attn_norm`, m.epsilon);
      g.add(stream, stream, attention(g, m, layer, normed, { rope }));
      if (layer === m.layers - 1) g.wanted(stream, stream);
      g.layerNorm(normed, stream, `blk.${layer}.ffn_norm`, m.epsilon);
      g.add(stream, stream, plainFeedForward(g, m, layer, normed, 'gelu'));
    }
    return project(g, m, g.layerNorm(normed, stream, 'output_norm', m.epsilon));
  },
};
