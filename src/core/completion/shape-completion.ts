// From what a model wrote to what is shown: the text is cut where it leaves the cursor's scope, repeats what follows, or
// repeats itself; brackets that the editor has closed already are covered by the range that is replaced. The same cuts, applied to
// the lines that are complete, tell the generation when to stop (completion-limit.ts). Golden tests show all of it as text with
// a cursor: test/core/completion/shape.txt.
import { indentation, isBlank, isClosing, isContinuing, isOpening } from './cursor-lines.js';
import { linePrefix, linesAbove, linesBelow, lineSuffix } from './cursor-lines.js';
import type { CursorText } from './fim-prompt.js';

export interface ShapedCompletion {
  /** To be put in place of the next `replace` characters behind the cursor; '' if there is nothing to show. */
  readonly text: string;
  readonly replace: number;
  /** What was done to the model's text, and why; if nothing is shown, the last says why. */
  readonly notes: readonly string[];
}

/** Where a completion ends. */
export interface Cut {
  /** Lines that belong to it; if these are all there are, nothing more is to come. */
  readonly keep: number;
  readonly why: string;
}

/** @param text what the model wrote at the cursor */
export function shapeCompletion(cursor: CursorText, text: string, multiline: boolean): ShapedCompletion {
  if (isBlank(text)) return { text: '', replace: 0, notes: ['The model wrote nothing.'] };
  const notes: string[] = [];
  let lines = completionLines(cursor, text);
  const cut = cutLines(cursor, lines, multiline);
  if (cut && cut.keep < lines.length) {
    lines = lines.slice(0, cut.keep);
    notes.push(cut.why);
  }
  while (lines.length > 0 && isBlank(lines.at(-1) ?? '')) lines = lines.slice(0, -1);
  let shown = lines.join('\n');
  // White space at the end is what the next line would have taken; before more of the line it is meant.
  if (isBlank(lineSuffix(cursor)) || lines.length > 1) shown = shown.trimEnd();
  const joined = isBlank(shown) ? NOTHING : joinRest(shown, lineSuffix(cursor));
  if (joined.why !== undefined) notes.push(joined.why);
  if (!isBlank(joined.text)) return { text: joined.text, replace: joined.replace, notes };
  return { text: '', replace: 0, notes: notes.length > 0 ? notes : ['The model wrote nothing for this line.'] };
}

/**
 * The lines of a completion, the first being the rest of the cursor's. White space that is there already is not said again: on
 * an empty line the empty lines before the first and the indentation, behind a text the space between.
 */
export function completionLines(cursor: CursorText, text: string): readonly string[] {
  const lines = text.replaceAll('\r', '').split('\n');
  const [head = '', ...rest] = lines;
  const before = linePrefix(cursor);
  if (!isBlank(before)) return /\s$/.test(before) ? [head.trimStart(), ...rest] : lines;
  const first = lines.findIndex(line => !isBlank(line));
  if (first <= 0) return lines;
  const [line = '', ...more] = lines.slice(first);
  return [line.startsWith(before) ? line.slice(before.length) : line, ...more];
}

/** Where a completion ends; undefined as long as nothing says that it does. */
export function cutLines(cursor: CursorText, lines: readonly string[], multiline: boolean): Cut | undefined {
  const cuts = [
    multiline ? scopeCut(cursor, lines) : { keep: 1, why: 'Only the rest of the line is wanted here.' },
    repeatedCut(lines),
    echoCut(cursor, lines),
    suffixCut(cursor, lines),
  ].filter(cut => cut !== undefined);
  return cuts.sort((a, b) => a.keep - b.keep)[0];
}

/** The first line that belongs to an outer scope. */
function scopeCut(cursor: CursorText, lines: readonly string[]): Cut | undefined {
  const before = linePrefix(cursor);
  const first = before + (lines[0] ?? '');
  const base = indentation(isBlank(first) ? before : first);
  // On an empty line further statements of the block may follow; elsewhere one statement with its block is completed.
  const least = isBlank(before) ? base : base + 1;
  const [below] = linesBelow(cursor).filter(line => !isBlank(line));
  let isOpen = isOpening(first);
  for (const [i, line] of lines.entries()) {
    if (i === 0) continue;
    if (isBlank(line)) {
      // At the outermost level an empty line is what separates one thing from the next.
      const next = lines.slice(i).find(other => !isBlank(other));
      const separates = least === 0 && next !== undefined && indentation(next) === 0;
      if (separates && !lines.slice(0, i).every(isBlank)) return { keep: i, why: 'Cut at an empty line.' };
      continue;
    }
    const columns = indentation(line);
    if (columns >= least) {
      if (columns === base && isOpening(line)) isOpen = true;
      continue;
    }
    if (isOpen && columns === base && isContinuing(line)) continue;
    // The block that the completion opened is closed by it, unless that stands below already.
    const isOwn = isOpen && columns === base && isClosing(line);
    const isThere = below !== undefined && sameLine(line, below) && indentation(below) === columns;
    return { keep: isOwn && !isThere ? i + 1 : i, why: 'Cut at the end of the indentation scope.' };
  }
  return undefined;
}

/** Eight characters or more, three times: shorter ones repeat in lists of numbers. */
const REPEATED_PART = /(\S.{7,}?)\1{2,}/;

