// Completions through the real worker process with the example model: what a model is worth, texts at a cursor, what is reused,
// cancelling, changing models, and the death of the process.
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { errorData } from '../../src/core/problem.js';
import { WorkerClient } from '../../src/platform/worker-process.js';
import type { CompletionAnswer, CompletionModel, CompletionRequest } from '../../src/protocol/worker-protocol.js';
import { buildGguf } from '../fixtures/gguf/gguf-builder.js';
import { buildWorker, scratch, tinycoder, type BuiltWorker } from './built-worker.js';

let built: BuiltWorker;
let folder: string;
let remove: () => void;
const clients: WorkerClient[] = [];
beforeAll(async () => {
  built = await buildWorker();
});
afterAll(() => {
  built.remove();
});
beforeEach(() => {
  ({ folder, remove } = scratch());
});
afterEach(() => {
  for (const client of clients.splice(0)) client.dispose();
  remove();
});

function start(): WorkerClient {
  const client = new WorkerClient(path.join(built.dist, 'worker.js'));
  clients.push(client);
  return client;
}

const example: CompletionModel = { path: tinycoder, threads: 2, backend: 'auto' };

const request = (more: Partial<CompletionRequest> = {}): CompletionRequest => ({
  model: example,
  prefix: 'import json\n\n\ndef load_config(path):\n    with open(path) as file:\n        ',
  suffix: '\n\n\nprint(load_config("a.json"))\n',
  multiline: false,
  maxTokens: 24,
  budgetMs: 20_000,
  ...more,
});

const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'ok',
    (error: unknown) => errorData(error).code,
  );

describe('a model', () => {
  test('that can fill in a middle: what its header says, and what it is worth', async () => {
    const client = start();
    const support = await client.request('completion/support', { path: tinycoder });
    expect(support).toEqual({
      fileType: 'F16',
      parameterCount: 4_983_552,
      byteLength: expect.any(Number) as number,
      freeBytes: expect.any(Number) as number,
      workBytes: expect.any(Number) as number,
      family: 'Qwen Coder',
    });
    // Keys and values alone: 512 tokens of F16.
    expect(support.workBytes).toBeGreaterThan(100_000);
    expect(support.workBytes).toBeLessThan(100_000_000);
    const loaded = await client.request('completion/load', example);
    expect(loaded).toMatchObject({ family: 'Qwen Coder', context: 512, filesTokens: 0 });
    expect(loaded.filesWhy).toMatch(/context of 512 tokens has no room/);
    // Measured outside of this program, too: llama.cpp's and the trainer's own forward pass give 0.5 on other cases.
    expect(loaded.overWrong).toBeGreaterThan(0.5);
    expect(loaded.overPlain).toBeGreaterThan(0.5);
  });

  test('that cannot be run, or has no tokens for it: the reason', async () => {
    const client = start();
    const support = async (text: string): Promise<string | undefined> => {
      const file = path.join(folder, 'other.gguf');
      writeFileSync(file, buildGguf(text).bytes);
      const { family, reason } = await client.request('completion/support', { path: file });
      expect(family).toBeUndefined();
      expect(await codeOf(client.request('completion/load', { ...example, path: file }))).not.toBe('ok');
      return reason;
    };
    expect(await support('string general.architecture = "mamba"')).toMatch(/architecture "mamba" cannot be run here/);
    const llama = 'string general.architecture = "llama"\nstring tokenizer.ggml.model = "llama"\n';
    expect(await support(llama)).toMatch(/tokens/);
    expect(await support(`${llama}string[] tokenizer.ggml.tokens = ["<unk>","<s>","</s>"]`)).toMatch(
      /no tokens for filling in a middle/,
    );
    const none = path.join(folder, 'none.gguf');
    expect(await codeOf(client.request('completion/run', request({ model: { ...example, path: none } })))).toMatch(
      /^io\//,
    );
    // And the worker is as good as before.
    expect((await client.request('completion/run', request())).generatedTokens).toBeGreaterThan(0);
  });

  test('that has the tokens but never learned them is refused', async () => {
    const client = start();
    const bytes = readFileSync(tinycoder);
    // The example model with other control tokens in the place of the three: `<|fim_pad|>`, `<|repo_name|>`, `<|file_sep|>`.
    for (const [key, id] of [
      ['fim_pre', 4093],
      ['fim_suf', 4094],
      ['fim_mid', 4095],
    ] as const) {
      const name = `tokenizer.ggml.${key}_token_id`;
      const value = bytes.indexOf(name) + name.length + 4;
      expect(bytes.readUInt32LE(value)).toBeLessThan(4096);
      bytes.writeUInt32LE(id, value);
    }
    const file = path.join(folder, 'untaught.gguf');
    writeFileSync(file, bytes);
    const { family } = await client.request('completion/support', { path: file });
    expect(family).toBe('token ids of the file');
    const error = errorData(
      await client.request('completion/load', { ...example, path: file }).catch((e: unknown) => e),
    );
    expect(error.code).toBe('completion/cannot-fill');
    // It copies from the suffix, too, but the middle does not follow.
    const [, overWrong, overPlain] = /it makes it (-?[\d.]+) and (-?[\d.]+) likelier/.exec(error.message) ?? [];
    expect(Number(overWrong)).toBeGreaterThan(0.5);
    expect(Number(overPlain)).toBeLessThan(0.5);
  });
});

