// Lines and indentation around a cursor, as the rules of completions need them.
import type { CursorText } from './fim-prompt.js';

/** Columns of a tab: only comparisons of indentations with one another depend on it. */
const TAB = 4;

export const isBlank = (text: string): boolean => text.trim() === '';

/** The cursor's line before the cursor. */
export function linePrefix({ prefix }: CursorText): string {
  return prefix.slice(prefix.lastIndexOf('\n') + 1);
}

/** The cursor's line behind the cursor. */
export function lineSuffix({ suffix }: CursorText): string {
  const end = suffix.indexOf('\n');
  return (end < 0 ? suffix : suffix.slice(0, end)).replace(/\r$/, '');
}

/** The lines below the cursor's. */
export function linesBelow({ suffix }: CursorText): readonly string[] {
  return suffix.split(/\r?\n/).slice(1);
}

/** The lines above the cursor's, the nearest last. */
export function linesAbove({ prefix }: CursorText): readonly string[] {
  return prefix.split(/\r?\n/).slice(0, -1);
}

/** Columns before the first visible character. */
export function indentation(line: string): number {
  let columns = 0;
  for (const character of line) {
    if (character === '\t') columns += TAB - (columns % TAB);
    else if (character === ' ') columns++;
    else break;
  }
  return columns;
}

/** A line that only ends what was begun before: brackets, or a word that does so. */
export function isClosing(line: string): boolean {
  return /^\s*([)\]}]+[)\]}>;,]*|end|fi|done|esac|<\/[\w.:-]*>)[;,]?\s*$/.test(line);
}

/** A line whose continuation stands below it, indented deeper. */
export function isOpening(line: string): boolean {
  return /([{([:]|=>|->|\b(then|do|else|begin))\s*$/.test(line);
}

/** A line at the indentation of a block's beginning that goes on with the same statement: `} else {`, `except E:`. */
export function isContinuing(line: string): boolean {
  return (
    /^\s*[)\]}].*[{([:]\s*$/.test(line) ||
    /^\s*(else|elif|elsif|elseif|except|finally|catch|rescue|ensure|case|default)\b/.test(line)
  );
}
