// Reusing what is evaluated: after any edits the logits are those of a fresh evaluation, bit for bit; and after anything that
// goes wrong the list of tokens is what the cache holds.
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { CachedSequence } from '../../src/engine/cached-sequence.js';
import type { ModelSession } from '../../src/engine/model-session.js';
import { openSession, type OpenSessionOptions } from '../../src/platform/open-session.js';
import { random } from '../core/tokenizer/world.js';
import { isBuilt } from '../cli/built-cli.js';
import { root, tinycoder } from '../worker/built-worker.js';

const kernels = path.join(root, 'dist/kernels');

const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000);
const next = random(seed);
const below = (n: number): number => Math.floor(next() * n);
const CONTEXT = 40;
const tokens = (count: number): number[] => Array.from({ length: count }, () => below(4096));

const opened: { close(): Promise<void> }[] = [];
afterAll(async () => {
  for (const session of opened) await session.close();
});

async function open(options: Partial<OpenSessionOptions> = {}): Promise<ModelSession> {
  const session = await openSession(tinycoder, {
    ...{ backend: 'auto', kernels, context: CONTEXT, batch: 7, cacheType: 'f16', ...options },
  });
  opened.push(session);
  return session;
}

const bits = (logits: Float32Array): Buffer => Buffer.from(logits.buffer, logits.byteOffset, logits.byteLength);

/** Some tokens more, fewer, or others in the middle. */
function edited(text: readonly number[]): number[] {
  const at = below(text.length + 1);
  const removed = next() < 0.5 ? below(4) : 0;
  const result = [...text.slice(0, at), ...tokens(below(5)), ...text.slice(at + removed)].slice(0, CONTEXT);
  return result.length > 0 ? result : tokens(1);
}

describe.skipIf(!isBuilt)('a cached sequence', () => {
  test.each(['auto', 'wasm'] as const)('gives what a fresh evaluation gives, after any edits (%s)', async backend => {
    console.log(`SEED=${seed}`);
    const session = await open({ backend, sequences: 2, cells: 2 * CONTEXT });
    const fresh = await open({ batch: CONTEXT });
    // Two texts beside each other, so that one could spoil the other.
    const caches = [new CachedSequence(session, 0), new CachedSequence(session, 1)];
    const texts = [tokens(12), tokens(9)];
    for (let round = 0; round < (backend === 'wasm' ? 12 : 60); round++) {
      const which = below(2);
      const [cache, text] = [caches[which]!, edited(texts[which]!)];
      texts[which] = text;
      const wanted = 1 + below(Math.min(text.length, 7));
      const logits = await cache.advance(text, { wanted });
      fresh.session.truncate(0, 0);
      const expected = await fresh.session.step({ tokens: Int32Array.from(text), wanted: 'all' });
      const rows = expected.subarray(expected.length - logits.length);
      expect(logits.length).toBe(wanted * session.vocabulary);
      expect(bits(logits).equals(bits(rows)), `seed ${seed}, round ${round}`).toBe(true);
      expect(cache.tokens).toEqual(text);
      expect(session.session.length(which)).toBe(text.length);
    }
  });

  test('evaluates only what is new, and at least what logits are wanted of', async () => {
    const { session, ...rest } = await open();
    const steps: number[] = [];
    const counting = {
      ...{ length: session.length.bind(session), truncate: session.truncate.bind(session) },
      ...{ copy: session.copy.bind(session), end: session.end.bind(session) },
      step: (...[request, signal]: Parameters<typeof session.step>) => {
        steps.push(request.tokens.length);
        return session.step(request, signal);
      },
    };
    const cache = new CachedSequence({ ...rest, session: counting });
    const text = tokens(10);
    const cost = async (of: readonly number[], wanted = 1): Promise<string> => {
      steps.length = 0;
      await cache.advance(of, { wanted });
      return steps.join(' ');
    };
    expect(await cost(text)).toBe('3 7');
    expect(await cost(text)).toBe('1');
    expect(await cost([...text, 5])).toBe('1');
    expect(await cost(text, 4)).toBe('4');
    expect(await cost([...text.slice(0, 4), 1, 2])).toBe('2');
    expect(await cost(text.slice(0, 3))).toBe('1');
  });

  test('agrees with the cache whatever ends a step: cancellation, a wrong token, a full context', async () => {
    const model = await open({ batch: 3 });
    const cache = new CachedSequence(model);
    const text = tokens(30);
    await cache.advance(text.slice(0, 12));
    const agrees = (): void => {
      expect(cache.tokens.length).toBe(model.session.length(0));
    };
    for (let round = 0; round < 12; round++) {
      const controller = new AbortController();
      const changed = [...text.slice(0, below(12)), ...tokens(18)];
      // Between steps, or, a moment later, within one.
      let left = below(5);
      const inside = next() < 0.5;
      const turn = async (): Promise<void> => {
        const abort = (): void => {
          controller.abort(new Error('enough'));
        };
        if (left-- > 0) return;
        if (inside) setTimeout(abort);
        else abort();
        await Promise.resolve();
      };
      const outcome = await cache
        .advance(changed, { signal: controller.signal, turn })
        .catch((e: unknown) => (e as Error).message);
      if (typeof outcome === 'string') expect(outcome).toBe('enough');
      agrees();
      expect(cache.tokens).toEqual(changed.slice(0, cache.tokens.length));
    }
    await expect(cache.advance([...text.slice(0, 8), 4096, 1, 2])).rejects.toMatchObject({ code: 'engine/bad-token' });
    agrees();
    const before = [...cache.tokens];
    await expect(cache.advance(tokens(CONTEXT + 1))).rejects.toMatchObject({ code: 'engine/context-full' });
    expect(cache.tokens).toEqual(before);
    // And it goes on with the right numbers.
    const fresh = await open({ batch: CONTEXT });
    const expected = await fresh.session.step({ tokens: Int32Array.from(text) });
    expect(bits(await cache.advance(text)).equals(bits(expected))).toBe(true);
  });
});
