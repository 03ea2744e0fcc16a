// Choosing the next token from logits: the steps, formulas and random numbers of llama.cpp's default chain of samplers. Bias,
// repetition penalty; then greedy at temperature 0, otherwise top-k, top-p, min-p, temperature and the draw. Every choice is
// a function of logits, earlier tokens, options and seed alone, on every platform: elementary functions are our own. One number
// is drawn for each token, so that a text does not depend on how many logits were computed at once.
//
// Of 150,000 logits the default options (top-k 40) cost 1 ms, min-p alone 0.6, greedy 0.4; top-p alone costs 3, and 24 where it
// keeps half of them: nothing is sorted but what is kept. Sorting all of them by a comparison takes 72 ms.
import { QuantsmithError } from '../core/problem.js';
import { plural } from '../core/text/quantity.js';
import { exp, log } from './exact-math.js';
import { largestFirst } from './largest.js';
import { MersenneTwister } from './mersenne-twister.js';

export interface SamplingOptions {
  /** 0: the most likely token, always. */
  readonly temperature: number;
  /** Only the k most likely; 0 for all. */
  readonly topK: number;
  /** Only the most likely that together have at least this probability; 1 for all. */
  readonly topP: number;
  /** Only those at least this likely, compared with the most likely; 0 for all. */
  readonly minP: number;
  /** Divides positive and multiplies other logits of recent tokens; 1 for no effect. (Keskar et al., arXiv 1909.05858) */
  readonly repetitionPenalty: number;
  /** How many of the last tokens count as recent, the prompt's among them; 0 for none. */
  readonly repetitionWindow: number;
  /** 32 bits. */
  readonly seed: number;
  /** Added to the logits of tokens; -Infinity forbids one, Infinity allows no other. */
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

/** How many of the most likely tokens top-p looks at first; all if these are not enough. */
const PORTION = 256;

export class Sampler {
  readonly #options: SamplingOptions;
  readonly #random: MersenneTwister;
  /** ln(min-p), in single precision. */
  readonly #minLogit: number;
  /** 0, 1, 2 … */
  #all = new Int32Array(0);
  #ids = new Int32Array(0);
  #weights = new Float64Array(0);

  constructor(options: SamplingOptions) {
    this.#options = options;
    this.#random = new MersenneTwister(options.seed);
    this.#minLogit = options.minP > 0 ? Math.fround(log(options.minP)) : -Infinity;
  }

  /**
   * The next token; `logits` are changed. Of equals the lower id is the more likely one.
   * @throws QuantsmithError `engine/bad-logits` (one is no number), `engine/no-token` (all are forbidden)
   */
  next(logits: Float32Array, earlier: readonly number[]): number {
    checkLogits(logits, earlier.length);
    this.#adjust(logits, earlier);
    const best = largest(logits);
    const top = logits[best] ?? -Infinity;
    if (top === -Infinity) {
      throw new QuantsmithError('engine/no-token', 'Every token is forbidden.', 'Forbid fewer tokens.');
    }
    if (this.#options.temperature <= 0) return best;
    const drawn = this.#random.uniform();
    return top === Infinity ? best : this.#draw(logits, this.#candidates(logits, top), top, drawn);
  }

  #adjust(logits: Float32Array, earlier: readonly number[]): void {
    const { bias, repetitionPenalty, repetitionWindow } = this.#options;
    for (const [id, value] of bias ?? []) {
      if (id >= 0 && id < logits.length) logits[id] = (logits[id] as number) + value;
    }
    if (repetitionPenalty === 1 || repetitionWindow <= 0) return;
    const penalty = Math.fround(repetitionPenalty);
    for (const id of new Set(earlier.slice(-repetitionWindow))) {
      const logit = logits[id] ?? 0;
      logits[id] = logit > 0 ? logit / penalty : logit * penalty;
    }
  }

