// The tabs of the inspector, with the keyboard of a tab list: arrows, Home and End move and select at once.
import { css, html, LitElement, type TemplateResult } from 'lit';
import { property } from 'lit/decorators.js';
import type { Severity } from '../../src/core/problem.js';
import type { Tab } from '../model/view-state.js';
import { icon } from './icon.js';
import { shared } from './styles.js';

export interface TabItem {
  readonly id: Tab;
  readonly label: string;
  /** Number shown beside the label. */
  readonly count?: string;
  readonly severity?: Severity;
}

export class TabStrip extends LitElement {
  static override styles = [
    shared,
    css`
      :host {
        display: block;
        flex: none;
        border-bottom: 1px solid var(--vscode-contrastBorder, var(--vscode-panel-border, transparent));
      }
      [role='tablist'] {
        display: flex;
        overflow-x: auto;
        scrollbar-width: none;
        padding: 0 12px;
      }
      [role='tab'] {
        all: unset;
        box-sizing: border-box;
        display: flex;
        flex: none;
        align-items: center;
        gap: 6px;
        height: 36px;
        padding: 0 12px;
        cursor: pointer;
        color: var(--vscode-panelTitle-inactiveForeground, var(--vscode-foreground));
        border-bottom: 2px solid transparent;
        border-top: 2px solid transparent;
      }
      [role='tab']:hover,
      [role='tab'][aria-selected='true'] {
        color: var(--vscode-panelTitle-activeForeground, var(--vscode-foreground));
      }
      [role='tab'][aria-selected='true'] {
        border-bottom-color: var(--vscode-panelTitle-activeBorder, var(--vscode-focusBorder));
      }
      [role='tab']:focus-visible {
        outline: 1px solid var(--vscode-focusBorder);
        outline-offset: -4px;
      }
      .badge {
        min-width: 18px;
        padding: 0 5px;
        border-radius: 9px;
        line-height: 18px;
        text-align: center;
        font-size: 11px;
        color: var(--vscode-badge-foreground);
        background: var(--vscode-badge-background);
        border: 1px solid var(--vscode-contrastBorder, transparent);
        font-variant-numeric: tabular-nums;
      }
      .icon {
        font-size: 14px;
        width: 14px;
      }
      @media (forced-colors: active) {
        /* Transparent borders would be drawn. */
        [role='tab'] {
          border-color: Canvas;
        }
        [role='tab'][aria-selected='true'] {
          border-bottom-color: Highlight;
        }
      }
    `,
  ];

  @property({ attribute: false }) tabs: readonly TabItem[] = [];
  @property({ attribute: false }) selected: Tab = 'overview';

  protected override render(): TemplateResult {
    return html`<div role="tablist" aria-label="Model" @keydown=${this.onKeyDown}>
      ${this.tabs.map(({ id, label, count, severity }) => {
        const selected = id === this.selected;
        return html`<button
          role="tab"
          id="tab-${id}"
          aria-selected=${selected ? 'true' : 'false'}
          tabindex=${selected ? 0 : -1}
          @click=${() => {
            this.select(id);
          }}
        >
          ${severity ? icon(severity, { tone: severity }) : ''}<span>${label}</span>${
            count === undefined ? '' : html`<span class="badge">${count}</span>`
          }
        </button>`;
      })}
    </div>`;
  }

  private select(tab: Tab): void {
    this.dispatchEvent(new CustomEvent<Tab>('tab-select', { detail: tab }));
  }

  private readonly onKeyDown = (event: KeyboardEvent): void => {
    const current = this.tabs.findIndex(tab => tab.id === this.selected);
    const last = this.tabs.length - 1;
    const targets: Readonly<Record<string, number>> = {
      ArrowLeft: current === 0 ? last : current - 1,
      ArrowRight: current === last ? 0 : current + 1,
      Home: 0,
      End: last,
    };
    const tab = this.tabs[targets[event.key] ?? -1];
    if (!tab) return;
    event.preventDefault();
    this.select(tab.id);
    void this.updateComplete.then(() => this.renderRoot.querySelector<HTMLElement>(`#tab-${tab.id}`)?.focus());
  };
}

customElements.define('qs-tab-strip', TabStrip);
