// Patterns on tensor names: globs that must match the whole name, and regular expressions that may match anywhere in it
// (as `--tensor-type` of llama-quantize does; unlike there, upper case works). Patterns come from recipes of strangers, so
// none may hang: globs are matched in time linear in the pattern times the name, and regular expressions that could
// backtrack without bound are refused.

/** Longest pattern accepted, in UTF-16 units: an order of magnitude above the longest sensible one. */
export const MAX_PATTERN_LENGTH = 1000;
/** Longer names match no glob. ggml stores 63 bytes; the rest is room for what other writers do. */
export const MAX_MATCHED_NAME = 256;
/** Longer names match no regular expression: llama.cpp cannot load them, and the time to fail grows with a power of this. */
export const MAX_REGEX_NAME = 64;
/** Braces expand to alternatives; `{0..255}.{a,b,c}` is the size of use case this allows. */
const MAX_ALTERNATIVES = 4096;
/** Ways in which a regular expression may try to match one name before giving up: about a third of a second. */
const MAX_REGEX_ATTEMPTS = 5e7;

export type CompiledPattern =
  | { readonly ok: true; readonly matches: (name: string) => boolean }
  | { readonly ok: false; readonly message: string; readonly position: number };

/** Compiles a pattern. Never throws: a pattern that is no pattern gives a message and the position in it. */
export function compilePattern(kind: 'glob' | 'regex', pattern: string): CompiledPattern {
  try {
    if (pattern === '') throw new PatternError('expected a pattern, found nothing', 0);
    if (pattern.length > MAX_PATTERN_LENGTH) {
      throw new PatternError(
        `expected at most ${MAX_PATTERN_LENGTH} characters, found ${pattern.length}`,
        MAX_PATTERN_LENGTH,
      );
    }
    const test = kind === 'glob' ? compileGlob(pattern) : compileRegex(pattern);
    const longest = kind === 'glob' ? MAX_MATCHED_NAME : MAX_REGEX_NAME;
    return { ok: true, matches: name => name.length <= longest && test(name) };
  } catch (error) {
    if (error instanceof PatternError) return { ok: false, message: error.message, position: error.position };
    throw error;
  }
}

class PatternError extends Error {
  override readonly name = 'PatternError';
  constructor(
    message: string,
    readonly position: number,
  ) {
    super(message);
  }
}

/** `*`, one character of a set (`?` is the set of all), or a literal character. */
type GlobToken = '*' | { readonly has: (character: string) => boolean };

function compileGlob(pattern: string): (name: string) => boolean {
  const alternatives = expandBraces(pattern).map(parseGlob);
  return name => alternatives.some(tokens => matchGlob(tokens, name));
}

/** Text and where it starts in the pattern, so that messages can point. */
interface Piece {
  readonly text: string;
  readonly position: number;
}

/** All alternatives of `a{b,c}d{0..2}`: abd0 abd1 abd2 acd0 …. A backslash makes the next character literal. */
function expandBraces(pattern: string): readonly string[] {
  let results: string[] = [''];
  const append = (options: readonly string[], position: number) => {
    if (results.length * options.length > MAX_ALTERNATIVES) {
      throw new PatternError(`braces stand for more than ${MAX_ALTERNATIVES} alternatives`, position);
    }
    results = results.flatMap(start => options.map(option => start + option));
  };
  for (let i = 0; i < pattern.length; i++) {
    const character = pattern.charAt(i);
    if (character === '\\') {
      append([pattern.slice(i, i + 2)], i);
      i++;
    } else if (character === '[') {
      const end = endOfSet(pattern, i);
      append([pattern.slice(i, end + 1)], i);
      i = end;
    } else if (character === '{') {
      const { parts, end } = splitBraces(pattern, i);
      append(parts.flatMap(expandPart), i);
      i = end;
    } else if (character === '}') {
      throw new PatternError('found `}` without `{`; write `\\}` for the character itself', i);
    } else {
      append([character], i);
    }
  }
  return results;
}

function expandPart(part: Piece): readonly string[] {
  const range = /^(\d{1,6})\.\.(\d{1,6})$/.exec(part.text);
  if (!range) return expandBraces(part.text);
  const [from, to] = [Number(range[1]), Number(range[2])];
  if (from > to || to - from >= MAX_ALTERNATIVES) {
    throw new PatternError(
      `expected a rising range of at most ${MAX_ALTERNATIVES} numbers, found ${part.text}`,
      part.position,
    );
  }
  return Array.from({ length: to - from + 1 }, (_, i) => String(from + i));
}

/** The comma-separated parts of the braces that open at `start`; braces inside stay as they are. */
function splitBraces(pattern: string, start: number): { readonly parts: readonly Piece[]; readonly end: number } {
  const parts: Piece[] = [];
  let depth = 0;
  let from = start + 1;
  for (let i = start; i < pattern.length; i++) {
    const character = pattern[i];
    if (character === '\\') i++;
    else if (character === '[') i = endOfSet(pattern, i);
    else if (character === '{') depth++;
    else if (character === ',' && depth === 1) {
      parts.push({ text: pattern.slice(from, i), position: from });
      from = i + 1;
    } else if (character === '}' && --depth === 0) {
      parts.push({ text: pattern.slice(from, i), position: from });
      return { parts, end: i };
    }
  }
  throw new PatternError('expected `}` to close this brace', start);
}

/** Position of the `]` that closes the set opened at `start`; a `]` right after the opening is a member. */
function endOfSet(pattern: string, start: number): number {
  const first = /[!^]/.test(pattern.charAt(start + 1)) ? start + 2 : start + 1;
  const end = pattern.indexOf(']', first + 1);
  if (end < 0) throw new PatternError('expected `]` to close this set', start);
  return end;
}

