// What is shown instead of a model: that it is being read, or why it cannot be.
import '@vscode-elements/elements/dist/vscode-button/index.js';
import { css, html, LitElement, type TemplateResult } from 'lit';
import { property } from 'lit/decorators.js';
import type { ErrorData } from '../../src/core/problem.js';
import { formatInteger } from '../../src/core/text/quantity.js';
import type { InspectorHost } from '../host.js';
import { icon } from './icon.js';
import { shared } from './styles.js';
import { untrusted } from './untrusted-text.js';

export class StatusCard extends LitElement {
  static override styles = [
    shared,
    css`
      :host {
        display: block;
        height: 100%;
        overflow: auto;
      }
      .card {
        max-width: 640px;
        margin: 48px auto 0;
        padding: 0 24px 24px;
        display: grid;
        grid-template-columns: 24px minmax(0, 1fr);
        gap: 8px 12px;
      }
      .card > :not(.icon) {
        grid-column: 2;
      }
      .card > .icon {
        font-size: 24px;
        width: 24px;
        grid-row: 1;
      }
      h1 {
        grid-row: 1;
        font-size: 18px;
        line-height: 24px;
        font-weight: 600;
      }
      p {
        line-height: 20px;
        overflow-wrap: anywhere;
        user-select: text;
      }
      .actions {
        display: flex;
        flex-wrap: wrap;
        gap: 8px;
        margin-top: 8px;
      }
      .actions .icon {
        font-size: 14px;
      }
      .skeleton {
        padding: 20px 24px;
        max-width: 1080px;
        display: flex;
        flex-direction: column;
        gap: 16px;
      }
      .bar {
        height: 20px;
        border-radius: 4px;
        background: var(--vscode-list-inactiveSelectionBackground);
        border: 1px solid var(--vscode-contrastBorder, transparent);
        animation: pulse 1.6s ease-in-out infinite;
      }
      .bar.title {
        width: 40%;
        height: 30px;
      }
      .bar.tiles {
        height: 62px;
      }
      .bar.short {
        width: 70%;
      }
      @keyframes pulse {
        50% {
          opacity: 0.5;
        }
      }
    `,
  ];

  @property({ attribute: false }) error: ErrorData | undefined;
  @property({ attribute: false }) path = '';
  @property({ attribute: false }) host!: InspectorHost;

  protected override render(): TemplateResult {
    return this.error ? this.renderError(this.error) : this.renderLoading();
  }

  private renderLoading(): TemplateResult {
    return html`<div class="skeleton">
      <p role="status" class="muted">Reading ${this.path === '' ? 'the model' : untrusted(this.path)}…</p>
      <div class="bar title"></div>
      <div class="bar tiles"></div>
      <div class="bar"></div>
      <div class="bar short"></div>
    </div>`;
  }

  private renderError(error: ErrorData): TemplateResult {
    return html`<div class="card" role="alert">
      ${icon('error', { tone: 'error' })}
      <h1>This model cannot be opened</h1>
      <p>${untrusted(error.message)}</p>
      ${error.hint === undefined ? '' : html`<p>${untrusted(error.hint)}</p>`}
      <p class="muted mono">
        ${error.code}${error.offset === undefined ? '' : ` at byte ${formatInteger(error.offset)}`}
      </p>
      <div class="actions">
        <vscode-button
          @click=${() => {
            this.host.command('reload');
          }}
          >${icon('refresh', { slot: 'content-before' })}Reload</vscode-button
        >
        <vscode-button
          secondary
          @click=${() => {
            this.host.command('showLog');
          }}
          >${icon('output', { slot: 'content-before' })}Show log</vscode-button
        >
        <vscode-button
          secondary
          @click=${() => {
            this.host.command('openAsText');
          }}
          >${icon('file-text', { slot: 'content-before' })}Open as text</vscode-button
        >
      </div>
    </div>`;
  }
}

customElements.define('qs-status-card', StatusCard);
