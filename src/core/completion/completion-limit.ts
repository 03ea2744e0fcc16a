// When a generation has written enough: in a line with its end, in a block with the first complete line that would be cut anyway.
import { isBlank, isOpening, linePrefix, lineSuffix } from './cursor-lines.js';
import type { CursorText } from './fim-prompt.js';
import { completionLines, cutLines } from './shape-completion.js';

/**
 * Says of the text so far why no more is needed; undefined: go on. Only complete lines are judged. Several lines behind a line that
 * needs nothing more are judged as they will be on a line of their own, behind the line break.
 */
export function completionLimit(cursor: CursorText, multiline: boolean): (text: string) => string | undefined {
  const before = linePrefix(cursor);
  if (!multiline || isBlank(before) || isOpening(before) || !isBlank(lineSuffix(cursor))) {
    return limitAt(cursor, multiline);
  }
  const here = limitAt(cursor, multiline);
  let below: ReturnType<typeof limitAt> | undefined;
  let skipped = 0;
  return text => {
    const [lineBreak] = /^[ \t\r]*\n\s*(?=\S)/.exec(text) ?? [];
    if (lineBreak === undefined) return isBlank(text) ? undefined : here(text);
    if (!below) {
      skipped = lineBreak.length;
      below = limitAt({ prefix: cursor.prefix + lineBreak, suffix: cursor.suffix }, multiline);
    }
    return below(text.slice(skipped));
  };
}

function limitAt(cursor: CursorText, multiline: boolean): (text: string) => string | undefined {
  const startsLine = isBlank(linePrefix(cursor));
  let judged = 0;
  return text => {
    const end = text.lastIndexOf('\n');
    if (end < judged) return undefined;
    judged = end + 1;
    const lines = completionLines(cursor, text.slice(0, end));
    // Empty lines before the first on an empty line are not shown, and so end nothing.
    if (startsLine && lines.every(isBlank)) return undefined;
    return cutLines(cursor, lines, multiline)?.why;
  };
}
