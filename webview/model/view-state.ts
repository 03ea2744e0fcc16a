// What the inspector remembers of a view while its editor is hidden or the window is reloaded. The stored value comes from
// an older version of this code at worst, so every field is checked and falls back on its own.
import type { SortOrder } from './sort.js';

export const TABS = ['overview', 'metadata', 'tensors', 'problems'] as const;
export type Tab = (typeof TABS)[number];

/** State of one table view. */
export interface TableState {
  readonly query: string;
  /** Type filter; '' for all. */
  readonly type: string;
  readonly order: SortOrder | undefined;
  /** Key of the active row. */
  readonly active: string | undefined;
  readonly detail: boolean;
  /** Scroll position in CSS pixels. */
  readonly scroll: number;
}

export interface ViewState {
  readonly tab: Tab;
  readonly metadata: TableState;
  readonly tensors: TableState;
}

export const EMPTY_TABLE_STATE: TableState = {
  query: '',
  type: '',
  order: undefined,
  active: undefined,
  detail: false,
  scroll: 0,
};

type Fields = Readonly<Record<string, unknown>>;

function fields(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? (value as Fields) : {};
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function parseTableState(value: unknown): TableState {
  const stored = fields(value);
  const order = fields(stored['order']);
  const scroll = stored['scroll'];
  return {
    query: text(stored['query']),
    type: text(stored['type']),
    order:
      typeof order['column'] === 'string'
        ? { column: order['column'], descending: order['descending'] === true }
        : undefined,
    active: typeof stored['active'] === 'string' ? stored['active'] : undefined,
    detail: stored['detail'] === true,
    scroll: typeof scroll === 'number' && scroll >= 0 ? scroll : 0,
  };
}

export function parseViewState(value: unknown): ViewState {
  const stored = fields(value);
  return {
    tab: TABS.find(tab => tab === stored['tab']) ?? 'overview',
    metadata: parseTableState(stored['metadata']),
    tensors: parseTableState(stored['tensors']),
  };
}