/** A line, or two in turn, for the third time; or a line that repeats a part of itself. */
function repeatedCut(lines: readonly string[]): Cut | undefined {
  const why = 'Cut where it repeats itself.';
  for (const [i, line] of lines.entries()) {
    if (isBlank(line) || isClosing(line)) continue;
    if (REPEATED_PART.test(line) && /\w/.test(line)) return { keep: i, why };
    const same = (other: number): boolean => sameLine(line, lines[other]);
    if (same(i - 1) && same(i - 2)) return { keep: i - 1, why };
    if (same(i - 2) && same(i - 4)) return { keep: i - 2, why };
  }
  return undefined;
}

/** A completion that says once more what the two lines above say. */
function echoCut(cursor: CursorText, lines: readonly string[]): Cut | undefined {
  const above = linesAbove(cursor).filter(line => !isBlank(line));
  const [first, second] = [above.at(-1), above.at(-2)];
  const line = linePrefix(cursor) + (lines[0] ?? '');
  if (first === undefined || isClosing(line) || !sameLine(line, first) || !sameLine(line, second)) return undefined;
  return { keep: 0, why: 'Not shown: it repeats the lines above.' };
}

/** The first line that stands below the cursor already. */
function suffixCut(cursor: CursorText, lines: readonly string[]): Cut | undefined {
  const below = linesBelow(cursor).filter(line => !isBlank(line));
  const [next] = below;
  if (next === undefined) return undefined;
  for (const [i, part] of lines.entries()) {
    const line = i === 0 ? linePrefix(cursor) + part : part;
    if (isBlank(part) || !sameLine(line, next)) continue;
    // A bracket proves little: it must be the last line, or stand at the same place.
    const rest = lines.slice(i).filter(text => !isBlank(text));
    const isSame = rest.slice(1).every((text, k) => sameLine(text, below[k + 1]));
    if (isClosing(line) && !(isSame && indentation(line) === indentation(next))) continue;
    return { keep: i, why: i === 0 ? 'Not shown: it stands on the next line.' : 'Cut where the text below begins.' };
  }
  return undefined;
}

function sameLine(a: string, b: string | undefined): boolean {
  return b !== undefined && a.trim() === b.trim();
}

interface Joined {
  readonly text: string;
  readonly replace: number;
  readonly why?: string;
}

const NOTHING: Joined = { text: '', replace: 0 };

/** Fits a completion before the rest of its line: neither says what the other does. */
function joinRest(text: string, rest: string): Joined {
  const visible = rest.trimEnd();
  if (visible === '') return { text, replace: 0 };
  // Auto-closed: `f(│)` and `a, b): int` give `f(a, b): int`, so the bracket is replaced.
  const closers = unopened(text);
  const covered = commonStart(closers, visible);
  if (covered > 0 && !text.endsWith(visible)) {
    const left = visible.slice(covered);
    if (isBlank(left) || !text.includes('\n')) {
      return { text, replace: covered, why: `Replaces "${visible.slice(0, covered)}" behind the cursor.` };
    }
  }
  const [first = ''] = text.split('\n');
  const line = text.includes('\n') && !/^[\s)\]}>"'`;:,]*$/.test(visible) ? first : text;
  const overlap = overlapLength(line, visible, closers);
  if (overlap === 0) return { text: line, replace: 0 };
  const why = `Without "${line.slice(line.length - overlap)}", which stands behind the cursor.`;
  return { text: line.slice(0, line.length - overlap), replace: 0, why };
}

const PAIRS: Readonly<Record<string, string>> = { ')': '(', ']': '[', '}': '{' };

/** The closing brackets and quotes of a text that it does not open itself, in their order. */
function unopened(text: string): string {
  const open: string[] = [];
  let closers = '';
  for (const character of text) {
    const opener = PAIRS[character];
    if ('([{'.includes(character)) open.push(character);
    else if (opener !== undefined && open.at(-1) === opener) open.pop();
    else if (opener !== undefined) closers += character;
    else if (`"'\``.includes(character)) {
      // The end of a string that begins before the cursor, or the beginning of one; only the text's own count tells.
      const at = open.lastIndexOf(character);
      if (at >= 0) open.length = at;
      else if (count(text, character) % 2 === 1 && closers === '' && open.length === 0) closers += character;
      else open.push(character);
    }
  }
  return closers;
}

function count(text: string, character: string): number {
  return text.split(character).length - 1;
}

function commonStart(a: string, b: string): number {
  let length = 0;
  while (length < a.length && length < b.length && a[length] === b[length]) length++;
  return length;
}

/**
 * How many characters at the end of `text` are the first of `rest`. One letter alone may be chance, and a bracket that the text
 * opened is its own.
 */
function overlapLength(text: string, rest: string, closers: string): number {
  for (let length = Math.min(text.length, rest.length); length > 0; length--) {
    const part = rest.slice(0, length);
    if (!text.endsWith(part)) continue;
    const brackets = part.replaceAll(/[^)\]}]/g, '');
    return (length === 1 && /\w/.test(part)) || !closers.replaceAll(/["'`]/g, '').endsWith(brackets) ? 0 : length;
  }
  return 0;
}
