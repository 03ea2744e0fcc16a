// SentencePiece as llama.cpp does it: characters are joined to the token with the highest score, over the whole text. What is no
// token in the end becomes its bytes. In nearly every vocabulary no token has a ▁ (which is the space) behind another
// character, or a line break beside any; nothing is ever joined there, and a text is encoded word by word: the same tokens
// at a small part of the cost.
import { ByteBuffer, stringAt, type IntBuffer } from './byte-strings.js';
import { Merging } from './merging.js';
import { utf8Length } from './unicode.js';
import type { Vocabulary } from './vocabulary.js';
import { WordCache } from './word-cache.js';

const SPACE = 0x20;
const LINE_FEED = 10;
/** U+2581, which stands for a space. */
const ESCAPED_SPACE = Uint8Array.of(0xe2, 0x96, 0x81);

export class SentencePieceEncoder extends Merging {
  /** Bytes that neither have a token `<0x…>` nor are one; text with them cannot be encoded whole. */
  readonly bytesWithoutToken: number;

  /** Per symbol: where in the text it starts, and ends. */
  private starts = new Int32Array(64);
  private ends = new Int32Array(64);
  private text: Uint8Array = new Uint8Array(0);

  /** Place of each token in the order of merging: the highest score is 0; equal scores have equal places. */
  private readonly places: Int32Array;
  private readonly byteTokens = new Int32Array(256);
  private readonly byWords: boolean;
  private readonly cache = new WordCache();

  constructor(private readonly vocabulary: Vocabulary) {
    super();
    this.places = placesByScore(vocabulary.scores, vocabulary.size);
    const { byText, roles, size, texts } = vocabulary;
    let missing = 0;
    for (let byte = 0; byte < 256; byte++) {
      const name = new TextEncoder().encode(`<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`);
      let token = byText.find(name, 0, name.length);
      if (token < 0) token = byText.find(Uint8Array.of(byte), 0, 1);
      if (token < 0) missing++;
      this.byteTokens[byte] = token < 0 ? roles.unk : token;
    }
    this.bytesWithoutToken = missing;
    let crossing = false;
    for (let token = 0; token < size; token++) {
      const text = stringAt(texts, token);
      crossing ||= hasInnerSpace(text);
      for (let at = 1; at < text.length; at++) this.joints[((text[at - 1] as number) << 8) | (text[at] as number)] = 1;
    }
    this.byWords = !crossing;
  }

  /** Appends the tokens of a text without special tokens. A space becomes ▁, and one is put before it if `prefix`. */
  encode(bytes: Uint8Array, prefix: boolean, output: IntBuffer): void {
    const text = escapeSpaces(bytes, prefix);
    this.text = text;
    let start = 0;
    let wasSpace = true;
    for (let at = 0; at < text.length;) {
      const space = isEscapedSpace(text, at);
      const apart =
        (this.byWords && space && !wasSpace) || !this.joints[((text[at - 1] ?? 0) << 8) | (text[at] as number)];
      if (apart && at > start) {
        this.encodeCached(start, at, output);
        start = at;
      }
      wasSpace = space;
      at = Math.min(text.length, at + utf8Length(text[at] as number));
    }
    this.encodeCached(start, text.length, output);
  }

  private encodeCached(start: number, end: number, output: IntBuffer): void {
    if (this.cache.recall(this.text, start, end, output)) return;
    const first = output.length;
    this.encodeWord(start, end, output);
    this.cache.remember(this.text, start, end, output, first);
  }

  private encodeWord(start: number, end: number, output: IntBuffer): void {
    if (start === end) return;
    this.reserve(end - start);
    let count = 0;
    for (let at = start; at < end; count++) {
      this.starts[count] = at;
      at = Math.min(end, at + utf8Length(this.text[at] as number));
      this.ends[count] = at;
    }
    this.merge(count);
    for (let i = 0; i >= 0; i = this.next[i] as number) {
      const from = this.starts[i] as number;
      const to = this.ends[i] as number;
      const token = this.vocabulary.byText.find(this.text, from, to);
      if (token >= 0) {
        output.push(token);
        continue;
      }
      for (let at = from; at < to; at++) {
        const byteToken = this.byteTokens[this.text[at] as number] as number;
        if (byteToken >= 0) output.push(byteToken);
      }
    }
  }

  protected override rankOf(left: number, right: number): number {
    const start = this.starts[left] as number;
    const end = this.ends[right] as number;
    if (end - start > this.vocabulary.longest) return -1;
    const token = this.vocabulary.byText.find(this.text, start, end);
    return token < 0 ? -1 : (this.places[token] as number);
  }

  protected override join(left: number, right: number): void {
    this.ends[left] = this.ends[right] as number;
  }

  protected override growSymbols(capacity: number): void {
    this.starts = new Int32Array(capacity);
    this.ends = new Int32Array(capacity);
  }
}

/** Scores that are no numbers come last. */
function placesByScore(scores: Float32Array, size: number): Int32Array {
  const of = (token: number): number => {
    const score = scores[token] ?? 0;
    return Number.isNaN(score) ? -Infinity : score;
  };
  const order = Float64Array.from({ length: size }, (_, token) => -of(token)).sort();
  const places = new Map<number, number>();
  for (const negative of order) if (!places.has(negative)) places.set(negative, places.size);
  return Int32Array.from({ length: size }, (_, token) => places.get(-of(token)) ?? 0);
}

/** E2 96 81: U+2581, which stands for a space. */
export function isEscapedSpace(text: Uint8Array, at: number): boolean {
  return text[at] === 0xe2 && text[at + 1] === 0x96 && text[at + 2] === 0x81;
}

/** Whether a ▁ comes behind anything but a ▁. */
function hasInnerSpace(text: Uint8Array): boolean {
  for (let at = 1; at + 2 < text.length; at++) {
    if (isEscapedSpace(text, at) && !(at >= 3 && isEscapedSpace(text, at - 3))) return true;
  }
  return false;
}

/** Text with ▁ for spaces. */
export function escapeSpaces(bytes: Uint8Array, prefix: boolean): Uint8Array {
  const output = new ByteBuffer(bytes.length + (bytes.length >> 1) + 3);
  if (prefix) output.append(ESCAPED_SPACE);
  for (const byte of bytes) {
    if (byte === SPACE) output.append(ESCAPED_SPACE);
    else output.push(byte);
  }
  return output.view();
}

/** Text whose lines each start with a ▁; a line that does so stays as it is, and so does an empty one. */
export function prefixLines(text: Uint8Array): Uint8Array {
  const output = new ByteBuffer(text.length + 64);
  let start = true;
  text.forEach((byte, at) => {
    const lineBreak = byte === LINE_FEED;
    if (start && !lineBreak && !isEscapedSpace(text, at)) output.append(ESCAPED_SPACE);
    output.push(byte);
    start = lineBreak;
  });
  return output.view();
}