describe('a completion', () => {
  test('is the same every time, and streams', async () => {
    const client = start();
    const texts: string[] = [];
    const first = await client.request('completion/run', request({ multiline: true }), {
      onProgress: text => texts.push(text),
    });
    expect(first.text.trim()).not.toBe('');
    expect(texts.length).toBeGreaterThan(0);
    expect(texts.every(text => first.text.startsWith(text))).toBe(true);
    const second = await client.request('completion/run', request({ multiline: true }));
    expect(second.text).toBe(first.text);
    const other = await start().request(
      'completion/run',
      request({ multiline: true, model: { ...example, threads: 1, backend: 'wasm' } }),
    );
    expect(other.text).toBe(first.text);
  });

  test('reads the same prompt once, and after a typed character what changed', async () => {
    const client = start();
    const cost = async (more: Partial<CompletionRequest>): Promise<number> => {
      const { promptTokens, reusedTokens } = await client.request('completion/run', request(more));
      return promptTokens - reusedTokens;
    };
    const { prefix, suffix } = request();
    const whole = (await client.request('completion/run', request())).promptTokens;
    expect(whole).toBeGreaterThan(20);
    expect(await cost({})).toBe(1);
    // The typed character, its neighbour that may become another token, and the suffix.
    const again = await cost({ prefix: `${prefix}r` });
    expect(again).toBeLessThan(suffix.length);
    expect(again).toBeLessThan(whole / 2);
  });

  test('shows its prompt, and ends with the line where one is wanted', async () => {
    const { prompt, stop, text } = await start().request('completion/run', request({ maxTokens: 64 }));
    const { prefix, suffix } = request();
    expect(prompt).toBe(`<|fim_prefix|>${prefix}<|fim_suffix|>${suffix}<|fim_middle|>`);
    expect(text.trim().split('\n')).toHaveLength(1);
    expect(stop).toMatch(/rest of the line|model ended it/);
  });

  test('ends when its time is up, with what there is', async () => {
    const { text, stop, generatedTokens } = await start().request(
      'completion/run',
      request({ multiline: true, maxTokens: 200, budgetMs: 0, suffix: '' }),
    );
    expect(generatedTokens).toBe(1);
    expect(stop).toBe('The time was up.');
    expect(text.length).toBeGreaterThan(0);
  });

  test('of a file that is far longer than the context', async () => {
    const long = 'value = compute(value, 1)\n'.repeat(3000);
    const answer = await start().request('completion/run', request({ prefix: long, suffix: long, maxTokens: 8 }));
    expect(answer.promptTokens).toBeLessThanOrEqual(512 - 8);
    expect(answer.cutTokens).toBeGreaterThan(10_000);
  });
});

describe('cancelling', () => {
  test('ends a generation at once, and the next one has a free model', async () => {
    const client = start();
    await client.request('completion/load', example);
    // Never enough by itself: a token at most every step until the context is full.
    const endless = request({ multiline: true, maxTokens: 300, prefix: 'x = [1,\n    ', suffix: '' });
    const waits: number[] = [];
    for (let round = 0; round < 8; round++) {
      const controller = new AbortController();
      const going = new Promise<void>(resolve => {
        const answer = client.request('completion/run', endless, {
          signal: controller.signal,
          onProgress: () => {
            const cancelled = performance.now();
            controller.abort();
            void codeOf(answer).then(code => {
              if (code === 'cancelled') waits.push(performance.now() - cancelled);
              resolve();
            });
          },
        });
        void answer.then(() => resolve()).catch(() => undefined);
      });
      await going;
    }
    expect(waits.length).toBeGreaterThan(0);
    // A step of this model takes a millisecond; the rest is two messages on a busy machine.
    expect(Math.min(...waits)).toBeLessThan(50);
    expect((await client.request('completion/run', request())).waitMs).toBeLessThan(1000);
  });

  test('while the model is being loaded does not stop the load', async () => {
    const client = start();
    const controller = new AbortController();
    const first = client.request('completion/run', request(), { signal: controller.signal });
    controller.abort();
    expect(await codeOf(first)).toBe('cancelled');
    expect((await client.request('completion/run', request())).text).not.toBe('');
  });

  test('many requests at once: the last one is answered, none is lost', async () => {
    const client = start();
    await client.request('completion/load', example);
    const text = 'result = compute_everything(values, options)';
    const codes: Promise<string>[] = [];
    let last: Promise<CompletionAnswer> | undefined;
    let controller = new AbortController();
    for (let length = 1; length <= text.length; length++) {
      controller.abort();
      controller = new AbortController();
      last = client.request('completion/run', request({ prefix: text.slice(0, length) }), {
        signal: controller.signal,
      });
      codes.push(codeOf(last));
    }
    expect((await last)?.promptTokens).toBeGreaterThan(0);
    const all = await Promise.all(codes);
    expect(all.at(-1)).toBe('ok');
    expect(all.every(code => code === 'ok' || code === 'cancelled')).toBe(true);
  });
});

