// Sorting of table rows: by one column, stable, with rows that have no value last in both directions.

export interface SortOrder {
  readonly column: string;
  readonly descending: boolean;
}

export type SortValue = number | bigint | string | undefined;

/** `blk.2` before `blk.10`: digits compare as numbers. */
const byName = new Intl.Collator('en', { numeric: true, sensitivity: 'variant' });

export function compareValues(a: SortValue, b: SortValue): number {
  if (typeof a === 'string' || typeof b === 'string') return byName.compare(String(a), String(b));
  if (a === undefined || b === undefined) return 0;
  return a < b ? -1 : a > b ? 1 : 0;
}

function isMissing(value: SortValue): boolean {
  return value === undefined || Number.isNaN(value);
}

/** A sorted copy; without an order, the rows as they came (file order). */
export function sortRows<Row>(
  rows: readonly Row[],
  order: SortOrder | undefined,
  valueOf: (row: Row, column: string) => SortValue,
): readonly Row[] {
  if (!order) return rows;
  const keyed = rows.map((row, index) => ({ row, index, value: valueOf(row, order.column) }));
  const direction = order.descending ? -1 : 1;
  keyed.sort((a, b) => {
    const missing = Number(isMissing(a.value)) - Number(isMissing(b.value));
    if (missing !== 0) return missing;
    return direction * compareValues(a.value, b.value) || a.index - b.index;
  });
  return keyed.map(entry => entry.row);
}

/** What a click on a column header makes of the order: first direction, other direction, then file order again. */
export function nextOrder(
  current: SortOrder | undefined,
  column: string,
  descendingFirst: boolean,
): SortOrder | undefined {
  if (current?.column !== column) return { column, descending: descendingFirst };
  return current.descending === descendingFirst ? { column, descending: !descendingFirst } : undefined;
}

/** The value of `aria-sort` for a column. */
export function ariaSort(order: SortOrder | undefined, column: string): 'ascending' | 'descending' | 'none' {
  if (order?.column !== column) return 'none';
  return order.descending ? 'descending' : 'ascending';
}
