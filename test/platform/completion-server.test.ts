// Completing by a server, against servers that play all parts: good ones, slow ones, wrong ones and hostile ones.
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { parseEndpoint } from '../../src/core/completion/servers/endpoint.js';
import { fimFamilyByName } from '../../src/core/completion/servers/fim-text.js';
import type { ServerKind } from '../../src/core/completion/servers/server-protocol.js';
import { serverProtocol } from '../../src/core/completion/servers/server-table.js';
import { errorData } from '../../src/core/problem.js';
import { CompletionServer, type ServerRequest } from '../../src/platform/completion-server.js';
import { json, playServer, sse, stream, type Play, type PlayedServer } from './played-server.js';

const servers: PlayedServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});

async function play(parts: Readonly<Record<string, Play>>): Promise<PlayedServer> {
  const server = await playServer(parts);
  servers.push(server);
  return server;
}

interface ClientOptions {
  readonly model?: string;
  readonly family?: string;
  readonly key?: string;
}

function client(kind: ServerKind, address: string, { model = '', family, key }: ClientOptions = {}): CompletionServer {
  const protocol = serverProtocol(kind);
  return new CompletionServer({
    ...{ protocol, endpoint: parseEndpoint(address, protocol), model },
    family: family === undefined ? undefined : fimFamilyByName(family),
    key: () => Promise.resolve(key),
  });
}

const REQUEST: ServerRequest = {
  ...{ prefix: 'def f(a):\n    return ', suffix: '\n', multiline: false, maxTokens: 32, budgetMs: 60_000 },
};

const ask = (server: CompletionServer, request: Partial<ServerRequest> = {}, onText?: (text: string) => void) =>
  server.complete({ ...REQUEST, ...request }, { signal: new AbortController().signal, ...(onText ? { onText } : {}) });

/** The code of what a promise rejects with, and its message. */
async function failure(
  promise: Promise<unknown>,
): Promise<{ code: string; message: string; hint: string | undefined }> {
  try {
    await promise;
  } catch (error) {
    const { code, message, hint } = errorData(error);
    return { code, message, hint };
  }
  throw new Error('it did not fail');
}

const token = (content: string) => ({ content, stop: false });
const last = {
  content: '',
  stop: true,
  stop_type: 'eos',
  prompt: '<P>x<S>y<M>',
  timings: { prompt_n: 3, cache_n: 40 },
};

test('llama-server: what is asked, what is read, and what it says of its work', async () => {
  const server = await play({
    'POST /infill': stream('text/event-stream', sse(token('a'), token(' + 1'), last)),
  });
  const texts: string[] = [];
  const answer = await ask(
    client('llama-server', server.address, { key: 'k1', model: 'coder' }),
    { extra: [{ name: 'a.py', text: 'A = 1\n' }], budgetMs: 700 },
    text => texts.push(text),
  );
  expect(answer).toMatchObject({ text: 'a + 1', stop: 'The model ended it.', prompt: '<P>x<S>y<M>' });
  expect(answer).toMatchObject({ promptTokens: 43, reusedTokens: 40 });
  expect(texts.slice(0, 2)).toEqual(['a', 'a + 1']);
  expect(server.received).toMatchObject([
    {
      authorization: 'Bearer k1',
      body: {
        ...{ input_prefix: 'def f(a):\n    return ', input_suffix: '\n', n_predict: 32, cache_prompt: true },
        ...{ model: 'coder', input_extra: [{ filename: 'a.py', text: 'A = 1\n' }], t_max_predict_ms: 700 },
        ...{ stream: true, temperature: 0 },
      },
    },
  ]);
});

test('Ollama: a suffix, or with a family the raw prompt', async () => {
  const lines = [
    { response: 'a', done: false },
    { response: '', done: true, done_reason: 'length', prompt_eval_count: 9, eval_count: 1 },
  ].map(line => `${JSON.stringify(line)}\n`);
  const server = await play({ 'POST /api/generate': stream('application/x-ndjson', lines) });
  const answer = await ask(client('ollama', server.address, { model: 'm' }));
  expect(answer).toMatchObject({
    text: 'a',
    stop: 'The most tokens were reached.',
    promptTokens: 9,
    generatedTokens: 1,
  });
  await ask(client('ollama', server.address, { model: 'm', family: 'Qwen Coder' }));
  expect(server.received.map(({ body }) => body)).toMatchObject([
    { model: 'm', prompt: REQUEST.prefix, suffix: '\n', raw: false, stream: true },
    { raw: true, prompt: `<|fim_prefix|>${REQUEST.prefix}<|fim_suffix|>\n<|fim_middle|>` },
  ]);
  expect(server.received[1]?.body).not.toHaveProperty('suffix');
});

