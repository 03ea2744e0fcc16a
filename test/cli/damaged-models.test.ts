// Models and requests that cannot be run, on the built command line: one message with a code, and never a crash.
import { existsSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { buildGguf } from '../fixtures/gguf/gguf-builder.js';
import { tinycoder } from '../worker/built-worker.js';
import { isBuilt, quantsmith, type ErrorDocument } from './built-cli.js';
import { file, folder, useFolder } from './model-folder.js';

useFolder();

/** A Llama of one layer and three tokens whose weights are all 0. */
const LLAMA = `
string general.architecture = "llama"
u32 llama.block_count = 1
u32 llama.context_length = 16
u32 llama.embedding_length = 4
u32 llama.attention.head_count = 2
f32 llama.attention.layer_norm_rms_epsilon = 0.00001
string tokenizer.ggml.model = "llama"
string[] tokenizer.ggml.tokens = ["<unk>", "▁a", "a"]
bool tokenizer.ggml.add_bos_token = false
tensor token_embd.weight F32 [4,3]
tensor blk.0.attn_norm.weight F32 [4]
tensor blk.0.attn_q.weight F32 [4,4]
tensor blk.0.attn_k.weight F32 [4,4]
tensor blk.0.attn_v.weight F32 [4,4]
tensor blk.0.attn_output.weight F32 [4,4]
tensor blk.0.ffn_norm.weight F32 [4]
tensor blk.0.ffn_gate.weight F32 [4,8]
tensor blk.0.ffn_up.weight F32 [4,8]
tensor blk.0.ffn_down.weight F32 [8,4]
tensor output_norm.weight F32 [4]
`;

const change = (from: string, to = ''): string => {
  expect(LLAMA).toContain(from);
  return LLAMA.replace(from, to);
};

/** The model with one float32 of its data, `at` bytes behind the beginning, that is not 0. */
function withFloat(at: number, value: number): Uint8Array {
  const { bytes, dataOffset } = buildGguf(LLAMA);
  bytes.fill(0, dataOffset);
  new DataView(bytes.buffer).setFloat32(dataOffset + at, value, true);
  return bytes;
}

const logits = (model: string, ids = '1,2'): string[] => ['logits', model, '--ids', ids, '-o', 'out.f32'];
const generate = (model: string, ...options: string[]): string[] => [
  ...['generate', model, '-p', 'a', '-n', '3', '--backend', 'wasm'],
  ...options,
];

describe.skipIf(!isBuilt)('what cannot be run is refused', () => {
  const model = (content: string | Uint8Array, args: (name: string) => string[] = logits) =>
    args(file('in.gguf', content));
  const cases: readonly (readonly [string, () => readonly string[], string, RegExp])[] = [
    [
      'a missing tensor',
      () => model(change('tensor blk.0.ffn_up.weight F32 [4,8]\n')),
      'engine/missing-tensor',
      /ffn_up/,
    ],
    [
      'a wrong shape',
      () => model(change('ffn_up.weight F32 [4,8]', 'ffn_up.weight F32 [8,4]')),
      'engine/bad-shape',
      /8 x 4/,
    ],
    ['a vocabulary of nothing', () => model(change('[4,3]', '[4,0]')), '', /token_embd|vocabulary/],
    [
      '2^31 heads',
      () => model(change('head_count = 2', 'head_count = 2147483648')),
      'engine/bad-metadata',
      /head_count/,
    ],
    ['no width', () => model(change('embedding_length = 4', 'embedding_length = 0')), 'engine/bad-metadata', /is 0/],
    [
      'a width of 2^32 - 1',
      () => model(change('length = 4', 'length = 4294967295')),
      'engine/bad-metadata',
      /4294967295/,
    ],
    [
      'a context of 10^9',
      () => model(change('length = 16', 'length = 1000000000')),
      'engine/bad-metadata',
      /1000000000/,
    ],
    [
      'a million layers',
      () => model(change('block_count = 1', 'block_count = 1000000')),
      'engine/bad-metadata',
      /1000000/,
    ],
    [
      'more layers than there are',
      () => model(change('block_count = 1', 'block_count = 2')),
      'engine/missing-tensor',
      /blk\.1/,
    ],
    [
      'weights that are NaN',
      () => model(withFloat(16, NaN)),
      'engine/bad-logits',
      /NaN as the score of token \d after \d token.* Tensor "token_embd\.weight" holds NaN or infinity at element 4\.$/,
    ],
    [
      'weights that are NaN, when drawing',
      () => model(withFloat(16, NaN), generate),
      'engine/bad-logits',
      /NaN as the score.* Tensor "token_embd\.weight" holds NaN or infinity at element 4\.$/,
    ],
    [
      'weights that are infinite',
      () => model(withFloat(16, Infinity), generate),
      'engine/bad-logits',
      /score of token.* Tensor "token_embd\.weight" holds NaN or infinity at element 4\.$/,
    ],
    [
      'a token out of range',
      () => model(LLAMA, name => logits(name, '1,3')),
      'engine/bad-token',
      /Token 1 is 3; .* 0 to 2/,
    ],
    [
      'a prompt longer than the model was trained for',
      () => ['generate', file('in.gguf', LLAMA), '-p', 'a'.repeat(40), '-n', '1'],
      'engine/context-full',
      /has 40 tokens; the context is 16/,
    ],
    [
      'a prompt longer than the context',
      () => ['generate', tinycoder, '-p', 'a b c d e f g', '--context', '3'],
      'engine/context-full',
      /has \d+ tokens; the context is 3/,
    ],
    [
      'more memory than there is',
      () => ['generate', tinycoder, '-p', 'a', '--context', '16777216', '--cache-type', 'f32'],
      'engine/out-of-memory',
      /16,777,216 tokens needs [\d.]+ GB of memory .*; [\d.]+ [GM]B are/,
    ],
    [
      'a draft model of another vocabulary',
      () => ['generate', tinycoder, '-p', 'a', '--draft', file('in.gguf', LLAMA)],
      'engine/other-vocabulary',
      /another vocabulary/,
    ],
  ];

  test.each(cases)('%s', async (_name, prepare, code, message) => {
    const { stdout, exit } = await quantsmith([...prepare(), '--json'], { cwd: folder });
    const { error } = JSON.parse(stdout) as ErrorDocument;
    expect(error.message).toMatch(message);
    if (code === '') expect(error.code).toMatch(/^(engine|gguf)\//);
    else expect(error.code).toBe(code);
    expect(exit).toBe(1);
    expect(existsSync(path.join(folder, 'out.f32'))).toBe(false);
  });

  test('the model of this test can be run; a full context ends its text', async () => {
    const { stdout, exit } = await quantsmith(generate(file('in.gguf', withFloat(0, 0)), '-n', '99', '--json'), {
      cwd: folder,
    });
    expect(exit).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ reason: 'context', generatedTokens: 16, promptTokens: 1 });
  });

  test('a lookup and a draft model at once are too much', async () => {
    const { stdout, exit } = await quantsmith(generate(tinycoder, '--lookup', '4', '--draft', tinycoder, '--json'));
    expect((JSON.parse(stdout) as ErrorDocument).error.message).toMatch(/--lookup|--draft/);
    expect(exit).toBe(2);
  });
});
