// The mistakes people make in the YAML of a recipe, each found in one line of text: what is wrong, where, and what to write
// instead. They look only at lines that a parser has already stopped at, so that they may guess; none of them decides whether
// a recipe is valid. Absent on purpose: a YAML grammar.
import { nearestNames } from '../ggml/nearest-name.js';
import type { LineIndex } from './line-index.js';
import { keyName, RECIPE_KEYS } from './recipe-schema.js';

/** How much of the offending text a message repeats. */
const MAX_QUOTE = 40;

export interface Mistake {
  readonly line: number;
  /** Characters in the line, end exclusive. */
  readonly start: number;
  readonly end: number;
  readonly message: string;
  readonly suggestion?: string;
}

export function isContent(line: string): boolean {
  return !/^\s*(#|$)/.test(line);
}

export function quote(text: string): string {
  if (text === '') return 'the end of the text';
  // By code points, so that no surrogate pair is cut in two.
  const units = Array.from(text.slice(0, MAX_QUOTE * 2));
  return units.length > MAX_QUOTE ? `\`${units.slice(0, MAX_QUOTE).join('')}…\`` : `\`${text}\``;
}

const singleQuoted = (text: string): string => `'${text.replaceAll("'", "''")}'`;

function tabIndent(line: number, lines: LineIndex): Mistake | undefined {
  const match = /^( *)(\t+)/.exec(lines.lineText(line));
  if (!match) return undefined;
  const [, spaces = '', tabs = ''] = match;
  return {
    line,
    start: spaces.length,
    end: spaces.length + tabs.length,
    message: 'a tab is used for indentation, which YAML does not allow; use two spaces per level',
    suggestion: '  '.repeat(tabs.length),
  };
}

const KEY_NAMES = [...new Set(RECIPE_KEYS.map(keyName).filter(name => !name.endsWith('[]')))];

function missingSpace(line: number, lines: LineIndex): Mistake | undefined {
  const match = /^(\s*(?:-\s+)?\{?\s*)([a-z]+):(?=\S)/.exec(lines.lineText(line));
  const [, before = '', name = ''] = match ?? [];
  if (!KEY_NAMES.includes(name)) return undefined;
  const start = before.length;
  return {
    line,
    start,
    end: start + name.length + 1,
    message: `a space is missing after \`${name}:\``,
    suggestion: `${name}: `,
  };
}

/** Where a value starts: after the key and its colon, the dash of an item, or at the start of the line. */
function valueStart(text: string): number {
  return /^\s*(?:-\s+)*(?:[\w.-]+:\s+)?/.exec(text)?.[0].length ?? 0;
}

function openQuote(line: number, lines: LineIndex): Mistake | undefined {
  const text = lines.lineText(line);
  for (let i = 0; i < text.length; i++) {
    const unit = text[i];
    if (unit === '#' && /\s/.test(text[i - 1] ?? ' ')) return undefined;
    // A quote opens a value only where a value can start; elsewhere it is a character like any other.
    if ((unit === '"' || unit === "'") && /(^|[\s{[,:-])$/.test(text.slice(Math.max(0, i - 1), i))) {
      const close = closingQuote(text, i);
      if (close < 0) {
        return {
          line,
          start: i,
          end: text.trimEnd().length,
          message: `this ${unit === '"' ? 'double' : 'single'} quote is not closed; add \`${unit}\` at the end of the value`,
        };
      }
      i = close;
    }
  }
  return undefined;
}

/** `*` alone as a value: an alias without a name. */
function loneStar(line: number, lines: LineIndex): Mistake | undefined {
  const match = /(?<=[:,[{-]\s*)\*(?=[\s,}\]]|$)/.exec(lines.lineText(line));
  if (!match) return undefined;
  return {
    line,
    start: match.index,
    end: match.index + 1,
    message: "a plain value cannot be `*` alone; quote it: '*'",
    suggestion: "'*'",
  };
}

/** A backslash in double quotes, most likely of a regular expression. */
function badEscape(line: number, lines: LineIndex): Mistake | undefined {
  const text = lines.lineText(line);
  const start = text.search(/(?<=[\s{[,:-])"/);
  const close = start < 0 ? -1 : closingQuote(text, start);
  if (close < 0) return undefined;
  const value = text.slice(start + 1, close);
  // By code points: half of a character would be no text.
  const bad = value.match(/\\[^]/gu)?.find(escape => !/[0abt\tnvfre "/\\N_LPxuU]/.test(escape[1] ?? ''));
  if (bad === undefined) return undefined;
  return {
    line,
    start,
    end: close + 1,
    message: `\`${bad}\` is no escape sequence of a double-quoted value; use single quotes, in which a backslash is a backslash: ${singleQuoted(value)}`,
    suggestion: singleQuoted(value),
  };
}

/** Offset of the quote that closes the one at `start`, or -1. */
function closingQuote(text: string, start: number): number {
  const mark = text[start];
  for (let i = start + 1; i < text.length; i++) {
    if (mark === '"' && text[i] === '\\') i++;
    else if (text[i] === mark) {
      if (mark === "'" && text[i + 1] === "'") i++;
      else return i;
    }
  }
  return -1;
}

/** `{…}` and `[…]`: not closed, closed by the wrong bracket, or with a plain value that contains a bracket. */
function flowMistake(line: number, lines: LineIndex): Mistake | undefined {
  const text = lines.lineText(line);
  const first = valueStart(text);
  if (text[first] !== '{' && text[first] !== '[') return undefined;
  const open: number[] = [];
  let tokenStart = true;
  let plain = -1;
  for (let i = first; i < text.length; i++) {
    const unit = text[i] ?? '';
    if (unit === '#' && text[i - 1] === ' ') break;
    if (tokenStart && (unit === '"' || unit === "'")) {
      const close = closingQuote(text, i);
      if (close < 0) return undefined;
      i = close;
      tokenStart = false;
    } else if (unit === '{' || unit === '[') {
      if (!tokenStart && plain >= 0) return bracketInPlain(line, text, plain, unit);
      open.push(i);
      tokenStart = true;
      plain = -1;
    } else if (unit === '}' || unit === ']') {
      const start = open.pop();
      const opener = start === undefined ? '' : (text[start] ?? '');
      if (opener !== (unit === '}' ? '{' : '[')) {
        return {
          line,
          start: i,
          end: i + 1,
          message: `\`${unit}\` closes nothing here; remove it, or quote the value it belongs to`,
        };
      }
      if (open.length === 0) return textAfterFlow(line, text, first, i + 1);
      tokenStart = false;
      plain = -1;
    } else if (unit === ',' || (unit === ':' && /\s|$/.test(text[i + 1] ?? ''))) {
      tokenStart = true;
      plain = -1;
    } else if (!/\s/.test(unit)) {
      if (tokenStart) plain = i;
      tokenStart = false;
    }
  }
  const start = open.at(-1);
  if (start === undefined) return undefined;
  const bracket = text[start] ?? '';
  return {
    line,
    start,
    end: start + 1,
    message: `this \`${bracket}\` is not closed; add \`${bracket === '{' ? '}' : ']'}\``,
  };
}

function bracketInPlain(line: number, text: string, start: number, bracket: string): Mistake {
  let end = start;
  let depth = 0;
  for (; end < text.length; end++) {
    const unit = text[end] ?? '';
    if ('[{('.includes(unit)) depth++;
    else if ('}])'.includes(unit) && --depth < 0) break;
    else if (unit === ',' && depth <= 0) break;
  }
  const value = text.slice(start, end).trimEnd();
  return {
    line,
    start,
    end: start + value.length,
    message: `inside \`{…}\` and \`[…]\` a plain value cannot contain \`${bracket}\`; quote it: ${singleQuoted(value)}`,
    suggestion: singleQuoted(value),
  };
}

function textAfterFlow(line: number, text: string, start: number, end: number): Mistake | undefined {
  const rest = text
    .slice(end)
    .replace(/\s#.*$/, '')
    .trim();
  if (rest === '' || rest.startsWith('#') || rest.startsWith(':')) return undefined;
  const value = text
    .slice(start)
    .replace(/\s#.*$/, '')
    .trimEnd();
  return {
    line,
    start,
    end: start + value.length,
    message: `a value that starts with \`${text[start] ?? ''}\` is a YAML collection; if ${quote(value)} is a pattern, quote it: ${singleQuoted(value)}`,
    suggestion: singleQuoted(value),
  };
}

function badIndicator(line: number, lines: LineIndex): Mistake | undefined {
  const text = lines.lineText(line);
  const start = valueStart(text);
  const unit = text[start] ?? '';
  if (unit === '' || !'@`%*&!|>'.includes(unit)) return undefined;
  const value = text
    .slice(start)
    .replace(/\s#.*$/, '')
    .trimEnd();
  return {
    line,
    start,
    end: start + value.length,
    message: `a plain value cannot start with \`${unit}\`; quote it: ${singleQuoted(value)}`,
    suggestion: singleQuoted(value),
  };
}

function textAfterQuote(line: number, lines: LineIndex): Mistake | undefined {
  const text = lines.lineText(line);
  const start = valueStart(text);
  if (text[start] !== '"' && text[start] !== "'") return undefined;
  const close = closingQuote(text, start);
  const rest = text
    .slice(close + 1)
    .replace(/(^|\s)#.*$/, '')
    .trimEnd();
  if (close < 0 || rest === '' || /^\s*:/.test(rest)) return undefined;
  return {
    line,
    start: close + 1,
    end: close + 1 + rest.length,
    message: `found ${quote(rest.trim())} after the closing quote; remove it, or move it inside the quotes`,
  };
}

function colonInValue(line: number, lines: LineIndex): Mistake | undefined {
  const match = /^(\s*(?:-\s+)?[\w.-]+:\s+)([^\s'"[{#][^#]*?:(?:\s.*|))$/.exec(lines.lineText(line));
  if (!match) return undefined;
  const [, before = '', rest = ''] = match;
  const value = rest.replace(/\s#.*$/, '').trimEnd();
  return {
    line,
    start: before.length,
    end: before.length + value.length,
    message: `a plain value cannot contain a colon that ends a word; quote it: ${singleQuoted(value)}`,
    suggestion: singleQuoted(value),
  };
}

function wrongIndent(line: number, lines: LineIndex): Mistake | undefined {
  const text = lines.lineText(line);
  if (!isContent(text)) return undefined;
  const indent = /^ */.exec(text)?.[0].length ?? 0;
  const levels = openLevels(line, lines);
  if (levels.length === 0 || indent > Math.max(...levels) || levels.includes(indent)) return undefined;
  const near = [...new Set(levels)].sort((a, b) => Math.abs(a - indent) - Math.abs(b - indent));
  const expected = near.slice(0, 2).sort((a, b) => a - b);
  return {
    line,
    start: 0,
    end: Math.max(1, indent),
    message: `this line is indented by ${indent} spaces, which fits nothing above it; use ${expected.join(' or ')}`,
  };
}

/** Columns at which a line may start: of the lines above that are still open, and of what follows their dashes. */
function openLevels(line: number, lines: LineIndex): number[] {
  const levels: number[] = [];
  let limit = Infinity;
  for (let above = line - 1; above >= 0 && limit > 0; above--) {
    const text = lines.lineText(above);
    if (!isContent(text)) continue;
    const indent = /^ */.exec(text)?.[0].length ?? 0;
    if (indent >= limit) continue;
    limit = indent;
    levels.push(indent);
    const afterDash = /^ *- +(?=\S)/.exec(text)?.[0].length;
    if (afterDash !== undefined) levels.push(afterDash);
  }
  return levels;
}

function loneWord(line: number, lines: LineIndex): Mistake | undefined {
  const match = /^(\s*(?:-\s+)?)([^\s:#{}[\]"']+)\s*(?:#.*)?$/.exec(lines.lineText(line));
  if (!match) return undefined;
  const [, before = '', word = ''] = match;
  const name = /^[a-z]+$/i.test(word)
    ? (KEY_NAMES.find(key => key.startsWith(word)) ?? nearestNames(word, KEY_NAMES)[0])
    : undefined;
  return {
    line,
    start: before.length,
    end: before.length + word.length,
    message:
      `expected \`key: value\`, found ${quote(word)}` +
      (name === undefined ? '; add a colon and a value' : `; did you mean \`${name}:\`?`),
    ...(name === undefined ? {} : { suggestion: `${name}: ` }),
  };
}

/** Looks at a line for one mistake. Most telling first: what is found first is said. */
export const MISTAKES: readonly ((line: number, lines: LineIndex) => Mistake | undefined)[] = [
  tabIndent,
  missingSpace,
  openQuote,
  badEscape,
  loneStar,
  flowMistake,
  badIndicator,
  textAfterQuote,
  colonInValue,
  wrongIndent,
  loneWord,
];
