// What our rendering of chat templates makes of conversations, against what llama-server makes of them (test/golden/chat).
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { Template } from '@huggingface/jinja';
import { expect, test } from 'vitest';
import { alternating, type ChatMessage } from '../../../src/core/chat/chat-prompt.js';

const folder = path.resolve(import.meta.dirname, '../../golden/chat');
const read = (name: string): unknown => JSON.parse(readFileSync(path.join(folder, name), 'utf8'));
const conversations = read('conversations.json') as readonly (readonly ChatMessage[])[];
const prompts = read('prompts.json') as Readonly<Record<string, readonly (string | null)[]>>;

/** Null if the template raises an error. */
function render(file: string, messages: readonly ChatMessage[]): string | null {
  const template = new Template(readFileSync(path.join(folder, 'templates', file), 'utf8'));
  const values = { messages, add_generation_prompt: true, bos_token: '<|endoftext|>', eos_token: '<|endoftext|>' };
  try {
    return template.render(values);
  } catch {
    return null;
  }
}

test('every template was measured, with every conversation', () => {
  expect(readdirSync(path.join(folder, 'templates')).sort()).toEqual(Object.keys(prompts));
  expect(new Set(Object.values(prompts).map(({ length }) => length))).toEqual(new Set([conversations.length]));
});

test.each(Object.keys(prompts))('%s', file => {
  // A system message that a template refuses is put into the next one there, too; roles that do not alternate are not helped.
  const hasSystem = (messages: readonly ChatMessage[]): boolean => messages.some(({ role }) => role === 'system');
  const rendered = conversations.map(
    messages => render(file, messages) ?? (hasSystem(messages) ? render(file, alternating(messages)) : null),
  );
  expect(rendered).toEqual(prompts[file]);
});

test('where a template wants alternating roles and no system, the conversation is made so', () => {
  expect(alternating(conversations[1]!)).toEqual([
    { role: 'user', content: '  Answer in one word.\n\nWhat is "2 + 2"?\n' },
    ...conversations[1]!.slice(2),
  ]);
  expect(alternating(conversations[2]!).map(({ content }) => content)).toEqual([
    'one\n\ntwo',
    'three\n',
    'four',
    'five',
    '',
  ]);
  for (const messages of conversations) expect(render('turns.jinja', alternating(messages))).toMatch(/model\n$/);
});
