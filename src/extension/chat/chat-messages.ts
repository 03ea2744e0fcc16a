// From the editor's chat messages to a conversation as a model's template knows it, and from options of a request to sampling.
// Pure: parts of messages are told apart by what they have, so that it needs no vscode.
import type { ChatMessage } from '../../core/chat/chat-prompt.js';
import { QuantsmithError } from '../../core/problem.js';
import type { ChatRequest } from '../../protocol/worker-protocol.js';

/** As of `vscode.LanguageModelChatRequestMessage`. */
export interface EditorMessage {
  readonly role: number;
  readonly content: readonly unknown[];
}

/** Of `vscode.LanguageModelChatMessageRole`; 3 is sent by some versions and is in no stable interface yet. */
const ROLES: Readonly<Record<number, ChatMessage['role']>> = { 1: 'user', 2: 'assistant', 3: 'system' };

/** @throws QuantsmithError `chat/unsupported-part`: a picture, say */
export function conversation(messages: readonly EditorMessage[]): readonly ChatMessage[] {
  return messages
    .map(({ role, content }) => ({ role: ROLES[role] ?? 'user', content: content.map(partText).join('') }))
    .filter(({ content }) => content !== '');
}

/** The text of a part: of a text, or of what a tool has said; that a tool was called is left out. */
function partText(part: unknown): string {
  if (typeof part !== 'object' || part === null) return typeof part === 'string' ? part : '';
  if ('value' in part && typeof part.value === 'string') return part.value;
  if ('callId' in part)
    return 'content' in part && Array.isArray(part.content) ? part.content.map(partText).join('') : '';
  if ('mimeType' in part && 'data' in part && part.data instanceof Uint8Array) {
    const type = String(part.mimeType);
    if (/^text\/|json/.test(type)) return new TextDecoder().decode(part.data);
    // The editor's own notes, of which a model knows nothing.
    if (!type.startsWith('image/')) return '';
    throw new QuantsmithError(
      'chat/unsupported-part',
      `The conversation has a picture (${type}); this model takes text.`,
      'Begin a new conversation without it, or choose another model.',
    );
  }
  return '';
}

/** What a caller may ask for, by the names that OpenAI's interface made common; what makes no sense is not heard. */
export function chatOptions(
  options: Readonly<Record<string, unknown>>,
  most: number,
  seed: number,
): Pick<ChatRequest, 'maxTokens' | 'sampling'> {
  const number = (names: readonly string[], least: number, largest: number, byDefault: number): number => {
    const value = names.map(name => options[name]).find(candidate => candidate !== undefined);
    const isGood = typeof value === 'number' && value >= least && value <= largest;
    return isGood ? value : byDefault;
  };
  const whole = (...args: Parameters<typeof number>): number => Math.round(number(...args));
  return {
    maxTokens: Math.min(most, whole(['max_tokens', 'maxTokens'], 1, 1_000_000, most)),
    sampling: {
      // llama.cpp's defaults.
      temperature: number(['temperature'], 0, 5, 0.8),
      topK: whole(['top_k', 'topK'], 0, 1_000_000, 40),
      topP: number(['top_p', 'topP'], 0, 1, 0.95),
      minP: number(['min_p', 'minP'], 0, 1, 0.05),
      seed: whole(['seed'], 0, 2 ** 32 - 1, seed),
    },
  };
}

/** How many tokens of a context a conversation may take, and how many its answer. */
export function tokenShares(context: number): { readonly input: number; readonly output: number } {
  // Half for the answer where there is little room, and never more than anybody reads.
  const output = Math.min(4096, Math.floor(context / 2));
  return { input: context - output, output };
}
