// Everything that was found wrong, or worth knowing, each with its place and what to do.
import { css, html, LitElement, type TemplateResult } from 'lit';
import { property } from 'lit/decorators.js';
import type { Problem } from '../../src/core/problem.js';
import { formatInteger, plural } from '../../src/core/text/quantity.js';
import { formatHex } from '../model/format.js';
import { SEVERITY_NAME, sortProblems } from '../model/problem-list.js';
import { icon } from './icon.js';
import { shared } from './styles.js';
import { untrusted } from './untrusted-text.js';

/** More are counted, not listed: a file this broken needs another look than a list. */
const MAX_SHOWN = 1000;

export class ProblemsView extends LitElement {
  static override styles = [
    shared,
    css`
      :host {
        display: block;
        height: 100%;
        overflow: auto;
        outline-offset: -2px;
      }
      ul {
        list-style: none;
        max-width: 960px;
        padding: 12px 24px 24px;
      }
      li {
        display: grid;
        grid-template-columns: 16px minmax(0, 1fr);
        gap: 2px 10px;
        padding: 12px 0;
        border-bottom: 1px solid var(--vscode-contrastBorder, var(--vscode-panel-border, transparent));
      }
      li > :not(.icon) {
        grid-column: 2;
      }
      .message {
        line-height: 20px;
        overflow-wrap: anywhere;
        user-select: text;
        grid-row: 1;
      }
      .hint {
        line-height: 20px;
        overflow-wrap: anywhere;
      }
      .facts {
        display: flex;
        flex-wrap: wrap;
        gap: 2px 16px;
        color: var(--vscode-descriptionForeground);
        overflow-wrap: anywhere;
        user-select: text;
      }
      .none {
        display: flex;
        align-items: center;
        justify-content: center;
        gap: 8px;
        padding: 48px 24px;
      }
      .more {
        padding: 0 24px 24px;
      }
    `,
  ];

  @property({ attribute: false }) problems: readonly Problem[] = [];

  protected override render(): TemplateResult {
    if (this.problems.length === 0) {
      return html`<p class="none">${icon('pass', { tone: 'pass' })}No problems found</p>`;
    }
    const shown = sortProblems(this.problems).slice(0, MAX_SHOWN);
    const rest = this.problems.length - shown.length;
    return html`<ul aria-label="Problems">
        ${shown.map(problem => this.renderProblem(problem))}
      </ul>
      ${rest > 0 ? html`<p class="more muted">${plural(rest, 'more problem')} not listed.</p>` : ''}`;
  }

  private renderProblem({ severity, message, hint, code, offset, subject }: Problem): TemplateResult {
    return html`<li>
      ${icon(severity, { tone: severity })}
      <p class="message"><strong>${SEVERITY_NAME[severity]}:</strong> ${untrusted(message)}</p>
      ${hint === undefined ? '' : html`<p class="hint">${untrusted(hint)}</p>`}
      <p class="facts">
        <span class="mono">${code}</span>
        ${offset === undefined ? '' : html`<span class="number">at byte ${formatHex(offset)} (${formatInteger(offset)})</span>`}
        ${subject === undefined || message.includes(subject) ? '' : html`<span class="mono">${untrusted(subject)}</span>`}
      </p>
    </li>`;
  }
}

customElements.define('qs-problems-view', ProblemsView);
