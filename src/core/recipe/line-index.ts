// Offsets (UTF-16 units from the start of the text) to lines and characters and back, with the line ends an editor
// recognizes: \r\n, \n and a lone \r. Built once per text; both directions are a binary search or less.
import type { TextPosition, TextRange } from './recipe.js';

export class LineIndex {
  /** Offset of the first character of every line. */
  readonly #starts: number[] = [0];

  constructor(readonly text: string) {
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i);
      if (unit === 0x0a || (unit === 0x0d && text.charCodeAt(i + 1) !== 0x0a)) this.#starts.push(i + 1);
    }
  }

  get lineCount(): number {
    return this.#starts.length;
  }

  /** Offset where a line starts; the end of the text for a line that does not exist. */
  lineStart(line: number): number {
    return this.#starts[line] ?? this.text.length;
  }

  /** The line without its line end. */
  lineText(line: number): string {
    return this.text.slice(this.lineStart(line), this.lineStart(line + 1)).replace(/[\r\n]+$/, '');
  }

  lineAt(offset: number): number {
    let low = 0;
    let high = this.#starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#starts[middle] ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  positionAt(offset: number): TextPosition {
    const line = this.lineAt(offset);
    return { line, character: offset - this.lineStart(line) };
  }

  rangeOf(start: number, end: number): TextRange {
    return { start: this.positionAt(start), end: this.positionAt(end) };
  }

  /** Characters beyond the end of a line mean its end. */
  offsetAt(position: TextPosition): number {
    const start = this.lineStart(position.line);
    return Math.min(start + position.character, start + this.lineText(position.line).length);
  }
}

export function contains(range: TextRange, position: TextPosition): boolean {
  return comparePositions(range.start, position) <= 0 && comparePositions(position, range.end) <= 0;
}

export function comparePositions(a: TextPosition, b: TextPosition): number {
  return a.line - b.line || a.character - b.character;
}
