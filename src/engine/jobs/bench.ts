// How fast a model runs: a prompt of made-up tokens, and tokens one by one from an empty text, each several times. What a
// token says does not matter to the time, so the ids are made up, the same in every run. Absent on purpose: tokenizers,
// sampling, other programs (test/bench/engine.mjs races llama-bench with the same lengths).
import type { ModelSession } from '../model-session.js';

export interface BenchRequest {
  /** Tokens of the prompt, and tokens to generate; 0 leaves a part out. */
  readonly prompt: number;
  readonly generate: number;
  readonly repetitions: number;
}

export interface BenchServices {
  readonly model: ModelSession;
  /** Tokens of the prompt per step, at most the session's batch. */
  readonly batch: number;
  readonly signal: AbortSignal;
  /** Seconds, from any beginning. */
  readonly now: () => number;
  /** Between two repetitions, when nothing computes. */
  readonly pause?: (done: number) => Promise<void> | void;
}

/** Seconds of each repetition, in order. */
export interface BenchTimes {
  readonly prompt: readonly number[];
  readonly generate: readonly number[];
}

/** One prompt and eight generated tokens come first, untimed: they fault pages in and wake threads. */
const WARM_UP_TOKENS = 8;

/** Uses the session's sequence 0, which is empty afterwards. @throws as {@link ExecutorSession.step} does */
export async function bench(request: BenchRequest, services: BenchServices): Promise<BenchTimes> {
  const { prompt, generate, repetitions } = request;
  const { model, now, pause } = services;
  const ids = madeUpTokens(Math.max(prompt, generate, 1), model.vocabulary);
  const times = { prompt: [] as number[], generate: [] as number[] };
  const timed = async (work: () => Promise<void>): Promise<number> => {
    model.session.truncate(0, 0);
    const start = now();
    await work();
    return now() - start;
  };
  if (prompt > 0) await timed(() => runPrompt(ids.subarray(0, prompt), services));
  if (generate > 0) await timed(() => runTokens(ids.subarray(0, Math.min(WARM_UP_TOKENS, generate)), services));
  for (let i = 0; i < repetitions; i++) {
    await pause?.(i);
    if (prompt > 0) times.prompt.push(await timed(() => runPrompt(ids.subarray(0, prompt), services)));
    if (generate > 0) times.generate.push(await timed(() => runTokens(ids.subarray(0, generate), services)));
  }
  await pause?.(repetitions);
  model.session.truncate(0, 0);
  return times;
}

async function runPrompt(ids: Int32Array, { model, batch, signal }: BenchServices): Promise<void> {
  for (let done = 0; done < ids.length; done += batch) {
    const tokens = ids.slice(done, done + batch);
    await model.session.step({ tokens, wanted: done + batch >= ids.length ? 'last' : 'none' }, signal);
  }
}

async function runTokens(ids: Int32Array, { model, signal }: BenchServices): Promise<void> {
  for (const id of ids) await model.session.step({ tokens: Int32Array.of(id), wanted: 'last' }, signal);
}

/** Ids spread over the vocabulary, the same in every run. */
export function madeUpTokens(count: number, vocabulary: number): Int32Array {
  let state = 1;
  return Int32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * vocabulary);
  });
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const high = sorted[middle] ?? NaN;
  return sorted.length % 2 === 1 ? high : ((sorted[middle - 1] ?? NaN) + high) / 2;
}
