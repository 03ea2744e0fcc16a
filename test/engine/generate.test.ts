// The generate job on a model that says what the test wants: token n is one character of an alphabet, or the end.
import { expect, test } from 'vitest';
import type { Tokenizer } from '../../src/core/tokenizer/tokenizer.js';
import type { StepRequest } from '../../src/engine/executor.js';
import { generate, type Generated } from '../../src/engine/jobs/generate.js';
import { GREEDY, Sampler } from '../../src/engine/sampler.js';

const END = 0;

interface Run {
  readonly count?: number;
  readonly stop?: readonly string[];
  readonly batch?: number;
  readonly cancelAfter?: number;
}

/** Generates `script` (`$` is the end token) after a prompt of five tokens; returns also what was shown, and the steps. */
async function run(script: string, { count = 100, stop = [], batch = 2, cancelAfter = Infinity }: Run = {}) {
  const characters = Array.from(script, c => (c === '$' ? END : c.charCodeAt(0)));
  const steps: string[] = [];
  const shown: string[] = [];
  let said = 0;
  const controller = new AbortController();
  const session = {
    length: () => 0,
    step({ tokens, wanted = 'last' }: StepRequest): Promise<Float32Array> {
      const outputs = wanted === 'none' ? 0 : 1;
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
  let clock = 0;
  const result: Generated = await generate(
    { prompt: Int32Array.of(1, 2, 3, 4, 5), count, stop },
    {
      model: { weightBytesPerToken: 0, vocabulary: 256, session },
      tokenizer,
      sampler: new Sampler(GREEDY),
      batch,
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
  expect(steps).toEqual(['2/0', '2/0', '1/1', '1/1', '1/1']);
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

test('nothing is asked of the model for no tokens; a cancellation is seen between steps', async () => {
  expect(await run('abc', { count: 0 })).toMatchObject({ text: '', ids: [], reason: 'count' });
  await expect(run('abcdef', { cancelAfter: 3 })).rejects.toThrow('cancelled');
});
