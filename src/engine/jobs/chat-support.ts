// What a model's header says about chatting with it.
import { metadataEntry, metadataNumber, metadataString, type GgufModel } from '../../core/gguf/gguf.js';
import { describeModel } from '../../core/model/describe.js';
import { errorData, QuantsmithError } from '../../core/problem.js';
import type { ChatSupport } from '../../protocol/worker-protocol.js';
import { architectureOf } from '../graph/architectures.js';
import { requireTokenizer } from './require-tokenizer.js';

/** Keys and values of so many tokens take 0.5 to 4 GB, which is as much as the weights of a small model. */
const MOST_CONTEXT = 32_768;
/** For a model that does not say. */
const DEFAULT_CONTEXT = 2048;

export async function chatSupport(model: GgufModel, signal?: AbortSignal): Promise<ChatSupport> {
  const { name, architecture = 'unknown', fileType, parameterCount, byteLength } = describeModel(model);
  const trained = metadataNumber(model.metadata, `${architecture}.context_length`) ?? DEFAULT_CONTEXT;
  const facts = { name, architecture, fileType, parameterCount, byteLength, context: Math.min(trained, MOST_CONTEXT) };
  try {
    architectureOf(model);
    chatTemplate(model);
    await requireTokenizer(model, signal);
    return facts;
  } catch (error) {
    signal?.throwIfAborted();
    return { ...facts, reason: errorData(error).message };
  }
}

const TEMPLATE = 'tokenizer.chat_template';

/** @throws QuantsmithError `chat/no-template`, `chat/template-too-large` (over 1 MiB, which the reader cuts; the longest in use have 30 KB) */
export function chatTemplate({ metadata }: GgufModel): string {
  const template = metadataString(metadata, TEMPLATE);
  if (template !== undefined && template.trim() !== '') return template;
  if (metadataEntry(metadata, TEMPLATE)?.cut) {
    throw new QuantsmithError(
      'chat/template-too-large',
      `The chat template of the model (${TEMPLATE}) has more than 1 MB.`,
      'Use another file of the model: this one is damaged, or made to do harm.',
    );
  }
  throw new QuantsmithError(
    'chat/no-template',
    'The model has no chat template (tokenizer.chat_template): nothing says how it was trained to see a conversation.',
    'Use a model that was trained to chat, usually one with "instruct" or "chat" in its description.',
  );
}
