// Metadata that is wrong in every way we know of: a problem with a code, never an exception; and a tokenizer that works
// wherever one can be made.
import { describe, expect, test } from 'vitest';
import { packStrings } from '../../../src/core/tokenizer/byte-strings.js';
import { createTokenizer } from '../../../src/core/tokenizer/tokenizer.js';
import { readTokenizer } from '../../../src/core/tokenizer/read-tokenizer.js';
import { MAX_TOKENS, type TokenizerMetadata } from '../../../src/core/tokenizer/tokenizer-metadata.js';
import { readModel } from '../../../src/core/gguf/shards.js';
import { buildGguf } from '../../fixtures/gguf/gguf-builder.js';
import { byteLevel, byteTokens, metadataOf, P, random, tokenizerOf, withScalar } from './world.js';

const codes = (metadata: TokenizerMetadata): string[] =>
  createTokenizer(metadata).problems.map(({ severity, code }) => `${severity} ${code}`);

const spm = { [`${P}model`]: 'llama' };
const bpe = { [`${P}model`]: 'gpt2', [`${P}pre`]: 'gpt-2' };
const letters = ['<unk>', '<s>', '</s>', 'a', 'b', 'ab'];
const bytes = Array.from({ length: 256 }, (_, b) => `<0x${b.toString(16).toUpperCase().padStart(2, '0')}>`);
const whole = [...letters, ...bytes];

describe('no tokenizer', () => {
  const cases: [string, TokenizerMetadata, string][] = [
    ['nothing at all', metadataOf({}, {}), 'tokenizer/none'],
    ['no model', metadataOf({}, { tokens: letters }), 'tokenizer/none'],
    ['a model that is a number', metadataOf({ [`${P}model`]: 7 }, { tokens: letters }), 'tokenizer/none'],
    ['none', metadataOf({ [`${P}model`]: 'no_vocab' }, { tokens: letters }), 'tokenizer/none'],
    ['t5', metadataOf({ [`${P}model`]: 't5' }, { tokens: letters }), 'tokenizer/unsupported'],
    [
      'a property of objects',
      metadataOf({ [`${P}model`]: 'constructor' }, { tokens: letters }),
      'tokenizer/unsupported',
    ],
    ['no tokens', metadataOf(spm, {}), 'tokenizer/no-tokens'],
    ['no token', metadataOf(spm, { tokens: [] }), 'tokenizer/no-tokens'],
    ['too few scores', metadataOf(spm, { tokens: whole, scores: [1] }), 'tokenizer/wrong-length'],
    ['too few types', metadataOf(spm, { tokens: whole, types: [] }), 'tokenizer/wrong-length'],
    ['no merges', metadataOf(bpe, { tokens: byteTokens }), 'tokenizer/no-merges'],
  ];
  test.each(cases)('%s', (_name, metadata, code) => {
    expect(codes(metadata)).toEqual([`error ${code}`]);
    expect(createTokenizer(metadata).value).toBeUndefined();
  });

  test('more tokens than can be used', () => {
    const offsets = new Uint32Array(MAX_TOKENS + 2);
    const tokens = { bytes: new Uint8Array(0), offsets };
    expect(codes({ scalars: new Map(Object.entries(spm)), tokens })).toEqual(['error tokenizer/too-large']);
  });
});

