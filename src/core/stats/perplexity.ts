// Perplexity: how surprised a model is by a text, as llama-perplexity measures it, so that the numbers can be compared.
//   nll of a token   -log softmax(logits)[token]
//   perplexity       exp(mean nll)
//   standard error   perplexity * sqrt((mean nll² - (mean nll)²) / (count - 1)): of exp(mean), to first order
// The text is cut into windows of `context` tokens; in each the tokens of the second half are scored, so that every scored
// token has at least half a window before it. What is left at the end is not scored.

/** -log of the probability that a row of logits gives a token; NaN if the logits are not finite. */
export function negativeLogLikelihood(logits: Float32Array, token: number): number {
  let largest = -Infinity;
  for (const value of logits) if (value > largest) largest = value;
  let sum = 0;
  for (const value of logits) sum += Math.exp(value - largest);
  return largest + Math.log(sum) - (logits[token] ?? NaN);
}

export interface Perplexity {
  readonly perplexity: number;
  /** Of the perplexity, from the spread of the tokens' likelihoods as if they were independent. NaN below 2 tokens. */
  readonly standardError: number;
  /** How many tokens were scored. */
  readonly tokens: number;
}

/** Adds up tokens' likelihoods. */
export class PerplexitySum {
  #count = 0;
  #sum = 0;
  #squares = 0;

  add(nll: number): void {
    this.#count++;
    this.#sum += nll;
    this.#squares += nll * nll;
  }

  result(): Perplexity {
    const mean = this.#sum / this.#count;
    // Equal likelihoods may give a difference just below zero.
    const variance = Math.max(0, this.#squares / this.#count - mean * mean);
    const perplexity = Math.exp(mean);
    const standardError = this.#count < 2 ? NaN : perplexity * Math.sqrt(variance / (this.#count - 1));
    return { perplexity, standardError, tokens: this.#count };
  }
}

/** A window of a text: its tokens from `start` on, of which those from `firstScored` to the end are scored. */
export interface PerplexityWindow {
  readonly start: number;
  readonly length: number;
  /** Within the window; the token at that place is the first that is predicted and scored. */
  readonly firstScored: number;
}

/**
 * The windows of a text of `count` tokens. Each predicts its tokens from position context/2 + 1 on, as llama-perplexity
 * does: the logits after positions context/2 … context - 2.
 * @param context at least 3: in a window of 2 no token has half a window before it
 */
export function perplexityWindows(count: number, context: number): PerplexityWindow[] {
  const firstScored = Math.floor(context / 2) + 1;
  return Array.from({ length: Math.floor(count / context) }, (_, i) => ({
    start: i * context,
    length: context,
    firstScored,
  }));
}
