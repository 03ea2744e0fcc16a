// What the status bar item of completions and the explanation say.
import { expect, test } from 'vitest';
import type { LastCompletion, ModelState } from '../../../src/extension/completions/completion-service.js';
import type { CompletionLoaded } from '../../../src/protocol/worker-protocol.js';
import {
  completionStatus,
  explanation,
  type CompletionStatus,
} from '../../../src/extension/completions/completion-texts.js';

const facts: CompletionLoaded = {
  ...{ family: 'Qwen Coder', overWrong: 1.2345, overPlain: 2, context: 2048, filesTokens: 0, isa: 'avx2', seconds: 1 },
  backend: 'native',
};
const ready: ModelState = { kind: 'ready', path: '/models/coder.gguf', facts };
const last = (outcome: Partial<LastCompletion['outcome']>): LastCompletion => ({
  where: 'src/main.py:12:5',
  at: new Date(0),
  outcome: { notes: [], waitedMs: 120.4, totalMs: 300, ...outcome },
});

const show = (status: Partial<CompletionStatus>): string[] => {
  const { text, tooltip, isWarning } = completionStatus({
    model: ready,
    name: 'coder.gguf',
    isGenerating: false,
    ...status,
  });
  return [text, ...tooltip.slice(0, -1), ...(isWarning ? ['(warning)'] : [])];
};

test('every state of the model', () => {
  expect(show({ model: { kind: 'none' } })).toEqual(['$(circle-slash) Completions', 'Off: no model is chosen.']);
  expect(show({ model: { kind: 'unloaded', path: '' } })[1]).toBe('Ready: coder.gguf is loaded when it is needed.');
  expect(show({ model: { kind: 'loading', path: '' } })[0]).toBe('$(loading~spin) Completions');
  expect(show({})).toEqual(['$(sparkle) Completions', 'Ready: coder.gguf (Qwen Coder).']);
  expect(show({ isGenerating: true })).toEqual(['$(loading~spin) Completions', 'coder.gguf is writing.']);
  expect(show({ off: 'turned off.' })).toEqual(['$(circle-slash) Completions', 'Off: turned off.']);
  const error = { code: 'x/y', message: 'It has no tokens', hint: 'Use another.' };
  expect(show({ model: { kind: 'failed', path: '', error } })).toEqual([
    '$(warning) Completions',
    'coder.gguf cannot be used.',
    'It has no tokens.',
    'Use another.',
    '(warning)',
  ]);
});

test('a server: which one, where, and who can read it', () => {
  const server = { host: 'gpu.example:8080', isClear: true };
  const model: ModelState = {
    ...{ kind: 'ready', path: 'http://gpu.example:8080 (llama-server)' },
    facts: { server: 'llama-server', base: 'http://gpu.example:8080', model: 'coder', family: undefined, seconds: 1 },
  };
  const name = 'llama-server at gpu.example:8080';
  const clear =
    'Warning: code is sent to gpu.example:8080 without encryption (http); everybody on the way can read it.';
  expect(show({ model, name, server })).toEqual([
    '$(sparkle) Completions',
    'Ready: llama-server at gpu.example:8080 (coder).',
    clear,
  ]);
  expect(show({ model, name, server: { ...server, isClear: false } })).not.toContain(clear);
  expect(show({ model: { kind: 'unloaded', path: '' }, name, server })[1]).toBe(
    'Ready: llama-server at gpu.example:8080 is asked when it is needed.',
  );
  expect(show({ model: { kind: 'loading', path: '' }, name, server })[1]).toBe(
    'Asking llama-server at gpu.example:8080, and checking that it can fill in a middle.',
  );
  const answer = { text: 'a', stop: 'It ended.', prompt: 'P│S', waitMs: 0, promptMs: 40, generateMs: 9 };
  const text = explanation(last({ offer: { text: 'a', replace: 0 }, source: 'model', answer }), model, server);
  expect(text).toContain('Server: http://gpu.example:8080 (llama-server)\n');
  expect(text).toContain('sent to the llama-server at http://gpu.example:8080; the prompt is made there.');
  expect(text).toContain('Prompt: the server does not count its tokens.\nGenerated. It stopped because: It ended.\n');
  expect(text).not.toMatch(/undefined|NaN/);
  const counted = { ...answer, promptTokens: 1234, generatedTokens: 5 };
  expect(explanation(last({ source: 'model', answer: counted }), model, server)).toContain(
    'Prompt: 1,234 tokens.\nGenerated: 5 tokens.',
  );
});

test('why nothing appeared', () => {
  expect(show({ last: last({ nothing: 'The cursor is inside a word.' }) }).at(-1)).toBe(
    'Last, src/main.py:12:5: nothing was shown. The cursor is inside a word.',
  );
  expect(show({ last: last({ offer: { text: 'x', replace: 0 } }) }).at(-1)).toMatch(/a completion was shown/);
});

test('screen readers get words, not icons', () => {
  expect(completionStatus({ model: ready, name: 'a', isGenerating: false }).label).toMatch(
    /^Quantsmith completions: [^$]+$/,
  );
});

test('the explanation: prompt, tokens, times, what was reused, why it stopped', () => {
  const answer = {
    ...{ text: 'a, b):\n', stop: 'Only the rest of the line is wanted here.', prompt: '<P>def add(<S>)<M>' },
    ...{
      promptTokens: 1234,
      reusedTokens: 1200,
      cutTokens: 7,
      generatedTokens: 5,
      waitMs: 1,
      promptMs: 40.6,
      generateMs: 99,
    },
  };
  const text = explanation(
    last({ offer: { text: 'a, b):', replace: 1 }, source: 'cache', typed: 'ad', answer, notes: ['Replaces ")".'] }),
    ready,
  );
  for (const part of [
    'Completion at src/main.py:12:5',
    'a, b):\n(in place of the next 1 character)',
    'Replaces ")".',
    'an earlier answer of the model',
    'Typed since, in agreement: "ad"',
    '1,234 tokens, 1,200 of them evaluated before; 7 tokens of the text had no room',
    'It stopped because: Only the rest of the line is wanted here.',
    'Prompt: 41 ms. Generation: 99 ms.',
    'worth 1.23 nats per token against a wrong one, 2 nats per token against none',
    '--- Prompt\n<P>def add(<S>)<M>\n',
  ]) {
    expect(text).toContain(part);
  }
  expect(explanation(undefined, ready)).toBe('No completion was asked for yet in this window.\n');
  expect(explanation(last({ failed: { code: 'a/b', message: 'Gone', hint: 'Again.' } }), ready)).toContain(
    'failed. Gone.\nAgain.',
  );
});
