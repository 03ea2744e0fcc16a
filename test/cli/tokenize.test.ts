// `tokenize` and `detokenize` on the example model; the ids are those that llama.cpp gives (test/golden/tok).
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { buildGguf } from '../fixtures/gguf/gguf-builder.js';
import { repository, runCaptured } from './captured-io.js';

const model = path.join(repository, 'examples/tinycoder-f16.gguf');
const folder = mkdtempSync(path.join(tmpdir(), 'quantsmith-tokenize-'));
afterAll(() => rmSync(folder, { recursive: true }));

const here = (...argv: string[]) => runCaptured(argv, { cwd: folder });

interface Golden {
  readonly names: readonly string[];
  readonly strings: readonly { readonly hex: string; readonly ids: readonly [string, readonly number[]][] }[];
}
const golden = JSON.parse(readFileSync(path.join(repository, 'test/golden/tok/pre-tokenizers.json'), 'utf8')) as Golden;
/** The pre-tokenizer of the example. */
const qwen2 = golden.names.indexOf('qwen2');

test('--file is read byte for byte, whatever the bytes', async () => {
  for (const { hex, ids } of golden.strings) {
    writeFileSync(path.join(folder, 'text'), Buffer.from(hex, 'hex'));
    const { exit, stdout, stderr } = await here('tokenize', model, '--file', 'text', '--special', '--bos', '--json');
    expect([exit, stderr]).toEqual([0, '']);
    const result = JSON.parse(stdout) as { ids: number[]; pieces: string[] };
    expect(result.ids.join(' ')).toBe(ids.find(([, of]) => of.includes(qwen2))?.[0]);
    expect(result.pieces).toHaveLength(result.ids.length);
  }
});

test('text comes back through detokenize', async () => {
  const text = 'def add(a, b):\n    return a + b  # é 你好 😀\n';
  const { stdout } = await here('tokenize', model, '--text', text, '--json');
  const { ids } = JSON.parse(stdout) as { ids: number[] };
  expect(await here('detokenize', model, '--ids', ids.join(','))).toMatchObject({ exit: 0, stdout: text, stderr: '' });
  const json = await here('detokenize', model, '--ids', ids.join(', '), '--json');
  expect(JSON.parse(json.stdout)).toEqual({ text });
});

test('control tokens are text unless --special; the model adds no BOS', async () => {
  const text = '<|fim_prefix|>a';
  const plain = JSON.parse((await here('tokenize', model, '--text', text, '--json')).stdout) as { ids: number[] };
  const special = await here('tokenize', model, '--text', text, '--special', '--bos', '--json');
  expect(plain.ids.length).toBeGreaterThan(2);
  expect(JSON.parse(special.stdout)).toEqual({ ids: [4090, 64], pieces: ['<|fim_prefix|>', 'a'] });
});

test('without --json: a line per token, with escapes', async () => {
  const { stdout } = await here('tokenize', model, '--text', 'a\n');
  expect(stdout).toBe('64\ta\n198\t\\n\n');
});

test('nothing is no token', async () => {
  expect(await here('tokenize', model, '--text', '')).toMatchObject({ exit: 0, stdout: '' });
});

describe('what is wrong', () => {
  async function failure(...argv: string[]) {
    const { exit, stdout } = await here(...argv, '--json');
    const { error } = JSON.parse(stdout) as { error: { code: string; message: string } };
    return `${exit} ${error.code}: ${error.message}`;
  }

  test.each<[string[], string]>([
    [['tokenize', model], "2 usage/missing-option: Required option '--text <text>' or '--file <file>' not specified."],
    [['tokenize', model, '--text', 'a', '--file', 'b'], '2 usage/conflicting-option'],
    [['detokenize', model], "2 usage/missing-option: Required option '--ids <list>' not specified."],
    [['detokenize', model, '--ids', ''], '2 usage/invalid-argument'],
    [['detokenize', model, '--ids', '1,x'], '2 usage/invalid-argument'],
    [['detokenize', model, '--ids', '1,,2'], '2 usage/invalid-argument'],
    [['detokenize', model, '--ids', '-1'], '2 usage/invalid-argument'],
    [
      ['detokenize', model, '--ids', '4096'],
      `2 usage/no-such-token: ${model} has no token 4096: its tokens are 0 to 4095.`,
    ],
    [['tokenize', 'absent.gguf', '--text', 'a'], '1 io/not-found'],
    [['tokenize', model, '--file', 'absent.txt'], '1 io/not-found'],
  ])('%j', async (argv, expected) => {
    expect(await failure(...argv)).toContain(expected);
  });

  test('a model without vocabulary', async () => {
    writeFileSync(path.join(folder, 'empty.gguf'), buildGguf('string general.architecture = "llama"').bytes);
    expect(await failure('tokenize', 'empty.gguf', '--text', 'a')).toContain('1 tokenizer/none: empty.gguf: ');
  });

  test('an unknown pre-tokenizer is a warning', async () => {
    const lines = [
      'string general.architecture = "llama"',
      'string tokenizer.ggml.model = "gpt2"',
      'string tokenizer.ggml.pre = "made-up"',
      'string[] tokenizer.ggml.tokens = ["a","b"]',
      'string[] tokenizer.ggml.merges = []',
    ];
    writeFileSync(path.join(folder, 'made-up.gguf'), buildGguf(lines.join('\n')).bytes);
    const { exit, stdout, stderr } = await here('tokenize', 'made-up.gguf', '--text', 'ab');
    expect([exit, stdout]).toEqual([0, '0\ta\n1\tb\n']);
    expect(stderr).toContain('warning: The pre-tokenizer "made-up" is not known');
    expect(stderr).toContain('[tokenizer/unknown-pre-tokenizer]');
  });
});
