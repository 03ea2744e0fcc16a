// Speculation changes nothing but the time: the same tokens as without, greedy and drawn, whoever guesses. On the example model
// with real drafters, and on models of random logits with drafters of every honesty.
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { Tokenizer } from '../../src/core/tokenizer/tokenizer.js';
import { CachedSequence } from '../../src/engine/cached-sequence.js';
import type { StepRequest } from '../../src/engine/executor.js';
import { generate, type Generated } from '../../src/engine/jobs/generate.js';
import type { ModelSession } from '../../src/engine/model-session.js';
import { GREEDY, Sampler, type SamplingOptions } from '../../src/engine/sampler.js';
import { checkSameVocabulary, DraftModel } from '../../src/engine/speculation/draft-model.js';
import type { Drafter } from '../../src/engine/speculation/drafter.js';
import { PromptLookup } from '../../src/engine/speculation/prompt-lookup.js';
import { openSession, type OpenedSession } from '../../src/platform/open-session.js';
import { byteLevel, metadataOf, metadataOfFile, P, random, tokenizerOf } from '../core/tokenizer/world.js';
import { cliFile, isBuilt } from '../cli/built-cli.js';
import { root, scratch, tinycoder } from '../worker/built-worker.js';

const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000);

interface Run {
  readonly model: ModelSession;
  readonly tokenizer: Tokenizer;
  readonly prompt: Int32Array;
  readonly options?: Partial<SamplingOptions>;
  readonly count: number;
  readonly stop?: readonly string[];
  readonly drafter?: Drafter;
  readonly draft?: number;
}

async function run({
  model,
  tokenizer,
  prompt,
  options,
  count,
  stop = [],
  drafter,
  draft = 6,
}: Run): Promise<Generated> {
  model.session.truncate(0, 0);
  return generate(
    { prompt, count, stop, draft },
    {
      ...{ model, tokenizer, cache: new CachedSequence(model), sampler: new Sampler({ ...GREEDY, ...options }) },
      ...(drafter ? { drafter } : {}),
      ...{ signal: new AbortController().signal, now: () => 0, turn: () => Promise.resolve() },
    },
  );
}

const SAMPLINGS: readonly Partial<SamplingOptions>[] = [
  {},
  { temperature: 1, seed: 5 },
  { temperature: 0.8, topK: 0, minP: 0, seed: 6, repetitionPenalty: 1.2, repetitionWindow: 8 },
];

describe('models of random logits', () => {
  const SIZE = 12;

  /** Logits that are a function of the last two tokens, so that texts repeat themselves. */
  function randomModel(of: number, context: number): ModelSession {
    let held: number[] = [];
    const logitsAfter = (text: readonly number[]): Float32Array => {
      const next = random(of + 31 * (text.at(-1) ?? 0) + 977 * (text.at(-2) ?? 0));
      return Float32Array.from({ length: SIZE }, () => (next() - 0.5) * 6);
    };
    const session = {
      length: () => held.length,
      step: ({ tokens, wanted }: StepRequest) => {
        const rows: number[] = [];
        tokens.forEach((token, i) => {
          held.push(token);
          if (wanted instanceof Uint8Array && wanted[i]) rows.push(...logitsAfter(held));
        });
        return Promise.resolve(Float32Array.from(rows));
      },
      truncate: (_sequence: number, length: number) => {
        held = held.slice(0, length);
      },
      copy: () => undefined,
      end: () => Promise.resolve(),
    };
    const limits = { context, sequences: 1, cells: context, batch: 9, cacheType: 'f16' } as const;
    return { vocabulary: SIZE, weightBytesPerToken: 0, limits, session };
  }

  /** Guesses what comes, wrong every so often. */
  function oracle(model: ModelSession, wrong: number, next: () => number): Drafter {
    const honest = new DraftModel(model, SIZE);
    return {
      draft: async (tokens, most, signal) =>
        (await honest.draft(tokens, most, signal)).map(token => (next() < wrong ? Math.floor(next() * SIZE) : token)),
    };
  }

  test('the same text from every drafter', async () => {
    console.log(`SEED=${seed}`);
    const next = random(seed);
    const tokenizer = {
      endOfGeneration: new Set([0]),
      streamDecoder: () => ({ push: (id: number) => String.fromCharCode(97 + id), end: () => '' }),
    } as unknown as Tokenizer;
    let accepted = 0;
    for (let round = 0; round < 150; round++) {
      const of = Math.floor(next() * 1e6);
      const prompt = Int32Array.from({ length: 1 + Math.floor(next() * 20) }, () => Math.floor(next() * SIZE));
      const context = next() < 0.3 ? prompt.length + Math.floor(next() * 30) : 200;
      const options = { ...SAMPLINGS[round % SAMPLINGS.length], ...(next() < 0.7 ? { bias: new Map([[0, -9]]) } : {}) };
      const stop = next() < 0.3 ? ['aba', 'dd'] : [];
      const draft = 1 + Math.floor(next() * 12);
      const asked = { tokenizer, prompt, options, count: 1 + Math.floor(next() * 60), stop, draft };
      const plain = await run({ ...asked, model: randomModel(of, context) });
      const drafters = {
        lookup: new PromptLookup(),
        itself: new DraftModel(randomModel(of, context), SIZE),
        another: new DraftModel(randomModel(of + 1, 7), SIZE),
        mixed: oracle(randomModel(of, 300), 0.3, next),
      };
      for (const [name, drafter] of Object.entries(drafters)) {
        const { speculation, ...found } = await run({ ...asked, model: randomModel(of, context), drafter });
        expect(found, `seed ${seed}, round ${round}, ${name}`).toEqual(plain);
        const { drafted, accepted: right } = speculation!;
        expect(right).toBeLessThanOrEqual(drafted);
        accepted += right;
        // Greedy, the model itself is right every time, but for what comes after the end.
        const whole = plain.reason === 'count' || plain.reason === 'context';
        if (
          name === 'itself' &&
          options.temperature === undefined &&
          !options.repetitionPenalty &&
          !options.bias &&
          whole
        ) {
          expect(right, `seed ${seed}, round ${round}`).toBe(drafted);
        }
      }
    }
    expect(accepted).toBeGreaterThan(1000);
  });
});

