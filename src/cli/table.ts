// Tables for people: pure, from cells to text.

export interface Column {
  readonly title: string;
  readonly align?: 'left' | 'right';
}

/** Aligned columns, two spaces apart, no trailing blanks; one line per row, each ending in a line feed. */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const widths = columns.map((column, c) =>
    rows.reduce((width, row) => Math.max(width, textWidth(row[c] ?? '')), textWidth(column.title)),
  );
  const line = (cells: readonly string[]) =>
    columns
      .map((column, c) => {
        const cell = cells[c] ?? '';
        const gap = ' '.repeat(Math.max(0, (widths[c] ?? 0) - textWidth(cell)));
        return column.align === 'right' ? gap + cell : cell + gap;
      })
      .join('  ')
      .trimEnd() + '\n';
  return line(columns.map(column => column.title)) + rows.map(line).join('');
}

/** Code points; close enough to terminal cells for names of tensors and types. */
function textWidth(text: string): number {
  return Array.from(text).length;
}
