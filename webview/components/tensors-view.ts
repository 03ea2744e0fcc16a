// The tensor table: filter by text or /regex/ and by type, sort by any column, details of one tensor, copy.
import '@vscode-elements/elements/dist/vscode-button/index.js';
import '@vscode-elements/elements/dist/vscode-option/index.js';
import '@vscode-elements/elements/dist/vscode-single-select/index.js';
import { html, svg, type TemplateResult } from 'lit';
import { printable } from '../../src/core/text/printable.js';
import { formatBytesExactly, plural } from '../../src/core/text/quantity.js';
import type { TensorRow } from '../../src/protocol/worker-protocol.js';
import { formatOffset, formatShape } from '../model/format.js';
import { listTensors, TENSOR_COLUMNS, tensorCell, tensorsAsMarkdown, tensorsAsTsv } from '../model/tensor-rows.js';
import type { TableList } from '../model/table-list.js';
import { announce, announcing } from './announce.js';
import type { GridColumn } from './data-grid.js';
import { icon } from './icon.js';
import { changeTableState } from './table-events.js';
import { TableView, type Chosen } from './table-view.js';
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

export class TensorsView extends TableView<TensorRow> {
  private largest = 1;

  protected override readonly words = {
    label: 'Tensors',
    searchLabel: 'Filter tensors by name',
    searchHint: 'Filter by name, or /regex/',
    noRows: 'This file has no tensors.',
    noMatch: 'No tensor matches the filter.',
  };

  protected override get total(): number {
    return this.model.tensors.length;
  }

  protected override listRows(): TableList<TensorRow> {
    const { query, type, order } = this.table;
    return listTensors(this.model.tensors, { query, type }, order);
  }

  protected override keyOf(row: TensorRow): string {
    return row.name;
  }

  protected override sortsDescendingFirst(column: string): boolean {
    return !['name', 'type', 'offset'].includes(column);
  }

  protected override describeColumns(): readonly GridColumn[] {
    const longest = this.model.tensors.reduce((most, row) => Math.max(most, row.name.length), 0);
    const name = `minmax(${Math.min(28, Math.max(16, longest + 2))}ch, 1fr)`;
    this.largest = this.model.tensors.reduce((most, row) => Math.max(most, row.byteLength ?? 0), 1);
    return TENSOR_COLUMNS.map(column => ({
      id: column.id,
      label: column.label,
      end: column.numeric,
      mono: column.id === 'name' || column.id === 'offset',
      width: WIDTHS[column.id] ?? name,
    }));
  }

  protected override renderCell(row: TensorRow, column: number): unknown {
    const id = TENSOR_COLUMNS[column]?.id;
    if (!id) return '';
    const text = tensorCell(row, id, this.model.byteLength);
    if (id !== 'share') return id === 'name' || id === 'type' ? untrusted(text) : text;
    const width = ((row.byteLength ?? 0) / this.largest) * BAR;
    return html`<svg class="bar" width=${BAR} height="8" aria-hidden="true">
        ${svg`<rect width=${width.toFixed(1)} height="8"></rect>`}</svg
      >${text}`;
  }

  protected override hint(row: TensorRow, column: number): string {
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

  private copy(format: 'TSV' | 'Markdown', rows: readonly TensorRow[], what: string): void {
    void announcing(this, () => {
      this.host.copy(format === 'TSV' ? tensorsAsTsv(rows) : tensorsAsMarkdown(rows, this.model.byteLength));
      return `Copied ${what} as ${format}`;
    });
  }

  protected override copySelected(rows: readonly TensorRow[]): void {
    if (rows.length > 0) this.copy('TSV', rows, plural(rows.length, 'row'));
    else announce(this, 'Nothing is selected');
  }

  protected override renderFilters(): TemplateResult {
    return html`<vscode-single-select
      .label=${'Filter tensors by type'}
      .value=${this.table.type}
      @change=${(event: Event) => {
        changeTableState(this, { type: (event.target as HTMLInputElement).value });
      }}
    >
      <vscode-option value="" ?selected=${this.table.type === ''}>All types</vscode-option>
      ${this.model.typeCounts.map(
        ({ type }) => html`<vscode-option value=${type} ?selected=${this.table.type === type}>${type}</vscode-option>`,
      )}
    </vscode-single-select>`;
  }

  protected override renderButtons({ rows, isSelection }: Chosen<TensorRow>): TemplateResult {
    const what = plural(rows.length, isSelection ? 'selected row' : 'row');
    return html`<vscode-button
        secondary
        aria-label="Copy TSV"
        title="Copy ${what} as tab-separated text"
        @click=${() => {
          this.copy('TSV', rows, what);
        }}
        >${icon('copy', { slot: 'content-before' })}TSV</vscode-button
      >
      <vscode-button
        secondary
        aria-label="Copy Markdown"
        title="Copy ${what} as a Markdown table"
        @click=${() => {
          this.copy('Markdown', rows, what);
        }}
        >${icon('copy', { slot: 'content-before' })}Markdown</vscode-button
      >`;
  }

  protected override renderDetail(row: TensorRow, close: () => void): TemplateResult {
    return html`<qs-tensor-detail
      .row=${row}
      .shardPath=${this.model.shards.length > 1 ? this.model.shards[row.shard]?.path : undefined}
      .modelBytes=${this.model.byteLength}
      .host=${this.host}
      @detail-close=${close}
    ></qs-tensor-detail>`;
  }
}

customElements.define('qs-tensors-view', TensorsView);
