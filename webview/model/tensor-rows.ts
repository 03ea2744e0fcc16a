// The tensor table as data: columns, sort values, filter, the summary line. The component only lays it out.
import { ggmlTypeByName, bitsPerWeight } from '../../src/core/ggml/ggml-type.js';
import { printable } from '../../src/core/text/printable.js';
import { formatBitsPerWeight, formatBytes, formatInteger, plural } from '../../src/core/text/quantity.js';
import type { TensorRow } from '../../src/protocol/worker-protocol.js';
import { formatHex, formatShape, formatShare } from './format.js';
import { sortRows, type SortOrder, type SortValue } from './sort.js';
import type { TableList } from './table-list.js';
import { parseTextFilter } from './text-filter.js';

export type TensorColumn = 'name' | 'type' | 'shape' | 'elements' | 'offset' | 'bytes' | 'share';

export const TENSOR_COLUMNS: readonly {
  readonly id: TensorColumn;
  readonly label: string;
  readonly numeric: boolean;
}[] = [
  { id: 'name', label: 'Name', numeric: false },
  { id: 'type', label: 'Type', numeric: false },
  { id: 'shape', label: 'Shape', numeric: true },
  { id: 'elements', label: 'Elements', numeric: true },
  { id: 'offset', label: 'Offset', numeric: true },
  { id: 'bytes', label: 'Size', numeric: true },
  { id: 'share', label: 'Share', numeric: true },
];

/** What a cell of a column sorts by. `shape` sorts by its dimensions as a list would; rank counts last. */
export function tensorSortValue(row: TensorRow, column: string): SortValue {
  switch (column) {
    case 'type':
      return row.type;
    case 'shape':
      return row.ne.join('x');
    case 'elements':
      return row.elementCount;
    case 'offset':
      // Across shards: all of the first file before the second. 2^43 bytes = 8 TiB is more than a shard has.
      return row.shard * 2 ** 43 + row.fileOffset;
    case 'bytes':
    case 'share':
      return row.byteLength;
    default:
      return row.name;
  }
}

/** The text of a cell, names as they are in the file. */
export function tensorCell(row: TensorRow, column: TensorColumn, modelBytes: number): string {
  switch (column) {
    case 'name':
      return row.name;
    case 'type':
      return row.type;
    case 'shape':
      return formatShape(row.ne);
    case 'elements':
      return formatInteger(row.elementCount);
    case 'offset':
      return formatHex(row.fileOffset);
    case 'bytes':
      return row.byteLength === undefined ? 'unknown' : formatBytes(row.byteLength);
    case 'share':
      return row.byteLength === undefined ? '' : formatShare(row.byteLength, modelBytes);
  }
}

export interface TensorFilter {
  readonly query: string;
  /** A type name, or '' for all. */
  readonly type: string;
}

export function listTensors(
  tensors: readonly TensorRow[],
  filter: TensorFilter,
  order: SortOrder | undefined,
): TableList<TensorRow> {
  const text = parseTextFilter(filter.query);
  const shown = tensors.filter(row => (filter.type === '' || row.type === filter.type) && text.matches(row.name));
  const rows = sortRows(shown, order, tensorSortValue);
  return { rows, summary: summarize(rows, tensors.length), ...(text.error === undefined ? {} : { error: text.error }) };
}

function summarize(rows: readonly TensorRow[], all: number): string {
  let bytes = 0;
  let unknown = 0;
  for (const row of rows) {
    if (row.byteLength === undefined) unknown++;
    else bytes += row.byteLength;
  }
  const count =
    rows.length === all ? plural(all, 'tensor') : `${formatInteger(rows.length)} of ${plural(all, 'tensor')}`;
  const size = rows.length === 0 ? '' : ` · ${formatBytes(bytes)}`;
  return count + size + (unknown ? ` and ${formatInteger(unknown)} of unknown size` : '');
}

/** Rows as text for a spreadsheet: tab-separated with exact numbers, one header line. */
export function tensorsAsTsv(rows: readonly TensorRow[]): string {
  const lines = rows.map(row =>
    [
      printable(row.name),
      row.type,
      row.ne.join('x'),
      row.elementCount,
      row.fileOffset,
      row.byteLength ?? '',
      row.shard,
    ].join('\t'),
  );
  return ['name\ttype\tne\telements\tfileOffset\tbytes\tshard', ...lines].join('\n') + '\n';
}

/** Rows as a Markdown table for an issue or a model card. */
export function tensorsAsMarkdown(rows: readonly TensorRow[], modelBytes: number): string {
  const cell = (text: string) => printable(text).replace(/[\\|`*_<>[\]]/gu, '\\$&');
  const head = TENSOR_COLUMNS.map(column => column.label).join(' | ');
  const rule = TENSOR_COLUMNS.map(column => (column.numeric ? '---:' : '---')).join(' | ');
  const lines = rows.map(
    row => `| ${TENSOR_COLUMNS.map(({ id }) => cell(tensorCell(row, id, modelBytes))).join(' | ')} |`,
  );
  return [`| ${head} |`, `| ${rule} |`, ...lines].join('\n') + '\n';
}

/** What is known about one tensor, in the order it is read. */
export function tensorFacts(
  row: TensorRow,
  shardPath: string | undefined,
  modelBytes: number,
): { label: string; value: string }[] {
  const type = ggmlTypeByName(row.type);
  const facts = [
    { label: 'Type', value: type ? `${row.type}: ${type.summary}` : `${row.type}: not known to this version` },
    { label: 'Shape', value: `${formatShape(row.ne)} (fastest dimension first)` },
    { label: 'Elements', value: formatInteger(row.elementCount) },
    { label: 'Size', value: row.byteLength === undefined ? 'unknown' : `${formatInteger(row.byteLength)} bytes` },
  ];
  if (row.byteLength !== undefined)
    facts.push({ label: 'Share of the model', value: formatShare(row.byteLength, modelBytes) });
  if (type) {
    facts.push({
      label: 'Encoding',
      value: `${plural(type.blockSize, 'weight')} in ${plural(type.typeSize, 'byte')} per block, ${formatBitsPerWeight(bitsPerWeight(type))} bits per weight`,
    });
  }
  facts.push(
    { label: 'Offset in file', value: `${formatHex(row.fileOffset)} (${formatInteger(row.fileOffset)})` },
    { label: 'Offset in data', value: `${formatHex(row.offset)} (${formatInteger(row.offset)})` },
  );
  if (shardPath !== undefined) facts.push({ label: 'Shard', value: shardPath });
  return facts;
}
