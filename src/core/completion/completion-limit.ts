// When a generation has written enough: in a line with its end, in a block with the first complete line that would be cut anyway.
import { isBlank, linePrefix } from './cursor-lines.js';
import type { CursorText } from './fim-prompt.js';
import { completionLines, cutLines } from './shape-completion.js';

/** Says of the text so far why no more is needed; undefined: go on. Only complete lines are judged. */
export function completionLimit(cursor: CursorText, multiline: boolean): (text: string) => string | undefined {
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
