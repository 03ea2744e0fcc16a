// A text in evaluation, and which tokens of it the cache holds. A changed text is evaluated from its first change on: the
// longest common beginning stays. The engine gives the same bits however a text was divided into steps, so what comes out is
// what a fresh evaluation gives. Whatever ends a step early, the list of tokens is what the cache holds.
import { QuantsmithError } from '../core/problem.js';
import type { ModelSession } from './model-session.js';

export interface AdvanceOptions {
  /** Of how many of the last tokens logits are wanted; 1 to the session's batch. Default: 1. */
  readonly wanted?: number;
  readonly signal?: AbortSignal;
  /** Lets other work of the thread go on; called between steps. */
  readonly turn?: () => Promise<void>;
}

export class CachedSequence {
  readonly #model: ModelSession;
  readonly #sequence: number;
  readonly #tokens: number[] = [];

  /** @param sequence an empty one of the session, which nobody else changes from now on */
  constructor(model: ModelSession, sequence = 0) {
    this.#model = model;
    this.#sequence = sequence;
  }

  /** What the cache holds. */
  get tokens(): readonly number[] {
    return this.#tokens;
  }

  /** How many of the first tokens of a text need not be evaluated for the logits after its last. */
  reusable(tokens: ArrayLike<number>): number {
    return this.#commonLength(tokens, tokens.length - 1);
  }

  /**
   * Makes the text `tokens`, at least `wanted` of them, and returns the logits after each of the last `wanted`, row by row.
   * These are evaluated anew, even if the cache holds them: it holds no logits.
   * @throws QuantsmithError `engine/context-full` before anything is changed; what a step throws, and the signal's reason
   */
  async advance(tokens: ArrayLike<number>, options: AdvanceOptions = {}): Promise<Float32Array> {
    const { wanted = 1, signal, turn } = options;
    const { session, limits } = this.#model;
    if (wanted < 1 || wanted > Math.min(tokens.length, limits.batch)) {
      throw new RangeError(`logits of ${wanted} of ${tokens.length} tokens, in steps of ${limits.batch}`);
    }
    checkFits(tokens.length, limits.context);
    const kept = this.#commonLength(tokens, tokens.length - wanted);
    if (kept < this.#tokens.length) {
      session.truncate(this.#sequence, kept);
      this.#tokens.length = kept;
    }
    // The first step takes what is too much for whole batches, so that the last one has all the wanted tokens.
    let logits: Float32Array = new Float32Array();
    for (let start = kept; start < tokens.length;) {
      if (start > kept) await turn?.();
      signal?.throwIfAborted();
      const end = start + ((tokens.length - start) % limits.batch || limits.batch);
      const step = Int32Array.from({ length: end - start }, (_, i) => tokens[start + i] as number);
      const isLast = end === tokens.length;
      logits = await session.step(
        {
          tokens: step,
          sequences: new Int32Array(step.length).fill(this.#sequence),
          wanted: isLast ? new Uint8Array(step.length).fill(1, step.length - wanted) : 'none',
        },
        signal,
      );
      for (const token of step) this.#tokens.push(token);
      start = end;
    }
    return logits;
  }

  #commonLength(tokens: ArrayLike<number>, most: number): number {
    const end = Math.min(most, this.#tokens.length);
    let length = 0;
    while (length < end && tokens[length] === this.#tokens[length]) length++;
    return length;
  }
}

/** @throws QuantsmithError `engine/context-full` */
export function checkFits(length: number, context: number): void {
  if (length <= context) return;
  throw new QuantsmithError(
    'engine/context-full',
    `The text has ${length} tokens; the context is ${context}.`,
    'Give a larger context (--context), or a shorter text. Nothing is dropped to make room.',
  );
}