test('a lookup finds the latest place of the longest end', async () => {
  const lookup = new PromptLookup();
  expect(await lookup.draft([1, 2, 3, 4, 9, 2, 3, 5, 9, 2, 3], 2)).toEqual([5, 9]);
  expect(await lookup.draft([7, 1, 2, 3, 8, 2, 3, 5, 1, 2, 3], 9)).toEqual([8, 2, 3, 5, 1, 2, 3]);
  expect(await lookup.draft([6, 6, 6], 5)).toEqual([6]);
  expect(await lookup.draft([1, 2, 3], 5)).toEqual([]);
  expect(await lookup.draft([], 5)).toEqual([]);
});

describe('vocabularies', () => {
  const code = (a: Tokenizer, b: Tokenizer): string => {
    try {
      checkSameVocabulary(a, b);
      return 'same';
    } catch (error) {
      return (error as Error).message;
    }
  };
  const bpe = tokenizerOf(byteLevel(['a b', 'ab c']));

  test('the same, or padded at the end', () => {
    expect(code(bpe, tokenizerOf(byteLevel(['a b', 'ab c'])))).toBe('same');
    expect(code(bpe, tokenizerOf(byteLevel(['a b', 'ab c'], { special: ['<|pad|>'] })))).toBe('same');
  });

  test('another one is refused with the difference', () => {
    expect(code(bpe, tokenizerOf(byteLevel(['a b', 'ab d'])))).toContain(
      `its token 257 is "abd", the model's is "abc"`,
    );
    const many = Array.from({ length: 200 }, (_, i) => `<|${i}|>`);
    expect(code(bpe, tokenizerOf(byteLevel(['a b', 'ab c'], { special: many })))).toContain('it has 458 tokens');
    const wordPiece = tokenizerOf(metadataOf({ [`${P}model`]: 'bert' }, { tokens: ['[UNK]'] }));
    expect(code(bpe, wordPiece)).toContain('of the kind wpm');
  });
});

describe.skipIf(!isBuilt)('the example model', () => {
  const { folder, remove } = scratch();
  const opened: OpenedSession[] = [];
  afterAll(async () => {
    for (const session of opened) await session.close();
    remove();
  });
  const open = async (file: string): Promise<OpenedSession> => {
    const session = await openSession(file, {
      ...{ backend: 'auto', kernels: path.join(root, 'dist/kernels'), context: 160, batch: 64, cacheType: 'f16' },
    });
    opened.push(session);
    return session;
  };
  const PROMPTS = [
    'def add(a, b):\n    return',
    'for (let i = 0; i < n; i++) {\n  total += values[i];\n}\nfor (let j = 0; j < n; j++) {\n',
    'class Point:\n    def __init__(self, x, y):\n        self.x = x\n',
    'The quick brown fox',
    '#include <stdio.h>\nint main(void) {\n',
  ];

  test('writes the same with a lookup and with a draft model, greedy and drawn', async () => {
    const small = path.join(folder, 'small.gguf');
    const { status, stderr } = spawnSync(process.execPath, [cliFile, 'quantize', tinycoder, small, '--type', 'Q4_0']);
    expect(status, String(stderr)).toBe(0);
    const model = await open(tinycoder);
    const tokenizer = tokenizerOf(await metadataOfFile(tinycoder));
    const drafters = { lookup: new PromptLookup(), model: new DraftModel(await open(small), model.vocabulary) };
    const total = { lookup: { drafted: 0, accepted: 0 }, model: { drafted: 0, accepted: 0 } };
    for (const text of PROMPTS) {
      const prompt = tokenizer.encode(text, { addSpecial: true });
      for (const options of SAMPLINGS) {
        const asked = { model, tokenizer, prompt, options, count: 32 };
        const plain = await run(asked);
        for (const name of ['lookup', 'model'] as const) {
          const { speculation, ...found } = await run({ ...asked, drafter: drafters[name] });
          expect(found, `${text} ${name} ${JSON.stringify(options)}`).toEqual(plain);
          if (options.temperature !== undefined) continue;
          total[name].drafted += speculation!.drafted;
          total[name].accepted += speculation!.accepted;
        }
      }
    }
    console.log(JSON.stringify(total));
    // A model of 4 bits agrees with itself of 16 in most tokens; so of six in a row, several are right.
    expect(total.model.accepted).toBeGreaterThan(total.model.drafted / 3);
    expect(total.lookup.accepted).toBeGreaterThan(0);
  });
});
