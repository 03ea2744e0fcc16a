// From the editor's chat to a conversation: roles, parts, options.
import { expect, test } from 'vitest';
import { errorData } from '../../../src/core/problem.js';
import { chatOptions, conversation, tokenShares } from '../../../src/extension/chat/chat-messages.js';

const text = (value: string) => ({ value });

test('roles, and the text of their parts', () => {
  expect(
    conversation([
      { role: 3, content: [text('Be short.')] },
      { role: 1, content: [text('a'), text('b')] },
      { role: 2, content: [text('c'), { callId: '1', name: 'tool', input: {} }] },
      { role: 1, content: [{ callId: '1', content: [text('result'), 'more'] }] },
      { role: 1, content: [{ mimeType: 'application/json', data: new TextEncoder().encode('{"a":1}') }] },
      { role: 1, content: [{ mimeType: 'cache_control', data: new Uint8Array(3) }] },
    ]),
  ).toEqual([
    { role: 'system', content: 'Be short.' },
    { role: 'user', content: 'ab' },
    { role: 'assistant', content: 'c' },
    { role: 'user', content: 'resultmore' },
    { role: 'user', content: '{"a":1}' },
  ]);
});

test('a picture is refused', () => {
  const picture = { role: 1, content: [{ mimeType: 'image/png', data: new Uint8Array(3) }] };
  try {
    conversation([picture]);
    expect.unreachable();
  } catch (error) {
    expect(errorData(error)).toMatchObject({ code: 'chat/unsupported-part' });
  }
});

test('options that make sense are heard', () => {
  const { sampling, maxTokens } = chatOptions({ temperature: 0, top_p: 0.5, max_tokens: 10, seed: 3 }, 4096, 99);
  expect([maxTokens, sampling]).toEqual([10, { temperature: 0, topK: 40, topP: 0.5, minP: 0.05, seed: 3 }]);
  const odd = chatOptions({ temperature: 'hot', top_p: NaN, max_tokens: 1e5, top_k: -1, seed: Infinity }, 4096, 99);
  expect([odd.maxTokens, odd.sampling]).toEqual([
    4096,
    { temperature: 0.8, topK: 40, topP: 0.95, minP: 0.05, seed: 99 },
  ]);
});

test('a context is shared by the conversation and its answer', () => {
  expect(tokenShares(512)).toEqual({ input: 256, output: 256 });
  expect(tokenShares(32_768)).toEqual({ input: 28_672, output: 4096 });
});
