// Byte pair encoding: text is cut into words, a word into bytes (or characters), and neighbours are joined in the order of the
// merges. Merges are between texts, not tokens: what they make need not be a token, and then falls apart into bytes again at
// the end. So each text that a merge can touch gets a number here, tokens their own ones; joining is a look-up of two numbers.
import { alphabetCharacter, appendDecoded } from './byte-alphabet.js';
import { ByteBuffer, mixHash, stringCount, StringTable, type ByteStrings, type IntBuffer } from './byte-strings.js';
import { Merging } from './merging.js';
import { SplitText, type Emit, type Splitter } from './splitter.js';
import {
  decodeLenient,
  encodedLength,
  lowerCase,
  utf8Length,
  WHITESPACE,
  codePointClasses,
  encodeCodePoint,
} from './unicode.js';
import type { Vocabulary } from './vocabulary.js';
import { WordCache } from './word-cache.js';

const LINE_FEED = 10;

export class BytePairEncoder extends Merging {
  /** Merges whose texts are not all tokens; harmless, but such a vocabulary was not made for these merges. */
  mergesWithoutToken = 0;
  /** Merges that have no space in them, or letters that stand for no byte. */
  unusableMerges = 0;

  private readonly symbolsByText: StringTable;
  /** Per symbol of the word being merged: the number of its text; -1 for a character that no merge and no token has. */
  private numbers = new Int32Array(64);
  /** Where in the word it starts, and ends. */
  private starts = new Int32Array(65);
  private ends = new Int32Array(64);

  /** Merge by pair of numbers: open addressing, at most half full, holding rank + 1. */
  private readonly slots: Int32Array;
  private readonly lefts: Int32Array;
  private readonly rights: Int32Array;
  private readonly results: Int32Array;

  /** Number of the text of each single byte. */
  private readonly byteNumbers = new Int32Array(256);
  /** Tokens of the bytes that are written out when a text is no token. */
  private readonly fallback: readonly (readonly number[])[];
  private readonly cache = new WordCache();

  constructor(
    private readonly vocabulary: Vocabulary,
    merges: ByteStrings,
  ) {
    super();
    this.symbolsByText = symbolTexts(vocabulary);
    const count = stringCount(merges);
    this.lefts = new Int32Array(count);
    this.rights = new Int32Array(count);
    this.results = new Int32Array(count);
    let capacity = 64;
    while (capacity < count * 2) capacity *= 2;
    this.slots = new Int32Array(capacity);
    this.readMerges(merges);
    for (let byte = 0; byte < 256; byte++) {
      this.byteNumbers[byte] = this.symbolsByText.intern(Uint8Array.of(byte), 0, 1);
    }
    this.fallback = Array.from({ length: 256 }, (_, byte) => this.fallbackOf(byte));
  }

  /** Appends the tokens of a text without special tokens. */
  encode(bytes: Uint8Array, output: IntBuffer): void {
    if (this.vocabulary.model === 'whitespace') {
      for (const word of lowerCaseWords(bytes, this.vocabulary.lowercase)) this.encodeText(word, output);
    } else {
      this.encodeText(bytes, output);
    }
  }

  private encodeText(input: Uint8Array, output: IntBuffer): void {
    const { codePoints, bytes } = decodeLenient(input);
    const text = new SplitText(codePoints);
    let at = 0;
    const { rawText } = this.vocabulary.preTokenizer;
    const allAscii = codePoints.length === bytes.length;
    const word: Emit = (start, end) => {
      let length = end - start;
      if (!allAscii) for (let i = start; i < end; i++) length += encodedLength(codePoints[i] as number) - 1;
      if (rawText) this.encodeParts(bytes, at, at + length, output);
      else this.encodeWord(bytes, at, at + length, output);
      at += length;
    };
    chain(this.vocabulary.preTokenizer.split, text, word)(0, codePoints.length);
  }

  /** Cuts a word where nothing is ever joined: the words of vocabularies of raw text are whole lines. */
  private encodeParts(bytes: Uint8Array, start: number, end: number, output: IntBuffer): void {
    let from = start;
    // A run of line breaks may be a token as it is.
    if (bytes[start] !== LINE_FEED) {
      for (let at = start + utf8Length(bytes[start] as number); at < end; at += utf8Length(bytes[at] as number)) {
        if (this.joints[((bytes[at - 1] as number) << 8) | (bytes[at] as number)]) continue;
        this.encodeWord(bytes, from, at, output);
        from = at;
      }
    }
    this.encodeWord(bytes, from, end, output);
  }

  private encodeWord(bytes: Uint8Array, start: number, end: number, output: IntBuffer): void {
    if (start === end || this.cache.recall(bytes, start, end, output)) return;
    const first = output.length;
    const { preTokenizer, size } = this.vocabulary;
    const whole = preTokenizer.ignoreMerges || (preTokenizer.wholeLineBreaks && bytes[start] === LINE_FEED);
    const known = whole ? this.symbolsByText.find(bytes, start, end) : -1;
    if (known >= 0 && known < size) {
      output.push(known);
    } else {
      this.merge(this.fillSymbols(bytes, start, end));
      for (let i = 0; i >= 0; i = this.next[i] as number) this.write(bytes, i, output);
    }
    this.cache.remember(bytes, start, end, output, first);
  }

  private fillSymbols(bytes: Uint8Array, start: number, end: number): number {
    this.reserve(end - start);
    const { rawText } = this.vocabulary.preTokenizer;
    let count = 0;
    for (let at = start; at < end; count++) {
      const length = rawText ? Math.min(end - at, utf8Length(bytes[at] as number)) : 1;
      this.numbers[count] =
        length === 1
          ? (this.byteNumbers[bytes[at] as number] as number)
          : this.symbolsByText.find(bytes, at, at + length);
      this.starts[count] = at;
      at += length;
      this.ends[count] = at;
    }
    return count;
  }

