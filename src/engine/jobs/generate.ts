// Continues a text: the prompt in batches, then a step for each token, or for several if they can be guessed. Between steps
// other work of the thread gets its turn; a cancellation ends a step, and what was generated until then is the result.
import type { Tokenizer } from '../../core/tokenizer/tokenizer.js';
import { QuantsmithError } from '../../core/problem.js';
import { checkFits, type CachedSequence } from '../cached-sequence.js';
import type { ModelSession } from '../model-session.js';
import type { Sampler } from '../sampler.js';
import { DraftLength } from '../speculation/draft-length.js';
import type { Drafter, Speculation } from '../speculation/drafter.js';
import { StoppingText } from './stopping-text.js';

export interface GenerateRequest {
  /** The prompt, at least one token. */
  readonly prompt: Int32Array;
  /** Most tokens to add. */
  readonly count: number;
  /** The text ends before the first of these that is complete. */
  readonly stop: readonly string[];
  /** Tokens that end it, and are no part of it; default: those that end a generation of this vocabulary. */
  readonly ends?: ReadonlySet<number>;
  /** Asked after each token whether the text so far is enough. */
  readonly enough?: (text: string) => boolean;
  /** Most tokens guessed for a step, as many as pay; used with a drafter. */
  readonly draft?: number;
}

export interface GenerateServices {
  readonly model: ModelSession;
  /** A sequence of the model; what it holds of the prompt is not evaluated again. */
  readonly cache: CachedSequence;
  readonly tokenizer: Tokenizer;
  readonly sampler: Sampler;
  readonly drafter?: Drafter;
  /** What is known of guessing with this model and drafter; default: nothing. */
  readonly draftLength?: DraftLength;
  readonly signal: AbortSignal;
  /** Seconds, from any beginning. */
  readonly now: () => number;
  /** Lets other work of the thread go on. */
  readonly turn: () => Promise<void>;
  /** Text as it comes, whole characters; parts of what may become a stop string are held back. */
  readonly onText?: (text: string) => Promise<void>;
}

export interface Generated {
  readonly text: string;
  readonly ids: readonly number[];
  /** Why it ended: `count`, a token that ends, a stop string, `enough`, a full context, or the signal. */
  readonly reason: 'count' | 'end' | 'stop' | 'enough' | 'context' | 'interrupted';
  readonly promptSeconds: number;
  readonly generateSeconds: number;
  readonly speculation?: Speculation;
}

/**
 * @throws QuantsmithError `engine/empty-prompt`, `engine/context-full` (the prompt alone is too long), as
 *   {@link Sampler.next} and a step do; the signal's reason if it comes before the prompt was evaluated
 */
export async function generate(request: GenerateRequest, services: GenerateServices): Promise<Generated> {
  const { prompt } = request;
  const { model, cache, signal, now, turn, drafter } = services;
  if (prompt.length === 0) {
    throw new QuantsmithError('engine/empty-prompt', 'The prompt has no tokens.', 'Give it some text.');
  }
  checkFits(prompt.length, model.limits.context);
  const start = now();
  const logits = await cache.advance(prompt, { signal, turn });
  const generating = now();
  const writer = new Writer(request, services);
  const speculation = { drafted: 0, accepted: 0, steps: 0 };
  const reason = await continueText(request, services, writer, logits, speculation);
  await writer.end();
  return {
    text: writer.text,
    ids: writer.ids,
    reason,
    promptSeconds: generating - start,
    generateSeconds: now() - generating,
    ...(drafter ? { speculation } : {}),
  };
}

async function continueText(
  { prompt, count, draft = 0 }: GenerateRequest,
  { model, cache, sampler, drafter, draftLength = new DraftLength(), signal, now, turn }: GenerateServices,
  writer: Writer,
  first: Float32Array,
  speculation: { -readonly [key in keyof Speculation]: Speculation[key] },
): Promise<Generated['reason']> {
  const { vocabulary, limits } = model;
  const all = Array.from(prompt);
  let logits = first;
  let guesses: readonly number[] = [];
  let seconds = 0;
  try {
    while (writer.ids.length < count) {
      signal.throwIfAborted();
      // A row for what stands already, and one for each guess: the next counts only if the guess before was right. A number
      // is drawn for each token that is kept, so that with and without guesses the same text comes out.
      let right = 0;
      for (let row = 0; row <= guesses.length; row++) {
        const token = sampler.next(logits.subarray(row * vocabulary, (row + 1) * vocabulary), all);
        const ended = await writer.write(token);
        if (ended) return ended;
        all.push(token);
        if (token !== guesses[row]) break;
        speculation.accepted++;
        right++;
      }
      draftLength.observe({ guessed: guesses.length, right, seconds });
      await turn();
      if (writer.ids.length >= count) break;
      if (all.length > limits.context) return 'context';
      const most = Math.min(draft, count - writer.ids.length - 1, limits.context - all.length, limits.batch - 1);
      const start = now();
      const length = most > 0 ? draftLength.choose(most) : 0;
      guesses = drafter && length > 0 ? await drafter.draft(all, length, signal) : [];
      logits = await cache.advance([...all, ...guesses], { wanted: guesses.length + 1, signal });
      speculation.drafted += guesses.length;
      speculation.steps++;
      seconds = now() - start;
    }
    return 'count';
  } catch (error) {
    if (signal.aborted) return 'interrupted';
    throw error;
  }
}

/** Tokens to text, and text to whoever listens. */
class Writer {
  readonly ids: number[] = [];
  readonly #services: GenerateServices;
  readonly #request: GenerateRequest;
  readonly #ends: ReadonlySet<number>;
  readonly #decoder;
  readonly #output: StoppingText;

  constructor(request: GenerateRequest, services: GenerateServices) {
    this.#services = services;
    this.#request = request;
    this.#ends = request.ends ?? services.tokenizer.endOfGeneration;
    this.#decoder = services.tokenizer.streamDecoder({ special: false });
    this.#output = new StoppingText(request.stop);
  }

  get text(): string {
    return this.#output.text;
  }

  /** Takes a token; says why the text ends, if it does. */
  async write(token: number): Promise<'end' | 'stop' | 'enough' | 'count' | undefined> {
    if (this.#ends.has(token)) return 'end';
    this.ids.push(token);
    await this.#show(this.#output.push(this.#decoder.push(token)));
    if (this.#output.isStopped) return 'stop';
    if (this.#request.enough?.(this.text)) return 'enough';
    return this.ids.length === this.#request.count ? 'count' : undefined;
  }

  async end(): Promise<void> {
    await this.#show(this.#output.end(this.#decoder.end()));
  }

  async #show(text: string): Promise<void> {
    if (text !== '') await this.#services.onText?.(text);
  }
}
