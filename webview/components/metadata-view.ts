// The metadata table: search in keys and values, sort, the whole value of one entry beside it, copy as JSON.
import '@vscode-elements/elements/dist/vscode-button/index.js';
import '@vscode-elements/elements/dist/vscode-textfield/index.js';
import { html, LitElement, type PropertyValues, type TemplateResult } from 'lit';
import { property, query, state } from 'lit/decorators.js';
import { printable } from '../../src/core/text/printable.js';
import { plural } from '../../src/core/text/quantity.js';
import type { MetadataRow, ModelDescription } from '../../src/protocol/worker-protocol.js';
import type { InspectorHost } from '../host.js';
import {
  listMetadata,
  metadataPreview,
  metadataType,
  objectAsJson,
  type MetadataList,
} from '../model/metadata-rows.js';
import { selectOnly, type Selection } from '../model/selection.js';
import { nextOrder } from '../model/sort.js';
import { EMPTY_TABLE_STATE, type TableState } from '../model/view-state.js';
import { valueAsJson } from '../whole-value.js';
import { announce, announcing } from './announce.js';
import './data-grid.js';
import type { DataGrid, GridColumn } from './data-grid.js';
import { icon } from './icon.js';
import { shared } from './styles.js';
import { changeTableState } from './table-events.js';
import { tableViewStyles } from './table-view.styles.js';
import { untrusted } from './untrusted-text.js';
import './value-detail.js';

export class MetadataView extends LitElement {
  static override styles = [shared, tableViewStyles];

  @property({ attribute: false }) model!: ModelDescription;
  @property({ attribute: false }) host!: InspectorHost;
  @property({ attribute: false }) table: TableState = EMPTY_TABLE_STATE;

  @state() private selection: Selection = selectOnly(0);
  private list: MetadataList = { rows: [], summary: '' };
  private columns: readonly GridColumn[] = [];
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
    const { query, order } = this.table;
    if (!changed.has('model') && (!changed.has('table') || (before?.query === query && before.order === order))) return;
    this.list = listMetadata(this.model.metadata, query, order);
    this.cellOf = (row, column) => this.renderCell(row, column);
    const index = this.list.rows.findIndex(row => row.key === this.table.active);
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
    const longest = this.model.metadata.reduce((most, row) => Math.max(most, row.key.length), 0);
    this.columns = [
      {
        id: 'key',
        label: 'Key',
        width: `minmax(${Math.min(22, Math.max(12, longest))}ch, ${Math.min(44, Math.max(16, longest + 4))}ch)`,
        mono: true,
      },
      { id: 'type', label: 'Type', width: '130px' },
      { id: 'value', label: 'Value', width: 'minmax(160px, 1fr)', mono: true },
    ];
  }

  private renderCell(index: number, column: number): unknown {
    const row = this.list.rows[index];
    if (!row) return '';
    if (column === 0) return untrusted(row.key);
    return column === 1 ? html`<span class="muted">${metadataType(row)}</span>` : untrusted(metadataPreview(row));
  }

  private hint(index: number, column: number): string {
    const row = this.list.rows[index];
    if (!row) return '';
    return column === 0 ? printable(row.key) : column === 1 ? metadataType(row) : printable(metadataPreview(row));
  }

  private rowsOf(selection: Selection): readonly MetadataRow[] {
    const indices = [...selection.selected].sort((a, b) => a - b);
    return indices.map(index => this.list.rows[index]).filter(row => row !== undefined);
  }

  /** Several selected rows, or the list: a single selected row is where the cursor happens to be. */
  private get chosen(): { rows: readonly MetadataRow[]; what: string } {
    const selected = this.rowsOf(this.selection);
    const rows = selected.length > 1 ? selected : this.list.rows;
    return { rows, what: plural(rows.length, 'entry', 'entries') };
  }

  private copy(rows: readonly MetadataRow[], what: string): void {
    if (rows.length === 0) {
      announce(this, 'Nothing is selected');
      return;
    }
    const { host } = this;
    void announcing(this, async () => {
      const entries: [string, string][] = [];
      for (const row of rows) entries.push([row.key, await valueAsJson(host, row)]);
      host.copy(objectAsJson(entries));
      return `Copied ${what} as JSON`;
    });
  }

  private select(selection: Selection): void {
    this.selection = selection;
    changeTableState(this, { active: this.list.rows[selection.active]?.key });
  }

  protected override render(): TemplateResult {
    const { chosen, table } = this;
    const detail = table.detail ? this.list.rows[this.selection.active] : undefined;
    const selected = this.selection.selected.size;
    return html`
      <div class="toolbar" role="search">
        <vscode-textfield
          .label=${'Search metadata keys and values'}
          placeholder="Search keys and values, or /regex/"
          .value=${table.query}
          @input=${(event: Event) => {
            changeTableState(this, { query: (event.target as HTMLInputElement).value });
          }}
          >${icon('search', { slot: 'content-before' })}</vscode-textfield
        >
        <span class="count" role="status"
          >${this.list.summary}${selected > 1 ? html` <span class="muted">· ${selected} selected</span>` : ''}</span
        >
        <vscode-button
          secondary
          title="Copy ${chosen.what} as JSON, long values included"
          @click=${() => {
            this.copy(chosen.rows, chosen.what);
          }}
          >${icon('json', { slot: 'content-before' })}Copy as JSON</vscode-button
        >
      </div>
      ${
        this.list.error === undefined
          ? ''
          : html`<p class="filter-error" role="alert">${icon('error', { tone: 'error' })}${this.list.error}</p>`
      }
      <div class="split ${detail ? 'detail' : ''}">
        <qs-data-grid
          label="Metadata"
          .columns=${this.columns}
          .count=${this.list.rows.length}
          .cell=${this.cellOf}
          .hint=${this.hintOf}
          .order=${table.order}
          .selection=${this.selection}
          .initialScroll=${table.scroll}
          .empty=${this.model.metadata.length === 0 ? 'This file has no metadata.' : 'No entry matches the search.'}
          @grid-sort=${(event: CustomEvent<string>) => {
            changeTableState(this, { order: nextOrder(table.order, event.detail, false) });
          }}
          @grid-select=${(event: CustomEvent<Selection>) => {
            this.select(event.detail);
          }}
          @grid-open=${(event: CustomEvent<number>) => {
            this.select(selectOnly(event.detail));
            changeTableState(this, { detail: !table.detail });
          }}
          @grid-copy=${() => {
            const rows = this.rowsOf(this.selection);
            this.copy(rows, plural(rows.length, 'entry', 'entries'));
          }}
          @grid-scroll=${(event: CustomEvent<number>) => {
            changeTableState(this, { scroll: event.detail });
          }}
          @keydown=${this.onKeyDown}
        ></qs-data-grid>
        ${detail ? html`<qs-value-detail .row=${detail} .host=${this.host} @detail-close=${this.closeDetail}></qs-value-detail>` : ''}
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

customElements.define('qs-metadata-view', MetadataView);
