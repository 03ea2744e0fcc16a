// The tensor table: filter by text or /regex/ and by type, sort by any column, details of one tensor, copy.
import '@vscode-elements/elements/dist/vscode-button/index.js';
import '@vscode-elements/elements/dist/vscode-option/index.js';
import '@vscode-elements/elements/dist/vscode-single-select/index.js';
import '@vscode-elements/elements/dist/vscode-textfield/index.js';
import { html, LitElement, svg, type PropertyValues, type TemplateResult } from 'lit';
import { property, query, state } from 'lit/decorators.js';
import { printable } from '../../src/core/text/printable.js';
import { formatBytesExactly, plural } from '../../src/core/text/quantity.js';
import type { ModelDescription, TensorRow } from '../../src/protocol/worker-protocol.js';
import type { InspectorHost } from '../host.js';
import { formatOffset, formatShape } from '../model/format.js';
import { selectOnly, type Selection } from '../model/selection.js';
import { nextOrder } from '../model/sort.js';
import {
  listTensors,
  TENSOR_COLUMNS,
  tensorCell,
  tensorsAsMarkdown,
  tensorsAsTsv,
  type TensorList,
} from '../model/tensor-rows.js';
import { EMPTY_TABLE_STATE, type TableState } from '../model/view-state.js';
import { announce, announcing } from './announce.js';
import './data-grid.js';
import type { DataGrid, GridColumn } from './data-grid.js';
import { icon } from './icon.js';
import { shared } from './styles.js';
import { changeTableState } from './table-events.js';
import { tableViewStyles } from './table-view.styles.js';
import './tensor-detail.js';
import { untrusted } from './untrusted-text.js';

const WIDTHS: Readonly<Record<string, string>> = {
  type: '88px',
  shape: '160px',
  elements: '120px',
  offset: '130px',
  bytes: '90px',
  share: '128px',
};
/** Width of the bar in the share column, CSS pixels. */
const BAR = 40;

export class TensorsView extends LitElement {
  static override styles = [shared, tableViewStyles];

  @property({ attribute: false }) model!: ModelDescription;
  @property({ attribute: false }) host!: InspectorHost;
  @property({ attribute: false }) table: TableState = EMPTY_TABLE_STATE;

  @state() private selection: Selection = selectOnly(0);
  private list: TensorList = { rows: [], summary: '' };
  private columns: readonly GridColumn[] = [];
  private largest = 1;
  private cellOf = (row: number, column: number): unknown => this.renderCell(row, column);
  private hintOf = (row: number, column: number): string => this.hint(row, column);

  @query('qs-data-grid') private readonly grid!: DataGrid;
  @query('vscode-textfield') private readonly search!: HTMLElement;

  focusSearch(): void {
    this.search.focus();
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    const before = changed.get('table');
    if (changed.has('model')) this.describeColumns();
    const { query, type, order } = this.table;
    if (!changed.has('model') && before?.query === query && before.type === type && before.order === order) return;
    if (!changed.has('model') && !changed.has('table')) return;
    this.list = listTensors(this.model.tensors, { query, type }, order);
    // The table asks for cells again only if it gets another function.
    this.cellOf = (row, column) => this.renderCell(row, column);
    const index = this.list.rows.findIndex(row => row.name === this.table.active);
    this.selection =
      index >= 0 ? selectOnly(index) : { ...selectOnly(this.list.rows.length > 0 ? 0 : -1), selected: new Set() };
    if (before)
      void this.updateComplete.then(() => {
        this.showAfterChange(index);
      });
  }

  private showAfterChange(index: number): void {
    if (index >= 0) this.grid.reveal(index);
    else this.grid.scrollToTop();
  }

  private describeColumns(): void {
    const longest = this.model.tensors.reduce((most, row) => Math.max(most, row.name.length), 0);
    const name = `minmax(${Math.min(28, Math.max(16, longest + 2))}ch, 1fr)`;
    this.largest = this.model.tensors.reduce((most, row) => Math.max(most, row.byteLength ?? 0), 1);
    this.columns = TENSOR_COLUMNS.map(column => ({
      id: column.id,
      label: column.label,
      end: column.numeric,
      mono: column.id === 'name' || column.id === 'offset',
      width: WIDTHS[column.id] ?? name,
    }));
  }

  private renderCell(index: number, column: number): unknown {
    const row = this.list.rows[index];
    const id = TENSOR_COLUMNS[column]?.id;
    if (!row || !id) return '';
    const text = tensorCell(row, id, this.model.byteLength);
    if (id !== 'share') return id === 'name' || id === 'type' ? untrusted(text) : text;
    const width = ((row.byteLength ?? 0) / this.largest) * BAR;
    return html`<svg class="bar" width=${BAR} height="8" aria-hidden="true">
        ${svg`<rect width=${width.toFixed(1)} height="8"></rect>`}</svg
      >${text}`;
  }

  private hint(index: number, column: number): string {
    const row = this.list.rows[index];
    if (!row) return '';
    switch (TENSOR_COLUMNS[column]?.id) {
      case 'name':
        return printable(row.name);
      case 'shape':
        return formatShape(row.ne);
      case 'offset':
        return formatOffset(row.fileOffset);
      case 'bytes':
        return row.byteLength === undefined ? 'The type is unknown' : formatBytesExactly(row.byteLength);
      default:
        return '';
    }
  }

