// Choosing the next token from logits. Every choice is a function of logits, earlier tokens, options and seed alone, so that
// a text can be made again. Order of the steps: bias, repetition penalty, then greedy at temperature 0; otherwise top-k,
// top-p, min-p on the probabilities at temperature 1, then temperature, then the draw.
export interface SamplingOptions {
  /** 0: the most likely token, always. */
  readonly temperature: number;
  /** Only the k most likely; 0 for all. */
  readonly topK: number;
  /** Only the most likely that together have at least this probability; 1 for all. */
  readonly topP: number;
  /** Only those at least this likely, compared with the most likely; 0 for all. */
  readonly minP: number;
  /** Divides positive and multiplies negative logits of recent tokens; 1 for no effect. (Keskar et al., arXiv 1909.05858) */
  readonly repetitionPenalty: number;
  /** How many of the last tokens count as recent. */
  readonly repetitionWindow: number;
  readonly seed: number;
  /** Added to the logits of tokens; -Infinity forbids one. */
  readonly bias?: ReadonlyMap<number, number>;
}

export const GREEDY: SamplingOptions = {
  temperature: 0,
  topK: 40,
  topP: 0.95,
  minP: 0.05,
  repetitionPenalty: 1,
  repetitionWindow: 64,
  seed: 0,
};

export class Sampler {
  readonly #options: SamplingOptions;
  readonly #random: () => number;

  constructor(options: SamplingOptions) {
    this.#options = options;
    this.#random = uniform(options.seed);
  }

  /** The next token; `logits` are changed. Of equals the lower id is the more likely one. */
  next(logits: Float32Array, earlier: readonly number[]): number {
    const { temperature, topK, topP, minP } = this.#options;
    this.#adjust(logits, earlier);
    if (temperature <= 0) return largest(logits);
    const ids = mostLikely(logits, topK > 0 ? topK : logits.length);
    const top = logits[ids[0] ?? 0] ?? 0;
    const likelihood = ids.map(id => Math.exp((logits[id] ?? -Infinity) - top));
    const total = likelihood.reduce((sum, value) => sum + value, 0);
    let kept = 0;
    for (let sum = 0; kept < ids.length; kept++) {
      const own = likelihood[kept] ?? 0;
      if (kept > 0 && (sum >= topP * total || own < minP)) break;
      sum += own;
    }
    const weights = likelihood.slice(0, kept).map(value => value ** (1 / temperature));
    let rest = this.#random() * weights.reduce((sum, value) => sum + value, 0);
    const drawn = weights.findIndex(weight => (rest -= weight) < 0);
    return ids[drawn < 0 ? kept - 1 : drawn] ?? 0;
  }

  #adjust(logits: Float32Array, earlier: readonly number[]): void {
    const { bias, repetitionPenalty, repetitionWindow } = this.#options;
    for (const [id, value] of bias ?? []) {
      if (id >= 0 && id < logits.length) logits[id] = (logits[id] ?? 0) + value;
    }
    if (repetitionPenalty === 1 || repetitionWindow <= 0) return;
    for (const id of new Set(earlier.slice(-repetitionWindow))) {
      const logit = logits[id] ?? 0;
      logits[id] = logit > 0 ? logit / repetitionPenalty : logit * repetitionPenalty;
    }
  }
}

function largest(logits: Float32Array): number {
  let best = 0;
  for (let id = 1; id < logits.length; id++) if ((logits[id] ?? 0) > (logits[best] ?? 0)) best = id;
  return best;
}

/** The `count` largest, most likely first. */
function mostLikely(logits: Float32Array, count: number): number[] {
  const ids = Array.from(logits.keys()).sort((a, b) => (logits[b] ?? 0) - (logits[a] ?? 0) || a - b);
  return ids.slice(0, count);
}

/** splitmix32: uniform in [0, 1), every seed another sequence. */
function uniform(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let mixed = state ^ (state >>> 16);
    mixed = Math.imul(mixed, 0x21f0aaad);
    mixed ^= mixed >>> 15;
    mixed = Math.imul(mixed, 0x735a2d97);
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 4294967296;
  };
}
