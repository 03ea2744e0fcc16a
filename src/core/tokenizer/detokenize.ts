// From tokens back to bytes and text, by llama.cpp's rules. A token is a piece of bytes, which may be half of a character; so
// text is made of bytes at the very end, or by StreamDecoder as they come.
import { alphabetByte, appendDecoded } from './byte-alphabet.js';
import { ByteBuffer, stringAt } from './byte-strings.js';
import { isEscapedSpace } from './spm.js';
import { decodeLenient, encodedLength, encodeCodePoint } from './unicode.js';
import { ATTRIBUTE } from './token-attributes.js';
import type { Vocabulary } from './vocabulary.js';

const SPACE = 0x20;

export interface DecodeOptions {
  /** Leave out BOS at the beginning and EOS at the end, where encoding would add them. Default: no. */
  readonly removeSpecial?: boolean;
  /** Write control and unknown tokens as their text, as llama.cpp's tools do. Default: yes. */
  readonly special?: boolean;
}

/** Appends the bytes of one token: nothing for tokens of no use, and for control tokens unless `special`. */
export function appendPiece(vocabulary: Vocabulary, token: number, special: boolean, output: ByteBuffer): void {
  const attributes = vocabulary.attributes[token] ?? 0;
  const text = stringAt(vocabulary.texts, token);
  const hidden = attributes & (ATTRIBUTE.control | ATTRIBUTE.unknown);
  if (hidden && !special) return;
  if (hidden || attributes & ATTRIBUTE.userDefined) {
    output.append(text);
  } else if (attributes & ATTRIBUTE.normal) {
    if (vocabulary.kind === 'bpe' && !vocabulary.preTokenizer.escapeSpaces) appendByteLevel(text, output);
    else appendUnescaped(text, output);
  } else if (attributes & ATTRIBUTE.byte && vocabulary.kind !== 'wpm') {
    // `<0x0A>`; of another text llama.cpp takes what hexadecimal digits there are at this place.
    output.push(parseInt(new TextDecoder().decode(text.subarray(3, 5)), 16) || 0);
  }
}

/** The bytes of all tokens. */
export function detokenize(vocabulary: Vocabulary, tokens: ArrayLike<number>, options: DecodeOptions): Uint8Array {
  const { roles, addBos, addEos, addSpacePrefix } = vocabulary;
  const { removeSpecial = false, special = true } = options;
  let first = 0;
  let last = tokens.length;
  let removeSpace = addSpacePrefix;
  if (removeSpecial && addBos && last > 0 && tokens[0] === roles.bos) {
    removeSpace = false;
    first++;
  }
  if (removeSpecial && addEos && last > first && tokens[last - 1] === roles.eos) last--;
  const output = new ByteBuffer(256);
  for (let i = first; i < last; i++) {
    const before = output.length;
    appendPiece(vocabulary, tokens[i] as number, special, output);
    if (i === first && removeSpace && output.length > before && output.bytes[before] === SPACE) {
      output.bytes.copyWithin(before, before + 1, output.length);
      output.length--;
    }
  }
  return vocabulary.cleanSpaces ? cleanSpaces(output.view()) : output.view();
}

/** A text in the byte alphabet as bytes. A character that is not in it is named, in the way of llama.cpp. */
function appendByteLevel(text: Uint8Array, output: ByteBuffer): void {
  const before = output.length;
  if (appendDecoded(text, 0, text.length, output)) return;
  output.length = before;
  const encoder = new TextEncoder();
  const character = new Uint8Array(4);
  for (const cp of decodeLenient(text).codePoints) {
    const byte = alphabetByte(cp);
    if (byte >= 0) {
      output.push(byte);
      continue;
    }
    encodeCodePoint(cp, character, 0);
    const hex = Array.from(character.subarray(0, encodedLength(cp)), part => part.toString(16).padStart(2, '0'));
    output.append(encoder.encode(`[UNK_BYTE_0x${hex.join('')}`));
    output.append(text);
    output.append(encoder.encode(']'));
  }
}

/** ▁ is a space. */
function appendUnescaped(text: Uint8Array, output: ByteBuffer): void {
  for (let at = 0; at < text.length; at++) {
    const space = isEscapedSpace(text, at);
    output.push(space ? SPACE : (text[at] as number));
    if (space) at += 2;
  }
}

const of = (text: string): readonly number[] => Array.from(text, character => character.charCodeAt(0));
const [QUESTION, EXCLAMATION, PERIOD, COMMA, APOSTROPHE] = of("?!.,'") as [number, number, number, number, number];
const [S, M, R, V, E] = of('smrve') as [number, number, number, number, number];

/**
 * Removes the spaces that tokenizers of words leave: before `?!.,`, around a lone apostrophe, before 's 'm 're 've. Three
 * passes over the text of the one before, in this order.
 */
export function cleanSpaces(text: Uint8Array): Uint8Array {
  const noSpaceBefore = (a: number): boolean => a === QUESTION || a === EXCLAMATION || a === PERIOD || a === COMMA;
  const first = withoutSpaces(text, at => noSpaceBefore(text[at] as number));

  const second = new ByteBuffer(first.length);
  for (let at = 0; at < first.length; at++) {
    const lone = at > 0 && first[at] === APOSTROPHE && first[at - 1] === SPACE && first[at + 1] === SPACE;
    // The space behind a lone apostrophe is gone: it cannot be the one before the next.
    const free = lone && second.length > 0 && second.bytes[second.length - 1] === SPACE;
    if (free) {
      second.length--;
      second.push(APOSTROPHE);
      at++;
    } else {
      second.push(first[at] as number);
    }
  }
  const words = second.view();
  return withoutSpaces(words, at => {
    if (words[at] !== APOSTROPHE) return false;
    const [a, b] = [words[at + 1], words[at + 2]];
    return a === S || a === M || ((a === R || a === V) && b === E);
  });
}

/** The text without the spaces before the places where `condition` holds. */
function withoutSpaces(text: Uint8Array, condition: (at: number) => boolean): Uint8Array {
  const output = new ByteBuffer(text.length);
  for (let at = 0; at < text.length; at++) {
    if (at > 0 && text[at - 1] === SPACE && condition(at)) output.length--;
    output.push(text[at] as number);
  }
  return output.view();
}

/**
 * Text from tokens as they are generated. `push` returns what is complete: never a part of a character. Nothing is removed
 * between tokens (no clean-up of spaces), because what has been shown cannot be taken back.
 */
export class StreamDecoder {
  private readonly decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  private readonly piece = new ByteBuffer();

  constructor(
    private readonly vocabulary: Vocabulary,
    private readonly special: boolean,
  ) {}

  /** The text that a token completes; '' while a character is incomplete. Bytes that cannot become UTF-8 are U+FFFD. */
  push(token: number): string {
    this.piece.length = 0;
    appendPiece(this.vocabulary, token, this.special, this.piece);
    return this.decoder.decode(this.piece.view(), { stream: true });
  }

  /** What is left of an incomplete character, as U+FFFD; the decoder can then be used for another text. */
  end(): string {
    return this.decoder.decode();
  }
}
