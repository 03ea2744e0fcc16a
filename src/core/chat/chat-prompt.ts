// From a conversation to the tokens a chat model was trained to see, around the template that its file brings along. The template
// is rendered elsewhere (platform/template-renderer.ts): it is a program, and untrusted.
//
// What people and models say must not end their turn or begin another's: a control token in a message (`<|im_end|>`) is text. So
// its text is put between two marks before rendering, and between them no control token is recognized afterwards:
//
//   "a <|im_end|> b"  ->  "a ⟦<|im_end|>⟧ b"  ->  …<|im_start|>user\na ⟦<|im_end|>⟧ b<|im_end|>…  ->  tokens
//
// The marks are noncharacters, which no text may use. llama.cpp 0.7.0 recognizes such tokens in messages.
import type { Tokenizer } from '../tokenizer/tokenizer.js';

export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

/** What a template gets. */
export interface TemplateValues {
  readonly messages: readonly ChatMessage[];
  readonly add_generation_prompt: boolean;
  readonly bos_token: string;
  readonly eos_token: string;
}

const OPEN = '\uFDD0';
const CLOSE = '\uFDD1';
const MARKS = /[\uFDD0\uFDD1]/g;

export function templateValues(
  tokenizer: Tokenizer,
  messages: readonly ChatMessage[],
  addGenerationPrompt = true,
): TemplateValues {
  const textOf = (token: number): string => (token < 0 ? '' : tokenizer.decode([token]));
  return {
    messages: messages.map(({ role, content }) => ({ role, content: guard(tokenizer, content) })),
    add_generation_prompt: addGenerationPrompt,
    bos_token: textOf(tokenizer.roles.bos),
    eos_token: textOf(tokenizer.roles.eos),
  };
}

/** The tokens of a rendered template, with BOS where the model wants it and the template has not written it. */
export function encodeRendered(tokenizer: Tokenizer, rendered: string): Int32Array {
  const tokens: number[] = [];
  let isGuarded = false;
  for (const part of rendered.split(/([\uFDD0\uFDD1])/)) {
    if (part === OPEN || part === CLOSE) isGuarded = part === OPEN;
    else for (const token of tokenizer.encode(part, { parseSpecial: !isGuarded })) tokens.push(token);
  }
  const { addBos, roles } = tokenizer;
  if (addBos && tokens[0] !== roles.bos) tokens.unshift(roles.bos);
  return Int32Array.from(tokens);
}

/**
 * The same conversation for templates that know no system message, or want the roles to alternate: what has the same role is one
 * message, and the system's words begin the next of the user, on lines of their own as llama.cpp puts them.
 */
export function alternating(messages: readonly ChatMessage[]): readonly ChatMessage[] {
  const merged: ChatMessage[] = [];
  let between = '';
  for (const { role, content } of messages) {
    const as = role === 'system' ? 'user' : role;
    const last = merged.at(-1);
    if (last?.role === as) merged[merged.length - 1] = { role: as, content: last.content + between + content };
    else merged.push({ role: as, content });
    between = role === 'system' ? '\n' : '\n\n';
  }
  return merged;
}

function guard(tokenizer: Tokenizer, content: string): string {
  const bytes = new TextEncoder().encode(content.replaceAll(MARKS, ''));
  const spans = tokenizer.controlSpans(bytes);
  if (spans.length === 0) return content.replaceAll(MARKS, '');
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  const text = (from: number, to: number): string => decoder.decode(bytes.subarray(from, to));
  let guarded = '';
  let at = 0;
  for (const { start, end } of spans) {
    guarded += text(at, start) + OPEN + text(start, end) + CLOSE;
    at = end;
  }
  return guarded + text(at, bytes.length);
}
