// The tokenizer of a model, for work that cannot go on without it.
import type { GgufModel } from '../../core/gguf/gguf.js';
import { firstError, placeOf, QuantsmithError } from '../../core/problem.js';
import { readTokenizer } from '../../core/tokenizer/read-tokenizer.js';
import type { Tokenizer } from '../../core/tokenizer/tokenizer.js';

/** @throws QuantsmithError what is wrong with it */
export async function requireTokenizer(model: GgufModel, signal?: AbortSignal): Promise<Tokenizer> {
  const { value: tokenizer, problems } = await readTokenizer(model, signal);
  if (tokenizer) return tokenizer;
  const first = firstError(problems);
  const message = first?.message ?? 'The tokenizer of the model cannot be used.';
  throw new QuantsmithError(first?.code ?? 'tokenizer/unusable', message, first?.hint, placeOf(first ?? {}));
}
