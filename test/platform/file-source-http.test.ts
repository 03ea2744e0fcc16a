// Models behind a URL, against a server on this machine that can misbehave in every way that servers do.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { HttpSource } from '../../src/platform/http-source.js';
import { openModel } from '../../src/platform/open-model.js';
import { buildGguf } from '../fixtures/gguf/gguf-builder.js';

const tokens = Array.from({ length: 32_000 }, (_, i) => `token-${i}`);
const model = buildGguf(
  `string general.architecture = "llama"\nstring[] tokens = ${JSON.stringify(tokens)}\nf32[] scores = ${JSON.stringify(tokens.map((_, i) => i))}\ntensor a F16 [4096,512]`,
).bytes;

let server: Server;
let base: string;
const seen: string[] = [];
let etag = '"1"';

function answer(request: IncomingMessage, response: ServerResponse): void {
  const url = request.url ?? '';
  seen.push(`${url} ${request.headers.range ?? ''}`);
  const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
  const start = Number(from);
  const end = Math.min(Number(to), model.length - 1);
  const part = (status: number, headers: Record<string, string>, body: Uint8Array): void => {
    response.writeHead(status, headers).end(body);
  };
  const range = `bytes ${start}-${end}/${model.length}`;
  const body = model.subarray(start, end + 1);
  switch (url) {
    case '/m.gguf':
      part(206, { 'content-range': range, etag }, body);
      break;
    case '/redirect.gguf':
      part(302, { location: '/m.gguf' }, new Uint8Array());
      break;
    case '/no-ranges.gguf':
      part(200, {}, model);
      break;
    case '/gated.gguf':
      part(403, {}, new Uint8Array());
      break;
    case '/odd.gguf':
      part(206, { 'content-range': 'bytes 5-6/*' }, body);
      break;
    case '/short.gguf':
      part(206, { 'content-range': range }, body.subarray(0, 10));
      break;
    case '/short-later.gguf':
      part(206, { 'content-range': range }, start === 0 ? body : body.subarray(0, 5));
      break;
    case '/changing.gguf':
      part(206, { 'content-range': range, etag: `"${seen.length}"` }, body);
      break;
    case '/empty.gguf':
      part(416, { 'content-range': 'bytes */0' }, new Uint8Array());
      break;
    case '/more.gguf':
      part(206, { 'content-range': range }, Buffer.concat([body, new Uint8Array(5_000_000)]));
      break;
    case '/slow.gguf':
      break;
    case '/reset.gguf':
      response.writeHead(206, { 'content-range': range, 'content-length': String(body.length) });
      response.write(body.subarray(0, 100));
      setTimeout(() => response.destroy(), 20);
      break;
    default:
      part(404, {}, new Uint8Array());
  }
}

beforeAll(async () => {
  server = createServer(answer);
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

test('a header takes few requests and little of the file', async () => {
  seen.length = 0;
  const { model: opened, problems } = await openModel(`${base}/m.gguf`);
  expect(problems).toEqual([]);
  expect(opened?.tensors[0]?.name).toBe('a');
  expect(seen).toEqual(['/m.gguf bytes=0-1048575']);
  const source = opened!.shards[0]!.source;
  const tail = await source.read(model.length - 3, 3);
  expect([...tail]).toEqual([...model.subarray(-3)]);
  expect(seen).toHaveLength(2);
});

test('redirects are followed, surplus bytes are not taken', async () => {
  expect((await openModel(`${base}/redirect.gguf`)).problems).toEqual([]);
  const source = await HttpSource.open(`${base}/more.gguf`, { firstRead: 100 });
  expect(source.size).toBe(model.length);
  expect(await source.read(0, 100)).toEqual(model.slice(0, 100));
});

test('an empty file is no GGUF', async () => {
  const { model: none, problems } = await openModel(`${base}/empty.gguf`);
  expect(none).toBeUndefined();
  expect(problems[0]?.message).toMatch(/this is empty/);
});

test.each([
  ['no-ranges', 'http/no-ranges', /ignores range requests/],
  ['odd', 'http/no-ranges', /unusable range \(bytes 5-6\/\*\)/],
  ['gated', 'http/status', /answered 403/],
  ['none', 'http/status', /answered 404/],
  ['short', 'http/truncated', /1048576 bytes at 0 asked for, 10 received/],
  ['reset', 'http/network', /cannot be reached/],
])('%s', async (name, code, message) => {
  await expect(openModel(`${base}/${name}.gguf`)).rejects.toMatchObject({
    code,
    message: expect.stringMatching(message) as string,
  });
});

test('a body that ends early', async () => {
  const source = await HttpSource.open(`${base}/short-later.gguf`, { firstRead: 100 });
  await expect(source.read(200, 10)).rejects.toMatchObject({
    code: 'http/truncated',
    message: expect.stringMatching(/10 bytes at 200 asked for, 5 received/) as string,
  });
});

test('a file that changes on the server', async () => {
  const source = await HttpSource.open(`${base}/changing.gguf`, { firstRead: 100 });
  await expect(source.read(200, 10)).rejects.toMatchObject({ code: 'http/changed' });
  etag = '"1"';
  const steady = await HttpSource.open(`${base}/m.gguf`, { firstRead: 100 });
  expect(await steady.read(200, 10)).toEqual(model.slice(200, 210));
});

test('a server that does not answer, and one that is not there', async () => {
  await expect(HttpSource.open(`${base}/slow.gguf`, { timeout: 50 })).rejects.toMatchObject({ code: 'http/timeout' });
  await expect(HttpSource.open('http://127.0.0.1:1/m.gguf')).rejects.toMatchObject({ code: 'http/network' });
  const controller = new AbortController();
  setTimeout(() => controller.abort(new Error('enough')), 20);
  await expect(HttpSource.open(`${base}/slow.gguf`, { signal: controller.signal })).rejects.toThrow('enough');
});
