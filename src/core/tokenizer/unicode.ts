// What llama.cpp knows of Unicode: the class of a code point, its lower case, its base character, and its own lenient way
// of reading UTF-8. All of it is Unicode 15.1, whatever the engine runs; see unicode-runs.ts. Absent on purpose: the
// classes that no pre-tokenizer asks for (llama.cpp reads \p{Lu}, \p{Ll} … as \p{L}), and composed normal forms.
import { CATEGORY_RUNS } from './unicode-runs.js';

/** Class bits of a code point. A code point has at most one of NUMBER … SYMBOL. */
export const NUMBER = 1;
export const LETTER = 2;
export const MARK = 4;
export const PUNCTUATION = 8;
export const SYMBOL = 16;
export const WHITESPACE = 32;
export const UNASSIGNED = 64;
export const CONTROL = 128;

const CATEGORY_BITS: Readonly<Record<string, number>> = {
  N: NUMBER,
  L: LETTER,
  M: MARK,
  P: PUNCTUATION,
  S: SYMBOL,
  U: UNASSIGNED,
  O: 0,
};

/** The property White_Space. JavaScript's \s has U+FEFF more and U+0085 less. */
const WHITESPACE_RANGES: readonly (readonly [number, number])[] = [
  [0x09, 0x0d],
  [0x20, 0x20],
  [0x85, 0x85],
  [0xa0, 0xa0],
  [0x1680, 0x1680],
  [0x2000, 0x200a],
  [0x2028, 0x2029],
  [0x202f, 0x202f],
  [0x205f, 0x205f],
  [0x3000, 0x3000],
];

export const CODE_POINTS = 0x110000;
export const REPLACEMENT = 0xfffd;

let classes: Uint8Array | undefined;

/** Class bits by code point: 1.1 MB, made in 2 ms when first asked for. */
export function codePointClasses(): Uint8Array {
  if (classes) return classes;
  classes = new Uint8Array(CODE_POINTS);
  let start = 0;
  for (const [, length, category] of CATEGORY_RUNS.matchAll(/([0-9a-z]*)([A-Z])/g)) {
    const end = start + (length ? parseInt(length, 36) : 1);
    classes.fill(CATEGORY_BITS[category ?? ''] ?? 0, start, end);
    start = end;
  }
  // What is left over (O) are separators and \p{C}: controls, format characters, surrogates and private use.
  for (let cp = 0; cp < CODE_POINTS; cp++) if (classes[cp] === 0 && !isSeparator(cp)) classes[cp] = CONTROL;
  for (const [first, last] of WHITESPACE_RANGES) {
    for (let cp = first; cp <= last; cp++) classes[cp] = (classes[cp] ?? 0) | WHITESPACE;
  }
  return classes;
}

/** \p{Z}: every separator is white space; the white space that is none are the controls among it. */
function isSeparator(cp: number): boolean {
  return cp > 0x1f && cp !== 0x85 && WHITESPACE_RANGES.some(([first, last]) => first <= cp && cp <= last);
}

/** Simple lower case of one code point. Of characters assigned after Unicode 15.1, the character itself. */
export function lowerCase(cp: number): number {
  if (cp < 0x80) return cp >= 0x41 && cp <= 0x5a ? cp + 32 : cp;
  if ((codePointClasses()[cp] ?? UNASSIGNED) & UNASSIGNED) return cp;
  // The only code point whose lower case is two: İ becomes i and a dot above; the simple mapping is i.
  return String.fromCodePoint(cp).toLowerCase().codePointAt(0) ?? cp;
}

/** The first code point of the canonical decomposition: é -> e. llama.cpp drops the rest, and so do we. */
export function baseCharacter(cp: number): number {
  if (cp < 0xc0 || (cp >= 0xd800 && cp < 0xe000) || (codePointClasses()[cp] ?? UNASSIGNED) & UNASSIGNED) return cp;
  return String.fromCodePoint(cp).normalize('NFD').codePointAt(0) ?? cp;
}

/** Bytes of the UTF-8 character that starts with this byte, judged by its high bits alone. */
export function utf8Length(byte: number): number {
  return byte < 0xc0 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
}

/** Bytes of a code point in UTF-8; surrogates have three, as any other code point below 2^16. */
export function encodedLength(cp: number): number {
  return cp < 0x80 ? 1 : cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
}

/** Writes a code point at `at` and returns the position after it. */
export function encodeCodePoint(cp: number, bytes: Uint8Array, at: number): number {
  if (cp < 0x80) {
    bytes[at++] = cp;
  } else if (cp < 0x800) {
    bytes[at++] = 0xc0 | (cp >> 6);
    bytes[at++] = 0x80 | (cp & 0x3f);
  } else if (cp < 0x10000) {
    bytes[at++] = 0xe0 | (cp >> 12);
    bytes[at++] = 0x80 | ((cp >> 6) & 0x3f);
    bytes[at++] = 0x80 | (cp & 0x3f);
  } else {
    bytes[at++] = 0xf0 | (cp >> 18);
    bytes[at++] = 0x80 | ((cp >> 12) & 0x3f);
    bytes[at++] = 0x80 | ((cp >> 6) & 0x3f);
    bytes[at++] = 0x80 | (cp & 0x3f);
  }
  return at;
}

/** Text as code points, and as the UTF-8 that these code points make. */
export interface DecodedText {
  readonly codePoints: Uint32Array;
  readonly bytes: Uint8Array;
}

/**
 * Reads UTF-8 as llama.cpp does: a byte that starts no character is U+FFFD, and reading goes on with the next byte. So are
 * overlong forms and code points beyond U+10FFFF; surrogates are taken for what they say.
 */
export function decodeLenient(bytes: Uint8Array): DecodedText {
  const { length } = bytes;
  const codePoints = new Uint32Array(length);
  let count = 0;
  let wellFormed = true;
  for (let at = 0; at < length;) {
    const byte = bytes[at] as number;
    if (byte < 0x80) {
      codePoints[count++] = byte;
      at++;
      continue;
    }
    const size = utf8Length(byte);
    let cp = size === 1 || byte >= 0xf8 ? -1 : byte & (0x7f >> size);
    for (let i = 1; i < size && cp >= 0; i++) {
      const next = at + i < length ? (bytes[at + i] as number) : 0;
      cp = (next & 0xc0) === 0x80 ? (cp << 6) | (next & 0x3f) : -1;
    }
    if (cp >= CODE_POINTS || encodedLength(cp) !== size) cp = -1;
    if (cp < 0) {
      codePoints[count++] = REPLACEMENT;
      at++;
      wellFormed = false;
      continue;
    }
    codePoints[count++] = cp;
    at += size;
  }
  const decoded = codePoints.subarray(0, count);
  return { codePoints: decoded, bytes: wellFormed ? bytes : encodeCodePoints(decoded) };
}

function encodeCodePoints(codePoints: Uint32Array): Uint8Array {
  let length = 0;
  for (const cp of codePoints) length += encodedLength(cp);
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const cp of codePoints) at = encodeCodePoint(cp, bytes, at);
  return bytes;
}
