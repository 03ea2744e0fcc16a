// How a text is cut into words before byte pair encoding. llama.cpp describes it with regular expressions, applied one after
// the other: each cuts the pieces of the one before it into its matches and what lies between them. Here every alternative
// of such an expression is a small function over code points that takes the longest match and never backtracks. Two things
// forbid the regular expressions of JavaScript: the classes depend on the engine's Unicode version, and a line of 1 MB
// overflows the stack of some and takes quadratic time in others (\s+$ on spaces).
import { codePointClasses, LETTER, NUMBER, WHITESPACE } from './unicode.js';

/** The text that is being cut. */
export class SplitText {
  readonly classes: Uint8Array;
  /** The run of white space looked at last: its end, and the end of the last line break in it. */
  private spaceStart = 0;
  private spaceEnd = 0;
  private lineBreakEnd = 0;

  constructor(readonly codePoints: Uint32Array) {
    const table = codePointClasses();
    this.classes = new Uint8Array(codePoints.length);
    for (let i = 0; i < codePoints.length; i++) this.classes[i] = table[codePoints[i] as number] as number;
  }

  /** Class bits at `at`; 0 beyond the end. */
  is(at: number, end: number, bits: number): boolean {
    return at < end && ((this.classes[at] as number) & bits) !== 0;
  }

  /** The code point at `at`; -1 beyond the end. */
  char(at: number, end: number): number {
    return at < end ? (this.codePoints[at] as number) : -1;
  }

  /** The end of the run of characters with any of these bits. */
  run(at: number, end: number, bits: number): number {
    while (at < end && (this.classes[at] as number) & bits) at++;
    return at;
  }

  /** The end of the run of characters with none of these bits. */
  runWithout(at: number, end: number, bits: number): number {
    while (at < end && !((this.classes[at] as number) & bits)) at++;
    return at;
  }

  /**
   * The end of the white space at `at`. Remembered: a pattern that takes a few spaces of a long run and looks again would
   * otherwise take quadratic time.
   */
  spaces(at: number, end: number): number {
    if (at < this.spaceStart || at >= this.spaceEnd || this.spaceEnd > end) {
      this.spaceStart = at;
      this.lineBreakEnd = -1;
      let i = at;
      for (; this.is(i, end, WHITESPACE); i++) if (isLineBreak(this.codePoints[i] as number)) this.lineBreakEnd = i + 1;
      this.spaceEnd = i;
    }
    return Math.max(at, this.spaceEnd);
  }

  /** The end of the last line break in the white space at `at`; at most `at` if there is none. */
  lastLineBreak(at: number, end: number): number {
    return this.spaces(at, end) > at ? this.lineBreakEnd : -1;
  }
}

/** The end of the match at `at`, or -1. The text ends at `end` for it: no character beyond is looked at. */
export type Matcher = (text: SplitText, at: number, end: number) => number;

/** One step: cuts `[start, end)` and hands on every piece, in order, without a gap. */
export type Splitter = (text: SplitText, start: number, end: number, emit: Emit) => void;
export type Emit = (start: number, end: number) => void;

function isLineBreak(cp: number): boolean {
  return cp === 10 || cp === 13;
}

/** The first alternative that matches, at the leftmost place where one does; what no alternative matches stays together. */
export function pattern(...alternatives: readonly Matcher[]): Splitter {
  return (text, start, end, emit) => {
    let from = start;
    for (let at = start; at < end;) {
      let match = -1;
      for (const alternative of alternatives) {
        match = alternative(text, at, end);
        if (match >= 0) break;
      }
      if (match < 0) {
        at++;
        continue;
      }
      if (at > from) emit(from, at);
      emit(at, match);
      at = from = match;
    }
    if (from < end) emit(from, end);
  };
}

// ── Alternatives ─────────────────────────────────────────────────────────────────────────────────────────────────────

const APOSTROPHE = 0x27;
const SPACE = 0x20;
const code = (letter: string): number => letter.charCodeAt(0);
const [S, T, M, D, R, E, V, L] = ['s', 't', 'm', 'd', 'r', 'e', 'v', 'l'].map(code) as [
  number,
  number,
  number,
  number,
  number,
  number,
  number,
  number,
];

function contractionEnd(text: SplitText, at: number, end: number, fold: number): number {
  if (text.char(at, end) !== APOSTROPHE) return -1;
  const first = text.char(at + 1, end) | fold;
  if (first === S || first === T || first === M || first === D) return at + 2;
  const second = text.char(at + 2, end) | fold;
  const two = (first === R && second === E) || (first === V && second === E) || (first === L && second === L);
  return two ? at + 3 : -1;
}

