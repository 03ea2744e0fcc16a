// The metadata table as data: what a value looks like in one line, what it sorts and is searched by, and its JSON.
import type { GgufScalar } from '../../src/core/gguf/gguf.js';
import { cutText } from '../../src/core/text/printable.js';
import { formatInteger, formatNumber, plural } from '../../src/core/text/quantity.js';
import type { MetadataRow } from '../../src/protocol/worker-protocol.js';
import { formatScalar } from './format.js';
import { sortRows, type SortOrder, type SortValue } from './sort.js';
import type { TableList } from './table-list.js';
import { parseTextFilter } from './text-filter.js';

/** Characters of a value that a table cell gets: more cannot be seen in one line. */
export const PREVIEW_LENGTH = 300;
/** Elements of an array that a table cell gets. */
const PREVIEW_ELEMENTS = 12;

/** The type as a person reads it: `string`, `u32`, `string[151,936]`. */
export function metadataType(row: MetadataRow): string {
  return row.array ? `${row.array.elementType}[${formatInteger(row.array.length)}]` : row.type;
}

/** The value as one element of a list: text in quotes. Numbers that messages carry as text stay bare. */
export function elementText(value: GgufScalar, type: string): string {
  return typeof value === 'string' && type === 'string' ? JSON.stringify(value) : formatScalar(value, type);
}

/** The value in one line. Strings are as they are, elements of arrays in JSON notation. */
export function metadataPreview(row: MetadataRow): string {
  const { array } = row;
  if (array) {
    const head = array.head.slice(0, PREVIEW_ELEMENTS).map(value => elementText(value, array.elementType));
    const more = array.length > head.length ? (head.length ? ', …' : '…') : '';
    return cutText(`[${head.join(', ')}${more}]`, PREVIEW_LENGTH).text;
  }
  if (row.value === undefined) return '';
  const { text, cut } = cutText(formatScalar(row.value, row.type), PREVIEW_LENGTH);
  return cut || row.fullLength !== undefined ? `${text}…` : text;
}

/** The value is cut in the description: the whole of it must be asked for. */
export function isCut(row: MetadataRow): boolean {
  return row.fullLength !== undefined || (row.array !== undefined && row.array.head.length < row.array.length);
}

export function metadataSortValue(row: MetadataRow, column: string): SortValue {
  if (column === 'type') return metadataType(row);
  if (column === 'value') return typeof row.value === 'boolean' ? Number(row.value) : (row.value ?? row.array?.length);
  return row.key;
}

/** Rows whose key or value (what is known of it here) matches. */
export function listMetadata(
  rows: readonly MetadataRow[],
  query: string,
  order: SortOrder | undefined,
): TableList<MetadataRow> {
  const filter = parseTextFilter(query);
  const shown = filter.active ? rows.filter(row => filter.matches(row.key, searchText(row))) : rows;
  const all = plural(rows.length, 'entry', 'entries');
  return {
    rows: sortRows(shown, order, metadataSortValue),
    summary: shown.length === rows.length ? all : `${formatInteger(shown.length)} of ${all}`,
    ...(filter.error === undefined ? {} : { error: filter.error }),
  };
}

function searchText(row: MetadataRow): string {
  if (row.array) return row.array.head.map(value => formatScalar(value, row.array?.elementType)).join('\n');
  return row.value === undefined ? '' : formatScalar(row.value, row.type);
}

/**
 * One value of GGUF type `type` as JSON. 64-bit integers, which arrive as text when they are beyond 2^53, keep all digits;
 * NaN and infinities, which JSON has no word for, are strings.
 */
export function scalarAsJson(value: GgufScalar, type: string): string {
  if (typeof value === 'string' && type !== 'string' && /^-?\d+$/u.test(value)) return value;
  if (typeof value === 'number') return Number.isFinite(value) ? formatNumber(value, type) : `"${formatNumber(value)}"`;
  return typeof value === 'bigint' ? String(value) : JSON.stringify(value);
}

/** An array as JSON: short ones in one line, others with one element per line. */
export function arrayAsJson(values: readonly GgufScalar[], type: string): string {
  const items = values.map(value => scalarAsJson(value, type));
  const line = `[${items.join(', ')}]`;
  return line.length <= 100 ? line : `[\n  ${items.join(',\n  ')}\n]`;
}

/** An object of keys and values that are JSON already, in the order given. */
export function objectAsJson(entries: readonly (readonly [key: string, json: string])[]): string {
  if (entries.length === 0) return '{}\n';
  const lines = entries.map(([key, json]) => `  ${JSON.stringify(key)}: ${json.replaceAll('\n', '\n  ')}`);
  return `{\n${lines.join(',\n')}\n}\n`;
}