test('OpenAI: a suffix, or the tokens of a family, with /v1 added where it was left out', async () => {
  const events = sse(
    { choices: [{ text: 'a', finish_reason: null }] },
    { choices: [{ text: '', finish_reason: 'stop' }], usage: { prompt_tokens: 7, completion_tokens: 1 } },
    '[DONE]',
  );
  const server = await play({ 'POST /v1/completions': stream('text/event-stream; charset=utf-8', events) });
  expect(await ask(client('openai', server.address))).toMatchObject({ text: 'a', promptTokens: 7 });
  await ask(client('openai', `${server.address}/v1/`, { family: 'Codestral', model: 'c' }));
  expect(server.received.map(({ body }) => body)).toMatchObject([
    { prompt: REQUEST.prefix, suffix: '\n', max_tokens: 32, temperature: 0, stream: true },
    { prompt: `[SUFFIX]\n[PREFIX]${REQUEST.prefix}`, model: 'c', stop: ['[PREFIX]', '[SUFFIX]'] },
  ]);
});

test('it stops where the local model would: the rest of the stream is not waited for', async () => {
  const server = await play({
    'POST /infill': stream('text/event-stream', sse(token('a\n'), token('b = 2\n')), 'open'),
  });
  const answer = await ask(client('llama-server', server.address));
  expect(answer.text).toMatch(/^a\n/);
  expect(answer.stop).toBe('Only the rest of the line is wanted here.');
  await server.received[0]?.gone;
});

test('a server that stalls: what exists when the time is up is the answer', async () => {
  const server = await play({ 'POST /infill': stream('text/event-stream', sse(token('a +')), 'open') });
  const answer = await ask(client('llama-server', server.address), { budgetMs: 50 });
  expect(answer).toMatchObject({ text: 'a +', stop: 'The time was up.' });
  await server.received[0]?.gone;
});

test(
  'cancelled before the answer, and in the middle of it: the request ends at once',
  { timeout: 30_000 },
  async () => {
    const server = await play({
      'POST /infill': response => response.writeHead(200, { 'content-type': 'text/event-stream' }).write(':\n\n'),
      'POST /api/generate': () => undefined,
    });
    for (const kind of ['llama-server', 'ollama'] as const) {
      const controller = new AbortController();
      const reason = new Error('a key was pressed');
      const asked = client(kind, server.address).complete(REQUEST, { signal: controller.signal });
      await expect.poll(() => server.received.length, { timeout: 20_000 }).toBe(kind === 'ollama' ? 2 : 1);
      controller.abort(reason);
      await expect(asked).rejects.toBe(reason);
      await server.received.at(-1)?.gone;
      await expect(client(kind, server.address).complete(REQUEST, { signal: controller.signal })).rejects.toBe(reason);
    }
    expect(server.received).toHaveLength(2);
  },
);

test('characters that are cut between pieces', async () => {
  const bytes = Buffer.from(sse(token('ä€😀'), last).join('').replaceAll('\n', '\r\n'));
  const server = await play({
    'POST /infill': stream(
      'text/event-stream',
      Array.from(bytes, byte => Uint8Array.of(byte)),
    ),
  });
  expect((await ask(client('llama-server', server.address))).text).toBe('ä€😀');
});

test('half of a character at the edge of the text is not sent', async () => {
  const server = await play({ 'POST /infill': stream('text/event-stream', sse(last)) });
  await ask(client('llama-server', server.address), { prefix: '\uDE00a\uD83D', suffix: '\uDE00b😀\uD83D' });
  expect(server.received[0]?.body).toMatchObject({ input_prefix: 'a', input_suffix: 'b😀' });
});

const REDIRECT: Play = response => response.writeHead(307, { location: 'http://127.0.0.1:1/infill' }).end();