/** `'s|'t|'re|'ve|'m|'ll|'d` */
export const contraction: Matcher = (text, at, end) => contractionEnd(text, at, end, 0);
/** The same, in any case. Setting the bit 0x20 makes these letters, and nothing else, lower case. */
export const contractionAnyCase: Matcher = (text, at, end) => contractionEnd(text, at, end, 0x20);

/** `[bits]+` */
export function run(bits: number): Matcher {
  return (text, at, end) => {
    const to = text.run(at, end, bits);
    return to > at ? to : -1;
  };
}

/** `[bits]{1,most}` */
export function upTo(most: number, bits: number): Matcher {
  return (text, at, end) => {
    const to = text.run(at, Math.min(end, at + most), bits);
    return to > at ? to : -1;
  };
}

/** ` ?[bits]+` */
export function spaceRun(bits: number): Matcher {
  return (text, at, end) => {
    const from = text.char(at, end) === SPACE ? at + 1 : at;
    const to = text.run(from, end, bits);
    return to > from ? to : -1;
  };
}

/** `\s?[bits]+` */
export function anySpaceRun(bits: number): Matcher {
  return (text, at, end) => {
    if (text.is(at, end, WHITESPACE) && text.is(at + 1, end, bits)) return text.run(at + 1, end, bits);
    const to = text.run(at, end, bits);
    return to > at ? to : -1;
  };
}

/** ` ?[^bits]+[tail]*`, where the tail is `[\r\n]` and what else is given. */
export function spaceRunWithout(bits: number, tail: (cp: number) => boolean = () => false): Matcher {
  return (text, at, end) => {
    const from = text.char(at, end) === SPACE ? at + 1 : at;
    let to = text.runWithout(from, end, bits);
    if (to === from) return -1;
    while (to < end && tail(text.codePoints[to] as number)) to++;
    return to;
  };
}

export const lineBreak = isLineBreak;
export const lineBreakOrSlash = (cp: number): boolean => isLineBreak(cp) || cp === 0x2f;

/** ` ?[bits]+[\r\n]*` */
export function spaceRunAndLineBreaks(bits: number): Matcher {
  const words = spaceRun(bits);
  return (text, at, end) => {
    let to = words(text, at, end);
    if (to >= 0) while (isLineBreak(text.char(to, end))) to++;
    return to;
  };
}

/** Whether `[^\r\n<bits>]` matches at `at`: what may stand before a word and belong to it. */
function leads(text: SplitText, at: number, end: number, bits: number): boolean {
  return at < end && !text.is(at, end, bits) && !isLineBreak(text.codePoints[at] as number);
}

/** `[^\r\n\p{L}\p{N}]?[bits]+`, or with other classes than L and N, and then perhaps a contraction. */
export function word(bits: number, notLeading = LETTER | NUMBER, suffix?: Matcher): Matcher {
  return (text, at, end) => {
    const from = leads(text, at, end, notLeading) && text.is(at + 1, end, bits) ? at + 1 : at;
    const to = text.run(from, end, bits);
    if (to === from) return -1;
    return suffix ? Math.max(to, suffix(text, to, end)) : to;
  };
}

const isAsciiLower = (cp: number): boolean => cp >= 0x61 && cp <= 0x7a;
const isAsciiUpper = (cp: number): boolean => cp >= 0x41 && cp <= 0x5a;

/**
 * With A = a character of `bits` that is no a-z and B = one that is no A-Z:
 * `[^\r\n\p{L}\p{N}]?A*B+suffix? | [^\r\n\p{L}\p{N}]?A+B*suffix?`, so that a word starts at a change from lower to upper case.
 * Letters beyond ASCII are both A and B.
 */
export function casedWord(bits: number, suffix?: Matcher): Matcher {
  const upperRun = (text: SplitText, at: number, end: number): number => {
    while (text.is(at, end, bits) && !isAsciiLower(text.codePoints[at] as number)) at++;
    return at;
  };
  const lowerRun = (text: SplitText, at: number, end: number): number => {
    while (text.is(at, end, bits) && !isAsciiUpper(text.codePoints[at] as number)) at++;
    return at;
  };
  /** A*B+ : after all A's there is a B, or else the last A that is also a B is taken for it. */
  const endsLower = (text: SplitText, at: number, end: number): number => {
    const upper = upperRun(text, at, end);
    const lower = lowerRun(text, upper, end);
    if (lower > upper) return lower;
    let last = upper - 1;
    while (last >= at && isAsciiUpper(text.codePoints[last] as number)) last--;
    return last >= at ? last + 1 : -1;
  };
  /** A+B* */
  const startsUpper = (text: SplitText, at: number, end: number): number => {
    const upper = upperRun(text, at, end);
    return upper > at ? lowerRun(text, upper, end) : -1;
  };
  return (text, at, end) => {
    const leading = leads(text, at, end, LETTER | NUMBER);
    for (const form of [endsLower, startsUpper]) {
      let to = leading ? form(text, at + 1, end) : -1;
      if (to < 0) to = form(text, at, end);
      if (to >= 0) return suffix ? Math.max(to, suffix(text, to, end)) : to;
    }
    return -1;
  };
}