describe('a tokenizer all the same', () => {
  const fine = metadataOf(spm, { tokens: whole });
  const cases: [string, TokenizerMetadata, string[]][] = [
    ['nothing wrong', fine, []],
    [
      'an id beyond the vocabulary',
      withScalar(fine, `${P}bos_token_id`, 9999),
      ['warning tokenizer/bad-special-token'],
    ],
    ['a negative id', withScalar(fine, `${P}eos_token_id`, -1), ['warning tokenizer/bad-special-token']],
    ['an id that is a text', withScalar(fine, `${P}eos_token_id`, '2'), ['warning tokenizer/bad-special-token']],
    ['an id of 64 bits', withScalar(fine, `${P}eos_token_id`, 2n ** 60n), ['warning tokenizer/bad-special-token']],
    ['a switch that is a number', withScalar(fine, `${P}add_bos_token`, 1), ['warning tokenizer/wrong-type']],
    [
      'the same text twice',
      metadataOf(spm, { tokens: [...whole, 'a', 'b'] }),
      ['warning tokenizer/duplicate-token', 'warning tokenizer/duplicate-token'],
    ],
    ['tokens without text', metadataOf(spm, { tokens: [...whole, '', ''] }), ['warning tokenizer/empty-token']],
    ['scores that are no numbers', metadataOf(spm, { tokens: whole, scores: whole.map(() => NaN) }), []],
    ['types that do not exist', metadataOf(spm, { tokens: whole, types: whole.map((_, i) => i * 1e6 - 5) }), []],
    ['no tokens for bytes', metadataOf(spm, { tokens: letters }), ['warning tokenizer/no-byte-tokens']],
    [
      'a special token of a megabyte',
      metadataOf(spm, { tokens: [...whole, 'x'.repeat(2 ** 20)], types: [...whole.map(() => 1), 3] }),
      ['warning tokenizer/long-special-token'],
    ],
    [
      'special tokens that are nowhere',
      metadataOf({ ...spm, [`${P}add_eos_token`]: true }, { tokens: ['a'] }),
      ['warning tokenizer/no-such-token', 'warning tokenizer/no-such-token', 'warning tokenizer/no-byte-tokens'],
    ],
    ['a pre-tokenizer nobody knows', byteLevel([], { pre: 'made-up' }), ['warning tokenizer/unknown-pre-tokenizer']],
    [
      'a pre-tokenizer like a property',
      byteLevel([], { pre: 'toString' }),
      ['warning tokenizer/unknown-pre-tokenizer'],
    ],
    [
      'no pre-tokenizer',
      metadataOf({ [`${P}model`]: 'gpt2' }, { tokens: byteTokens, merges: [] }),
      ['warning tokenizer/no-pre-tokenizer'],
    ],
    [
      'merges that are none',
      metadataOf(bpe, { tokens: byteTokens, merges: ['', 'a', ' a', 'a ', 'ab', 'a b c', '你 好'] }),
      ['warning tokenizer/unusable-merge'],
    ],
    [
      'merges to texts that are no tokens',
      metadataOf(bpe, { tokens: byteTokens, merges: ['a b', 'ab c'] }),
      ['info tokenizer/merge-without-token'],
    ],
    [
      'merges without byte tokens',
      metadataOf(bpe, { tokens: ['x'], merges: ['a b'] }),
      ['info tokenizer/merge-without-token'],
    ],
  ];
  test.each(cases)('%s', (_name, metadata, expected) => {
    expect(codes(metadata)).toEqual(expected);
    const tokenizer = tokenizerOf(metadata);
    for (const text of ['', 'ab a', '<s>', '你好\u0000', new Uint8Array([0xff, 0x61])]) {
      const ids = tokenizer.encode(text, { addSpecial: true, parseSpecial: true });
      for (const id of ids) expect(id).toBeLessThan(tokenizer.size);
      expect(() => tokenizer.decode(ids)).not.toThrow();
    }
  });

  test('a duplicate is encoded as the last of the tokens', () => {
    const tokenizer = tokenizerOf(
      metadataOf({ ...spm, [`${P}add_space_prefix`]: false }, { tokens: [...whole, 'ab'] }),
    );
    expect([...tokenizer.encode('ab')]).toEqual([whole.length]);
  });

  test('a merge that makes no token falls apart into bytes that are tokens', () => {
    const tokenizer = tokenizerOf(metadataOf(bpe, { tokens: byteTokens, merges: ['a b', 'ab c'] }));
    expect([...tokenizer.encode('abc')]).toEqual([97, 98, 99]);
  });
});

test('tokens outside the vocabulary are refused by decode and pieces', () => {
  const tokenizer = tokenizerOf(byteLevel([]));
  for (const token of [-1, 256, 0.5, NaN]) {
    expect(() => tokenizer.decode([token])).toThrow(RangeError);
    expect(() => tokenizer.pieces([token])).toThrow(RangeError);
  }
});

