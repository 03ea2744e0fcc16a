// Texts that a model wrote at places of documents, and which of them goes on where the cursor is now: after typing along with a
// completion the rest of it is what the model would say, and asking again would only make it flicker. Kept as the model
// wrote them; what is shown is shaped anew for every cursor.
import { isBlank } from './cursor-lines.js';
import type { CursorText } from './fim-prompt.js';

export interface CompletionEntry extends CursorText {
  readonly multiline: boolean;
  /** What the model wrote, whole. */
  readonly text: string;
}

export interface Continuation<Entry> {
  readonly entry: Entry;
  /** What was typed since. */
  readonly typed: string;
  /** The text behind that. */
  readonly rest: string;
}

/** Some hours of work; llama.vscode keeps as many. */
const MOST = 250;
/** Longer than any completion that is shown. */
const MOST_TYPED = 400;
/** What editors put behind the cursor when its opening half is typed. */
const CLOSERS: Readonly<Record<string, string>> = {
  '(': ')',
  '[': ']',
  '{': '}',
  '"': '"',
  "'": "'",
  '`': '`',
  '<': '>',
};
const CLOSING: ReadonlySet<string> = new Set(Object.values(CLOSERS));

/**
 * What was typed between two cursors, if nothing else changed: the later prefix is the earlier with `typed` behind it, and the
 * suffix is the same but for brackets that the editor closed.
 */
export function typedBetween(earlier: CursorText, later: CursorText): string | undefined {
  const count = later.prefix.length - earlier.prefix.length;
  if (count < 0 || count > MOST_TYPED) return undefined;
  const typed = later.prefix.slice(earlier.prefix.length);
  if (!isSuffixAfter(typed, earlier.suffix, later.suffix)) return undefined;
  return later.prefix.startsWith(earlier.prefix) ? typed : undefined;
}

/**
 * Whether `later` is `earlier` with what an editor adds or lets be overtyped while `typed` is typed: closing brackets that the typed
 * text opens stand before it, ones that it closes may have stood there. Both may be cut at their ends.
 */
function isSuffixAfter(typed: string, earlier: string, later: string): boolean {
  if (earlier === later) return true;
  const opened = Array.from(typed, character => CLOSERS[character] ?? '');
  for (let count = 1; count <= typed.length; count++) {
    const [added, overtyped] = [later.slice(0, count), earlier.slice(0, count)];
    const isAdded = Array.from(added).every(character => opened.includes(character));
    if (isAdded && isSameButEnd(later.slice(count), earlier, count)) return true;
    const isOvertyped = Array.from(overtyped).every(character => CLOSING.has(character) && typed.includes(character));
    if (isOvertyped && isSameButEnd(later, earlier.slice(count), count)) return true;
    if (!isAdded && !isOvertyped) return false;
  }
  return false;
}

/** Whether two texts are the same, or one lacks so many characters at the end, at most, because it was cut. */
function isSameButEnd(a: string, b: string, most: number): boolean {
  const length = Math.min(a.length, b.length);
  return Math.abs(a.length - b.length) <= most && a.slice(0, length) === b.slice(0, length);
}

/** The most recently used completions, the oldest going first. */
export class CompletionCache<Entry extends CompletionEntry = CompletionEntry> {
  /** Most recent last. */
  readonly #entries: Entry[] = [];

  get size(): number {
    return this.#entries.length;
  }

  add(entry: Entry): void {
    const same = this.#entries.findIndex(
      ({ prefix, suffix, multiline }) =>
        prefix === entry.prefix && suffix === entry.suffix && multiline === entry.multiline,
    );
    if (same >= 0) this.#entries.splice(same, 1);
    this.#entries.push(entry);
    if (this.#entries.length > MOST) this.#entries.shift();
  }

  /** The entry that goes on at a cursor with the fewest characters typed since; it counts as used. */
  find(cursor: CursorText, multiline: boolean): Continuation<Entry> | undefined {
    let best: Continuation<Entry> | undefined;
    for (const entry of this.#entries) {
      const typed = typedBetween(entry, cursor);
      if (typed === undefined || !entry.text.startsWith(typed)) continue;
      const rest = entry.text.slice(typed.length);
      // A completion of one line has nothing to say about the next; of several, the first line is good for one. One that was
      // typed or accepted to its end is no answer any more.
      if (typed === '' ? multiline && !entry.multiline : isBlank(rest)) continue;
      if (best === undefined || typed.length <= best.typed.length) best = { entry, typed, rest };
    }
    if (best) this.add(best.entry);
    return best;
  }

  clear(): void {
    this.#entries.length = 0;
  }
}
