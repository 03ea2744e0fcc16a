// Text from a model file is untrusted: control characters move the cursor of a terminal, bidirectional overrides and
// invisible characters make a name look like another one or hide part of it. Here everything that would not be seen is
// written as an escape, `\n` or `\u{202E}`. Absent on purpose: markup. Who shows the text binds it as text or escapes it.
import { formatInteger } from './quantity.js';

export interface TextSegment {
  readonly text: string;
  /** The text stands for a character that could not be seen. */
  readonly escape: boolean;
}

export interface PrintableOptions {
  /** At most so many UTF-16 units are shown; of longer text, the beginning and how long it is. */
  readonly limit?: number;
  /** Line feeds and tabs stay what they are, for text shown in several lines. */
  readonly lines?: boolean;
}

/**
 * Control, format (bidi overrides, zero-width, tags), line and paragraph separators, surrogates without partner, and
 * blanks other than the ordinary space, Hangul fillers and the Braille blank among them.
 */
const UNSEEN =
  /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\u00A0\u115F\u1160\u1680\u2000-\u200A\u202F\u205F\u2800\u3000\u3164\uFFA0]/u;
const SHORT = new Map([
  ['\n', '\\n'],
  ['\r', '\\r'],
  ['\t', '\\t'],
  ['\0', '\\0'],
]);
/** Characters of a name that a message quotes. */
const QUOTED = 80;

function escapeOf(character: string): string {
  return SHORT.get(character) ?? `\\u{${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}}`;
}

/** Cuts `text` into runs that can be seen and escapes, for surfaces that style them apart. There is at least one. */
export function visibleSegments(text: string, lines = false): TextSegment[] {
  const segments: TextSegment[] = [];
  let plain = '';
  for (const character of text) {
    if (!UNSEEN.test(character) || (lines && (character === '\n' || character === '\t'))) {
      plain += character;
      continue;
    }
    if (plain) segments.push({ text: plain, escape: false });
    plain = '';
    segments.push({ text: escapeOf(character), escape: true });
  }
  if (plain || segments.length === 0) segments.push({ text: plain, escape: false });
  return segments;
}

/** `text` with escapes for what cannot be seen. Printable text stays as it is, so doing it twice changes nothing. */
export function printable(text: string, { limit = Infinity, lines = false }: PrintableOptions = {}): string {
  const { text: kept, cut } = cutText(text, limit);
  const shown = UNSEEN.test(kept)
    ? visibleSegments(kept, lines)
        .map(segment => segment.text)
        .join('')
    : kept;
  return cut ? `${shown}… (${formatInteger(text.length)} characters)` : shown;
}

/** A name from a file, or one that a user wrote, inside a message: printable, in quotes, not too long. */
export function quote(name: string): string {
  const { text, cut } = cutText(name, QUOTED);
  return `"${printable(text.replaceAll(/["\\]/g, '\\$&'))}${cut ? '…' : ''}"`;
}

/** The first `limit` UTF-16 units without cutting a character in half, and whether something was left out. */
export function cutText(text: string, limit: number): { readonly text: string; readonly cut: boolean } {
  if (text.length <= limit) return { text, cut: false };
  const last = text.charCodeAt(limit - 1);
  return { text: text.slice(0, last >= 0xd800 && last <= 0xdbff ? limit - 1 : limit), cut: true };
}
