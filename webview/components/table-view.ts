// What every table view of the inspector is: a toolbar with a search, a virtual table, details of the active row beside it.
// The view's state (query, order, active row, scroll) lives in the inspector; this class owns the selection and keeps the
// active row by its key when the rows change. What rows there are and what a cell shows is the subclass's business.
import '@vscode-elements/elements/dist/vscode-textfield/index.js';
import { html, LitElement, type PropertyValues, type TemplateResult } from 'lit';
import { property, query, state } from 'lit/decorators.js';
import type { ModelDescription } from '../../src/protocol/worker-protocol.js';
import type { InspectorHost } from '../host.js';
import { selectOnly, type Selection } from '../model/selection.js';
import { nextOrder } from '../model/sort.js';
import type { TableList } from '../model/table-list.js';
import { EMPTY_TABLE_STATE, type TableState } from '../model/view-state.js';
import './data-grid.js';
import type { DataGrid, GridColumn } from './data-grid.js';
import { icon } from './icon.js';
import { shared } from './styles.js';
import { changeTableState } from './table-events.js';
import { tableViewStyles } from './table-view.styles.js';

/** The words of a view. */
export interface TableWords {
  readonly label: string;
  readonly searchLabel: string;
  readonly searchHint: string;
  /** Instead of rows: the file has none, or the query matches none. */
  readonly noRows: string;
  readonly noMatch: string;
}

/** What a copy takes: several selected rows, or the list. */
export interface Chosen<Row> {
  readonly rows: readonly Row[];
  readonly isSelection: boolean;
}

export abstract class TableView<Row> extends LitElement {
  static override styles = [shared, tableViewStyles];

  @property({ attribute: false }) model!: ModelDescription;
  @property({ attribute: false }) host!: InspectorHost;
  @property({ attribute: false }) table: TableState = EMPTY_TABLE_STATE;

  @state() private selection: Selection = selectOnly(0);
  protected list: TableList<Row> = { rows: [], summary: '' };
  private columns: readonly GridColumn[] = [];
  private cellOf = (row: number, column: number): unknown => this.cellAt(row, column);
  private readonly hintOf = (row: number, column: number): string => this.hintAt(row, column);

  @query('qs-data-grid') private readonly grid!: DataGrid;
  @query('vscode-textfield') private readonly search!: HTMLElement;

  protected abstract readonly words: TableWords;
  /** How many rows the file has before any filter. */
  protected abstract get total(): number;
  protected abstract listRows(): TableList<Row>;
  /** What names a row in the view's state. */
  protected abstract keyOf(row: Row): string;
  /** Called when the model has changed. */
  protected abstract describeColumns(): readonly GridColumn[];
  protected abstract renderCell(row: Row, column: number): unknown;
  protected abstract hint(row: Row, column: number): string;
  protected abstract renderDetail(row: Row, close: () => void): TemplateResult;
  /** Buttons at the end of the toolbar. */
  protected abstract renderButtons(chosen: Chosen<Row>): TemplateResult;
  /** Between the search and the count. */
  protected renderFilters(): TemplateResult | string {
    return '';
  }
  /** The first click on this column's header sorts its largest values to the top. */
  protected sortsDescendingFirst(_column: string): boolean {
    return false;
  }
  protected abstract copySelected(rows: readonly Row[]): void;

  focusSearch(): void {
    this.search.focus();
  }

  protected override willUpdate(changed: PropertyValues): void {
    const before = changed.get('table') as TableState | undefined;
    const isNewModel = changed.has('model');
    if (isNewModel) this.columns = this.describeColumns();
    const { query, type, order } = this.table;
    const isSameList = before?.query === query && before.type === type && before.order === order;
    if (!isNewModel && (!changed.has('table') || isSameList)) return;
    this.list = this.listRows();
    // The table asks for cells again only if it gets another function.
    this.cellOf = (row, column) => this.cellAt(row, column);
    const index = this.list.rows.findIndex(row => this.keyOf(row) === this.table.active);
    this.selection =
      index >= 0 ? selectOnly(index) : { ...selectOnly(this.list.rows.length > 0 ? 0 : -1), selected: new Set() };
    if (before) {
      void this.updateComplete.then(() => {
        if (index >= 0) this.grid.reveal(index);
        else this.grid.scrollToTop();
      });
    }
  }

