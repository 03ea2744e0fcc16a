// Speculation by a smaller model of the same vocabulary: its most likely tokens.
import { stringAt, stringCount } from '../../core/tokenizer/byte-strings.js';
import type { Tokenizer } from '../../core/tokenizer/tokenizer.js';
import { QuantsmithError } from '../../core/problem.js';
import { quote } from '../../core/text/printable.js';
import { CachedSequence } from '../cached-sequence.js';
import type { ModelSession } from '../model-session.js';
import { largest } from '../sampler.js';
import type { Drafter } from './drafter.js';

export class DraftModel implements Drafter {
  readonly #cache: CachedSequence;
  readonly #context: number;
  readonly #vocabulary: number;

  /** @param vocabulary ids of the model that checks the guesses; a draft model may have more, for padding */
  constructor(model: ModelSession, vocabulary: number) {
    this.#cache = new CachedSequence(model);
    this.#context = model.limits.context;
    this.#vocabulary = vocabulary;
  }

  async draft(tokens: readonly number[], most: number, signal: AbortSignal): Promise<readonly number[]> {
    const text = [...tokens];
    while (text.length < tokens.length + most && text.length <= this.#context) {
      const token = largest(await this.#cache.advance(text, { signal }));
      if (token >= this.#vocabulary) break;
      text.push(token);
    }
    return text.slice(tokens.length);
  }
}

/** Tokens by which two models of one family may differ: padding at the end. As in llama.cpp. */
const MAX_PADDING = 128;

/** @throws QuantsmithError `engine/other-vocabulary`: ids do not mean the same to both */
export function checkSameVocabulary(target: Tokenizer, draft: Tokenizer): void {
  const refuse = (what: string): never => {
    throw new QuantsmithError(
      'engine/other-vocabulary',
      `The draft model has another vocabulary: ${what}.`,
      'Use a smaller model of the same family, one that was trained with the same tokenizer.',
    );
  };
  if (target.kind !== draft.kind) refuse(`it is of the kind ${draft.kind}, the model's is ${target.kind}`);
  const [size, other] = [stringCount(target.texts), stringCount(draft.texts)];
  if (Math.abs(size - other) > MAX_PADDING) refuse(`it has ${other} tokens, the model has ${size}`);
  const text = (of: Tokenizer, id: number): string => quote(new TextDecoder().decode(stringAt(of.texts, id)));
  for (let id = 0; id < Math.min(size, other); id++) {
    const [a, b] = [stringAt(target.texts, id), stringAt(draft.texts, id)];
    if (a.length === b.length && a.every((byte, i) => byte === b[i])) continue;
    refuse(`its token ${id} is ${text(draft, id)}, the model's is ${text(target, id)}`);
  }
}
