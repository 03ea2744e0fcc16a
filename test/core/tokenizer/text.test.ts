// What any tokenizer must do: give back what it took, in one piece or token by token, and take a megabyte of anything.
import { describe, expect, test } from 'vitest';
import { cleanSpaces } from '../../../src/core/tokenizer/detokenize.js';
import type { Tokenizer } from '../../../src/core/tokenizer/tokenizer.js';
import { sortLikeGnu } from '../../../src/core/tokenizer/unstable-sort.js';
import { byteCharacter, byteLevel, metadataOf, P, random, tokenizerOf } from './world.js';

const MEGABYTE = 2 ** 20;
/** Long enough that a quadratic way shows, short enough for many of them. */
const LONG = 2 ** 17;
const hexBytes = Array.from({ length: 256 }, (_, b) => `<0x${b.toString(16).toUpperCase().padStart(2, '0')}>`);

/** a, aa, aaaa … up to `levels` doublings; the merge that makes each comes in this order. */
function doublings(levels: number): { texts: string[]; merges: string[] } {
  const texts = Array.from({ length: levels + 1 }, (_, i) => 'a'.repeat(2 ** i));
  return { texts, merges: texts.slice(0, -1).map(text => `${text} ${text}`) };
}

/** SentencePiece with bytes and these tokens, the later the better. */
function sentencePiece(texts: readonly string[], scalars = {}): Tokenizer {
  const tokens = ['<unk>', '<s>', '</s>', ...hexBytes, ...texts];
  const types = tokens.map((_, i) => (i === 0 ? 2 : i < 3 ? 3 : i < 259 ? 6 : 1));
  return tokenizerOf(
    metadataOf({ [`${P}model`]: 'llama', ...scalars }, { tokens, types, scores: tokens.map((_, i) => -i) }),
  );
}

describe('a megabyte', () => {
  const { texts, merges } = doublings(10);
  const bpe = tokenizerOf(byteLevel(merges));
  const spm = sentencePiece(texts, { [`${P}add_space_prefix`]: false });
  const wordPiece = tokenizerOf(
    metadataOf({ [`${P}model`]: 'bert' }, { tokens: ['[UNK]', ...texts.map(text => `▁${text}`), ...texts] }),
  );

  // 2^20 letters and the longest token of 2^10: 2^10 tokens. A quadratic way would take hours, not seconds.
  test('of one letter becomes the longest tokens', () => {
    const text = 'a'.repeat(MEGABYTE);
    for (const tokenizer of [bpe, spm]) {
      const ids = tokenizer.encode(text);
      expect(ids.length).toBe(1024);
      expect(new Set(ids).size).toBe(1);
      expect(tokenizer.decode(ids)).toBe(text);
    }
  });

  test('of one letter, for WordPiece', () => {
    // Of a token, 512 bytes are looked at: first a ▁ and 2^8 letters, then 2,047 times 2^9, and 2^8 are left.
    expect(wordPiece.encode('a'.repeat(MEGABYTE)).length).toBe(1 + 2047 + 1);
  });

  test('of special tokens', () => {
    const tokenizer = tokenizerOf(byteLevel(merges, { special: ['<|x|>', '<|', '|>', '<|x'] }));
    const ids = tokenizer.encode('<|x|>'.repeat(MEGABYTE / 4), { parseSpecial: true });
    expect(ids.length).toBe(MEGABYTE / 4);
    expect(new Set(ids).size).toBe(1);
  });

  test('of bytes that are no UTF-8', () => {
    const replacement = bpe.encode('\uFFFD');
    const ids = bpe.encode(new Uint8Array(MEGABYTE).fill(0xff));
    expect(ids.length).toBe(replacement.length * MEGABYTE);
    expect(spm.encode(new Uint8Array(MEGABYTE).fill(0xff)).length).toBeGreaterThan(MEGABYTE / 8);
  });
});

describe('long runs', () => {
  const { merges } = doublings(10);
  const spm = sentencePiece(['▁', '▁▁', 'a'], { [`${P}add_space_prefix`]: false });

  test.each([' ', '\n', '.', '1', 'é', '你', '\u0301', '<', "'", '😀', '\uFFFD', 'a ', ' a', '\t\n', 'aB'])(
    'of %j comes back',
    unit => {
      const text = unit.repeat(Math.ceil(LONG / Buffer.byteLength(unit)));
      for (const pre of [
        'gpt-2',
        'llama-bpe',
        'gpt-4o',
        'jais-2',
        'deepseek-llm',
        'tiny_aya',
        'kimi-k2',
        'exaone-moe',
      ]) {
        const tokenizer = tokenizerOf(byteLevel(merges, { pre }));
        const back = tokenizer.decodeBytes(tokenizer.encode(text));
        // Spaces before punctuation go in some of them: there are none here.
        expect(Buffer.compare(back, Buffer.from(text)), pre).toBe(0);
      }
      expect(spm.decode(spm.encode(text))).toBe(text);
    },
  );
});

