// The generate job on a model that says what the test wants: token n is one character of an alphabet, or the end.
import { expect, test } from 'vitest';
import type { Tokenizer } from '../../src/core/tokenizer/tokenizer.js';
import type { StepRequest } from '../../src/engine/executor.js';
import { CachedSequence } from '../../src/engine/cached-sequence.js';
import { generate, type Generated } from '../../src/engine/jobs/generate.js';
import { StoppingText } from '../../src/engine/jobs/stopping-text.js';
import { GREEDY, Sampler } from '../../src/engine/sampler.js';

const END = 0;

interface Run {
  readonly count?: number;
  readonly stop?: readonly string[];
  readonly batch?: number;
  readonly context?: number;
  readonly cancelAfter?: number;
}

/** Generates `script` (`$` is the end token) after a prompt of five tokens; returns also what was shown, and the steps. */
async function run(
  script: string,
  { count = 100, stop = [], batch = 2, context = 1000, cancelAfter = Infinity }: Run = {},
) {
  const characters = Array.from(script, c => (c === '$' ? END : c.charCodeAt(0)));
  const steps: string[] = [];
  const shown: string[] = [];
  let said = 0;
  const controller = new AbortController();
  const session = {
    length: () => 0,
    step({ tokens, wanted = 'last' }: StepRequest): Promise<Float32Array> {
      const outputs = wanted === 'none' ? 0 : (wanted as Uint8Array).filter(flag => flag === 1).length;
      steps.push(`${tokens.length}/${outputs}`);
      const logits = new Float32Array(256 * outputs);
      if (outputs > 0) logits[characters[said++] ?? 'z'.charCodeAt(0)] = 1;
      if (said > cancelAfter) controller.abort(new Error('cancelled'));
      return Promise.resolve(logits);
    },
    truncate: () => undefined,
    copy: () => undefined,
    end: () => Promise.resolve(),
  };
  const tokenizer = {
    endOfGeneration: new Set([END]),
    streamDecoder: () => ({ push: (id: number) => String.fromCharCode(id), end: () => '' }),
  } as unknown as Tokenizer;
  const limits = { context, sequences: 1, cells: context, batch, cacheType: 'f16' } as const;
  const model = { vocabulary: 256, weightBytesPerToken: 0, session, limits };
  let clock = 0;
  const result: Generated = await generate(
    { prompt: Int32Array.of(1, 2, 3, 4, 5), count, stop },
    {
      model,
      cache: new CachedSequence(model),
      tokenizer,
      sampler: new Sampler(GREEDY),
      signal: controller.signal,
      now: () => clock++,
      turn: () => Promise.resolve(),
      onText: text => {
        shown.push(text);
        return Promise.resolve();
      },
    },
  );
  expect(shown.join('')).toBe(result.text);
  return { ...result, steps, shown };
}

test('the prompt goes in batches and only its end has logits; then a token a step, none after the last', async () => {
  const { text, reason, steps, ids } = await run('abc', { count: 3 });
  expect({ text, reason }).toEqual({ text: 'abc', reason: 'count' });
  expect(ids).toEqual([97, 98, 99]);
  expect(steps).toEqual(['1/0', '2/0', '2/1', '1/1', '1/1']);
});

test('a token that ends texts ends it, and is no part of it', async () => {
  expect(await run('ab$c')).toMatchObject({ text: 'ab', reason: 'end', ids: [97, 98] });
});

test('a stop text ends it, though it comes in parts; what only looks like one is shown later', async () => {
  expect(await run('one END two', { stop: ['END'] })).toMatchObject({ text: 'one ', reason: 'stop' });
  const { text, shown } = await run('a EN b$', { stop: ['END'] });
  expect(text).toBe('a EN b');
  expect(shown).toEqual(['a', ' ', 'EN ', 'b']);
  expect(await run('a EN$', { stop: ['END'] })).toMatchObject({ text: 'a EN', reason: 'end' });
  expect(await run('xaab', { stop: ['aab', 'x!'] })).toMatchObject({ text: 'x', reason: 'stop' });
});

test('a stop text is the one that is complete first, in whatever parts the text comes', () => {
  for (const parts of [['xabcd'], Array.from('xabcd'), ['xa', 'bcd'], ['xab', 'cd']]) {
    const text = new StoppingText(['bcd', 'abc', 'c']);
    expect(parts.map(part => text.push(part)).join('') + text.end('')).toBe('x');
    expect(text.isStopped).toBe(true);
  }
});

test('nothing is asked of the model for no tokens', async () => {
  expect(await run('abc', { count: 0 })).toMatchObject({ text: '', ids: [], reason: 'count' });
});

test('a cancellation is seen between tokens, and what there is comes back; before the first there is nothing', async () => {
  const { text, reason } = await run('abcdef', { cancelAfter: 3 });
  expect(text).toMatch(/^abcd?$/);
  expect(reason).toBe('interrupted');
  await expect(run('abcdef', { cancelAfter: -1 })).rejects.toThrow('cancelled');
});

test('a full context ends the text; a prompt that does not fit is refused', async () => {
  // Five tokens of the prompt and three evaluated ones; the fourth is the last that is known.
  expect(await run('abcdefgh', { context: 8 })).toMatchObject({ text: 'abcd', reason: 'context' });
  expect(await run('abcdefgh', { context: 8, count: 4 })).toMatchObject({ text: 'abcd', reason: 'count' });
  await expect(run('abc', { context: 4 })).rejects.toThrow('The text has 5 tokens; the context is 4.');
});
