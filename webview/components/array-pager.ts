// The elements of an array, a page at a time. Pages inside the head that came with the description need no request; an
// answer that arrives after another page was asked for is dropped.
import '@vscode-elements/elements/dist/vscode-textfield/index.js';
import { css, html, LitElement, type PropertyValues, type TemplateResult } from 'lit';
import { property, state } from 'lit/decorators.js';
import { errorData, type ErrorData } from '../../src/core/problem.js';
import type { GgufScalar } from '../../src/core/gguf/gguf.js';
import { cutText } from '../../src/core/text/printable.js';
import { formatInteger } from '../../src/core/text/quantity.js';
import type { MetadataRow } from '../../src/protocol/worker-protocol.js';
import type { InspectorHost } from '../host.js';
import { elementText } from '../model/metadata-rows.js';
import { describePage, nextPage, PAGE_SIZE, pageOf, parseIndex, previousPage, type Page } from '../model/paging.js';
import { icon } from './icon.js';
import { shared } from './styles.js';
import { detailStyles } from './table-view.styles.js';
import { untrusted } from './untrusted-text.js';

/** Characters of one element that are shown. */
const ELEMENT_LENGTH = 2000;

export class ArrayPager extends LitElement {
  static override styles = [
    shared,
    detailStyles,
    css`
      :host {
        flex: 1;
        border: none;
        background: none;
      }
      .pager {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        gap: 4px 6px;
        padding: 0 12px 8px;
      }
      .pager vscode-textfield {
        width: 130px;
        margin-left: auto;
      }
      .icon-button[disabled] {
        opacity: 0.4;
        cursor: default;
        pointer-events: none;
      }
      .invalid {
        flex-basis: 100%;
        text-align: right;
        color: var(--vscode-errorForeground);
      }
      table {
        border-collapse: collapse;
        width: 100%;
      }
      td,
      th {
        text-align: left;
        vertical-align: top;
        padding: 1px 0;
        line-height: 19px;
        overflow-wrap: anywhere;
      }
      th {
        width: 1px;
        white-space: nowrap;
        text-align: right;
        padding-right: 14px;
        font-weight: normal;
        color: var(--vscode-descriptionForeground);
        user-select: none;
        font-variant-numeric: tabular-nums;
      }
      tr.target {
        background: var(--vscode-editor-findMatchHighlightBackground, var(--vscode-list-hoverBackground));
        outline: 1px dashed var(--vscode-contrastActiveBorder, transparent);
      }
      tbody.stale {
        opacity: 0.5;
      }
    `,
  ];

  @property({ attribute: false }) row!: MetadataRow;
  @property({ attribute: false }) host!: InspectorHost;

  @state() private page: Page = pageOf(0, 0);
  @state() private values: readonly GgufScalar[] = [];
  @state() private loading = false;
  @state() private failure: ErrorData | undefined;
  @state() private invalid = '';
  @state() private target: number | undefined;

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (!changed.has('row')) return;
    this.target = undefined;
    this.invalid = '';
    this.values = [];
    void this.show(pageOf(0, this.row.array?.length ?? 0));
  }

  private async show(page: Page): Promise<void> {
    const { row } = this;
    const head = row.array?.head ?? [];
    this.page = page;
    this.failure = undefined;
    if (page.start + page.count <= head.length) {
      this.values = head.slice(page.start, page.start + page.count);
      this.loading = false;
      return;
    }
    this.loading = true;
    const isCurrent = () => this.row === row && this.page === page;
    try {
      const answer = await this.host.request({ kind: 'array', key: row.key, start: page.start, count: page.count });
      if (isCurrent()) this.values = answer.values;
    } catch (error) {
      if (isCurrent()) {
        this.failure = errorData(error);
        this.values = [];
      }
    }
    if (isCurrent()) this.loading = false;
  }

  protected override updated(changed: PropertyValues): void {
    // A new page begins at its top, or at the element that was asked for.
    if (!changed.has('values')) return;
    const element = this.renderRoot.querySelector('tr.target');
    if (element) element.scrollIntoView({ block: 'nearest' });
    else this.renderRoot.querySelector('.content')?.scrollTo({ top: 0 });
  }

  protected override render(): TemplateResult {
    const length = this.row.array?.length ?? 0;
    if (length === 0) return html`<p class="content muted">The array is empty.</p>`;
    return html`
      ${length > PAGE_SIZE ? this.renderPager(length) : ''}
      <div class="content" tabindex="0" role="group" aria-label="Elements" aria-busy=${this.loading}>
        ${this.failure ? this.renderFailure(this.failure) : this.renderValues()}
      </div>
    `;
  }

  private renderPager(length: number): TemplateResult {
    const before = previousPage(this.page, length);
    const after = nextPage(this.page, length);
    return html`<div class="pager">
      <button
        class="icon-button"
        aria-label="Previous page"
        title="Previous page"
        ?disabled=${!before}
        @click=${() => {
          this.turn(before);
        }}
      >
        ${icon('chevron-left')}
      </button>
      <span class="number" role="status">${describePage(this.page, length)}</span>
      <button
        class="icon-button"
        aria-label="Next page"
        title="Next page"
        ?disabled=${!after}
        @click=${() => {
          this.turn(after);
        }}
      >
        ${icon('chevron-right')}
      </button>
      <vscode-textfield
        .label=${'Go to index'}
        placeholder="Go to index"
        ?invalid=${this.invalid !== ''}
        @change=${this.onJump}
      ></vscode-textfield>
      ${this.invalid ? html`<span class="invalid" role="alert">${this.invalid}</span>` : ''}
    </div>`;
  }

  private renderValues(): TemplateResult {
    const type = this.row.array?.elementType ?? '';
    return html`<table class="mono">
      <tbody class=${this.loading ? 'stale' : ''}>
        ${this.values.map((value, index) => {
          const position = this.page.start + index;
          const { text, cut } = cutText(elementText(value, type), ELEMENT_LENGTH);
          return html`<tr class=${position === this.target ? 'target' : ''}>
            <th scope="row">${formatInteger(position)}</th>
            <td>${untrusted(text)}${cut ? '…' : ''}</td>
          </tr>`;
        })}
      </tbody>
    </table>`;
  }

  private renderFailure(error: ErrorData): TemplateResult {
    return html`<p class="failure" role="alert">
      ${icon('error')}<span>${untrusted(error.message)} ${untrusted(error.hint ?? '')}</span>
      <button class="link" @click=${() => void this.show({ ...this.page })}>Try again</button>
    </p>`;
  }

  private turn(page: Page | undefined): void {
    if (!page) return;
    this.target = undefined;
    void this.show(page);
  }

  private readonly onJump = (event: Event): void => {
    const length = this.row.array?.length ?? 0;
    const { value } = event.target as HTMLInputElement;
    this.invalid = '';
    if (value.trim() === '') return;
    const parsed = parseIndex(value, length);
    if ('error' in parsed) {
      this.invalid = parsed.error;
      return;
    }
    this.target = parsed.index;
    void this.show(pageOf(parsed.index, length));
  };
}

customElements.define('qs-array-pager', ArrayPager);
