// The alphabet of byte-level vocabularies (GPT-2): each byte is one printable character, so that merges can be written down
// as text. Bytes that are printable in Latin-1 are themselves, the other 68 are U+0100 … U+0143 in order; a space is Ġ.
import { encodeCodePoint } from './unicode.js';
import type { ByteBuffer } from './byte-strings.js';

const isItself = (byte: number): boolean =>
  (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;

/** Code point by byte. */
const CHARACTERS = new Uint16Array(256);
/** Byte by code point below 0x144; -1 for what is no character of the alphabet. */
const BYTES = new Int16Array(0x144).fill(-1);
for (let byte = 0, next = 0x100; byte < 256; byte++) {
  const character = isItself(byte) ? byte : next++;
  CHARACTERS[byte] = character;
  BYTES[character] = byte;
}

/** The UTF-8 of the character that stands for a byte: one or two bytes. */
export function alphabetCharacter(byte: number): Uint8Array {
  const bytes = new Uint8Array(2);
  return bytes.subarray(0, encodeCodePoint(CHARACTERS[byte] ?? 0, bytes, 0));
}

/** The byte a code point stands for, or -1. */
export function alphabetByte(codePoint: number): number {
  return BYTES[codePoint] ?? -1;
}

/** Appends the bytes that a text in the alphabet stands for; false (and nothing said of `output`) if it is not all in it. */
export function appendDecoded(text: Uint8Array, start: number, end: number, output: ByteBuffer): boolean {
  for (let at = start; at < end;) {
    const first = text[at] as number;
    if (first < 0x80) {
      const byte = BYTES[first] as number;
      if (byte < 0) return false;
      output.push(byte);
      at++;
      continue;
    }
    // Beyond ASCII the alphabet has only characters of two bytes, U+00A1 … U+0143: C2 A1 … C5 83.
    const second = at + 1 < end ? (text[at + 1] as number) : 0;
    if (first < 0xc2 || first > 0xc5 || (second & 0xc0) !== 0x80) return false;
    const byte = alphabetByte(((first & 0x1f) << 6) | (second & 0x3f));
    if (byte < 0) return false;
    output.push(byte);
    at += 2;
  }
  return true;
}