/** `\s*[\r\n]+` and `\s*[\r\n]`, which end at the same place: behind the last line break of the white space. */
export const upToLineBreak: Matcher = (text, at, end) => {
  const to = text.lastLineBreak(at, end);
  return to > at ? to : -1;
};

/** `\s+(?!\S)`: white space, but for the last of it if something follows. */
export const spacesButLast: Matcher = (text, at, end) => {
  let to = text.spaces(at, end);
  if (to < end) to--;
  return to > at ? to : -1;
};

/** `\s+` */
export const spaces: Matcher = (text, at, end) => {
  const to = text.spaces(at, end);
  return to > at ? to : -1;
};

/** One code point that fulfils a condition. */
export function one(condition: (cp: number) => boolean): Matcher {
  return (text, at, end) => (at < end && condition(text.codePoints[at] as number) ? at + 1 : -1);
}

/** `[set]+`, white space excluded: in llama.cpp, white space beyond ASCII is a vertical tab where sets are compared. */
export function runOf(set: (cp: number) => boolean): Matcher {
  return (text, at, end) => {
    let to = at;
    while (to < end && isIn(text, to, set)) to++;
    return to > at ? to : -1;
  };
}

function isIn(text: SplitText, at: number, set: (cp: number) => boolean): boolean {
  const cp = text.codePoints[at] as number;
  return set(cp > 0x7f && text.is(at, at + 1, WHITESPACE) ? 0x0b : cp);
}

/** `\s?[set]+` */
export function anySpaceRunOf(set: (cp: number) => boolean): Matcher {
  const words = runOf(set);
  return (text, at, end) => {
    const to = text.is(at, end, WHITESPACE) ? words(text, at + 1, end) : -1;
    return to >= 0 ? to : words(text, at, end);
  };
}

/** ` ?[^set\s]+` */
export function spaceRunOutside(set: (cp: number) => boolean): Matcher {
  return (text, at, end) => {
    const from = text.char(at, end) === SPACE ? at + 1 : at;
    let to = from;
    while (to < end && !text.is(to, end, WHITESPACE) && !set(text.codePoints[to] as number)) to++;
    return to > from ? to : -1;
  };
}

// ── Steps that are no alternation ────────────────────────────────────────────────────────────────────────────────────

/** `[^\n]+|[\n]+` */
export const lines: Splitter = (text, start, end, emit) => {
  for (let at = start; at < end;) {
    const breaks = text.codePoints[at] === 10;
    let to = at + 1;
    while (to < end && (text.codePoints[to] === 10) === breaks) to++;
    emit(at, to);
    at = to;
  }
};

/** `\s+$` of a piece: the white space at its end, if any. */
export const trailingSpaces: Splitter = (text, start, end, emit) => {
  let at = end;
  while (at > start && text.is(at - 1, end, WHITESPACE)) at--;
  if (at > start) emit(start, at);
  if (at < end) emit(at, end);
};

/**
 * Numbers in groups of three from their right end. What stands before a number goes into the piece of its first group: the
 * patterns behind this step were meant otherwise, but it is what llama.cpp does.
 */
export const digitGroups: Splitter = (text, start, end, emit) => {
  let from = start;
  for (let at = start; at < end;) {
    const to = text.run(at, end, NUMBER);
    if (to === at) {
      at++;
      continue;
    }
    for (let group = at + ((to - at) % 3 || 3); group <= to; group += 3) {
      emit(from, group);
      from = group;
    }
    at = to;
  }
  if (from < end) emit(from, end);
};

/** `(?=(\d{3})+(?!\d))`: cuts runs of ASCII digits into groups of three from their right end. */
export const asciiDigitGroups: Splitter = (text, start, end, emit) => {
  const isDigit = (at: number): boolean => at < end && isAsciiDigit(text.codePoints[at] as number);
  let from = start;
  for (let at = start; at < end;) {
    let to = at;
    while (isDigit(to)) to++;
    for (let group = at + ((to - at) % 3); group < to; group += 3) {
      if (group > from) emit(from, group);
      from = group;
    }
    at = to + 1;
  }
  if (from < end) emit(from, end);
};

export function isAsciiDigit(cp: number): boolean {
  return cp >= 0x30 && cp <= 0x39;
}