test.each<[name: string, kind: ServerKind, part: Play, code: string, message: RegExp, hint: RegExp]>([
  [
    'a wrong key',
    'llama-server',
    json({ error: { message: 'Invalid API Key', code: 401 } }, 401),
    'server/unauthorized',
    /127\.0\.0\.1:\d+ refuses the key, or wants one \(401: Invalid API Key\)/,
    /Set Completion Server Key/,
  ],
  [
    'another program',
    'llama-server',
    json({ error: { message: 'File Not Found', type: 'not_found_error', code: 404 } }, 404),
    'server/not-found',
    /There is no \/infill at http:\/\/127\.0\.0\.1:\d+ \(404: File Not Found\), which every llama-server has/,
    /endpoint/,
  ],
  [
    'a wrong model',
    'ollama',
    json({ error: "model 'm' not found" }, 404),
    'server/no-such-model',
    /no model "m": model 'm' not found/,
    /serverModel/,
  ],
  [
    "a wrong model, in vLLM's words",
    'openai',
    json({ object: 'error', message: 'The model `m` does not exist.', code: 404 }, 404),
    'server/no-such-model',
    /The model `m` does not exist/,
    /serverModel/,
  ],
  [
    'a model that is being loaded',
    'llama-server',
    json({ error: { code: 503, message: 'Loading model', type: 'unavailable_error' } }, 503),
    'server/loading',
    /still loading/,
    /asked again/,
  ],
  [
    'a full queue',
    'openai',
    json({ error: { message: 'Too many requests' } }, 429),
    'server/busy',
    /429/,
    /asked again/,
  ],
  [
    'a model without the tokens',
    'llama-server',
    json({ error: { message: 'Infill is not supported by this model: prefix token is missing.', code: 501 } }, 501),
    'server/cannot-fill',
    /cannot fill in a middle \(501: Infill is not supported/,
    /code model/,
  ],
  [
    'a template without a suffix',
    'ollama',
    json({ error: 'registry.ollama.ai/library/m does not support insert' }, 400),
    'server/cannot-fill',
    /does not support insert/,
    /fimFamily/,
  ],
  [
    'a redirect',
    'llama-server',
    REDIRECT,
    'server/redirect',
    /redirects to http:\/\/127\.0\.0\.1:1\/infill/,
    /endpoint/,
  ],
  [
    'a page for people',
    'llama-server',
    response => response.writeHead(200, { 'content-type': 'text/html' }).end('<html>'),
    'server/content-type',
    /answers with text\/html; text\/event-stream is expected/,
    /Another program/,
  ],
  [
    'an error in the middle of the answer',
    'llama-server',
    stream('text/event-stream', sse(token('a'), { error: { message: 'out of memory', code: 500 } })),
    'server/refused',
    /gave up: out of memory/,
    /log/,
  ],
  [
    'a connection that ends in the middle',
    'llama-server',
    stream('text/event-stream', sse(token('a')), 'destroy'),
    'server/broken-off',
    /in the middle of an answer/,
    /crashed/,
  ],
  [
    'an answer that ends too early',
    'ollama',
    stream('application/x-ndjson', ['{"response":"a","done":false}\n']),
    'server/broken-off',
    /in the middle of an answer/,
    /crashed/,
  ],
  [
    'events of another kind of server',
    'llama-server',
    stream('text/event-stream', sse({ choices: [{ text: 'a' }] })),
    'server/bad-answer',
    /no event that is understood/,
    /engine/,
  ],
  [
    'what is no JSON',
    'llama-server',
    stream('text/event-stream', ['data: {"content": \n\n']),
    'server/bad-answer',
    /where JSON is expected/,
    /engine/,
  ],
  [
    'a line without an end',
    'ollama',
    (response, { gone }) => {
      let isGone = false;
      void gone.then(() => (isGone = true));
      const more = (): void => {
        if (!isGone) response.write('x'.repeat(1 << 16), () => setImmediate(more));
      };
      response.writeHead(200, { 'content-type': 'application/x-ndjson' });
      more();
    },
    'server/bad-answer',
    /a line of more than 1 MB/,
    /engine/,
  ],
  [
    'an answer without an end',
    'ollama',
    (response, { gone }) => {
      let isGone = false;
      void gone.then(() => (isGone = true));
      const more = (): void => {
        if (!isGone) response.write('{"response":"","done":false}\n'.repeat(5000), () => setImmediate(more));
      };
      response.writeHead(200, { 'content-type': 'application/x-ndjson' });
      more();
    },
    'server/bad-answer',
    /longer than 8 MB/,
    /engine/,
  ],
])('%s', async (_name, kind, part, code, message, hint) => {
  const path = { 'llama-server': '/infill', ollama: '/api/generate', openai: '/v1/completions' }[kind];
  const server = await play({ [`POST ${path}`]: part });
  const failed = await failure(ask(client(kind, server.address, { model: kind === 'llama-server' ? '' : 'm' })));
  expect(failed.code).toBe(code);
  expect(failed.message).toMatch(message);
  expect(failed.hint).toMatch(hint);
  // Nobody went on to where a redirect points.
  expect(server.received).toHaveLength(1);
});

test('nothing listens there', async () => {
  const server = createServer();
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise(resolve => server.close(resolve));
  const failed = await failure(ask(client('ollama', `localhost:${port}`)));
  expect(failed.code).toBe('server/unreachable');
  expect(failed.message).toBe(`No Ollama answers at http://localhost:${port}: nothing listens there.`);
});

test('a connection that was kept and has been closed meanwhile is opened anew', async () => {
  let count = 0;
  const server = await play({
    'POST /infill': (response, received) => {
      if (++count === 2) return response.socket?.destroy();
      return stream('text/event-stream', sse(token('a'), last))(response, received);
    },
  });
  const asking = client('llama-server', server.address);
  expect((await ask(asking)).text).toBe('a');
  expect((await ask(asking)).text).toBe('a');
  expect(count).toBe(3);
});

const FILLS: Readonly<Record<string, Play>> = {
  'POST /infill': stream('text/event-stream', sse(token('a'), last)),
  'POST /api/generate': stream('application/x-ndjson', ['{"response":"a","done":true}\n']),
};
const tags = json({ models: [{ name: 'coder:latest' }, { name: 'chat:7b' }] });
const show = (...capabilities: string[]): Play => json({ capabilities });

test.each<[name: string, kind: ServerKind, parts: Record<string, Play>, options: ClientOptions, result: string]>([
  ['llama-server, of old without lists', 'llama-server', {}, {}, 'good'],
  [
    'llama-server, its model',
    'llama-server',
    { 'GET /v1/models': json({ data: [{ id: 'm' }] }) },
    { model: 'm' },
    'good',
  ],
  [
    'llama-server, another model',
    'llama-server',
    { 'GET /v1/models': json({ data: [{ id: 'm', aliases: ['a'] }] }) },
    { model: 'x' },
    'The server has no model "x". It has m, a.',
  ],
  [
    'llama-server that loads',
    'llama-server',
    { 'GET /health': json({ error: { message: 'Loading model' } }, 503) },
    {},
    'still loading its model',
  ],
  [
    'Ollama, a model that fills in',
    'ollama',
    { 'GET /api/tags': tags, 'POST /api/show': show('insert') },
    { model: 'coder' },
    'good',
  ],
  [
    'Ollama, a model that chats',
    'ollama',
    { 'GET /api/tags': tags, 'POST /api/show': show('completion') },
    { model: 'chat:7b' },
    'cannot fill in a middle: its template has no place for a suffix',
  ],
  [
    'Ollama, the same with a family',
    'ollama',
    { 'GET /api/tags': tags, 'POST /api/show': show('completion') },
    { model: 'chat:7b', family: 'Qwen Coder' },
    'good',
  ],
  [
    'Ollama, no model chosen',
    'ollama',
    { 'GET /api/tags': tags },
    {},
    'Set quantsmith.completions.serverModel to one of coder:latest, chat:7b.',
  ],
])('the check before the first completion: %s', async (_name, kind, parts, options, result) => {
  const server = await play({ ...FILLS, ...parts });
  const checked = client(kind, server.address, options).check(new AbortController().signal);
  if (result === 'good') {
    await checked;
  } else {
    const { message, hint } = await failure(checked);
    expect(`${message} ${hint ?? ''}`).toContain(result);
  }
});

/** Counts the words and marks of a prompt as tokens, and those of a suffix if it takes one. */
const counting =
  (takesSuffix: boolean, special: RegExp): Play =>
  (response, received) => {
    const { prompt, suffix, stream: isStream } = received.body as { prompt: string; suffix?: string; stream?: boolean };
    const text = prompt + (takesSuffix ? (suffix ?? '') : '');
    const tokens = text.replaceAll(special, ' x ').match(/[a-z]+|[^a-z\s]/g)?.length ?? 0;
    const answer = { choices: [{ text: 'a', finish_reason: 'length' }], usage: { prompt_tokens: tokens } };
    return (isStream === true ? stream('text/event-stream', sse(answer)) : json(answer))(response, received);
  };

test.each<[name: string, part: Play, options: ClientOptions, code: string]>([
  ['takes a suffix', counting(true, /$^/g), {}, 'good'],
  ['drops a suffix', counting(false, /$^/g), {}, 'server/suffix-dropped'],
  ['knows the tokens', counting(false, /<\|fim_\w+\|>/g), { family: 'Qwen Coder' }, 'good'],
  ['does not know the tokens', counting(false, /$^/g), { family: 'Qwen Coder' }, 'server/unknown-tokens'],
])('a server of the kind of OpenAI that %s', async (_name, part, options, code) => {
  const server = await play({ 'POST /v1/completions': part });
  const checked = client('openai', server.address, options).check(new AbortController().signal);
  if (code === 'good') await checked;
  else expect((await failure(checked)).code).toBe(code);
});

test('the models of a server', async () => {
  const server = await play({ 'GET /api/tags': tags, 'GET /v1/models': json({ data: [{ id: 'a' }, { id: 'b' }] }) });
  const list = (kind: ServerKind) => client(kind, server.address).models(new AbortController().signal);
  expect(await list('ollama')).toEqual(['coder:latest', 'chat:7b']);
  expect(await list('openai')).toEqual(['a', 'b']);
});