function parseGlob(pattern: string): readonly GlobToken[] {
  const tokens: GlobToken[] = [];
  for (let i = 0; i < pattern.length; i++) {
    const character = pattern.charAt(i);
    if (character === '*') {
      if (tokens.at(-1) !== '*') tokens.push('*');
    } else if (character === '?') {
      tokens.push({ has: () => true });
    } else if (character === '[') {
      const end = endOfSet(pattern, i);
      tokens.push({ has: parseSet(pattern.slice(i + 1, end), i) });
      i = end;
    } else {
      const literal = character === '\\' ? pattern.charAt(++i) : character;
      if (literal === '') throw new PatternError('expected a character after `\\`', i - 1);
      tokens.push({ has: other => other === literal });
    }
  }
  return tokens;
}

/** `abc`, `0-9`, `!…` or `^…` for everything else. */
function parseSet(body: string, position: number): (character: string) => boolean {
  const negated = /^[!^]/.test(body);
  const members = negated ? body.slice(1) : body;
  const singles = new Set<string>();
  const ranges: (readonly [string, string])[] = [];
  for (let i = 0; i < members.length; i++) {
    const from = members.charAt(i);
    if (members[i + 1] === '-' && i + 2 < members.length) {
      const to = members.charAt(i + 2);
      if (from > to) throw new PatternError(`expected a rising range in the set, found ${from}-${to}`, position);
      ranges.push([from, to]);
      i += 2;
    } else {
      singles.add(from);
    }
  }
  return character =>
    (singles.has(character) || ranges.some(([from, to]) => character >= from && character <= to)) !== negated;
}

/** Whole-name match. Only the last `*` is ever retried, which is enough and bounds the work by tokens times characters. */
function matchGlob(tokens: readonly GlobToken[], name: string): boolean {
  let token = 0;
  let retryToken = -1;
  let retryAt = 0;
  let i = 0;
  while (i < name.length) {
    const current = tokens[token];
    if (current === '*') {
      retryToken = ++token;
      retryAt = i;
    } else if (current?.has(name.charAt(i))) {
      token++;
      i++;
    } else if (retryToken >= 0) {
      token = retryToken;
      i = ++retryAt;
    } else {
      return false;
    }
  }
  while (tokens[token] === '*') token++;
  return token === tokens.length;
}

function compileRegex(pattern: string): (name: string) => boolean {
  let regex: RegExp;
  try {
    regex = new RegExp(pattern);
  } catch (error) {
    const reason = error instanceof Error ? error.message.replace(/^Invalid regular expression: /, '') : 'unknown';
    throw new PatternError(`expected a regular expression: ${reason}`, 0);
  }
  refuseUnboundedBacktracking(pattern);
  return name => regex.test(name);
}

/** One open group while walking over an expression. */
interface Group {
  readonly position: number;
  /** It can match the same text in more than one way, or texts of different length. */
  ambiguous: boolean;
  alternatives: number;
}

/**
 * Refuses what makes a backtracking matcher explode on a name it fails to match: a repeated group that can itself match in
 * several ways (`(a+)+`, `(a|ab)*`, `(a?){9}`), and more choices in a row than can be tried. The estimate of the attempts
 * on a name of n characters: n^(r+1) / (r+1)! places for r repetitions and the start, times the alternatives of every
 * group, times two for every `?`. `pattern` is already known to be a valid regular expression.
 */
function refuseUnboundedBacktracking(pattern: string): void {
  const open: Group[] = [{ position: 0, ambiguous: false, alternatives: 1 }];
  let repetitions = 0;
  let attempts = MAX_REGEX_NAME;
  /** The group that ended just before the current character, if one did. */
  let closed: Group | undefined;
  for (let i = 0; i < pattern.length; i++) {
    const group = open.at(-1);
    const before = closed;
    closed = undefined;
    const character = pattern.charAt(i);
    if (character === '\\') {
      if (/[1-9k]/.test(pattern.charAt(i + 1))) throw new PatternError('back references are not supported', i);
      i++;
    } else if (character === '[') {
      for (i++; i < pattern.length && pattern[i] !== ']'; i++) if (pattern[i] === '\\') i++;
    } else if (character === '(') {
      open.push({ position: i, ambiguous: false, alternatives: 1 });
      if (pattern[i + 1] === '?') i += pattern[i + 2] === '<' ? 2 : 1;
    } else if (character === ')') {
      closed = open.pop();
      const outer = open.at(-1);
      if (outer && closed?.ambiguous) outer.ambiguous = true;
      attempts *= closed?.alternatives ?? 1;
    } else if (character === '|') {
      if (group) {
        group.ambiguous = true;
        group.alternatives++;
      }
    } else {
      const quantifier = /^(?:[*+?]|\{\d+(?:,\d*)?\})/.exec(pattern.slice(i))?.[0];
      if (quantifier === undefined) continue;
      if (before?.ambiguous && quantifier !== '?') {
        throw new PatternError('a repeated group must not contain repetitions, alternatives or `?`', before.position);
      }
      i += quantifier.length - 1;
      if (/^\{\d+\}$/.test(quantifier)) continue;
      if (quantifier === '?') attempts *= 2;
      else attempts *= MAX_REGEX_NAME / (++repetitions + 1);
      if (group) group.ambiguous = true;
      // A question mark behind a quantifier makes it lazy and is no choice of its own.
      if (pattern[i + 1] === '?') i++;
    }
  }
  attempts *= open[0]?.alternatives ?? 1;
  if (attempts > MAX_REGEX_ATTEMPTS) {
    throw new PatternError('too many repetitions and alternatives in one expression; split it into several rules', 0);
  }
}
