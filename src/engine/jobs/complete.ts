// Writes what stands at a cursor: prompt, generation until the text is enough, and what it cost. The prompt's beginning that the
// last one had, too, is not evaluated again. A completion is greedy: the same text at the same place, every time.
import { completionLimit } from '../../core/completion/completion-limit.js';
import type { Fim } from '../../core/completion/fim-families.js';
import {
  buildFimPrompt,
  fimBudget,
  NO_FILES,
  type CursorText,
  type FimBudget,
} from '../../core/completion/fim-prompt.js';
import type { OtherFiles, OtherFilesPrompt } from '../../core/completion/other-files.js';
import type { Tokenizer } from '../../core/tokenizer/tokenizer.js';
import type { CachedSequence } from '../cached-sequence.js';
import type { ModelSession } from '../model-session.js';
import { GREEDY, Sampler } from '../sampler.js';
import type { DraftLength } from '../speculation/draft-length.js';
import { PromptLookup } from '../speculation/prompt-lookup.js';
import { generate } from './generate.js';

export interface CompleteRequest extends CursorText {
  readonly multiline: boolean;
  /** Most tokens that are generated. */
  readonly count: number;
  /** What exists after so many is the completion. */
  readonly seconds: number;
  /** Since when they count, if the first token comes in time; otherwise, and by default, since the first token. */
  readonly since?: number;
  readonly files?: OtherFiles;
  /** Reads the prompt and writes nothing. */
  readonly onlyRead?: boolean;
  /** Most tokens of the prompt; less where the context is small. */
  readonly budget: FimBudget;
}

export interface CompleteServices {
  readonly model: ModelSession;
  readonly cache: CachedSequence;
  readonly tokenizer: Tokenizer;
  readonly fim: Fim;
  readonly otherFiles?: OtherFilesPrompt;
  /** What is known of guessing with this model, and learned for the next one. */
  readonly draftLength?: DraftLength;
  readonly signal: AbortSignal;
  /** Seconds, from any beginning. */
  readonly now: () => number;
  readonly turn: () => Promise<void>;
  /** The whole text so far. */
  readonly onText?: (text: string) => void;
}

export interface Completed {
  readonly text: string;
  /** Why it ends, as a sentence. */
  readonly stop: string;
  readonly prompt: Int32Array;
  /** Tokens of the prompt that were not evaluated again. */
  readonly reusedTokens: number;
  /** Tokens of the surrounding text that the prompt had no room for. */
  readonly cutTokens: number;
  readonly generatedTokens: number;
  readonly promptSeconds: number;
  readonly generateSeconds: number;
}

/** Guessed from the text itself and checked in one step; code repeats its names. */
const DRAFT = 6;

/** @throws QuantsmithError as a step does; the signal's reason */
export async function complete(request: CompleteRequest, services: CompleteServices): Promise<Completed> {
  const { model, cache, tokenizer, fim, draftLength, signal, now, turn, onText } = services;
  const budget = fimBudget(model.limits.context, request.count, request.budget);
  const files = request.files && services.otherFiles?.tokens(request.files, budget.files);
  const prompt = buildFimPrompt(tokenizer, fim, request, budget, files ?? NO_FILES);
  const reusedTokens = cache.reusable(prompt.tokens);
  const limit = completionLimit(request, request.multiline);
  let deadline = Infinity;
  let why: string | undefined;
  const result = await generate(
    {
      ...{ prompt: prompt.tokens, count: request.onlyRead ? 0 : request.count, stop: [], ends: fim.ends, draft: DRAFT },
      enough: text => {
        if (deadline === Infinity) deadline = deadlineOf(request, now());
        why = limit(text) ?? (now() >= deadline ? 'The time was up.' : undefined);
        return why !== undefined;
      },
    },
    {
      ...{ model, cache, tokenizer, signal, now, turn, sampler: new Sampler(GREEDY), drafter: new PromptLookup() },
      ...(draftLength ? { draftLength } : {}),
      ...(onText ? { onText: textSoFar(onText) } : {}),
    },
  );
  signal.throwIfAborted();
  return {
    text: result.text,
    stop: why ?? STOPS[result.reason],
    prompt: prompt.tokens,
    reusedTokens,
    cutTokens: prompt.prefixCut + prompt.suffixCut,
    generatedTokens: result.ids.length,
    promptSeconds: result.promptSeconds,
    generateSeconds: result.generateSeconds,
  };
}

function deadlineOf({ seconds, since }: CompleteRequest, first: number): number {
  return (since !== undefined && first < since + seconds ? since : first) + seconds;
}

const STOPS = {
  count: 'The most tokens were reached.',
  end: 'The model ended it.',
  stop: 'A stop text was reached.',
  enough: 'It was enough.',
  context: 'The context was full.',
  interrupted: 'It was interrupted.',
} as const;

function textSoFar(onText: (text: string) => void): (part: string) => Promise<void> {
  let text = '';
  return part => {
    text += part;
    onText(text);
    return Promise.resolve();
  };
}
