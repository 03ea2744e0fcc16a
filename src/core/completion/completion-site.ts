// Is this a place where a completion helps, and may it have more than one line? Decided before a model is asked, from the text
// around the cursor alone.
import { placeAtEnd } from './code-scan.js';
import { isBlank, isOpening, linePrefix, lineSuffix } from './cursor-lines.js';
import type { CursorText } from './fim-prompt.js';

export interface SiteOptions {
  /** VS Code's id. */
  readonly language: string;
  /** The user asked for a completion here. */
  readonly explicit: boolean;
  readonly inComments: boolean;
  readonly inStrings: boolean;
  readonly multiline: 'auto' | 'always' | 'never';
}

export type Site =
  { readonly kind: 'complete'; readonly multiline: boolean } | { readonly kind: 'nothing'; readonly why: string };

/** Behind the cursor may stand what editors close by themselves, and what ends a statement; a text there is a wish to edit it. */
const CLOSED = /^[\s)\]}>"'`;:,]*$/;

export function completionSite(text: CursorText, options: SiteOptions): Site {
  const before = linePrefix(text);
  const after = lineSuffix(text);
  if (!options.explicit) {
    if (isBlank(text.prefix) && isBlank(text.suffix)) return nothing('The file is empty.');
    if (/[\p{L}\p{N}_$]$/u.test(before) && /^[\p{L}\p{N}_$]/u.test(after))
      return nothing('The cursor is inside a word.');
    if (!CLOSED.test(after) && isBlank(before)) return nothing('The cursor is before the text of its line.');
    const place = placeAtEnd(text.prefix, options.language);
    if (place === 'comment' && !options.inComments) {
      return nothing('The cursor is in a comment (quantsmith.completions.inComments is off).');
    }
    if (place === 'string' && !options.inStrings) {
      return nothing('The cursor is in a string (quantsmith.completions.inStrings is off).');
    }
  }
  return { kind: 'complete', multiline: isMultiline(before, after, options.multiline) };
}

/**
 * Several lines where a block may begin: on an empty line, and behind what opens one. Elsewhere the rest of the line is wanted,
 * and stopping at its end saves most of the time. Lines cannot be put before what stands behind the cursor.
 */
function isMultiline(before: string, after: string, wish: SiteOptions['multiline']): boolean {
  if (wish === 'never' || !CLOSED.test(after)) return false;
  return wish === 'always' || (isBlank(after) && isBlank(before)) || isOpening(before);
}

function nothing(why: string): Site {
  return { kind: 'nothing', why };
}
