// What no recipe needs, refused before the YAML parser sees it. The parser keeps several hundred bytes for every token and
// gives none of its memory back, counts rows and columns in 16 bits, and cannot nest without end; a text that runs into one
// of these would be answered with seconds, hundreds of megabytes or a wrong message. One pass over the text, which is exact
// for texts in which quotes and brackets are closed and guesses in others: a wrong guess costs a message that is less to the
// point, never memory or a broken parser (see yaml-grammar.ts).
import type { RecipeDiagnostic } from './recipe.js';

/** A 1,000-rule recipe is 60 KB. */
export const MAX_RECIPE_LENGTH = 160 * 1024;
/** The parser's rows end at 32,767, and it counts two for a line that ends with \r\n. */
export const MAX_RECIPE_LINES = 16_000;
/** The parser's columns end at 32,767. */
const MAX_LINE_LENGTH = 32_000;
/**
 * Characters that can be a token, or end one, are what parsing costs memory and time for; a rule has ten. Measured on 60
 * hostile texts of up to this many, each the longest that is accepted: at most 170 MB for the whole command line and 145 MB for
 * the language server (60 MB of which are there before), and 1.4 seconds. The worst is a long flow sequence below 250 dashes
 * behind a quote that is not closed. With twice as many it was 222 MB.
 */
export const MAX_MARKS = 16_000;
/** A recipe nests 3 deep; deeper than this is a mistake or an attack on the stack. */
export const MAX_DEPTH = 32;

/** Why a text is not parsed at all; undefined if it is. */
export function refuseText(text: string): RecipeDiagnostic | undefined {
  if (text.length > MAX_RECIPE_LENGTH) {
    return tooLarge('recipe/too-large', 0, `${text.length} characters`, `${MAX_RECIPE_LENGTH}`);
  }
  const nesting = new Nesting();
  let deep: RecipeDiagnostic | undefined;
  let line = 0;
  for (let start = 0; start <= text.length; line++) {
    const end = lineEnd(text, start);
    const content = text.slice(start, end);
    if (content.length > MAX_LINE_LENGTH) {
      return diagnostic(
        'recipe/line-too-long',
        line,
        MAX_LINE_LENGTH,
        `this line has ${content.length} characters, and a line of a recipe at most ${MAX_LINE_LENGTH}; write one \`key: value\` or \`- item\` per line`,
      );
    }
    const column = deep ? undefined : nesting.enter(content);
    if (column !== undefined) deep = diagnostic('recipe/too-deep', line, column, tooDeepMessage());
    start = text.startsWith('\r\n', end) ? end + 2 : end + 1;
  }
  if (line > MAX_RECIPE_LINES) {
    return tooLarge('recipe/too-many-lines', MAX_RECIPE_LINES, `${line} lines`, `${MAX_RECIPE_LINES}`);
  }
  const marks = countMarks(text);
  if (marks > MAX_MARKS) {
    return tooLarge(
      'recipe/too-large',
      0,
      `${marks} line ends, quotes, brackets and other characters with a meaning in YAML`,
      `${MAX_MARKS}`,
    );
  }
  return deep;
}

export function tooDeepMessage(): string {
  return `this is nested more than ${MAX_DEPTH} levels deep, and a recipe needs 3; remove brackets, dashes or indentation, or quote what is meant as text`;
}

function tooLarge(code: string, line: number, found: string, limit: string): RecipeDiagnostic {
  return diagnostic(
    code,
    line,
    0,
    `this text has ${found}, and a recipe at most ${limit}; use patterns instead of one rule per tensor`,
  );
}

function diagnostic(code: string, line: number, character: number, message: string): RecipeDiagnostic {
  const start = { line, character };
  return { code, severity: 'error', message, range: { start, end: start } };
}

/** End of the line that starts at `start`, with the line ends of line-index.ts. */
function lineEnd(text: string, start: number): number {
  for (let at = start; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (unit === 0x0a || unit === 0x0d) return at;
  }
  return text.length;
}

const MARK = new Uint8Array(128);
for (const mark of '[]{},:?&*!|>\'"%#\\\r\n') MARK[mark.charCodeAt(0)] = 1;

