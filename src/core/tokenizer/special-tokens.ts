// Finds special tokens in a text before it is encoded, as llama.cpp does: the longest token first, each from left to right in
// what the longer ones left over. User-defined tokens are always found, control and unknown ones only when asked for.
// Vocabularies have up to 6,000 of them; which of them occur at all is found out first, in one pass, so that a text is searched
// for those alone.
import { stringAt } from './byte-strings.js';
import { ATTRIBUTE } from './token-attributes.js';
import { sortLikeGnu } from './unstable-sort.js';
import type { Vocabulary } from './vocabulary.js';

/** A part of a text: the bytes `[start, end)`, or a token if `token` is not -1. */
export interface Fragment {
  readonly token: number;
  readonly start: number;
  readonly end: number;
}

/** Longer special tokens are not found, so that looking ahead is bounded; the longest in use have about 40 bytes. */
export const MAX_SPECIAL_BYTES = 256;

const SPECIAL = ATTRIBUTE.control | ATTRIBUTE.userDefined | ATTRIBUTE.unknown;

export class SpecialTokens {
  /** Special tokens that are too long to be found. */
  readonly ignored: number;
  private readonly longest: number;
  /** Place of a special token in the order of looking. */
  private readonly places = new Map<number, number>();
  private readonly starts = new Uint8Array(256);

  constructor(private readonly vocabulary: Pick<Vocabulary, 'size' | 'texts' | 'byText' | 'attributes'>) {
    const { size, texts, attributes } = vocabulary;
    let longest = 0;
    let ignored = 0;
    const special: number[] = [];
    const lengthOf = (token: number): number => stringAt(texts, token).length;
    for (let token = 0; token < size; token++) {
      if (!((attributes[token] as number) & SPECIAL)) continue;
      special.push(token);
      const text = stringAt(texts, token);
      if (text.length > MAX_SPECIAL_BYTES) {
        ignored++;
        continue;
      }
      longest = Math.max(longest, text.length);
      this.starts[text[0] ?? 0] = 1;
    }
    sortLikeGnu(special, token => -lengthOf(token));
    special.forEach((token, place) => this.places.set(token, place));
    this.longest = longest;
    this.ignored = ignored;
  }

  /** Cuts a text at its special tokens. Nothing of it is lost but white space that a token takes with it. */
  partition(text: Uint8Array, parseSpecial: boolean): readonly Fragment[] {
    if (text.length === 0) return [];
    let fragments: Fragment[] = [{ token: -1, start: 0, end: text.length }];
    for (const token of this.occurring(text, parseSpecial ? SPECIAL : ATTRIBUTE.userDefined)) {
      fragments = this.cut(text, token, fragments);
    }
    return fragments;
  }

  /** The special tokens whose text is somewhere in the given one, the longest first. */
  private occurring(text: Uint8Array, bits: number): readonly number[] {
    const { byText, attributes } = this.vocabulary;
    const hidden = SPECIAL & ~bits & ~ATTRIBUTE.userDefined;
    const found = new Set<number>();
    const visit = (token: number): void => {
      const attribute = attributes[token] as number;
      if (attribute & bits && !(attribute & hidden)) found.add(token);
    };
    for (let start = 0; start < text.length; start++) {
      if (!this.starts[text[start] as number]) continue;
      byText.prefixes(text, start, Math.min(text.length, start + this.longest), visit);
    }
    return [...found].sort((a, b) => (this.places.get(a) ?? 0) - (this.places.get(b) ?? 0));
  }

  /** The fragments with the text among them cut at every occurrence of a token. */
  private cut(text: Uint8Array, token: number, fragments: readonly Fragment[]): Fragment[] {
    const part = stringAt(this.vocabulary.texts, token);
    const attributes = this.vocabulary.attributes[token] as number;
    const output: Fragment[] = [];
    /** The next occurrence, wherever fragments end: each place of the text is looked at once for all of them. */
    let match = -1;
    for (const fragment of fragments) {
      if (fragment.token >= 0) {
        output.push(fragment);
        continue;
      }
      const { end } = fragment;
      let from = fragment.start;
      while (from < end) {
        if (match < from) match = indexOf(text, part, from);
        if (match + part.length > end) break;
        let before = match;
        if (attributes & ATTRIBUTE.stripsLeft) while (before > from && isSpace(text[before - 1])) before--;
        if (before > from) output.push({ token: -1, start: from, end: before });
        from = match + part.length;
        output.push({ token, start: match, end: from });
        if (attributes & ATTRIBUTE.stripsRight) while (from < end && isSpace(text[from])) from++;
      }
      if (from < end) output.push({ token: -1, start: from, end });
    }
    return output;
  }
}

/** Where `part` is next at or after `from`; the end of the text if nowhere. */
function indexOf(text: Uint8Array, part: Uint8Array, from: number): number {
  const first = part[0] as number;
  for (let at = text.indexOf(first, from); at >= 0; at = text.indexOf(first, at + 1)) {
    let i = 1;
    while (i < part.length && text[at + i] === part[i]) i++;
    if (i === part.length) return at;
  }
  return text.length;
}

/** White space of the C locale. */
function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || (byte !== undefined && byte >= 9 && byte <= 13);
}
