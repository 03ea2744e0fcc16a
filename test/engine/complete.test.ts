// Completions of the example model on its 100 held-out cases: the text is what llama-server's greedy completion of the same case
// is, and a generation that stops early stops within it.
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { findFim } from '../../src/core/completion/fim-families.js';
import { buildFimPrompt } from '../../src/core/completion/fim-prompt.js';
import { readTokenizer } from '../../src/core/tokenizer/read-tokenizer.js';
import { CachedSequence } from '../../src/engine/cached-sequence.js';
import { complete } from '../../src/engine/jobs/complete.js';
import { generate } from '../../src/engine/jobs/generate.js';
import { GREEDY, Sampler } from '../../src/engine/sampler.js';
import { requireModel } from '../../src/platform/open-model.js';
import { openSession, openToRun, type OpenedSession } from '../../src/platform/open-session.js';
import { isBuilt } from '../cli/built-cli.js';
import { shared } from '../core/tokenizer/world.js';
import { root, tinycoder } from '../worker/built-worker.js';

const folder = path.join(shared, 'models/tinycoder');

interface HeldOut {
  readonly id: string;
  readonly prefix: string;
  readonly suffix: string;
  readonly middle: string;
}
/** By llama-server 0.7.0 with this file, at temperature 0. */
interface Theirs {
  readonly id: string;
  readonly got: string;
  readonly eos: boolean;
}

const sessions: OpenedSession[] = [];
afterAll(async () => {
  for (const session of sessions) await session.close();
});

async function world() {
  const opened = await openToRun(tinycoder);
  const { value: tokenizer } = await readTokenizer(requireModel(opened));
  const options = { backend: 'auto', kernels: path.join(root, 'dist/kernels'), batch: 64, cacheType: 'f16' } as const;
  const model = await openSession(opened, options);
  sessions.push(model);
  const fim = tokenizer && findFim(tokenizer);
  if (!fim) throw new Error('the example model can fill in a middle');
  const services = {
    ...{ model, cache: new CachedSequence(model), tokenizer, fim, signal: new AbortController().signal },
    ...{ now: () => performance.now() / 1000, turn: () => Promise.resolve() },
  };
  return services;
}

describe.skipIf(!isBuilt || !existsSync(folder))('the held-out cases of the example model', () => {
  const cases = existsSync(folder)
    ? readFileSync(path.join(folder, 'val/fim.jsonl'), 'utf8')
        .trim()
        .split('\n')
        .map(line => JSON.parse(line) as HeldOut)
    : [];
  const theirs = existsSync(folder)
    ? (
        JSON.parse(readFileSync(path.join(folder, 'fim-eval.json'), 'utf8')) as {
          readonly 'tinycoder-f16.gguf': { readonly cases: readonly Theirs[] };
        }
      )['tinycoder-f16.gguf'].cases
    : [];

  test('the same text as llama-server', async () => {
    const services = await world();
    const { tokenizer, fim } = services;
    const different: string[] = [];
    for (const { id, got, eos } of theirs) {
      const { prefix, suffix } = cases.find(one => one.id === id)!;
      const prompt = buildFimPrompt(tokenizer, fim, { prefix, suffix }, { prefix: Infinity, suffix: Infinity }).tokens;
      const count = Math.min(tokenizer.encode(got).length + 4, 512 - prompt.length);
      const { text, reason } = await generate(
        { prompt, count, stop: [], ends: fim.ends },
        { ...services, sampler: new Sampler(GREEDY) },
      );
      const isSame = eos ? text === got && reason === 'end' : text.startsWith(got.replace(/\uFFFD+$/, ''));
      if (!isSame) different.push(id);
    }
    console.log(`different: ${different.join(' ') || 'none'}`);
    expect(theirs).toHaveLength(100);
    // Its matrix products round otherwise: where two tokens are nearly as likely, the other one may come. Seen: 3 of 100.
    expect(different.length).toBeLessThanOrEqual(10);
  });

  test('what is generated until it is enough begins what would be generated without', async () => {
    const services = await world();
    const { tokenizer, fim } = services;
    for (const { prefix, suffix } of cases.slice(0, 20)) {
      const budget = { prefix: 300, suffix: 100 };
      const request = { prefix, suffix, count: 32, seconds: 60, budget };
      for (const multiline of [false, true]) {
        const { text, prompt } = await complete({ ...request, multiline }, services);
        const whole = await generate(
          { prompt, count: 32, stop: [], ends: fim.ends },
          { ...services, sampler: new Sampler(GREEDY) },
        );
        expect(whole.text.startsWith(text)).toBe(true);
        expect(tokenizer.decode(prompt)).toContain('<|fim_middle|>');
      }
    }
  });
});
