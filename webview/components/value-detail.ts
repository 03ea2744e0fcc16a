// One metadata value in full: long strings on request, arrays by pages, both to copy.
import '@vscode-elements/elements/dist/vscode-button/index.js';
import { css, html, LitElement, type PropertyValues, type TemplateResult } from 'lit';
import { property, state } from 'lit/decorators.js';
import { errorData, type ErrorData } from '../../src/core/problem.js';
import { cutText } from '../../src/core/text/printable.js';
import { plural } from '../../src/core/text/quantity.js';
import type { MetadataRow } from '../../src/protocol/worker-protocol.js';
import type { InspectorHost } from '../host.js';
import { formatScalar } from '../model/format.js';
import { metadataType } from '../model/metadata-rows.js';
import { valueAsJson, valueAsText, wholeString } from '../whole-value.js';
import { announcing } from './announce.js';
import './array-pager.js';
import { icon } from './icon.js';
import { shared } from './styles.js';
import { detailStyles } from './table-view.styles.js';
import { untrusted, untrustedLines } from './untrusted-text.js';

/** Characters put on the page at once; a browser lays out this much text in well under a second. */
const SHOWN_LENGTH = 500_000;

export class ValueDetail extends LitElement {
  static override styles = [
    shared,
    detailStyles,
    css`
      pre {
        margin: 0;
        white-space: pre-wrap;
        overflow-wrap: anywhere;
        line-height: 19px;
        font-size: 12px;
        tab-size: 4;
      }
      .more {
        margin-top: 8px;
      }
    `,
  ];

  @property({ attribute: false }) row!: MetadataRow;
  @property({ attribute: false }) host!: InspectorHost;

  @state() private whole: string | undefined;
  @state() private loading = false;
  @state() private failure: ErrorData | undefined;

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (!changed.has('row')) return;
    this.whole = undefined;
    this.loading = false;
    this.failure = undefined;
  }

  protected override render(): TemplateResult {
    const { row } = this;
    return html`
      <section aria-label="Value details" @keydown=${this.onKeyDown}>
        <header>
          <h2 class="name mono">${untrusted(row.key)}</h2>
          <button class="icon-button" aria-label="Close details" title="Close (Escape)" @click=${this.close}>
            ${icon('close')}
          </button>
        </header>
        <p class="about"><span>${metadataType(row)}</span>${this.lengthOf(row)}</p>
        <div class="actions">
          <vscode-button
            secondary
            @click=${() => {
              this.copy('value', valueAsText);
            }}
            >${icon('copy', { slot: 'content-before' })}Copy value</vscode-button
          >
          <vscode-button
            secondary
            @click=${() => {
              this.copy('value as JSON', valueAsJson);
            }}
            >${icon('json', { slot: 'content-before' })}Copy as JSON</vscode-button
          >
        </div>
      </section>
      ${
        row.array
          ? html`<qs-array-pager .row=${row} .host=${this.host}></qs-array-pager>`
          : html`<div class="content" tabindex="0" role="group" aria-label="Value">${this.renderText(row)}</div>`
      }
    `;
  }

  private lengthOf(row: MetadataRow): TemplateResult | string {
    if (row.type !== 'string' || typeof row.value !== 'string') return '';
    return html`<span>${plural(row.fullLength ?? row.value.length, 'character')}</span>`;
  }

  private renderText(row: MetadataRow): TemplateResult {
    const known = this.whole ?? (row.value === undefined ? '' : formatScalar(row.value, row.type));
    if (known === '') return html`<p class="muted">The string is empty.</p>`;
    const { text, cut } = cutText(known, SHOWN_LENGTH);
    return html`<pre class="mono">${untrustedLines(text)}</pre>
      ${row.fullLength !== undefined && this.whole === undefined ? this.renderMore(row.fullLength - known.length) : ''}
      ${cut ? html`<p class="more muted">The rest, ${plural(known.length - text.length, 'character')}, is not shown; copy the value to see it.</p>` : ''}`;
  }

  private renderMore(rest: number): TemplateResult {
    if (this.failure) {
      return html`<p class="failure more" role="alert">
        ${icon('error')}<span>${untrusted(this.failure.message)} ${untrusted(this.failure.hint ?? '')}</span>
        <button class="link" @click=${this.showAll}>Try again</button>
      </p>`;
    }
    return html`<p class="more">
      ${
        this.loading
          ? html`<span role="status">Reading…</span>`
          : html`<button class="link" @click=${this.showAll}>Show ${plural(rest, 'more character')}</button>`
      }
    </p>`;
  }

  private readonly showAll = async (): Promise<void> => {
    const { row } = this;
    this.loading = true;
    this.failure = undefined;
    try {
      const text = await wholeString(this.host, row);
      if (this.row === row) this.whole = text;
    } catch (error) {
      if (this.row === row) this.failure = errorData(error);
    }
    if (this.row === row) this.loading = false;
  };

  private copy(what: string, textOf: (host: InspectorHost, row: MetadataRow) => Promise<string>): void {
    const { row, host } = this;
    void announcing(this, async () => {
      host.copy(await textOf(host, row));
      return `Copied the ${what}`;
    });
  }

  private readonly onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === 'Escape') this.close();
  };

  private readonly close = (): void => {
    this.dispatchEvent(new CustomEvent('detail-close'));
  };
}

customElements.define('qs-value-detail', ValueDetail);
