// Text from a model file is untrusted: control characters, bidirectional overrides and invisible characters can make a
// name look like another one or hide part of it. Here such text is cut into segments so that everything that would not be
// seen is shown as an escape, styled apart from the text around it. Markup is not a concern of this file: segments are
// only ever bound as text.

export interface TextSegment {
  readonly text: string;
  /** The text stands for a character that could not be seen. */
  readonly escape: boolean;
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

export function escapeOf(character: string): string {
  return SHORT.get(character) ?? `\\u{${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}}`;
}

/**
 * Cuts `text` into runs that can be seen and escapes. With `lines`, line feeds and tabs stay what they are, for text
 * shown in several lines.
 */
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

/** The same as one string, for titles and accessible names. */
export function visibleText(text: string): string {
  return UNSEEN.test(text)
    ? visibleSegments(text)
        .map(segment => segment.text)
        .join('')
    : text;
}

/** The first `limit` UTF-16 units without cutting a character in half, and whether something was left out. */
export function cutText(text: string, limit: number): { text: string; cut: boolean } {
  if (text.length <= limit) return { text, cut: false };
  const last = text.charCodeAt(limit - 1);
  return { text: text.slice(0, last >= 0xd800 && last <= 0xdbff ? limit - 1 : limit), cut: true };
}
