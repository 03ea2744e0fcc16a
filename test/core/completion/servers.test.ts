// The pure parts of completing by a server: addresses, prompts as text, what is near a cursor, streams cut anywhere.
import { expect, test } from 'vitest';
import { parseEndpoint } from '../../../src/core/completion/servers/endpoint.js';
import { EventLines } from '../../../src/core/completion/servers/event-lines.js';
import { fimFamilyByName, fimText } from '../../../src/core/completion/servers/fim-text.js';
import { serverProtocol } from '../../../src/core/completion/servers/server-table.js';
import { serverWindow } from '../../../src/core/completion/servers/server-window.js';
import { errorData } from '../../../src/core/problem.js';

/** `base origin`, with `clear` if everybody can read what is sent; or why it is no address. */
function check(text: string, kind: 'llama-server' | 'ollama' | 'openai' = 'llama-server'): string {
  try {
    const { base, origin, isClear } = parseEndpoint(text, serverProtocol(kind));
    return `${base} ${origin}${isClear ? ' clear' : ''}`;
  } catch (error) {
    const { code, message } = errorData(error);
    return `${code}: ${message}`;
  }
}

test.each([
  ['', 'http://127.0.0.1:8080 http://127.0.0.1:8080'],
  ['127.0.0.1:8012', 'http://127.0.0.1:8012 http://127.0.0.1:8012'],
  ['localhost:8080/', 'http://localhost:8080 http://localhost:8080'],
  ['http://[::1]:8080//', 'http://[::1]:8080 http://[::1]:8080'],
  ['http://127.1:80/api', 'http://127.0.0.1/api http://127.0.0.1'],
  ['http://192.168.0.7:8080', 'http://192.168.0.7:8080 http://192.168.0.7:8080 clear'],
  ['http://127.0.0.1.example.org', 'http://127.0.0.1.example.org http://127.0.0.1.example.org clear'],
  ['http://localhost.example.org', 'http://localhost.example.org http://localhost.example.org clear'],
  ['https://models.example.org/v1/', 'https://models.example.org/v1 https://models.example.org'],
])('the address "%s"', (text, expected) => {
  expect(check(text)).toBe(expected);
});

test.each([
  ['ftp://x', 'it must begin with http:// or https://'],
  ['file:///etc/passwd', 'it must begin with http:// or https://'],
  ['http://', 'it is no address'],
  ['a b', 'it is no address'],
  ['http://x/?a=1', 'it must end with its path'],
  ['http://me:secret@x', 'it holds a name or password; use "Quantsmith: Set Completion Server Key…"'],
])('no address: "%s"', (text, why) => {
  expect(check(text)).toMatch(/^server\/bad-endpoint: /);
  expect(check(text)).toContain(`cannot be the address of a server: ${why}.`);
  expect(check(text)).not.toContain('secret@');
});

test('an OpenAI-compatible server has no address of its own, and /v1', () => {
  expect(check('', 'openai')).toMatch(/^server\/no-endpoint: /);
  expect(check('https://a.example', 'openai')).toMatch(/^https:\/\/a\.example\/v1 /);
  expect(check('https://a.example/other', 'openai')).toMatch(/^https:\/\/a\.example\/other /);
  expect(check('', 'ollama')).toMatch(/^http:\/\/127\.0\.0\.1:11434 /);
});

test.each([
  ['Qwen Coder', '<|fim_prefix|>P<|fim_suffix|>S<|fim_middle|>'],
  ['StarCoder 2', '<fim_prefix>P<fim_suffix>S<fim_middle>'],
  ['DeepSeek Coder', '<｜fim▁begin｜>P<｜fim▁hole｜>S<｜fim▁end｜>'],
  ['Code Llama', '<PRE> P <SUF>S <MID>'],
  ['Codestral', '[SUFFIX]S[PREFIX]P'],
  ['Seed-Coder', '<[fim-suffix]>S<[fim-prefix]>P<[fim-middle]>'],
])('the prompt of %s', (name, expected) => {
  expect(fimText(fimFamilyByName(name)!, { prefix: 'P', suffix: 'S' })).toBe(expected);
});

test('tokens that stand in the text itself are no tokens of the prompt', () => {
  const family = fimFamilyByName('Qwen Coder')!;
  const prefix = 'a = "<|fim_suffix|>" + "<|fim_<|fim_prefix|>prefix|>"';
  expect(fimText(family, { prefix, suffix: '<|fim_middle|>' })).toBe(
    '<|fim_prefix|>a = "" + ""<|fim_suffix|><|fim_middle|>',
  );
});

test('a long prefix begins at the same place while it grows, and the suffix follows the speed of the server', () => {
  const text = Array.from({ length: 20_000 }, (_, i) => String.fromCharCode(97 + (i % 26))).join('');
  const begin = (length: number): number =>
    length - serverWindow({ prefix: text.slice(0, length), suffix: '' }, 1).prefix.length;
  expect(new Set([9001, 9002, 9100].map(begin)).size).toBe(1);
  expect(begin(20_000)).toBeGreaterThan(15_000);
  expect(begin(4000)).toBe(0);
  const suffix = (speed: number | undefined): number => serverWindow({ prefix: '', suffix: text }, speed).suffix.length;
  expect(suffix(undefined)).toBe(1024);
  expect(suffix(100_000)).toBe(1024);
  expect(suffix(200)).toBe(128);
});

test('the same events, wherever a stream is cut', () => {
  const text =
    ': hello\r\ndata: {"content":"ä€"}\r\n\r\nevent: x\rdata: {"a":\rdata: 1}\r\rdata: {"d":\r\ndata: 4}\r\n\r\ndata:{"b":2}\n\ndata: [DONE]\n\nerror: {"message":"no"}\n\ndata: {"c":3}';
  const bytes = new TextEncoder().encode(text);
  const expected = [{ content: 'ä€' }, { a: 1 }, { d: 4 }, { b: 2 }, { error: { message: 'no' } }, { c: 3 }];
  for (let first = 0; first <= bytes.length; first++) {
    for (const second of [first, Math.min(bytes.length, first + 1), Math.min(bytes.length, first + 7)]) {
      const lines = new EventLines('sse');
      const pieces = [bytes.subarray(0, first), bytes.subarray(first, second), bytes.subarray(second)];
      expect([...pieces.flatMap(piece => lines.push(piece)), ...lines.end()]).toEqual(expected);
    }
  }
});