test('random vocabularies, tokens and merges of random bytes', () => {
  const seed = Date.now() % 2 ** 31;
  const next = random(seed);
  const below = (n: number): number => Math.floor(next() * n);
  const noise = (most: number): Uint8Array =>
    Uint8Array.from({ length: below(most) }, () => (next() < 0.5 ? 0x61 + below(4) : below(256)));
  for (let round = 0; round < 300; round++) {
    const tokens = Array.from({ length: 1 + below(40) }, () => noise(6));
    const scalars = {
      [`${P}model`]: ['gpt2', 'llama', 'bert', 'gemma4', 'whitespace'][below(5)]!,
      [`${P}pre`]: ['gpt-2', 'default', 'sarvam-moe', 'mmbert', 'kimi-k2', 'llama-bpe'][below(6)]!,
      [`${P}add_space_prefix`]: next() < 0.5,
    };
    const metadata: TokenizerMetadata = {
      scalars: new Map(Object.entries(scalars)),
      tokens: packStrings(tokens),
      merges: packStrings(
        Array.from({ length: below(30) }, () => Buffer.concat([noise(4), Buffer.from(' '), noise(4)])),
      ),
      tokenTypes: Int32Array.from(tokens, () => below(8)),
      scores: Float32Array.from(tokens, () => (next() < 0.1 ? NaN : below(5) - 2)),
    };
    const { value } = createTokenizer(metadata);
    if (!value) continue;
    const ids = value.encode(noise(40), { addSpecial: next() < 0.5, parseSpecial: next() < 0.5 });
    const inside = [...ids].every(id => id >= 0 && id < value.size);
    expect(inside, `seed ${seed}, round ${round}`).toBe(true);
    expect(() => value.decode(ids), `seed ${seed}, round ${round}`).not.toThrow();
  }
});

describe('from a file', () => {
  async function read(text: string) {
    const { bytes } = buildGguf(text);
    const source = {
      name: 'test.gguf',
      size: bytes.length,
      read: (offset: number, length: number) => Promise.resolve(bytes.slice(offset, offset + length)),
    };
    const { value } = await readModel(() => Promise.resolve(source), 'test.gguf');
    return readTokenizer(value!);
  }
  const lines = (more: string): string => `string general.architecture = "llama"\nstring ${P}model = "llama"\n${more}`;

  test.each([3, 2, 1])('version %d', async version => {
    const tokens = JSON.stringify(whole);
    const { value, problems } = await read(`version ${version}\n${lines(`string[] ${P}tokens = ${tokens}`)}`);
    expect(problems).toEqual([]);
    expect(value?.size).toBe(whole.length);
    expect(value?.pieces([3, 4, 5])).toEqual(['a', 'b', 'ab']);
  });

  test('big-endian, with scores that are integers', async () => {
    const scores = JSON.stringify(whole.map((_, i) => (i === 5 ? 3 : 0)));
    const { value, problems } = await read(
      `big-endian\n${lines(`bool ${P}add_space_prefix = false\nstring[] ${P}tokens = ${JSON.stringify(whole)}\ni32[] ${P}scores = ${scores}`)}`,
    );
    expect(problems).toEqual([]);
    expect([...(value?.encode('aab') ?? [])]).toEqual([3, 5]);
  });

  test.each([
    [`i32[] ${P}tokens = [1,2]`, 'must be an array of string, found an array of i32'],
    [`string ${P}tokens = "a"`, 'must be an array of string, found string'],
    [`string[] ${P}tokens = ["a"]\nf64[] ${P}scores = [1]`, 'must be an array of f32 or i32, found an array of f64'],
    [`string[] ${P}tokens = ["a"]\nu32[] ${P}token_type = [1]`, 'must be an array of i32, found an array of u32'],
  ])('%s', async (more, expected) => {
    const { value, problems } = await read(lines(more));
    expect(value).toBeUndefined();
    expect(problems.map(({ code }) => code)).toEqual(['tokenizer/wrong-type']);
    expect(problems[0]?.message).toContain(expected);
  });
});
