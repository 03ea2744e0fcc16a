// The text of one YAML scalar as written -> its value, for the five styles. Folding follows YAML 1.2 chapters 6.5, 7.3 and
// 8.1. Nothing is resolved to numbers, booleans or null here: a recipe's schema knows what it expects.

export type ScalarStyle = 'plain' | 'single-quoted' | 'double-quoted' | 'literal' | 'folded' | 'empty';

/** An escape sequence the language does not have, by its offset in the scalar's text. */
export interface BadEscape {
  readonly offset: number;
  readonly text: string;
}

const LINE_BREAK = /\r\n|\r|\n/;

/** A line break between words is a space; n + 1 breaks are n newlines. */
function fold(text: string): string {
  if (!/[\r\n]/.test(text)) return text;
  const lines = text.split(LINE_BREAK);
  let out = (lines[0] ?? '').replace(/[ \t]+$/, '');
  let blank = 0;
  for (let i = 1; i < lines.length; i++) {
    const isLast = i === lines.length - 1;
    const line = (lines[i] ?? '').replace(isLast ? /^[ \t]+/ : /^[ \t]+|[ \t]+$/g, '');
    if (line === '' && !isLast) {
      blank++;
      continue;
    }
    out += (blank > 0 ? '\n'.repeat(blank) : ' ') + line;
    blank = 0;
  }
  return out;
}

export function decodePlain(text: string): string {
  return fold(text);
}

export function decodeSingleQuoted(text: string): string {
  return fold(text.slice(1, -1)).replaceAll("''", "'");
}

const SIMPLE_ESCAPES: Readonly<Record<string, string>> = {
  '0': '\0',
  a: '\x07',
  b: '\b',
  t: '\t',
  '\t': '\t',
  n: '\n',
  v: '\v',
  f: '\f',
  r: '\r',
  e: '\x1b',
  ' ': ' ',
  '"': '"',
  '/': '/',
  '\\': '\\',
  N: '\x85',
  _: '\xa0',
  L: '\u2028',
  P: '\u2029',
};
const HEX_DIGITS: Readonly<Record<string, number>> = { x: 2, u: 4, U: 8 };

export function decodeDoubleQuoted(text: string, onBadEscape: (bad: BadEscape) => void): string {
  const body = text.slice(1, -1);
  let out = '';
  let plainStart = 0;
  let i = 0;
  // Runs between escapes are folded one by one: an escaped line break joins without a space, an escaped space is kept.
  const flush = (end: number): void => {
    out += fold(body.slice(plainStart, end));
  };
  while (i < body.length) {
    if (body[i] !== '\\') {
      i++;
      continue;
    }
    flush(i);
    // A whole character: half of one is no text that could be shown.
    const kind = String.fromCodePoint(body.codePointAt(i + 1) ?? 0).slice(0, body.length - i - 1);
    const digits = HEX_DIGITS[kind];
    const lineBreak = /^(?:\r\n|\r|\n)[ \t]*/.exec(body.slice(i + 1, i + 258));
    let length = 1 + kind.length;
    if (digits !== undefined) {
      const [hex = ''] = /^[0-9a-fA-F]*/.exec(body.slice(i + 2, i + 2 + digits)) ?? [];
      const code = hex.length === digits ? Number.parseInt(hex, 16) : -1;
      if (code < 0 || code > 0x10ffff) onBadEscape({ offset: i + 1, text: `\\${kind}${hex}` });
      else out += String.fromCodePoint(code);
      length = 2 + hex.length;
    } else if (lineBreak) {
      length = 1 + lineBreak[0].length;
    } else if (kind in SIMPLE_ESCAPES) {
      out += SIMPLE_ESCAPES[kind] ?? '';
    } else {
      onBadEscape({ offset: i + 1, text: `\\${kind}` });
      out += kind;
    }
    i += length;
    plainStart = i;
  }
  flush(body.length);
  return out;
}

/** `text` starts with the header (`|2-`, `>+` …). */
export function decodeBlock(text: string): string {
  const [header = '', ...lines] = text.split(LINE_BREAK);
  const folded = header.startsWith('>');
  const chomp = header.includes('-') ? 'strip' : header.includes('+') ? 'keep' : 'clip';
  const firstText = lines.find(line => line.trim() !== '') ?? '';
  const indent = /^ */.exec(firstText)?.[0].length ?? 0;
  const body = lines.map(line => line.slice(Math.min(indent, /^ */.exec(line)?.[0].length ?? 0)));
  let trailing = 0;
  while (body.length > 0 && body.at(-1)?.trim() === '') {
    body.pop();
    trailing++;
  }
  const end =
    body.length === 0 || chomp === 'strip' ? '' : chomp === 'clip' ? '\n' : '\n'.repeat(Math.max(1, trailing));
  if (!folded) return body.join('\n') + end;
  let out = body[0] ?? '';
  for (let i = 1; i < body.length; i++) {
    const line = body[i] ?? '';
    const before = body[i - 1] ?? '';
    const keep = line === '' || /^[ \t]/.test(line) || /^[ \t]/.test(before);
    out += keep ? `\n${line}` : before === '' ? line : ` ${line}`;
  }
  return out + end;
}