/** A dash counts where an item can start: names are full of dashes. */
function countMarks(text: string): number {
  let marks = 0;
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (unit === 0x2d ? isBlankAt(text, at + 1) : MARK[unit] === 1) marks++;
  }
  return marks;
}

function isBlankAt(text: string, at: number): boolean {
  const unit = text[at];
  return unit === undefined || unit === ' ' || unit === '\t' || unit === '\r' || unit === '\n';
}

/**
 * How deep a text nests, line by line. Open block collections are known by the column they start at, a sequence may start
 * at the column of the mapping it is in; flow collections by their brackets.
 */
class Nesting {
  /** 2·column of mappings, 2·column + 1 of sequences: increasing. */
  readonly #blocks: number[] = [];
  #brackets = 0;
  #quote = '';
  /** Lines indented by more than this are the text of a block scalar. */
  #textBeyond: number | undefined;

  /** Column at which a line goes one level too deep. */
  enter(line: string): number | undefined {
    const indent = line.search(/[^ \t]/);
    if (indent < 0) return undefined;
    if (this.#textBeyond !== undefined && indent > this.#textBeyond) return undefined;
    this.#textBeyond = undefined;
    const isPlainLine = this.#quote === '' && this.#brackets === 0;
    if (isPlainLine && line[indent] !== '#') this.#close(2 * indent + 1);
    // `---` starts a document, of which the first node may follow.
    let at = isPlainLine && /^---(?=\s|$)/.test(line) ? 3 : indent;
    /** Column of the node that is being read; undefined where one may start. */
    let node: number | undefined;
    /** Indicators such as `- ` may follow. */
    let isStart = true;
    for (; at < line.length; at++) {
      const unit = line[at] ?? '';
      if (this.#quote !== '') {
        at = this.#closeQuote(line, at);
      } else if (unit === ' ' || unit === '\t') {
        continue;
      } else if (unit === '#' && (at === 0 || isBlankAt(line, at - 1))) {
        return undefined;
      } else if (this.#brackets > 0) {
        if (unit === '[' || unit === '{') this.#brackets++;
        else if (unit === ']' || unit === '}') this.#brackets--;
        else if ((unit === '"' || unit === "'") && /(?:^|[\s[{,:])$/.test(line.slice(Math.max(0, at - 1), at)))
          this.#quote = unit;
      } else if (isStart && '-?:'.includes(unit) && isBlankAt(line, at + 1)) {
        this.#open(unit === '-' ? 2 * at + 1 : 2 * at);
        node = undefined;
      } else if (unit === ':' && isBlankAt(line, at + 1)) {
        this.#open(2 * (node ?? at));
        node = undefined;
        isStart = true;
      } else if (isStart) {
        node ??= at;
        if (unit === '&' || unit === '!') {
          while (!isBlankAt(line, at + 1)) at++;
          continue;
        }
        isStart = false;
        if (unit === '"' || unit === "'") this.#quote = unit;
        else if (unit === '[' || unit === '{') this.#brackets = 1;
        else if (/^[|>][-+0-9]*\s*(?:\s#.*)?$/.test(line.slice(at))) {
          const block = this.#blocks.at(-1);
          this.#textBeyond = block === undefined ? -1 : block >> 1;
          return undefined;
        }
      }
      if (this.#blocks.length + this.#brackets > MAX_DEPTH) return at;
    }
    return undefined;
  }

  #open(block: number): void {
    this.#close(block);
    if (this.#blocks.at(-1) !== block) this.#blocks.push(block);
  }

  /** Closes everything that starts after `block`. */
  #close(block: number): void {
    while ((this.#blocks.at(-1) ?? -1) > block) this.#blocks.pop();
  }

  /** Offset of the quote that ends the text at `from`, or of the last character. */
  #closeQuote(line: string, from: number): number {
    for (let at = from; at < line.length; at++) {
      if (line[at] === '\\' && this.#quote === '"') at++;
      else if (line[at] === this.#quote) {
        if (this.#quote === "'" && line[at + 1] === "'") at++;
        else {
          this.#quote = '';
          return at;
        }
      }
    }
    return line.length;
  }
}
