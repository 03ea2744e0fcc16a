// Chatting through the real worker process with the example model, which gets a chat template: answers, streaming, counting,
// cancelling, refusals, and templates that try to hang, fill or break the process.
import { fork } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { ChatMessage } from '../../src/core/chat/chat-prompt.js';
import { errorData } from '../../src/core/problem.js';
import { defaultOptions } from '../../src/core/quantize/plan.js';
import { WorkerClient } from '../../src/platform/worker-process.js';
import type { ChatRequest } from '../../src/protocol/worker-protocol.js';
import { buildGguf } from '../fixtures/gguf/gguf-builder.js';
import { buildWorker, scratch, tinycoder, type BuiltWorker } from './built-worker.js';

let built: BuiltWorker;
let folder: string;
let remove: () => void;
const clients: WorkerClient[] = [];
beforeAll(async () => {
  built = await buildWorker();
  ({ folder, remove } = scratch());
});
afterEach(() => {
  for (const client of clients.splice(0)) client.dispose();
});
afterAll(() => {
  built.remove();
  remove();
});

function start(): WorkerClient {
  const client = new WorkerClient(path.join(built.dist, 'worker.js'));
  clients.push(client);
  return client;
}

/** Turns between tokens that the example model has: `<|file_sep|>` begins one, `<|endoftext|>` ends it. */
const TURNS = `{% for message in messages %}{{ '<|file_sep|>' + message.role + '\\n' + message.content + '<|endoftext|>' }}{% endfor %}{% if add_generation_prompt %}{{ '<|file_sep|>assistant\\n' }}{% endif %}`;

let count = 0;

/** The example model with a chat template. */
async function modelWith(client: WorkerClient, template: string): Promise<string> {
  const output = path.join(folder, `chat-${count++}.gguf`);
  await client.request('quantize/run', {
    ...{ source: tinycoder, output, threads: 1, backend: 'auto', overwrite: true, dryRun: false, resume: false },
    ...{ keepSplit: false, reuse: false },
    options: {
      ...defaultOptions('F16'),
      metadata: [{ key: 'tokenizer.chat_template', type: 'string', value: template, text: 'the template' }],
    },
  });
  return output;
}

const request = (file: string, messages: readonly ChatMessage[], more: Partial<ChatRequest> = {}): ChatRequest => ({
  ...{ model: { path: file, threads: 2, backend: 'auto' }, messages, maxTokens: 24 },
  sampling: { temperature: 0, topK: 40, topP: 0.95, minP: 0.05, seed: 1 },
  ...more,
});

const user = (content: string): ChatMessage => ({ role: 'user', content });

async function failure(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'good',
    (error: unknown) => `${errorData(error).code}: ${errorData(error).message}`,
  );
}

describe('a conversation', () => {
  test('is answered, streamed, and gone on with', async () => {
    const client = start();
    const file = await modelWith(client, TURNS);
    const support = await client.request('chat/support', { path: file });
    expect(support).toMatchObject({ architecture: 'llama', fileType: 'F16', context: 512 });
    expect(support).not.toHaveProperty('reason');
    const texts: string[] = [];
    const messages = [user('def add(a, b):\n')];
    const first = await client.request('chat/run', request(file, messages), { onProgress: text => texts.push(text) });
    expect(first.generatedTokens).toBeGreaterThan(0);
    expect(texts.length).toBeGreaterThan(0);
    expect(texts.every(text => first.text.startsWith(text))).toBe(true);
    expect((await client.request('chat/run', request(file, messages))).text).toBe(first.text);
    const next = [...messages, { role: 'assistant', content: first.text } as const, user('print(')];
    const second = await client.request('chat/run', request(file, next));
    // What was read of the conversation is not read again.
    expect(second.reusedTokens).toBeGreaterThanOrEqual(first.promptTokens - 1);
    const other = { model: { path: file, threads: 1, backend: 'wasm' as const } };
    expect((await client.request('chat/run', request(file, next, other))).text).toBe(second.text);
    const sampling = { temperature: 1.5, topK: 0, topP: 1, minP: 0, seed: 7 };
    const drawn = await client.request('chat/run', request(file, messages, { sampling }));
    expect(drawn.text).not.toBe(first.text);
    expect((await client.request('chat/run', request(file, messages, { sampling }))).text).toBe(drawn.text);
  });

  test('its tokens are counted as they are read; what a person writes ends no turn', async () => {
    const client = start();
    const file = await modelWith(client, TURNS);
    const counted = async (of: { text: string } | { messages: readonly ChatMessage[] }): Promise<number> =>
      (await client.request('chat/count', { path: file, ...of })).tokens;
    const text = await counted({ text: 'x = 1' });
    const around = (await counted({ messages: [user('x = 1')] })) - text;
    const { promptTokens } = await client.request('chat/run', request(file, [user('x = 1')], { maxTokens: 1 }));
    expect(promptTokens).toBeGreaterThan(text + around);
    // As text a control token has many tokens; recognized it would have one.
    expect(await counted({ text: '<|endoftext|>' })).toBeGreaterThan(3);
    expect(await counted({ messages: [user('a<|endoftext|>b')] })).toBeGreaterThanOrEqual(around + 5);
  });

  test('is cancelled at once, while it is read and while it is written', async () => {
    const client = start();
    const file = await modelWith(client, TURNS);
    const messages = [user('value = compute(value, 1)\n'.repeat(30))];
    await client.request('chat/run', request(file, [user('a')], { maxTokens: 1 }));
    for (const when of ['read', 'written'] as const) {
      const controller = new AbortController();
      const asked = client.request('chat/run', request(file, messages, { maxTokens: 250 }), {
        signal: controller.signal,
        onProgress: () => {
          controller.abort();
        },
      });
      if (when === 'read') controller.abort();
      expect(await failure(asked)).toMatch(/^cancelled/);
    }
    expect((await client.request('chat/run', request(file, [user('a')]))).generatedTokens).toBeGreaterThan(0);
  });

  test('that is too long is refused with the numbers', async () => {
    const client = start();
    const file = await modelWith(client, TURNS);
    expect(await failure(client.request('chat/run', request(file, [user('word '.repeat(600))])))).toMatch(
      /^chat\/too-long: The conversation has 6\d\d tokens; the model takes 512 tokens/,
    );
  });

  test('roles that a template refuses are merged', async () => {
    const client = start();
    const strict =
      "{% for m in messages %}{% if m.role == 'system' or (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate') }}{% endif %}{{ m.content }}{% endfor %}";
    const file = await modelWith(client, strict);
    const messages = [{ role: 'system', content: 'a' } as const, user('b'), user('c')];
    expect((await client.request('chat/run', request(file, messages))).promptTokens).toBeGreaterThan(2);
  });
});

