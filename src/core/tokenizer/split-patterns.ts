// The ways of cutting text into words that there are: a list of steps each. Order of steps and of alternatives is llama.cpp's;
// the expression above each is the one it stands for.
import {
  anySpaceRun,
  anySpaceRunOf,
  asciiDigitGroups,
  casedWord,
  contraction,
  contractionAnyCase,
  digitGroups,
  isAsciiDigit,
  lineBreak,
  lineBreakOrSlash,
  lines,
  one,
  pattern,
  run,
  runOf,
  spaceRun,
  spaceRunAndLineBreaks,
  spaceRunOutside,
  spaceRunWithout,
  spaces,
  spacesButLast,
  trailingSpaces,
  upTo,
  upToLineBreak,
  word,
  type Matcher,
  type Splitter,
} from './splitter.js';
import { LETTER as L, MARK as M, NUMBER as N, PUNCTUATION as P, SYMBOL as S, WHITESPACE as W } from './unicode.js';

// ── Sets of characters ───────────────────────────────────────────────────────────────────────────────────────────────

/** `a-zA-Z…` as ranges -> membership. */
function charSet(ranges: string): (cp: number) => boolean {
  const points = Array.from(ranges, character => character.codePointAt(0) ?? 0);
  const bounds: [number, number][] = [];
  for (let i = 0; i < points.length; i++) {
    const first = points[i] ?? 0;
    // A `-` between two characters makes a range; one that is meant is written at the start.
    if (points[i + 1] === 0x2d && i + 2 < points.length) {
      bounds.push([first, points[i + 2] ?? 0]);
      i += 2;
    } else {
      bounds.push([first, first]);
    }
  }
  return cp => bounds.some(([first, last]) => first <= cp && cp <= last);
}

const asciiPunctuation = charSet('!-/:-@[-`{-~');
const isAsciiLetter = charSet('A-Za-z');
const hanAndKana = charSet('一-龥぀-ゟ゠-ヿ');

/** The Han characters of Kimi: the ideograph blocks as such, not the script property. */
function isHan(cp: number): boolean {
  return (
    cp >= 0x3400 &&
    ((cp >= 0x4e00 && cp <= 0x9fff) ||
      cp <= 0x4dbf ||
      (cp >= 0xf900 && cp <= 0xfaff) ||
      (cp >= 0x20000 && cp <= 0x2a6df) ||
      (cp >= 0x2a700 && cp <= 0x2ebef) ||
      (cp >= 0x2f800 && cp <= 0x2fa1f))
  );
}

// ── Alternatives that only one family has ────────────────────────────────────────────────────────────────────────────

/** `[!-/:-@[-`{-~][A-Za-z]+` */
const punctuatedAsciiWord: Matcher = (text, at, end) => {
  if (at >= end || !asciiPunctuation(text.codePoints[at] as number)) return -1;
  let to = at + 1;
  while (to < end && isAsciiLetter(text.codePoints[to] as number)) to++;
  return to > at + 1 ? to : -1;
};

/** `[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+`: words with one space between them are one word. */
const spacedWords: Matcher = (text, at, end) => {
  let to = at;
  if (!text.is(at, end, L | N) && at < end && !lineBreak(text.codePoints[at] as number) && text.is(at + 1, end, L))
    to++;
  if (!text.is(to, end, L)) return -1;
  while (true) {
    to = text.run(to + 1, end, M);
    if (text.is(to, end, L)) continue;
    if (text.char(to, end) !== 0x20 || !text.is(to + 1, end, L)) return to;
    to++;
  }
};

/** `[^\r\n\p{L}\p{N}]?[\p{L}--\p{Han}]+('s|…)?` */
const nonHanWord: Matcher = (text, at, end) => {
  const isLetter = (i: number): boolean => text.is(i, end, L) && !isHan(text.codePoints[i] as number);
  let from = at;
  if (!text.is(at, end, L | N) && at < end && !lineBreak(text.codePoints[at] as number) && isLetter(at + 1)) from++;
  let to = from;
  while (isLetter(to)) to++;
  return to > from ? Math.max(to, contractionAnyCase(text, to, end)) : -1;
};

/** ` ?[^\s\p{L}\p{N}]+[\r\n/]?` */
const symbolsAndOneLineBreak: Matcher = (text, at, end) => {
  const to = spaceRunWithout(W | L | N)(text, at, end);
  return to >= 0 && to < end && lineBreakOrSlash(text.codePoints[to] as number) ? to + 1 : to;
};

/** `[0-9][0-9][0-9]` */
const threeAsciiDigits: Matcher = (text, at, end) => {
  for (let i = at; i < at + 3; i++) if (!isAsciiDigit(text.char(i, end))) return -1;
  return at + 3;
};

function literal(expected: string): Matcher {
  return (text, at, end) => {
    for (let i = 0; i < expected.length; i++) if (text.char(at + i, end) !== expected.charCodeAt(i)) return -1;
    return at + expected.length;
  };
}

