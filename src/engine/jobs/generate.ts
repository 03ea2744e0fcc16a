// Continues a text: the prompt in batches, then one token a step. Between steps other work of the thread gets its turn.
import type { Tokenizer } from '../../core/tokenizer/tokenizer.js';
import { QuantsmithError } from '../../core/problem.js';
import type { ModelSession } from '../model-session.js';
import type { Sampler } from '../sampler.js';

export interface GenerateRequest {
  /** The prompt, at least one token. */
  readonly prompt: Int32Array;
  /** Most tokens to add. */
  readonly count: number;
  /** The text ends before the first of these. */
  readonly stop: readonly string[];
}

export interface GenerateServices {
  readonly model: ModelSession;
  readonly tokenizer: Tokenizer;
  readonly sampler: Sampler;
  /** Tokens of the prompt per step, at most the session's batch. */
  readonly batch: number;
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
  /** Why it ended: `count`, an end-of-generation token, or a stop string. */
  readonly reason: 'count' | 'end' | 'stop';
  readonly promptSeconds: number;
  readonly generateSeconds: number;
}

/** @throws QuantsmithError `engine/empty-prompt`, and as {@link ExecutorSession.step} does */
export async function generate(request: GenerateRequest, services: GenerateServices): Promise<Generated> {
  const { prompt, count, stop } = request;
  const { model, tokenizer, sampler, batch, signal, now, turn, onText } = services;
  if (prompt.length === 0) {
    throw new QuantsmithError('engine/empty-prompt', 'The prompt has no tokens.', 'Give it some text.');
  }
  const start = now();
  let logits: Float32Array = new Float32Array();
  for (let done = 0; done < prompt.length; done += batch) {
    signal.throwIfAborted();
    const tokens = prompt.subarray(done, done + batch);
    const wanted = done + tokens.length === prompt.length ? 'last' : 'none';
    logits = await model.session.step({ tokens, wanted }, signal);
    await turn();
  }
  const generating = now();
  const all = Array.from(prompt);
  const ids: number[] = [];
  const decoder = tokenizer.streamDecoder({ special: false });
  const output = new StoppingText(stop);
  let reason: Generated['reason'] = 'count';
  while (ids.length < count) {
    signal.throwIfAborted();
    const id = sampler.next(logits, all);
    if (tokenizer.endOfGeneration.has(id)) {
      reason = 'end';
      break;
    }
    ids.push(id);
    all.push(id);
    const certain = output.push(decoder.push(id));
    if (certain !== '') await onText?.(certain);
    if (output.isStopped) {
      reason = 'stop';
      break;
    }
    if (ids.length < count) logits = await model.session.step({ tokens: Int32Array.of(id) }, signal);
    await turn();
  }
  const rest = output.end(decoder.end());
  if (rest !== '') await onText?.(rest);
  const end = now();
  return { text: output.text, ids, reason, promptSeconds: generating - start, generateSeconds: end - generating };
}

/** Text up to the first stop string. What may be the beginning of one is held back until it is certain. */
class StoppingText {
  text = '';
  isStopped = false;
  readonly #stop: readonly string[];
  #held = '';

  constructor(stop: readonly string[]) {
    this.#stop = stop.filter(text => text !== '');
  }

  /** What has become certain. */
  push(more: string): string {
    if (this.isStopped) return '';
    const seen = this.#held + more;
    const ends = this.#stop.map(text => seen.indexOf(text)).filter(at => at >= 0);
    this.isStopped = ends.length > 0;
    const certain = this.isStopped ? Math.min(...ends) : seen.length - this.#mayStop(seen);
    this.#held = this.isStopped ? '' : seen.slice(certain);
    this.text += seen.slice(0, certain);
    return seen.slice(0, certain);
  }

  /** What is left when nothing more comes. */
  end(more: string): string {
    const certain = this.push(more);
    const rest = this.#held;
    this.#held = '';
    this.text += rest;
    return certain + rest;
  }

  /** Length of the longest end of `seen` that a stop string begins with. */
  #mayStop(seen: string): number {
    const longest = Math.max(0, ...this.#stop.map(text => text.length - 1));
    for (let length = Math.min(longest, seen.length); length > 0; length--) {
      const end = seen.slice(-length);
      if (this.#stop.some(text => text.startsWith(end))) return length;
    }
    return 0;
  }
}
