// Linear time, whatever the text: for each way of cutting text into words and each kind of tokenizer, text sixteen times as
// long may take about sixteen times as long. A quadratic way takes 256 times.
import { describe, expect, test } from 'vitest';
import { PRE_TOKENIZERS } from '../../../src/core/tokenizer/pre-tokenizers.js';
import { SPLITS } from '../../../src/core/tokenizer/split-patterns.js';
import type { Tokenizer } from '../../../src/core/tokenizer/tokenizer.js';
import { byteLevel, metadataOf, P, tokenizerOf } from './world.js';

/** Texts that make something long: a word, a number, white space, or what a pattern looks at again and again. */
const UNITS: Readonly<Record<string, string>> = {
  'one letter': 'a',
  'alternating letters': 'ab',
  'alternating case': 'aB',
  'one upper-case letter': 'A',
  digits: '1234567890',
  spaces: ' ',
  'tabs and line breaks': '\t\n',
  'line breaks': '\r\n',
  'spaces before a letter': '   a',
  punctuation: '.',
  apostrophes: "'s",
  'an apostrophe alone': "'",
  slashes: '/\n',
  emoji: '😀',
  families: '\u{1F469}\u200D\u{1F467}',
  'combining marks': '\u0301',
  'letters with marks': 'e\u0301',
  Han: '你好',
  Thai: 'ก',
  Hangul: '각',
  'a URL': 'https://example.org/a/b?c=d&e=f#g',
  'a lower angle bracket': '<',
  'broken UTF-8': '\uFFFD',
};

const SHORT = 1 << 12;
const LONGER = 16;
/** Four times what is expected, and a quarter of what a quadratic way takes. */
const LIMIT = 4 * LONGER;
/** Below this, a garbage collection or the scheduler decide; a quadratic way takes seconds for 64 KiB. */
const HOPELESS_SECONDS = 2;
const NOISE_SECONDS = 0.02;

function cpuSeconds(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}

/** The least of a few measurements; more of them as long as the result is bad. */
function growth(tokenizer: Tokenizer, unit: string): number {
  const text = (bytes: number): Uint8Array =>
    new TextEncoder().encode(unit.repeat(Math.ceil(bytes / Buffer.byteLength(unit))));
  const [short, long] = [text(SHORT), text(LONGER * SHORT)];
  const least = [Infinity, Infinity] as [number, number];
  for (let i = 0; i < 4; i++) {
    least[0] = Math.min(
      least[0],
      cpuSeconds(() => tokenizer.encode(short)),
    );
    least[1] = Math.min(
      least[1],
      cpuSeconds(() => tokenizer.encode(long)),
    );
    if (least[1] < NOISE_SECONDS || least[1] / least[0] < LIMIT || least[1] > HOPELESS_SECONDS) break;
  }
  return least[1] < NOISE_SECONDS ? 0 : least[1] / least[0];
}

function tooSteep(tokenizer: Tokenizer): string[] {
  for (const [name, unit] of Object.entries(UNITS)) {
    const found = growth(tokenizer, unit);
    // One says it; a quadratic way takes seconds for each.
    if (found >= LIMIT) return [`${name}: ${found.toFixed(1)} times`];
  }
  return [];
}

const letters = Array.from({ length: 8 }, (_, i) => 'a'.repeat(2 ** i));
const merges = [
  ...letters.slice(0, -1).map(text => `${text} ${text}`),
  ...['a b', 'ab ab', 'Ġ Ġ', 'ĠĠ ĠĠ', 'Ġ a', '1 2', '3 4', '12 34', 'Ċ Ċ', '. .', 'ð Ł', 'ðŁ ĺ', 'Ì ģ', 'e Ìģ'],
];
const nameOf = (split: string): string | undefined =>
  [...PRE_TOKENIZERS].find(([, { split: own }]) => own === SPLITS[split as keyof typeof SPLITS])?.[0];

describe('byte pair encoding', () => {
  test.each(Object.keys(SPLITS).map(split => [split, nameOf(split)] as const))('%s (%s)', (_split, pre) => {
    const model = pre === undefined ? {} : { pre };
    expect(tooSteep(tokenizerOf(byteLevel(merges, model)))).toEqual([]);
  });
});

const hexBytes = Array.from({ length: 256 }, (_, b) => `<0x${b.toString(16).toUpperCase().padStart(2, '0')}>`);

test('SentencePiece', () => {
  const texts = ['▁', '▁▁', '▁▁▁▁', '▁a', 'ab', 'abab', '12', '1234', '\n\n', 'e\u0301', '你好', ...letters];
  const tokens = ['<unk>', '<s>', '</s>', ...hexBytes, ...texts];
  const types = tokens.map((_, i) => (i === 0 ? 2 : i < 3 ? 3 : i < 259 ? 6 : 1));
  const scores = tokens.map((_, i) => -i);
  // With a token that has a space inside, text is not cut into words: all of it is merged at once.
  for (const more of [[], ['a▁a']]) {
    const lists = {
      tokens: [...tokens, ...more],
      types: [...types, ...more.map(() => 1)],
      scores: [...scores, ...more.map(() => -999)],
    };
    expect(tooSteep(tokenizerOf(metadataOf({ [`${P}model`]: 'llama' }, lists)))).toEqual([]);
  }
});

test('WordPiece', () => {
  const texts = ['ab', 'abab', '12', '1234', 'é', 'e', '你', '.', "'", '😀', ...letters];
  const tokens = ['[UNK]', ...texts.map(text => `▁${text}`), ...texts];
  expect(tooSteep(tokenizerOf(metadataOf({ [`${P}model`]: 'bert' }, { tokens })))).toEqual([]);
});

test('special tokens', () => {
  const special = ['<|x|>', '<', '<<', '<|', '😀😀', '   '];
  const tokenizer = tokenizerOf(byteLevel(merges, { special }));
  const encode = tokenizer.encode.bind(tokenizer);
  tokenizer.encode = text => encode(text, { parseSpecial: true });
  expect(tooSteep(tokenizer)).toEqual([]);
});
