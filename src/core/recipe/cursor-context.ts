// Where in a recipe the cursor is, for completion. Looks at lines and indentation alone, not at the syntax tree: a recipe is
// broken at exactly the place where someone is typing, and there a tree says the least. Knows the subset recipes use: block
// mappings and sequences, and flow collections that open and close on one line.
import type { LineIndex } from './line-index.js';
import type { TextRange } from './recipe.js';
import { childPath, recipeKey } from './recipe-schema.js';

export type CursorContext =
  /** A key of the mapping at `parent` (a path of recipe-schema.ts) is being written. */
  | {
      readonly kind: 'key';
      readonly parent: string;
      /** What is there of the key, to be replaced. */
      readonly range: TextRange;
      /** Keys the mapping has already. */
      readonly present: ReadonlySet<string>;
      /** A colon follows already. */
      readonly hasColon: boolean;
      readonly flow: boolean;
    }
  /** A value for the key at `path` is being written. */
  | {
      readonly kind: 'value';
      readonly path: string;
      readonly range: TextRange;
      /** The value up to the cursor, quotes included. */
      readonly prefix: string;
      readonly flow: boolean;
    }
  /** An item of the sequence at `path` may start here. */
  | { readonly kind: 'item'; readonly path: string; readonly range: TextRange }
  | { readonly kind: 'none' };

const NONE: CursorContext = { kind: 'none' };

interface Line {
  /** Column of the last dash that starts an item in this line. */
  readonly dash: number | undefined;
  /** Column of the key, or of whatever the line starts with. */
  readonly column: number;
  readonly key: string | undefined;
  /** `key:` with nothing after it: what is indented below belongs to it. */
  readonly opens: boolean;
}