  private get chosen(): { rows: readonly TensorRow[]; what: string } {
    const { rows } = this.list;
    // One selected row is where the cursor happens to be; buttons then mean the whole list.
    if (this.selection.selected.size < 2) return { rows, what: plural(rows.length, 'row') };
    const chosen = [...this.selection.selected]
      .sort((a, b) => a - b)
      .map(index => rows[index])
      .filter(row => row !== undefined);
    return { rows: chosen, what: plural(chosen.length, 'selected row') };
  }

  private copy(format: 'TSV' | 'Markdown', rows: readonly TensorRow[], what: string): void {
    void announcing(this, () => {
      this.host.copy(format === 'TSV' ? tensorsAsTsv(rows) : tensorsAsMarkdown(rows, this.model.byteLength));
      return `Copied ${what} as ${format}`;
    });
  }

  private copySelected(): void {
    const indices = [...this.selection.selected].sort((a, b) => a - b);
    const rows = indices.map(index => this.list.rows[index]).filter(row => row !== undefined);
    if (rows.length > 0) this.copy('TSV', rows, plural(rows.length, 'row'));
    else announce(this, 'Nothing is selected');
  }

  private select(selection: Selection): void {
    this.selection = selection;
    changeTableState(this, { active: this.list.rows[selection.active]?.name });
  }

  private get activeRow(): TensorRow | undefined {
    return this.list.rows[this.selection.active];
  }

  protected override render(): TemplateResult {
    const { chosen, table } = this;
    const detail = table.detail ? this.activeRow : undefined;
    return html`
      ${this.renderToolbar(chosen)}
      ${
        this.list.error === undefined
          ? ''
          : html`<p class="filter-error" role="alert">${icon('error', { tone: 'error' })}${this.list.error}</p>`
      }
      <div class="split ${detail ? 'detail' : ''}">
        <qs-data-grid
          label="Tensors"
          .columns=${this.columns}
          .count=${this.list.rows.length}
          .cell=${this.cellOf}
          .hint=${this.hintOf}
          .order=${table.order}
          .selection=${this.selection}
          .initialScroll=${table.scroll}
          .empty=${this.model.tensors.length === 0 ? 'This file has no tensors.' : 'No tensor matches the filter.'}
          @grid-sort=${(event: CustomEvent<string>) => {
            const first = !['name', 'type', 'offset'].includes(event.detail);
            changeTableState(this, { order: nextOrder(table.order, event.detail, first) });
          }}
          @grid-select=${(event: CustomEvent<Selection>) => {
            this.select(event.detail);
          }}
          @grid-open=${(event: CustomEvent<number>) => {
            this.select(selectOnly(event.detail));
            changeTableState(this, { detail: !table.detail });
          }}
          @grid-copy=${() => {
            this.copySelected();
          }}
          @grid-scroll=${(event: CustomEvent<number>) => {
            changeTableState(this, { scroll: event.detail });
          }}
          @keydown=${this.onKeyDown}
        ></qs-data-grid>
        ${
          detail
            ? html`<qs-tensor-detail
                .row=${detail}
                .shardPath=${this.model.shards.length > 1 ? this.model.shards[detail.shard]?.path : undefined}
                .modelBytes=${this.model.byteLength}
                .host=${this.host}
                @detail-close=${this.closeDetail}
              ></qs-tensor-detail>`
            : ''
        }
      </div>
    `;
  }

  private renderToolbar(chosen: { what: string; rows: readonly TensorRow[] }): TemplateResult {
    const selected = this.selection.selected.size;
    return html`<div class="toolbar" role="search">
      <vscode-textfield
        .label=${'Filter tensors by name'}
        placeholder="Filter by name, or /regex/"
        .value=${this.table.query}
        @input=${(event: Event) => {
          changeTableState(this, { query: (event.target as HTMLInputElement).value });
        }}
        >${icon('search', { slot: 'content-before' })}</vscode-textfield
      >
      <vscode-single-select
        .label=${'Filter tensors by type'}
        .value=${this.table.type}
        @change=${(event: Event) => {
          changeTableState(this, { type: (event.target as HTMLInputElement).value });
        }}
      >
        <vscode-option value="" ?selected=${this.table.type === ''}>All types</vscode-option>
        ${this.model.typeCounts.map(
          ({ type }) =>
            html`<vscode-option value=${type} ?selected=${this.table.type === type}>${type}</vscode-option>`,
        )}
      </vscode-single-select>
      <span class="count" role="status"
        >${this.list.summary}${selected > 1 ? html` <span class="muted">· ${selected} selected</span>` : ''}</span
      >
      <vscode-button
        secondary
        aria-label="Copy TSV"
        title="Copy ${chosen.what} as tab-separated text"
        @click=${() => {
          this.copy('TSV', chosen.rows, chosen.what);
        }}
        >${icon('copy', { slot: 'content-before' })}TSV</vscode-button
      >
      <vscode-button
        secondary
        aria-label="Copy Markdown"
        title="Copy ${chosen.what} as a Markdown table"
        @click=${() => {
          this.copy('Markdown', chosen.rows, chosen.what);
        }}
        >${icon('copy', { slot: 'content-before' })}Markdown</vscode-button
      >
    </div>`;
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

customElements.define('qs-tensors-view', TensorsView);