/** `<sentinel:[0-9]+>` */
const sentinel: Matcher = (text, at, end) => {
  let to = literal('<sentinel:')(text, at, end);
  const digits = to;
  while (to >= 0 && isAsciiDigit(text.char(to, end))) to++;
  return to > digits && text.char(to, end) === 0x3e ? to + 1 : -1;
};

/** `IMGIMG[A-I]{1,4}Z` */
const imageToken: Matcher = (text, at, end) => {
  let to = literal('IMGIMG')(text, at, end);
  const letters = to;
  while (to >= 0 && to < letters + 4 && text.char(to, end) >= 0x41 && text.char(to, end) <= 0x49) to++;
  return to > letters && text.char(to, end) === 0x5a ? to + 1 : -1;
};

/** `\s{512}(?!\S)|\s{256}(?!\S)| … |\s{4}(?!\S)|\s{1,2}(?!\S)|\s{1}` */
const spacesByPowersOfTwo: Matcher = (text, at, end) => {
  const found = text.spaces(at, end) - at;
  const free = at + found < end ? found - 1 : found;
  for (let count = 512; count >= 4; count /= 2) if (free >= count) return at + count;
  return found > 0 ? at + Math.max(1, Math.min(2, free)) : -1;
};

// ── How text is cut ──────────────────────────────────────────────────────────────────────────────────────────────────

const other = W | L | N;
const number: Matcher = upTo(1, N);

/** `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+` */
const gpt2 = pattern(contraction, spaceRun(L), spaceRun(N), spaceRunWithout(other), spacesButLast, spaces);

/**
 * `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|<numbers>| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
 */
function llama3Like(numbers: Matcher): Splitter {
  return pattern(
    contractionAnyCase,
    word(L),
    numbers,
    spaceRunWithout(other, lineBreak),
    upToLineBreak,
    spacesButLast,
    spaces,
  );
}
const qwen2 = llama3Like(number);

/** `<words>|<numbers>| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+` */
function casedLike(words: Matcher, numbers: Matcher): Splitter {
  return pattern(words, numbers, spaceRunWithout(other, lineBreakOrSlash), upToLineBreak, spacesButLast, spaces);
}
/** The case classes are letters to llama.cpp: `[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+(?i:'s|…)?` */
const markedWord = word(L | M, L | N, contractionAnyCase);

/** `[!-/:-@[-`{-~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+` */
const deepseek3Words = pattern(
  punctuatedAsciiWord,
  word(L | M, L | P | S),
  spaceRunAndLineBreaks(P | S),
  upToLineBreak,
  spacesButLast,
  spaces,
);

/** ` ?[^(\s|.,!?…。，、।۔،)]+` */
const bloom = pattern(spaceRunOutside(charSet('(|.,!?…。，、।۔،)')));

