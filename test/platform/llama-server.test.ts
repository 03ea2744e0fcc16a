// Completing by a real llama-server on loopback, with the example model; where LLAMA_CPP_BIN names the folder of its program.
import { spawn, type ChildProcess } from 'node:child_process';
import { createServer, type AddressInfo } from 'node:net';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseEndpoint } from '../../src/core/completion/servers/endpoint.js';
import { fimFamilyByName } from '../../src/core/completion/servers/fim-text.js';
import type { ServerKind } from '../../src/core/completion/servers/server-protocol.js';
import { serverProtocol } from '../../src/core/completion/servers/server-table.js';
import { errorData } from '../../src/core/problem.js';
import { CompletionServer } from '../../src/platform/completion-server.js';

const folder = process.env['LLAMA_CPP_BIN'];
const MODEL = path.resolve(import.meta.dirname, '../../examples/tinycoder-f16.gguf');
const KEY = 'a key of this test';

const REQUEST = {
  ...{
    prefix: 'def total(items):\n    result = 0\n    for item in items:\n        result ',
    suffix: '\n    return result\n',
  },
  ...{ multiline: false, maxTokens: 24, budgetMs: 60_000 },
};

describe.skipIf(folder === undefined || folder === 'none')('llama-server (LLAMA_CPP_BIN)', () => {
  let child: ChildProcess;
  let address = '';

  beforeAll(async () => {
    const free = createServer();
    await new Promise<void>(resolve => free.listen(0, '127.0.0.1', resolve));
    const { port } = free.address() as AddressInfo;
    await new Promise(resolve => free.close(resolve));
    address = `http://127.0.0.1:${port}`;
    // It keeps a batch of the context free before it takes pieces of other files.
    const args = [
      '-b',
      '128',
      '-m',
      MODEL,
      '--host',
      '127.0.0.1',
      '--port',
      String(port),
      '-t',
      '1',
      '-np',
      '1',
      '--api-key',
      KEY,
    ];
    child = spawn(path.join(folder ?? '', 'llama-server'), [...args, '--slots', '--alias', 'tiny'], {
      stdio: 'ignore',
    });
    const isReady = async (): Promise<boolean> => {
      const answer = await fetch(`${address}/health`).catch(() => undefined);
      return answer?.ok === true;
    };
    while (!(await isReady())) await new Promise(resolve => setTimeout(resolve, 50));
  });
  afterAll(async () => {
    const over = new Promise(resolve => child.once('exit', resolve));
    child.kill('SIGKILL');
    await over;
  });

  const client = (kind: ServerKind, { at = '', model = '', family = '', key = KEY } = {}): CompletionServer => {
    const protocol = serverProtocol(kind);
    const endpoint = parseEndpoint(address + at, protocol);
    return new CompletionServer({
      protocol,
      endpoint,
      model,
      family: fimFamilyByName(family),
      key: () => Promise.resolve(key),
    });
  };
  const { signal } = new AbortController();
  const post = async (to: string, body: unknown): Promise<unknown> => {
    const headers = { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' };
    return (await fetch(address + to, { method: 'POST', headers, body: JSON.stringify(body) })).json();
  };
  const codeOf = (promise: Promise<unknown>): Promise<string> =>
    promise.then(
      () => 'good',
      (error: unknown) => errorData(error).code,
    );

  test('it is checked, and writes what it writes when it is asked directly', async () => {
    const server = client('llama-server', { model: 'tiny' });
    await server.check(signal);
    const { prefix, suffix } = REQUEST;
    const direct = { input_prefix: prefix, input_suffix: suffix, n_predict: 24, temperature: 0 };
    const { content } = (await post('/infill', direct)) as { content: string };
    const texts: string[] = [];
    const answer = await server.complete(REQUEST, { signal, onText: text => texts.push(text) });
    expect(answer.text.length).toBeGreaterThan(3);
    expect(content.startsWith(answer.text)).toBe(true);
    expect(texts.length).toBeGreaterThan(1);
    expect(answer.promptTokens).toBeGreaterThan(20);
    // The same prompt again is not evaluated again, but for its last token.
    const again = await server.complete(REQUEST, { signal });
    expect(again.text).toBe(answer.text);
    expect((again.promptTokens ?? 0) - (again.reusedTokens ?? 0)).toBeLessThan(5);
  });

  test('pieces of other files are taken', async () => {
    const extra = [{ name: 'other.py', text: 'def other():\n    return 1\n' }];
    const plain = await client('llama-server').complete(REQUEST, { signal });
    const answer = await client('llama-server').complete({ ...REQUEST, extra }, { signal });
    expect(answer.promptTokens ?? 0).toBeGreaterThan((plain.promptTokens ?? 0) + 5);
  });

  test('by the interface of OpenAI: the suffix is dropped, which is noticed; with the family the text is the same', async () => {
    expect(await codeOf(client('openai').check(signal))).toBe('server/suffix-dropped');
    expect(await codeOf(client('openai', { family: 'DeepSeek Coder' }).check(signal))).toBe('server/unknown-tokens');
    const server = client('openai', { family: 'Qwen Coder' });
    await server.check(signal);
    const { text } = await client('llama-server').complete(REQUEST, { signal });
    expect((await server.complete(REQUEST, { signal })).text).toBe(text);
  });

  test('a wrong key, a wrong path, a wrong model, another kind of server', async () => {
    expect(await codeOf(client('llama-server', { key: 'no' }).check(signal))).toBe('server/unauthorized');
    expect(await codeOf(client('llama-server', { at: '/v1' }).check(signal))).toBe('server/not-found');
    expect(await codeOf(client('llama-server', { model: 'other' }).check(signal))).toBe('server/no-such-model');
    expect(await codeOf(client('ollama', { model: 'tiny' }).check(signal))).not.toBe('good');
    expect(await client('llama-server').models(signal)).toContain('tiny');
  });

  test('a request that is cancelled frees the server', async () => {
    const controller = new AbortController();
    const asked = client('llama-server').complete(
      { ...REQUEST, multiline: true, maxTokens: 256 },
      {
        signal: controller.signal,
        onText: () => {
          controller.abort(new Error('a key'));
        },
      },
    );
    await expect(asked).rejects.toThrow('a key');
    const isBusy = async (): Promise<boolean> => {
      const answer = await fetch(`${address}/slots`, { headers: { authorization: `Bearer ${KEY}` } });
      return ((await answer.json()) as { is_processing: boolean }[]).some(slot => slot.is_processing);
    };
    await expect.poll(isBusy, { timeout: 20_000 }).toBe(false);
  });
});