  /** The token of a symbol; where its text is none, the tokens of its bytes, as far as there are any. */
  private write(bytes: Uint8Array, symbol: number, output: IntBuffer): void {
    const number = this.numbers[symbol] as number;
    if (number >= 0 && number < this.vocabulary.size) {
      output.push(number);
      return;
    }
    const end = this.ends[symbol] as number;
    for (let at = this.starts[symbol] as number; at < end; at++) {
      for (const token of this.fallback[bytes[at] as number] ?? []) output.push(token);
    }
  }

  /** `<0x0A>` in vocabularies of raw text; in the byte alphabet, the bytes of the character, in case they are tokens. */
  private fallbackOf(byte: number): number[] {
    const { byText, preTokenizer } = this.vocabulary;
    const hex = byte.toString(16).toUpperCase().padStart(2, '0');
    const texts = preTokenizer.rawText
      ? [new TextEncoder().encode(`<0x${hex}>`)]
      : Array.from(alphabetCharacter(byte), part => Uint8Array.of(part));
    return texts.map(text => byText.find(text, 0, text.length)).filter(token => token >= 0);
  }

  private readMerges({ bytes, offsets }: ByteStrings): void {
    const { rawText } = this.vocabulary.preTokenizer;
    const { size } = this.vocabulary;
    const table = this.symbolsByText;
    const parts = new ByteBuffer();
    let result = -1;
    const append = (from: number, to: number): boolean => {
      if (!rawText) return appendDecoded(bytes, from, to, parts);
      parts.append(bytes, from, to);
      return true;
    };
    for (let rank = 0; rank < this.lefts.length; rank++) {
      const start = offsets[rank] as number;
      const end = offsets[rank + 1] as number;
      let space = start + 1;
      while (space < end && bytes[space] !== 0x20) space++;
      parts.length = 0;
      const readable = space < end && append(start, space);
      const middle = parts.length;
      if (!readable || !append(space + 1, end) || middle === 0 || parts.length === middle) {
        this.unusableMerges++;
        continue;
      }
      const left = table.intern(parts.bytes, 0, middle);
      const right = table.intern(parts.bytes, middle, parts.length);
      // Vocabularies have what merges make in the order of the merges.
      result = table.intern(parts.bytes, 0, parts.length, result + 1);
      this.joints[((parts.bytes[middle - 1] as number) << 8) | (parts.bytes[middle] as number)] = 1;
      if (result >= size) this.mergesWithoutToken++;
      const slot = this.slotOf(left, right);
      if (this.slots[slot] !== 0) continue;
      this.slots[slot] = rank + 1;
      this.lefts[rank] = left;
      this.rights[rank] = right;
      this.results[rank] = result;
    }
  }

  private slotOf(left: number, right: number): number {
    const { slots, lefts, rights } = this;
    const mask = slots.length - 1;
    let slot = mixHash(Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca6b)) & mask;
    for (let entry = slots[slot] as number; entry !== 0; entry = slots[slot] as number) {
      if (lefts[entry - 1] === left && rights[entry - 1] === right) break;
      slot = (slot + 1) & mask;
    }
    return slot;
  }

  protected override rankOf(left: number, right: number): number {
    const a = this.numbers[left] as number;
    const b = this.numbers[right] as number;
    return a < 0 || b < 0 ? -1 : (this.slots[this.slotOf(a, b)] as number) - 1;
  }

  protected override join(left: number, right: number): void {
    this.numbers[left] = this.results[this.ranks[left] as number] as number;
    this.ends[left] = this.ends[right] as number;
  }

  protected override growSymbols(capacity: number): void {
    this.numbers = new Int32Array(capacity);
    this.starts = new Int32Array(capacity);
    this.ends = new Int32Array(capacity);
  }
}

/** Each step cuts the pieces of the one before; nothing but the words themselves is kept. */
function chain(steps: readonly Splitter[], text: SplitText, word: Emit): Emit {
  return steps.reduceRight<Emit>((emit, split) => (start, end) => split(text, start, end, emit), word);
}

/**
 * The vocabulary by what its texts are in a text that is encoded: themselves, or the bytes they stand for. Texts that stand for
 * none (special tokens with spaces in them) are left out.
 */
function symbolTexts({ size, texts, preTokenizer }: Vocabulary): StringTable {
  const table = new StringTable(size, texts.bytes.length);
  const decoded = new ByteBuffer();
  for (let token = 0; token < size; token++) {
    const start = texts.offsets[token] as number;
    const end = texts.offsets[token + 1] as number;
    decoded.length = 0;
    if (preTokenizer.rawText) table.assign(texts.bytes, start, end, token);
    else if (appendDecoded(texts.bytes, start, end, decoded)) table.assign(decoded.bytes, 0, decoded.length, token);
  }
  return table;
}

/** What is between white space, in lower case if wanted: the normalizer of the tokenizer model `whitespace`. */
function* lowerCaseWords(bytes: Uint8Array, lowercase: boolean): Generator<Uint8Array> {
  const classes = codePointClasses();
  const word = new ByteBuffer();
  const character = new Uint8Array(4);
  for (const cp of decodeLenient(bytes).codePoints) {
    if ((classes[cp] as number) & WHITESPACE) {
      if (word.length > 0) yield word.view().slice();
      word.length = 0;
    } else {
      word.append(character, 0, encodeCodePoint(lowercase ? lowerCase(cp) : cp, character, 0));
    }
  }
  if (word.length > 0) yield word.view().slice();
}