  private cellAt(index: number, column: number): unknown {
    const row = this.list.rows[index];
    return row === undefined ? '' : this.renderCell(row, column);
  }

  private hintAt(index: number, column: number): string {
    const row = this.list.rows[index];
    return row === undefined ? '' : this.hint(row, column);
  }

  private get selectedRows(): readonly Row[] {
    const indices = [...this.selection.selected].sort((a, b) => a - b);
    return indices.map(index => this.list.rows[index]).filter(row => row !== undefined);
  }

  /** One selected row is where the cursor happens to be; buttons then mean the whole list. */
  private get chosen(): Chosen<Row> {
    const selected = this.selectedRows;
    return selected.length > 1 ? { rows: selected, isSelection: true } : { rows: this.list.rows, isSelection: false };
  }

  private select(selection: Selection): void {
    this.selection = selection;
    const active = this.list.rows[selection.active];
    changeTableState(this, { active: active === undefined ? undefined : this.keyOf(active) });
  }

  protected override render(): TemplateResult {
    const { table, words, list } = this;
    const detail = table.detail ? list.rows[this.selection.active] : undefined;
    const selected = this.selection.selected.size;
    return html`
      <div class="toolbar" role="search">
        <vscode-textfield
          .label=${words.searchLabel}
          placeholder=${words.searchHint}
          .value=${table.query}
          @input=${(event: Event) => {
            changeTableState(this, { query: (event.target as HTMLInputElement).value });
          }}
          >${icon('search', { slot: 'content-before' })}</vscode-textfield
        >
        ${this.renderFilters()}
        <span class="count" role="status"
          >${list.summary}${selected > 1 ? html` <span class="muted">· ${selected} selected</span>` : ''}</span
        >
        ${this.renderButtons(this.chosen)}
      </div>
      ${
        list.error === undefined
          ? ''
          : html`<p class="filter-error" role="alert">${icon('error', { tone: 'error' })}${list.error}</p>`
      }
      <div class="split ${detail === undefined ? '' : 'detail'}">
        <qs-data-grid
          label=${words.label}
          .columns=${this.columns}
          .count=${list.rows.length}
          .cell=${this.cellOf}
          .hint=${this.hintOf}
          .order=${table.order}
          .selection=${this.selection}
          .initialScroll=${table.scroll}
          .empty=${this.total === 0 ? words.noRows : words.noMatch}
          @grid-sort=${({ detail: column }: CustomEvent<string>) => {
            changeTableState(this, { order: nextOrder(table.order, column, this.sortsDescendingFirst(column)) });
          }}
          @grid-select=${(event: CustomEvent<Selection>) => {
            this.select(event.detail);
          }}
          @grid-open=${(event: CustomEvent<number>) => {
            this.select(selectOnly(event.detail));
            changeTableState(this, { detail: !table.detail });
          }}
          @grid-copy=${() => {
            this.copySelected(this.selectedRows);
          }}
          @grid-scroll=${(event: CustomEvent<number>) => {
            changeTableState(this, { scroll: event.detail });
          }}
          @keydown=${this.onKeyDown}
        ></qs-data-grid>
        ${detail === undefined ? '' : this.renderDetail(detail, this.closeDetail)}
      </div>
    `;
  }

  private readonly onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === 'Escape' && this.table.detail) {
      event.preventDefault();
      this.closeDetail();
    }
  };

  private readonly closeDetail = (): void => {
    changeTableState(this, { detail: false });
    this.grid.focus();
  };
}
