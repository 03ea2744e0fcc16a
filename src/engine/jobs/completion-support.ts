// What a model's header says about completing with it. Whether it has learned what its tokens promise, only running it tells
// (check-fim.ts).
import { findFim, type Fim } from '../../core/completion/fim-families.js';
import type { GgufModel } from '../../core/gguf/gguf.js';
import { describeModel } from '../../core/model/describe.js';
import { errorData, QuantsmithError } from '../../core/problem.js';
import type { Tokenizer } from '../../core/tokenizer/tokenizer.js';
import type { CompletionSupport } from '../../protocol/worker-protocol.js';
import { architectureOf } from '../graph/architectures.js';
import { requireTokenizer } from './require-tokenizer.js';

export async function completionSupport(model: GgufModel, signal?: AbortSignal): Promise<CompletionSupport> {
  const { fileType, parameterCount, byteLength } = describeModel(model);
  const facts = { fileType, parameterCount, byteLength };
  try {
    architectureOf(model);
    const { fim } = await readFim(model, signal);
    return { ...facts, family: fim.family };
  } catch (error) {
    signal?.throwIfAborted();
    return { ...facts, reason: errorData(error).message };
  }
}

/**
 * How to ask a model for a middle.
 * @throws QuantsmithError `completion/no-fim-tokens`, and what is wrong with its tokenizer
 */
export async function readFim(
  model: GgufModel,
  signal?: AbortSignal,
): Promise<{ readonly tokenizer: Tokenizer; readonly fim: Fim }> {
  const tokenizer = await requireTokenizer(model, signal);
  const fim = findFim(tokenizer);
  if (fim) return { tokenizer, fim };
  throw new QuantsmithError(
    'completion/no-fim-tokens',
    'The model has no tokens for filling in a middle: neither ids (tokenizer.ggml.fim_…_token_id) nor known texts.',
    'Use a code model that was trained for it, for example one of the Qwen2.5-Coder, StarCoder2, Granite or CodeGemma families.',
  );
}