describe('token by token', () => {
  const text = 'añ你😀 e\u0301 \u{1F469}\u200D\u{1F467}!';
  // A vocabulary that keeps the spaces before punctuation: a stream cannot take back what it showed, so it always keeps them.
  const pre = 'qwen2';
  const tokenizers: [string, Tokenizer][] = [
    ['bytes', tokenizerOf(byteLevel([], { pre }))],
    // The first two bytes of 你 are one token, the last with the first of 😀 another.
    [
      'pairs',
      tokenizerOf(
        byteLevel(
          [
            `${byteCharacter(0xe4)} ${byteCharacter(0xbd)}`,
            `${byteCharacter(0xa0)} ${byteCharacter(0xf0)}`,
            `${byteCharacter(0x9f)} ${byteCharacter(0x98)}`,
          ],
          { pre },
        ),
      ),
    ],
    ['SentencePiece', sentencePiece(['▁', 'a'], { [`${P}add_space_prefix`]: false })],
  ];

  test.each(tokenizers)('%s: no piece ends within a character', (_name, tokenizer) => {
    const decoder = tokenizer.streamDecoder();
    let shown = '';
    for (const id of tokenizer.encode(text)) {
      const more = decoder.push(id);
      expect(more).not.toContain('\uFFFD');
      expect(more).not.toMatch(/\p{Cs}/u);
      shown += more;
    }
    expect(decoder.end()).toBe('');
    expect(shown).toBe(text);
  });

  test.each(tokenizers)(
    '%s: random tokens give the text of their bytes, whole characters at a time',
    (_name, tokenizer) => {
      const seed = Date.now() % 2 ** 31;
      const next = random(seed);
      for (let round = 0; round < 300; round++) {
        const ids = Array.from({ length: Math.floor(next() * 30) }, () => Math.floor(next() * tokenizer.size));
        const decoder = tokenizer.streamDecoder();
        const parts = ids.map(id => decoder.push(id));
        parts.push(decoder.end());
        // No half of a surrogate pair, and U+FFFD only where the bytes, read as a whole, have one: nothing was split.
        for (const part of parts) expect(part, `seed ${seed}`).not.toMatch(/\p{Cs}/u);
        expect(parts.join(''), `seed ${seed}: ${ids.join(' ')}`).toBe(tokenizer.decode(ids));
      }
    },
  );

  test('what stays incomplete is U+FFFD at the end, and what cannot be completed at once', () => {
    const tokenizer = tokenizerOf(byteLevel([]));
    const decoder = tokenizer.streamDecoder();
    expect(decoder.push(0xe4) + decoder.push(0xbd)).toBe('');
    expect(decoder.push(0x61)).toBe('\uFFFDa');
    expect(decoder.push(0xf0)).toBe('');
    expect(decoder.end()).toBe('\uFFFD');
    expect(decoder.push(0x62)).toBe('b');
  });

  test('control tokens are shown or not', () => {
    const tokenizer = tokenizerOf(byteLevel([], { special: ['<|im_end|>'] }));
    expect(tokenizer.streamDecoder().push(256)).toBe('<|im_end|>');
    expect(tokenizer.streamDecoder({ special: false }).push(256)).toBe('');
    expect(tokenizer.endOfGeneration).toContain(256);
  });

  test('a byte order mark is text', () => {
    const tokenizer = tokenizerOf(byteLevel([]));
    const ids = tokenizer.encode('\uFEFFa');
    expect(tokenizer.decode(ids)).toBe('\uFEFFa');
    const decoder = tokenizer.streamDecoder();
    expect([...ids].map(id => decoder.push(id)).join('')).toBe('\uFEFFa');
  });
});

test('random text comes back from bytes, however words were remembered before', () => {
  const seed = Date.now() % 2 ** 31;
  const next = random(seed);
  const tokenizer = tokenizerOf(byteLevel(['a b', 'ab c', 'Ġ a', 'Ġ Ġ', 'ĠĠ ĠĠ'], { pre: 'qwen2' }));
  for (let round = 0; round < 200; round++) {
    let text = '';
    const length = Math.floor(next() * 300);
    while (text.length < length) {
      const plane = next() < 0.7 ? 0x250 : next() < 0.8 ? 0xd800 : 0x110000;
      const cp = Math.floor(next() * plane);
      if (cp < 0xd800 || cp > 0xdfff) text += next() < 0.3 ? ' ab abc' : String.fromCodePoint(cp);
    }
    const once = tokenizer.encode(text);
    expect(tokenizer.decode(once), `seed ${seed}, round ${round}`).toBe(text);
    expect(tokenizer.encode(text), `seed ${seed}, round ${round}`).toEqual(once);
  }
});

test('more words than are remembered', () => {
  const tokenizer = tokenizerOf(byteLevel(['a b'], { pre: 'qwen2' }));
  const text = Array.from({ length: 120_000 }, (_, i) => `w${i.toString(36)}ab`).join(' ');
  expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
});

test.each([
  ['a .b ,c !d ?e', 'a.b,c!d?e'],
  [" .x ' y ' z", ".x'y'z"],
  ["I 'm he 's we 're they 've I 'd ca n't you 'll", "I'm he's we're they've I 'd ca n't you 'll"],
  ["a ' ' b", "a'' b"],
  ['  .', ' .'],
  [' ', ' '],
  ['', ''],
])('the clean-up of spaces makes %j %j', (text, expected) => {
  expect(new TextDecoder().decode(cleanSpaces(new TextEncoder().encode(text)))).toBe(expected);
});

test('sorting like GNU sorts, and leaves few equal elements where they were', () => {
  const seed = Date.now() % 2 ** 31;
  const next = random(seed);
  for (const length of [0, 1, 16, 17, 40, 1000]) {
    const values = Array.from({ length }, () => Math.floor(next() * 1000));
    const key = (value: number): number => Math.floor(value / 100);
    const sorted = [...values];
    sortLikeGnu(sorted, key);
    const stable = [...values].sort((a, b) => key(a) - key(b));
    expect(sorted.map(key), `seed ${seed}`).toEqual(stable.map(key));
    expect([...sorted].sort((a, b) => a - b)).toEqual([...values].sort((a, b) => a - b));
    if (length <= 16) expect(sorted).toEqual(stable);
  }
});