  /** What top-k, top-p and min-p leave: the most likely first if one of the first two is on, else by id. */
  #candidates(logits: Float32Array, top: number): Int32Array {
    const { topK, topP } = this.#options;
    const size = logits.length;
    if (this.#all.length !== size) {
      this.#all = Int32Array.from({ length: size }, (_, id) => id);
      this.#ids = new Int32Array(size);
    }
    const least = Math.fround(top + this.#minLogit);
    if (topK > 0) {
      const ids = this.#ids.subarray(0, Math.min(topK, size));
      largestFirst(logits, this.#all, ids);
      return ids.subarray(0, this.#kept(logits, ids, least, topP < 1 ? likelihood(logits, ids, top) : Infinity, top));
    }
    // Both of what is left take the most likely ones, so that top-p need not order what min-p leaves out.
    const likely = least === -Infinity ? this.#all : atLeast(logits, least, this.#ids);
    if (topP >= 1) return likely;
    const total = likelihood(logits, this.#all, top);
    const from = likely === this.#all ? likely : likely.slice();
    for (let portion = Math.min(PORTION, from.length); ; portion = from.length) {
      const ids = this.#ids.subarray(0, portion);
      largestFirst(logits, from, ids);
      const kept = this.#kept(logits, ids, least, total, top);
      if (kept < portion || portion === from.length) return ids.subarray(0, kept);
    }
  }

  /** How many of `ids`, most likely first, min-p and top-p keep: those before which `topP` of `total` is not reached. */
  #kept(logits: Float32Array, ids: Int32Array, least: number, total: number, top: number): number {
    const { topP } = this.#options;
    let sum = 0;
    for (let kept = 0; kept < ids.length; kept++) {
      const logit = logits[ids[kept] as number] as number;
      if (kept > 0 && (sum >= topP * total || logit < least)) return kept;
      if (total < Infinity) sum += exp(logit - top);
    }
    return ids.length;
  }

  /** One of `ids`, by its share of the likelihoods at the temperature. */
  #draw(logits: Float32Array, ids: Int32Array, top: number, drawn: number): number {
    const temperature = Math.fround(this.#options.temperature);
    if (this.#weights.length < ids.length) this.#weights = new Float64Array(ids.length);
    const hottest = Math.fround(top / temperature);
    let total = 0;
    for (let i = 0; i < ids.length; i++) {
      const weight = exp(Math.fround((logits[ids[i] as number] as number) / temperature) - hottest);
      this.#weights[i] = weight;
      total += weight;
    }
    const target = total * drawn;
    let sum = 0;
    for (let i = 0; i < ids.length; i++) {
      sum += this.#weights[i] as number;
      // A token of weight 0 is never drawn, not even by 0.
      if (sum >= target && sum > 0) return ids[i] as number;
    }
    return ids[ids.length - 1] as number;
  }
}

/**
 * Refuses logits that are no numbers, or beyond all: what a model with damaged weights computes.
 * @param position how many tokens they come after
 */
export function checkLogits(logits: Float32Array, position: number): void {
  // A sum finds NaN and Infinity at once, and in half the time of looking at each: Infinity - Infinity is NaN.
  let sum = 0;
  for (let id = 0; id < logits.length; id++) sum += (logits[id] as number) * 0;
  if (sum === 0) return;
  const at = logits.findIndex(value => !Number.isFinite(value));
  throw new QuantsmithError(
    'engine/bad-logits',
    `The model computes ${String(logits[at])} as the score of token ${at} after ${plural(position, 'token')}; a number is expected.`,
    'Its weights are damaged, or too large for single precision. Download or convert the model again.',
  );
}

/** The id of the largest; the first of equals. */
export function largest(logits: Float32Array): number {
  let best = 0;
  let value = logits[0] as number;
  for (let id = 1; id < logits.length; id++) {
    if ((logits[id] as number) > value) {
      best = id;
      value = logits[id] as number;
    }
  }
  return best;
}

/** Sum of exp(logit - top). */
function likelihood(logits: Float32Array, ids: Int32Array, top: number): number {
  let sum = 0;
  for (const id of ids) sum += exp((logits[id] as number) - top);
  return sum;
}

/** The ids of logits that are `least` or more, ascending, at the beginning of `out`. */
function atLeast(logits: Float32Array, least: number, out: Int32Array): Int32Array {
  let count = 0;
  for (let id = 0; id < logits.length; id++) if ((logits[id] as number) >= least) out[count++] = id;
  return out.subarray(0, count);
}
