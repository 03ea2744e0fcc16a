// Asks a model about known middles (core/completion/fim-check.ts says what the answers mean).
import { FILES_CASES, FIM_CASES, judgeFim, OTHER_FILES } from '../../core/completion/fim-check.js';
import type { FimCase, FimScore, FimVerdict } from '../../core/completion/fim-check.js';
import type { Fim } from '../../core/completion/fim-families.js';
import { OtherFilesPrompt } from '../../core/completion/other-files.js';
import { buildFimPrompt, NO_FILES } from '../../core/completion/fim-prompt.js';
import { negativeLogLikelihood } from '../../core/stats/perplexity.js';
import type { Tokenizer } from '../../core/tokenizer/tokenizer.js';
import type { CachedSequence } from '../cached-sequence.js';
import type { ModelSession } from '../model-session.js';

export interface CheckFimServices {
  readonly model: ModelSession;
  readonly cache: CachedSequence;
  readonly tokenizer: Tokenizer;
  readonly fim: Fim;
  readonly signal: AbortSignal;
}

export interface FimChecked extends FimVerdict {
  /** Tokens that were evaluated for it. */
  readonly tokens: number;
}

/** @throws QuantsmithError as a step does, and the signal's reason */
export async function checkFim(services: CheckFimServices, cases: readonly FimCase[] = FIM_CASES): Promise<FimChecked> {
  const { tokenizer, fim, cache } = services;
  const unlimited = { prefix: Infinity, suffix: Infinity };
  const scores: FimScore[] = [];
  let tokens = 0;
  for (const [i, { prefix, middle, suffix }] of cases.entries()) {
    const other = cases[(i + 1) % cases.length]?.suffix ?? '';
    const expected = tokenizer.encode(middle);
    const scoreAfter = (prompt: Int32Array): Promise<number> => {
      tokens += prompt.length - cache.reusable(prompt) + expected.length;
      return surprise(prompt, expected, services);
    };
    scores.push({
      right: await scoreAfter(buildFimPrompt(tokenizer, fim, { prefix, suffix }, unlimited).tokens),
      wrong: await scoreAfter(buildFimPrompt(tokenizer, fim, { prefix, suffix: other }, unlimited).tokens),
      plain: await scoreAfter(tokenizer.encode(prefix, { addSpecial: tokenizer.addBos })),
    });
  }
  return { ...judgeFim(scores), tokens };
}

/** Nats per token that pieces of other files are worth for middles that follow from them. @throws as {@link checkFim} */
export async function checkOtherFiles(services: CheckFimServices): Promise<number> {
  const { tokenizer, fim } = services;
  const unlimited = { prefix: Infinity, suffix: Infinity };
  const others = new OtherFilesPrompt(tokenizer, fim);
  let gain = 0;
  for (const { file, prefix, middle, suffix } of FILES_CASES) {
    const expected = tokenizer.encode(middle);
    const files = others.tokens({ ...OTHER_FILES, file }, Infinity);
    const scoreAfter = (tokens: typeof files): Promise<number> =>
      surprise(buildFimPrompt(tokenizer, fim, { prefix, suffix }, unlimited, tokens).tokens, expected, services);
    const known = await scoreAfter(files);
    gain += (await scoreAfter(NO_FILES)) - known;
  }
  return gain / FILES_CASES.length;
}

/** Nats per token of what is expected after a prompt. */
async function surprise(
  prompt: Int32Array,
  expected: Int32Array,
  { model: { vocabulary }, cache, signal }: CheckFimServices,
): Promise<number> {
  // Logits after a token predict the next: those after the prompt's last token are the first of interest.
  const logits = await cache.advance([...prompt, ...expected.subarray(0, -1)], { wanted: expected.length, signal });
  let sum = 0;
  expected.forEach((token, row) => {
    sum += negativeLogLikelihood(logits.subarray(row * vocabulary, (row + 1) * vocabulary), token);
  });
  return sum / expected.length;
}