function describe(text: string): Line | undefined {
  if (/^\s*(#|$)/.test(text)) return undefined;
  const lead = /^\s*(?:-(?:\s+|$))*/.exec(text)?.[0] ?? '';
  const dash = lead.lastIndexOf('-');
  const key = /^(?:"([^"]*)"|'([^']*)'|([\w.-]+))\s*:(?=\s|$)/.exec(text.slice(lead.length));
  const value = key ? text.slice(lead.length + key[0].length).trim() : '';
  return {
    dash: dash < 0 ? undefined : dash,
    column: lead.length,
    key: key?.[1] ?? key?.[2] ?? key?.[3],
    opens: key !== null && (value === '' || value.startsWith('#')),
  };
}

export function cursorContext(lines: LineIndex, offset: number): CursorContext {
  const lineNumber = lines.lineAt(offset);
  const text = lines.lineText(lineNumber);
  const character = Math.min(offset - lines.lineStart(lineNumber), text.length);
  const before = text.slice(0, character);
  if (inComment(before)) return NONE;
  const place = new Place(lines, lineNumber, text, character);
  return place.flow() ?? place.block();
}

/** A `#` outside quotes, at the start or after a blank. */
function inComment(before: string): boolean {
  let quote = '';
  for (let i = 0; i < before.length; i++) {
    const unit = before[i] ?? '';
    if (quote !== '') {
      if (quote === '"' && unit === '\\') i++;
      else if (unit === quote) quote = '';
    } else if ((unit === '"' || unit === "'") && /(^|[\s{[,:-])$/.test(before.slice(0, i))) quote = unit;
    else if (unit === '#' && /(^|\s)$/.test(before.slice(0, i))) return true;
  }
  return false;
}

/** A stretch of a flow collection between separators. */
interface Segment {
  readonly start: number;
  readonly end: number;
}

class Place {
  constructor(
    private readonly lines: LineIndex,
    private readonly line: number,
    private readonly text: string,
    private readonly character: number,
  ) {}

  block(): CursorContext {
    const { text, character, line } = this;
    const before = text.slice(0, character);
    const lead = /^\s*(?:-(?:\s+|$))*/.exec(before)?.[0] ?? '';
    const dash = lead.lastIndexOf('-');
    const rest = before.slice(lead.length);
    const keyed = /^(?:"([^"]*)"|'([^']*)'|([\w.-]+))\s*:(\s+|$)/.exec(rest);
    if (keyed) {
      const parent = this.containerOf(line, lead.length, dash < 0 ? undefined : dash);
      if (parent === undefined) return NONE;
      const path = childPath(parent, keyed[1] ?? keyed[2] ?? keyed[3] ?? '');
      return this.value(path, lead.length + keyed[0].length, endOfBlockValue(text, character), false);
    }
    const word = /^[\w.-]*/.exec(text.slice(lead.length))?.[0] ?? '';
    if (rest.length > word.length) return NONE;
    const after = text.slice(lead.length + word.length);
    if (after.trim() !== '' && !/^\s*[:#]/.test(after)) return NONE;
    // `-` right before the cursor: the item's content needs a blank first.
    if (dash >= 0 && !/\s$/.test(lead)) return NONE;
    return this.key(lead.length, dash < 0 ? undefined : dash, word, /^\s*:/.test(after));
  }

  private key(column: number, dash: number | undefined, word: string, hasColon: boolean): CursorContext {
    const { line } = this;
    const range = this.range(column, column + word.length);
    if (dash === undefined && word === '') {
      const sequence = this.sequenceAt(line, column);
      if (sequence !== undefined) return { kind: 'item', path: sequence, range };
    }
    const parent = this.containerOf(line, column, dash);
    if (parent === undefined) return NONE;
    const row = recipeKey(parent);
    if (row?.kind === 'sequence') return { kind: 'item', path: parent, range };
    return { kind: 'key', parent, range, present: this.siblings(column, dash), hasColon, flow: false };
  }

  /** The sequence whose dashes stand at `column`, for an empty line. */
  private sequenceAt(line: number, column: number): string | undefined {
    for (let above = line - 1; above >= 0; above--) {
      const other = describe(this.lines.lineText(above));
      if (!other) continue;
      if (other.dash !== undefined && other.dash === column) return this.ownerOf(above, other.dash);
      if (other.dash !== undefined && other.dash > column) continue;
      if (other.column <= column) return undefined;
    }
    return undefined;
  }

  /** Path of the mapping that a key at `column` of `line` belongs to; undefined where no key can be. */
  private containerOf(line: number, column: number, dash: number | undefined): string | undefined {
    if (dash !== undefined) {
      const owner = this.ownerOf(line, dash);
      return owner === undefined ? undefined : `${owner}[]`;
    }
    for (let above = line - 1; above >= 0; above--) {
      const other = describe(this.lines.lineText(above));
      if (!other || other.column > column) continue;
      if (other.column === column) {
        if (other.dash === undefined) continue;
        const owner = this.ownerOf(above, other.dash);
        return owner === undefined ? undefined : `${owner}[]`;
      }
      if (!other.opens || other.key === undefined) return undefined;
      const parent = this.containerOf(above, other.column, other.dash);
      return parent === undefined ? undefined : childPath(parent, other.key);
    }
    return '';
  }

  /** Path of the key whose sequence has a dash at `dash` in `line`. */
  private ownerOf(line: number, dash: number): string | undefined {
    for (let above = line - 1; above >= 0; above--) {
      const other = describe(this.lines.lineText(above));
      if (!other || other.dash === dash || other.column > dash) continue;
      if (!other.opens || other.key === undefined) return undefined;
      const parent = this.containerOf(above, other.column, other.dash);
      return parent === undefined ? undefined : childPath(parent, other.key);
    }
    return undefined;
  }

  /** Keys of the same mapping in the lines above and below. */
  private siblings(column: number, dash: number | undefined): Set<string> {
    const keys = new Set<string>();
    const visit = (line: number, isStart: boolean): boolean => {
      const other = describe(this.lines.lineText(line));
      if (!other || other.column > column) return true;
      if (other.column < column) return false;
      // Downwards a dash at this column starts the next item; upwards it is where this one started.
      if (other.dash !== undefined && !isStart) return false;
      if (other.key !== undefined) keys.add(other.key);
      return other.dash === undefined;
    };
    if (dash === undefined) for (let above = this.line - 1; above >= 0 && visit(above, true); above--);
    for (let below = this.line + 1; below < this.lines.lineCount && visit(below, false); below++);
    return keys;
  }

  flow(): CursorContext | undefined {
    const { text, character, line } = this;
    const lead = /^\s*(?:-\s+)*/.exec(text)?.[0] ?? '';
    const keyed = /^(?:([\w.-]+)\s*:\s+)?/.exec(text.slice(lead.length));
    const start = lead.length + (keyed?.[0].length ?? 0);
    if ((text[start] !== '{' && text[start] !== '[') || character <= start) return undefined;
    const dash = lead.lastIndexOf('-');
    const container = this.containerOf(line, lead.length, dash < 0 ? undefined : dash);
    if (container === undefined) return NONE;
    // The path of the collection itself: an item's mapping is the container of the keys in it.
    let path = keyed?.[1] === undefined ? container : childPath(container, keyed[1]);
    const open: { bracket: string; path: string; segments: Segment[]; start: number }[] = [];
    let quote = '';
    for (let i = start; i <= text.length; i++) {
      const level = open.at(-1);
      if (i === character && level) return this.inFlow(level, text);
      const unit = text[i] ?? '';
      if (quote !== '') {
        if (quote === '"' && unit === '\\') i++;
        else if (unit === quote) quote = '';
      } else if ((unit === '"' || unit === "'") && /[\s{[,:]$/.test(text.slice(0, i))) {
        quote = unit;
      } else if (unit === '{' || unit === '[') {
        if (level) path = this.pathInside(level, text.slice(level.start, i));
        open.push({ bracket: unit, path, segments: [], start: i + 1 });
      } else if (unit === '}' || unit === ']') {
        open.pop();
        if (open.length === 0) return i < character ? undefined : NONE;
      } else if (unit === ',' && level) {
        level.segments.push({ start: level.start, end: i });
        level.start = i + 1;
      }
    }
    return NONE;
  }

  private pathInside(level: { bracket: string; path: string }, segment: string): string {
    if (level.bracket === '[') return `${level.path}[]`;
    const key = /^\s*([\w.-]+)\s*:/.exec(segment)?.[1];
    return childPath(level.path, key ?? '');
  }

  private inFlow(
    level: { bracket: string; path: string; segments: Segment[]; start: number },
    text: string,
  ): CursorContext {
    const { character } = this;
    const segment = text.slice(level.start, character);
    if (level.bracket === '[') return { kind: 'item', path: level.path, range: this.range(character, character) };
    const keyed = /^\s*(?:"([^"]*)"|'([^']*)'|([\w.-]+))\s*:(?:\s+|$)/.exec(segment);
    if (keyed) {
      const path = childPath(level.path, keyed[1] ?? keyed[2] ?? keyed[3] ?? '');
      const start = level.start + keyed[0].length;
      return this.value(path, start, endOfFlowValue(text, start, character), true);
    }
    const start = level.start + (/^\s*/.exec(segment)?.[0].length ?? 0);
    const word = /^[\w.-]*/.exec(text.slice(start))?.[0] ?? '';
    if (character > start + word.length) return NONE;
    const present = new Set<string>();
    const rest = text.slice(start + word.length).split(/[,}]/);
    const others = [...level.segments.map(other => text.slice(other.start, other.end)), ...rest.slice(1)];
    for (const other of others) {
      const key = /^\s*([\w.-]+)\s*:/.exec(other)?.[1];
      if (key !== undefined) present.add(key);
    }
    const hasColon = /^\s*:/.test(text.slice(start + word.length));
    return {
      kind: 'key',
      parent: level.path,
      range: this.range(start, start + word.length),
      present,
      hasColon,
      flow: true,
    };
  }

  private value(path: string, start: number, end: number, flow: boolean): CursorContext {
    const prefix = this.text.slice(start, this.character);
    return { kind: 'value', path, range: this.range(start, Math.max(end, this.character)), prefix, flow };
  }

  private range(start: number, end: number): TextRange {
    return { start: { line: this.line, character: start }, end: { line: this.line, character: end } };
  }
}

/** End of a block value that reaches at least `from`: before a comment and trailing blanks. */
function endOfBlockValue(text: string, from: number): number {
  const comment = text.slice(from).search(/\s#/);
  const value = comment < 0 ? text : text.slice(0, from + comment);
  return Math.max(from, value.trimEnd().length);
}

function endOfFlowValue(text: string, start: number, from: number): number {
  const quote = text[start];
  if (quote === '"' || quote === "'") {
    const close = text.indexOf(quote, Math.max(from, start + 1));
    if (close >= 0) return close + 1;
  }
  const end = text.slice(from).search(/[,}\]]/);
  return Math.max(from, (end < 0 ? text : text.slice(0, from + end)).trimEnd().length);
}
