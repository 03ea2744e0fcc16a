// Numbers and tables for people: pure functions from values to text. Sizes are binary units with the exact count of bytes
// beside them, because a file that "is 4.1 GB" fits or does not fit depending on which unit was meant.

const UNITS = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const;

/** `1536` -> `1.50 KiB`; three significant digits. */
export function humanBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  if (unit === 0) return `${bytes} ${bytes === 1 ? 'byte' : 'bytes'}`;
  return `${threeDigits(value)} ${UNITS[unit] ?? ''}`;
}

/** `1.50 KiB (1,536 bytes)`; plain bytes stay alone. */
export function exactBytes(bytes: number): string {
  return bytes < 1000 ? humanBytes(bytes) : `${humanBytes(bytes)} (${grouped(bytes)} bytes)`;
}

/** `1234567` -> `1,234,567`. */
export function grouped(value: number | bigint): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** `4_998_400` -> `5.00 M`, for counts of parameters. */
export function humanCount(count: number): string {
  for (const [size, suffix] of [
    [1e12, 'T'],
    [1e9, 'B'],
    [1e6, 'M'],
    [1e3, 'K'],
  ] as const) {
    if (count >= size * 0.9995) return `${threeDigits(count / size)} ${suffix}`;
  }
  return String(count);
}

function threeDigits(value: number): string {
  return value >= 99.95 ? value.toFixed(0) : value >= 9.995 ? value.toFixed(1) : value.toFixed(2);
}

/** `93.4` seconds -> `1 min 33 s`; below ten seconds with a fraction. */
export function humanSeconds(seconds: number): string {
  if (!Number.isFinite(seconds)) return '?';
  if (seconds < 9.95) return `${seconds.toFixed(seconds < 0.995 ? 2 : 1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

/** The shortest decimal that is this float32, for values read from F32 metadata: 1e-5 prints as 0.00001. */
export function float32Text(value: number): string {
  if (!Number.isFinite(value) || Number.isInteger(value)) return String(value);
  for (let digits = 1; digits <= 9; digits++) {
    const text = Number(value.toPrecision(digits));
    if (Math.fround(text) === value) return String(text);
  }
  return String(value);
}

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

/** `count` of a noun: `1 tensor`, `12 tensors`. */
export function plural(count: number, noun: string): string {
  return `${grouped(count)} ${noun}${count === 1 ? '' : 's'}`;
}

/**
 * Text from a file made safe for a terminal: control characters (escape sequences that move the cursor or set a title,
 * C1 controls, bidirectional overrides) are shown as \u escapes, and long text is cut with the full length named.
 */
export function printable(text: string, limit = Infinity): string {
  const cut = text.length > limit ? `${text.slice(0, limit)}… (${grouped(text.length)} characters)` : text;
  // eslint-disable-next-line no-control-regex -- control characters are exactly what must not reach the terminal
  return cut.replace(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, escapeCharacter);
}

function escapeCharacter(character: string): string {
  const short: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };
  return short[character] ?? `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