test('a template that loops ends by itself when nobody is left to end it', async () => {
  const child = fork(path.join(built.dist, 'template-process.js'), [], { serialization: 'advanced' });
  const ended = new Promise<number | null>(resolve => child.once('exit', resolve));
  const template = '{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}';
  const values = { messages: [], add_generation_prompt: true, bos_token: '', eos_token: '' };
  await new Promise(resolve => child.send({ id: 1, template, values, limitMs: 300 }, resolve));
  child.disconnect();
  expect(await ended).toBe(0);
});

describe('a model', () => {
  test('without a template, or that is none: the reason', async () => {
    const client = start();
    expect((await client.request('chat/support', { path: tinycoder })).reason).toMatch(/no chat template/);
    expect(await failure(client.request('chat/run', request(tinycoder, [user('a')])))).toMatch(/^chat\/no-template/);
    const file = path.join(folder, 'other.gguf');
    writeFileSync(file, buildGguf('string general.architecture = "mamba"').bytes);
    expect((await client.request('chat/support', { path: file })).reason).toMatch(/architecture "mamba"/);
    const none = path.join(folder, 'none.gguf');
    expect(await failure(client.request('chat/count', { path: none, text: 'a' }))).toMatch(/^io\//);
  });

  test.each([
    ['raises an error', "{{ raise_exception('Not for you') }}", /^chat\/template-failed: .*Not for you/],
    ['is no Jinja', '{% for %}', /^chat\/template-failed/],
    [
      'calls what it does not have',
      "{{ ''.constructor.constructor('return process')().exit() }}",
      /^chat\/template-failed/,
    ],
    ['is nested deeply', `{{ ${'('.repeat(100_000)}1${')'.repeat(100_000)} }}`, /^chat\/template-failed/],
    [
      'loops for ever',
      '{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}',
      /^chat\/template-endless/,
    ],
    [
      'fills the memory',
      '{% set ns = namespace(s=[1]) %}{% for a in range(60) %}{% set ns.s = ns.s + ns.s %}{% endfor %}',
      /^chat\/template-(failed|endless)/,
    ],
    [
      'makes a huge text',
      "{% set ns = namespace(s='0123456789abcdef') %}{% for a in range(26) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}{{ ns.s }}",
      /^chat\/template-failed: .*(million characters|memory|string)/,
    ],
    ['is larger than any', `{#${'-'.repeat(1 << 20)}#}`, /^chat\/template-too-large/],
  ])('whose template %s', async (_name, template, expected) => {
    const client = start();
    const file = await modelWith(client, template);
    const before = client.pid;
    expect(await failure(client.request('chat/run', request(file, [user('a')])))).toMatch(expected);
    // The process is the same, and does its work.
    const good = await modelWith(client, TURNS);
    expect((await client.request('chat/run', request(good, [user('a')]))).generatedTokens).toBeGreaterThan(0);
    expect(client.pid).toBe(before);
  });
});
