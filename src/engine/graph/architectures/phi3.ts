// Phi 3: Llama with query, key and value in one matrix, gate and up in another, rotation of halves, and for long contexts
// one frequency factor per pair: the long ones when the context is longer than the one the model was first trained for.
import type { Architecture } from '../architecture.js';
import { attention, embed, gatedFeedForward, project } from '../blocks.js';
import { longRopeFactors, ropeTable } from '../rope.js';

export const phi3: Architecture = {
  names: ['phi3'],
  describe(g, model) {
    const { hyper: m } = model;
    const rope = ropeTable(m, { pairing: 'halves', factors: longRopeFactors(model) });
    const normed = g.slot('normed', m.width);
    const stream = embed(g, m);
    for (let layer = 0; layer < m.layers; layer++) {
      g.rmsNorm(normed, stream, `blk.${layer}.attn_norm`, m.epsilon);
      // The metadata's sliding window is left out, as llama.cpp does: its files disagree on what it means.
      g.add(stream, stream, attention(g, m, layer, normed, { rope }));
      if (layer === m.layers - 1) g.wanted(stream, stream);
      g.rmsNorm(normed, stream, `blk.${layer}.ffn_norm`, m.epsilon);
      g.add(stream, stream, gatedFeedForward(g, m, layer, normed, 'silu'));
    }
    return project(g, m, g.rmsNorm(normed, stream, 'output_norm', m.epsilon));
  },
};
