// The metadata table: search in keys and values, sort, the whole value of one entry beside it, copy as JSON.
import '@vscode-elements/elements/dist/vscode-button/index.js';
import { html, type TemplateResult } from 'lit';
import { printable } from '../../src/core/text/printable.js';
import { plural } from '../../src/core/text/quantity.js';
import type { MetadataRow } from '../../src/protocol/worker-protocol.js';
import { listMetadata, metadataPreview, metadataType, objectAsJson } from '../model/metadata-rows.js';
import { valueAsJson } from '../whole-value.js';
import type { TableList } from '../model/table-list.js';
import { announce, announcing } from './announce.js';
import type { GridColumn } from './data-grid.js';
import { icon } from './icon.js';
import { TableView, type Chosen } from './table-view.js';
import { untrusted } from './untrusted-text.js';
import './value-detail.js';

const entries = (count: number): string => plural(count, 'entry', 'entries');

export class MetadataView extends TableView<MetadataRow> {
  protected override readonly words = {
    label: 'Metadata',
    searchLabel: 'Search metadata keys and values',
    searchHint: 'Search keys and values, or /regex/',
    noRows: 'This file has no metadata.',
    noMatch: 'No entry matches the search.',
  };

  protected override get total(): number {
    return this.model.metadata.length;
  }

  protected override listRows(): TableList<MetadataRow> {
    return listMetadata(this.model.metadata, this.table.query, this.table.order);
  }

  protected override keyOf(row: MetadataRow): string {
    return row.key;
  }

  protected override describeColumns(): readonly GridColumn[] {
    const longest = this.model.metadata.reduce((most, row) => Math.max(most, row.key.length), 0);
    return [
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

  protected override renderCell(row: MetadataRow, column: number): unknown {
    if (column === 0) return untrusted(row.key);
    return column === 1 ? html`<span class="muted">${metadataType(row)}</span>` : untrusted(metadataPreview(row));
  }

  protected override hint(row: MetadataRow, column: number): string {
    return column === 0 ? printable(row.key) : column === 1 ? metadataType(row) : printable(metadataPreview(row));
  }

  protected override copySelected(rows: readonly MetadataRow[]): void {
    if (rows.length === 0) {
      announce(this, 'Nothing is selected');
      return;
    }
    const { host } = this;
    void announcing(this, async () => {
      const values: [string, string][] = [];
      for (const row of rows) values.push([row.key, await valueAsJson(host, row)]);
      host.copy(objectAsJson(values));
      return `Copied ${entries(rows.length)} as JSON`;
    });
  }

  protected override renderButtons({ rows }: Chosen<MetadataRow>): TemplateResult {
    return html`<vscode-button
      secondary
      title="Copy ${entries(rows.length)} as JSON, long values included"
      @click=${() => {
        this.copySelected(rows);
      }}
      >${icon('json', { slot: 'content-before' })}Copy as JSON</vscode-button
    >`;
  }

  protected override renderDetail(row: MetadataRow, close: () => void): TemplateResult {
    return html`<qs-value-detail .row=${row} .host=${this.host} @detail-close=${close}></qs-value-detail>`;
  }
}

customElements.define('qs-metadata-view', MetadataView);