describe('another model', () => {
  test('while one generates: both answer, each with its own', async () => {
    const client = start();
    const copy = path.join(folder, 'copy.gguf');
    copyFileSync(tinycoder, copy);
    const expected = await client.request('completion/run', request());
    const answers = await Promise.all(
      [example, { ...example, path: copy }, example].map(model => client.request('completion/run', request({ model }))),
    );
    for (const { text, reusedTokens } of answers) expect([text, reusedTokens >= 0]).toEqual([expected.text, true]);
  });

  test('a file that was replaced is read again', async () => {
    const client = start();
    const copy = path.join(folder, 'copy.gguf');
    copyFileSync(tinycoder, copy);
    const model = { ...example, path: copy };
    await client.request('completion/run', request({ model }));
    writeFileSync(copy, 'no model any more');
    expect(await codeOf(client.request('completion/run', request({ model })))).toMatch(/^gguf\//);
    copyFileSync(tinycoder, copy);
    expect((await client.request('completion/run', request({ model }))).text).not.toBe('');
  });
});

describe('memory', () => {
  test('a model that would take more than it may is refused with both numbers', async () => {
    const client = start();
    const load = (memoryLimit: number) => client.request('completion/load', { ...example, memoryLimit });
    const error = errorData(await load(5 * 2 ** 20).catch((e: unknown) => e));
    expect(error.code).toBe('engine/model-too-large');
    expect(error.message).toMatch(/The model has .*; quantsmith\.completions\.memoryLimit allows 5/);
    // Room for the weights, and for nothing else.
    const { byteLength } = await client.request('completion/support', { path: tinycoder });
    expect(await codeOf(load(byteLength + 1000))).toBe('engine/out-of-memory');
    expect(await codeOf(load(byteLength + 2 ** 28))).toBe('ok');
  });

  test('is given back, also while a request waits, and the next one loads again', async () => {
    const client = start();
    const first = await client.request('completion/run', request());
    const unloaded = client.request('completion/unload', {});
    const second = client.request('completion/run', request());
    await unloaded;
    expect(await second).toMatchObject({ text: first.text, reusedTokens: 0 });
    await client.request('completion/unload', {});
    await client.request('completion/unload', {});
  });
});

describe('only reading', () => {
  test('writes nothing, and the next request finds it read', async () => {
    const client = start();
    const read = await client.request('completion/run', request({ onlyRead: true }));
    expect(read).toMatchObject({ text: '', generatedTokens: 0 });
    const { promptTokens, reusedTokens, text } = await client.request('completion/run', request());
    expect(promptTokens - reusedTokens).toBe(1);
    expect(text).not.toBe('');
  });
});

test('a time that counts from the request: over before the first token, it counts from that', async () => {
  const client = start();
  await client.request('completion/load', example);
  const more = { multiline: true, maxTokens: 200, suffix: '', budgetSince: 'request' } as const;
  const late = await client.request('completion/run', request({ ...more, budgetMs: 0 }));
  expect([late.generatedTokens, late.stop]).toEqual([1, 'The time was up.']);
  expect(
    (await client.request('completion/run', request({ ...more, budgetMs: 20_000 }))).generatedTokens,
  ).toBeGreaterThan(1);
});

test('a worker that is killed while it generates: the request says so, the next one works', async () => {
  const client = start();
  await client.request('completion/load', example);
  const { pid } = client;
  const answer = client.request('completion/run', request({ multiline: true, maxTokens: 300, suffix: '' }));
  process.kill(pid!, 'SIGKILL');
  expect(await codeOf(answer)).toBe('worker/gone');
  expect((await client.request('completion/run', request())).text).not.toBe('');
});
