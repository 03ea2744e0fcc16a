// What a model's header says about completing with it. Whether it has learned what its tokens promise, only running it tells
// (check-fim.ts).
import { findFim, type Fim } from '../../core/completion/fim-families.js';
import { LARGEST_BUDGET } from '../../core/completion/fim-prompt.js';
import type { GgufModel } from '../../core/gguf/gguf.js';
import { describeModel } from '../../core/model/describe.js';
import { errorData, QuantsmithError } from '../../core/problem.js';
import type { Tokenizer } from '../../core/tokenizer/tokenizer.js';
import type { CompletionSupport } from '../../protocol/worker-protocol.js';
import { architectureOf, compileProgram } from '../graph/architectures.js';
import { trainedContext } from '../model-session.js';
import { requireTokenizer } from './require-tokenizer.js';

/** What the longest prompt and the longest completion need. */
export const CONTEXT = 2048;
/** With pieces of other files. Where memory has no room for it, there are none. */
export const LONG_CONTEXT = CONTEXT + LARGEST_BUDGET.files;
/**
 * Most tokens of a prompt in one step. A prompt that is cancelled, as most are while somebody types, keeps the steps it has made;
 * of those of 256 a model that reads 100 tokens a second would finish none between two keys. Of the 0.5B shape, Q4_K_M, steps
 * of 64 read as fast as steps of 256 (163 tokens a second), of 32 7 % slower.
 */
export const BATCH = 64;

/** @param freeBytes memory that is free now */
export async function completionSupport(
  model: GgufModel,
  freeBytes: number,
  signal?: AbortSignal,
): Promise<CompletionSupport> {
  const { fileType, parameterCount, byteLength } = describeModel(model);
  const facts = { fileType, parameterCount, byteLength, freeBytes };
  try {
    architectureOf(model);
    const { fim } = await readFim(model, signal);
    const workBytes = workBytesOf(model, fim);
    return { ...facts, ...(workBytes === undefined ? {} : { workBytes }), family: fim.family };
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

/** Keys, values and activations of a session as completions open it. */
function workBytesOf(model: GgufModel, fim: Fim): number | undefined {
  try {
    const context = Math.min(trainedContext(model), fim.files ? LONG_CONTEXT : CONTEXT);
    const limits = {
      context,
      sequences: 1,
      cells: context,
      batch: Math.min(BATCH, context),
      cacheType: 'f16',
    } as const;
    const program = compileProgram(model, new Map(), limits);
    return program.memory.cache + program.memory.activations;
  } catch {
    // Some descriptions need numbers that only tensors hold.
    return undefined;
  }
}