export const SPLITS = {
  /** `[\p{P}$+<=>^~|]+`, gpt2, `\p{N}+`, `[0-9][0-9][0-9]` */
  default: [punctuation('$+<=>^~|'), gpt2, pattern(run(N)), pattern(threeAsciiDigits)],
  gpt2: [gpt2],
  /** `\p{N}`, gpt2 */
  digitsGpt2: [pattern(number), gpt2],
  /** `[\p{P}$+<=>^~|`]+`, gpt2, `[0-9][0-9][0-9]` */
  falcon: [punctuation('$+<=>^~|`'), gpt2, pattern(threeAsciiDigits)],
  llama3: [llama3Like(upTo(3, N))],
  /** As llama3, but white space is cut into 512, 256, 128 … characters. */
  jais2: [
    pattern(
      contractionAnyCase,
      word(L),
      upTo(3, N),
      spaceRunWithout(other, lineBreak),
      upToLineBreak,
      spacesByPowersOfTwo,
    ),
  ],
  qwen2: [qwen2],
  /** As qwen2, with marks as parts of words. */
  qwen35: [
    pattern(
      contractionAnyCase,
      word(L | M, L | N),
      number,
      spaceRunWithout(other | M, lineBreak),
      upToLineBreak,
      spacesButLast,
      spaces,
    ),
  ],
  /** As qwen2 without contractions. */
  ufakzeka: [pattern(word(L), number, spaceRunWithout(other, lineBreak), upToLineBreak, spacesButLast, spaces)],
  /** `\p{N}{1,3}`, then as llama3 with `\p{N}+` */
  minicpm5: [pattern(upTo(3, N)), llama3Like(run(N))],
  /** `[^\n]+|[\n]+`, qwen2 */
  laguna: [lines, qwen2],
  /** As qwen2, but ` ?[^\s\p{L}\p{N}\r\n]+` without the line breaks behind it. */
  seedCoder: [
    pattern(contractionAnyCase, word(L), number, spaceRunWithout(other), upToLineBreak, spacesButLast, spaces),
  ],
  /** `(?i:'s|…)|<words with single spaces>|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+` */
  exaoneMoe: [
    pattern(contractionAnyCase, spacedWords, number, symbolsAndOneLineBreak, upToLineBreak, spacesButLast, spaces),
  ],
  /** `[\r\n]`, `\s?[letters with case]+`, `\s?[punctuation]+`, `\s+$`, `[一-龥ࠀ-一가-퟿]+`, `\p{N}+` */
  deepseekLlm: [
    pattern(one(lineBreak)),
    pattern(anySpaceRunOf(casedLetters())),
    pattern(anySpaceRunOf(charSet('!-/:-~！-／：-～‘-‟　-。'))),
    trailingSpaces,
    pattern(runOf(charSet('一-龥ࠀ-一가-퟿'))),
    pattern(run(N)),
  ],
  /** `[\r\n]`, `\s?\p{L}+`, `\s?\p{P}+`, `[一-龥ࠀ-一가-퟿]+`, `\p{N}` */
  deepseekCoder: [
    pattern(one(lineBreak)),
    pattern(anySpaceRun(L)),
    pattern(anySpaceRun(P)),
    pattern(runOf(charSet('一-龥ࠀ-一가-퟿'))),
    pattern(number),
  ],
  /** `\p{N}{1,3}`, `[一-龥぀-ゟ゠-ヿ]+`, words */
  deepseek3: [pattern(upTo(3, N)), pattern(runOf(hanAndKana)), deepseek3Words],
  /** As deepseek3, with line breaks one by one and then digits one by one. */
  spark25: [
    pattern(upTo(3, N)),
    pattern(runOf(hanAndKana)),
    pattern(punctuatedAsciiWord, word(L | M, L | P | S), spaceRun(P | S), one(lineBreak), spacesButLast, spaces),
    pattern(number),
  ],
  /** Numbers in threes, `[scripts of Asia]+`, words as deepseek3 */
  afmoe: [
    digitGroups,
    pattern(runOf(charSet('一-鿿㐀-䶿豈-﫿぀-ゟ゠-ヿ･-ﾟ⼀-⿟เ-๿຀-໿ក-៿က-႟ꩠ-ꩿꧠ-꧿가-힯ᄀ-ᇿ'))),
    deepseek3Words,
  ],
  /** Hangul, full-width punctuation, Bopomofo and Han in runs, then as gpt4o with single digits */
  youtu: [
    pattern(
      runOf(charSet('가-힣ㄱ-ㆎ')),
      runOf(charSet('！…“”‘’—：；，、-〿︰-﹏')),
      runOf(charSet('ㄅ-ㄯ')),
      runOf(hanAndKana),
    ),
    casedLike(markedWord, number),
  ],
  bloom: [bloom],
  viking: [bloom, pattern(number)],
  tekken: [casedLike(casedWord(L), number)],
  gpt4o: [casedLike(casedWord(L, contractionAnyCase), upTo(3, N))],
  /** As gpt4o, with marks as parts of words. */
  graniteEmbedding: [casedLike(casedWord(L | M, contractionAnyCase), upTo(3, N))],
  tinyAya: [digitGroups, casedLike(markedWord, upTo(3, N))],
  /** `\p{Han}+|<other words>|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+` */
  kimiK2: [
    pattern(
      runOf(isHan),
      nonHanWord,
      upTo(3, N),
      spaceRunWithout(other, lineBreak),
      upToLineBreak,
      spacesButLast,
      spaces,
    ),
  ],
  /** `\p{N}+`, `(?=(\d{3})+(?!\d))` */
  superbpe: [pattern(run(N)), asciiDigitGroups],
  /** `<sentinel:[0-9]+>`, `IMGIMG[A-I]{1,4}Z`, `[\t\n]|    |  `, `\p{N}`, `[\p{P}!-/:-@[-`{-~]`, gpt2 */
  chameleon: [
    pattern(sentinel),
    pattern(imageToken),
    pattern(
      one(cp => cp === 9 || cp === 10),
      literal('    '),
      literal('  '),
    ),
    pattern(number),
    pattern(upTo(1, P), one(asciiPunctuation)),
    gpt2,
  ],
  /** `[^\n]+|[\n]+`, for vocabularies whose words are made by merges alone */
  lines: [lines],
  /** `\S+` */
  whitespace: [pattern((text, at, end) => spaceless(text.runWithout(at, end, W), at))],
} satisfies Record<string, readonly Splitter[]>;

function spaceless(to: number, at: number): number {
  return to > at ? to : -1;
}

/** `[\p{P}<symbols>]+` */
function punctuation(symbols: string): Splitter {
  const isSymbol = charSet(symbols);
  return pattern((text, at, end) => {
    let to = at;
    while (to < end && (text.is(to, end, P) || isSymbol(text.codePoints[to] as number))) to++;
    return spaceless(to, at);
  });
}

/** Letters that have an upper and a lower case, as the first DeepSeek models list them. */
function casedLetters(): (cp: number) => boolean {
  return charSet(
    'A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-\u1F7Dᾀ-ᾴᾶ-ᾼ\u1FBEῂ-ῄῆ-ῌῐ-\u1FD3ῖ-\u1FDBῠ-Ῥῲ-ῴῶ-ῼ' +
      'ℂℇℊ-ℓℕℙ-ℝℤ\u2126ℨ\u212A-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃',
  );
}
