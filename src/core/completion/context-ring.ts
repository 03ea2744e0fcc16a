// Pieces of recently edited, opened and visible files, for the prompt of a model that takes such. llama.vscode keeps 16 of 64 lines,
// and so do we.
//
// They stand before the text around the cursor, so every change of them has all of that read again. Therefore nothing changes while
// somebody types: what is offered waits until `settle`, which is called when nobody does. There the order stays; a new piece goes to
// the end; one that is much like an older one takes its place in the ring, but at the end; and when there are too many, a quarter
// goes at once, the oldest first, so that the next ones find room.
import type { FilePiece } from './other-files.js';

export interface RingLimits {
  readonly pieces: number;
  /** Of a piece. */
  readonly lines: number;
  /** Of all pieces together. */
  readonly characters: number;
}

export const RING_LIMITS: RingLimits = { pieces: 16, lines: 64, characters: 16 * 64 * 40 };

/** Fewer lines say nothing. */
const LEAST_LINES = 3;
/** Nobody wrote a line that is longer: minified code, data. */
const LONGEST_LINE = 500;
/** Share of the lines of both that they have in common: of one file, and of different ones, where it is a copy. */
const SAME_PLACE = 0.4;
const COPY = 0.9;
/** Of all characters, what one piece may have. */
const MOST_SHARE = 0.25;
/** Of the limits, what is left when they were exceeded. */
const KEPT = 0.75;
/** A piece that has so much of its lines around the cursor already is left out. */
const SEEN = 0.5;

interface Piece extends FilePiece {
  readonly lines: ReadonlySet<string>;
}

export class ContextRing {
  #limits: RingLimits;
  /** Oldest first. */
  #pieces: readonly Piece[] = [];
  #waiting: Piece[] = [];
  /** What was chosen for a file, until the pieces change. */
  #chosen: { readonly file: string; readonly pieces: readonly FilePiece[] } | undefined;

  constructor(limits: RingLimits = RING_LIMITS) {
    this.#limits = limits;
  }

  get pieces(): readonly FilePiece[] {
    return this.#pieces;
  }

  /** Other limits for what is settled from now on. */
  limit(limits: RingLimits): void {
    this.#limits = limits;
  }

  /**
   * A place of a file that may matter to others. What is too much of it is left out at both ends.
   * @param text whole lines
   */
  offer(name: string, text: string): void {
    const all = text.replaceAll('\r', '').replace(/\n$/, '').split('\n');
    const lines = middleOf(all, this.#limits.lines, this.#limits.characters * MOST_SHARE);
    if (lines.some(line => line.length > LONGEST_LINE)) return;
    const piece = { name, text: `${lines.join('\n')}\n`, lines: wordsOf(lines) };
    if (piece.lines.size < LEAST_LINES) return;
    this.#waiting = [...this.#waiting.filter(other => !isLike(piece, other)), piece].slice(-this.#limits.pieces);
  }

  /** Takes in what was offered; true if the pieces are others now. */
  settle(): boolean {
    let pieces = this.#pieces;
    for (const piece of this.#waiting) {
      if (pieces.some(other => other.name === piece.name && other.text === piece.text)) continue;
      pieces = [...pieces.filter(other => !isLike(piece, other)), piece];
    }
    this.#waiting = [];
    const { pieces: most, characters } = this.#limits;
    if (pieces.length > most || lengthOf(pieces) > characters) {
      while (pieces.length > most * KEPT || lengthOf(pieces) > characters * KEPT) {
        pieces = pieces.slice(1);
      }
    }
    return this.#replace(pieces);
  }

  /** Forgets files: they are gone, or may not be read any more. */
  forget(isForgotten: (name: string) => boolean): boolean {
    this.#waiting = this.#waiting.filter(({ name }) => !isForgotten(name));
    const pieces = this.#pieces.filter(({ name }) => !isForgotten(name));
    return this.#replace(pieces);
  }

  /** The pieces for a cursor in a file: without those that stand around it already. The same until pieces or file change. */
  for(file: string, around: string): readonly FilePiece[] {
    if (this.#chosen?.file === file) return this.#chosen.pieces;
    const there = wordsOf(around.split('\n'));
    const pieces = this.#pieces
      .filter(({ name, lines }) => name !== file || shareOf(lines, there) < SEEN)
      .map(({ name, text }) => ({ name, text }));
    this.#chosen = { file, pieces };
    return pieces;
  }

  #replace(pieces: readonly Piece[]): boolean {
    const isSame = pieces.length === this.#pieces.length && pieces.every((piece, i) => piece === this.#pieces[i]);
    if (isSame) return false;
    this.#pieces = pieces;
    this.#chosen = undefined;
    return true;
  }
}

/** The lines in the middle, as many as may be; a line at the end goes first, then one at the beginning, and so on. */
function middleOf(all: readonly string[], most: number, characters: number): readonly string[] {
  let [start, end, length] = [0, all.length, all.reduce((sum, line) => sum + line.length + 1, 0)];
  while (end > start && (end - start > most || length > characters)) {
    const line = (all.length - (end - start)) % 2 === 0 ? all[--end] : all[start++];
    length -= (line ?? '').length + 1;
  }
  return all.slice(start, end);
}

/** The lines that say something, without their indentation. */
function wordsOf(lines: readonly string[]): ReadonlySet<string> {
  return new Set(lines.map(line => line.trim()).filter(line => /[\p{L}\p{N}]/u.test(line)));
}

function lengthOf(pieces: readonly Piece[]): number {
  return pieces.reduce((sum, { text }) => sum + text.length, 0);
}

/** The same place of a file at another time, or a copy of it. */
function isLike(a: Piece, b: Piece): boolean {
  const common = [...a.lines].filter(line => b.lines.has(line)).length;
  return common / (a.lines.size + b.lines.size - common) >= (a.name === b.name ? SAME_PLACE : COPY);
}

/** How much of `a` is in `b`. */
function shareOf(a: ReadonlySet<string>, b: ReadonlySet<string>): number {
  return [...a].filter(line => b.has(line)).length / a.size;
}
