// The first thing seen of a model: what it is, how big, made of what, whether something is wrong with it, and what to do next.
import '@vscode-elements/elements/dist/vscode-button/index.js';
import { css, html, LitElement, type TemplateResult } from 'lit';
import { property } from 'lit/decorators.js';
import { printable } from '../../src/core/text/printable.js';
import type { ModelDescription } from '../../src/protocol/worker-protocol.js';
import type { InspectorHost } from '../host.js';
import { factGroups, headline, modelTitle, type Fact } from '../model/overview.js';
import { countProblems, worstSeverity } from '../model/problem-list.js';
import { factList, factListStyles } from './fact-list.js';
import { icon } from './icon.js';
import { shared } from './styles.js';
import './type-chart.js';
import { untrusted } from './untrusted-text.js';

export const SHOW_PROBLEMS = 'inspector-show-problems';

export class OverviewView extends LitElement {
  static override styles = [
    shared,
    factListStyles,
    css`
      :host {
        display: block;
        height: 100%;
        overflow: auto;
        outline-offset: -2px;
      }
      .page {
        max-width: 1080px;
        padding: 20px 24px 32px;
        display: flex;
        flex-direction: column;
        gap: 24px;
        container-type: inline-size;
      }
      .top {
        display: flex;
        flex-wrap: wrap;
        gap: 12px 24px;
        align-items: flex-start;
      }
      .title {
        flex: 1 1 320px;
        min-width: 0;
      }
      h1 {
        font-size: 24px;
        line-height: 30px;
        font-weight: 600;
        overflow-wrap: anywhere;
      }
      .path {
        color: var(--vscode-descriptionForeground);
        overflow-wrap: anywhere;
        margin-top: 2px;
        user-select: text;
      }
      .actions {
        display: flex;
        flex-wrap: wrap;
        gap: 8px;
      }
      .actions .icon {
        font-size: 14px;
      }
      h2 {
        font-size: 14px;
        font-weight: 600;
        margin-bottom: 8px;
      }
      .health {
        display: flex;
        align-items: center;
        gap: 8px;
        padding: 8px 12px;
        border: 1px solid var(--vscode-contrastBorder, transparent);
        border-left: 3px solid var(--tone);
        background: var(--vscode-textBlockQuote-background);
      }
      .health.error {
        --tone: var(--vscode-editorError-foreground);
      }
      .health.warning {
        --tone: var(--vscode-editorWarning-foreground);
      }
      .health.info {
        --tone: var(--vscode-editorInfo-foreground);
      }
      .tiles {
        display: grid;
        grid-template-columns: repeat(auto-fit, minmax(118px, 1fr));
        gap: 1px;
        padding: 1px;
      }
      .tile {
        /* In the gaps, so that a last row that is not full has no frame where there is no tile. */
        box-shadow: 0 0 0 1px var(--vscode-contrastBorder, var(--vscode-widget-border, var(--vscode-panel-border)));
        padding: 10px 12px;
        min-width: 0;
        display: flex;
        flex-direction: column-reverse;
        justify-content: flex-end;
        gap: 2px;
      }
      .tile dt {
        color: var(--vscode-descriptionForeground);
        font-size: 12px;
      }
      .tile dd {
        font-size: 18px;
        line-height: 24px;
        font-weight: 600;
        overflow-wrap: anywhere;
        font-variant-numeric: tabular-nums;
      }
      @media (forced-colors: active) {
        .tile {
          outline: 1px solid CanvasText;
        }
      }
      .groups {
        display: grid;
        grid-template-columns: repeat(auto-fit, minmax(min(100%, 380px), 1fr));
        gap: 24px 40px;
      }
      .group {
        container-type: inline-size;
        min-width: 0;
      }
    `,
  ];

  @property({ attribute: false }) model!: ModelDescription;
  @property({ attribute: false }) host!: InspectorHost;

  protected override render(): TemplateResult {
    const { model } = this;
    return html`<div class="page">
      <div class="top">
        <div class="title">
          <h1>${untrusted(modelTitle(model))}</h1>
          <p class="path">${untrusted(model.path)}</p>
        </div>
        <div class="actions">
          <vscode-button
            @click=${() => {
              this.host.command('quantize');
            }}
            >${icon('package', { slot: 'content-before' })}Quantize…</vscode-button
          >
          <vscode-button
            secondary
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
        </div>
      </div>
      ${this.renderHealth()}
      <dl class="tiles">${headline(model).map(fact => this.renderTile(fact))}</dl>
      <section aria-labelledby="types">
        <h2 id="types">Size by tensor type</h2>
        <qs-type-chart .model=${model}></qs-type-chart>
      </section>
      <div class="groups">
        ${factGroups(model).map(
          (group, index) =>
            html`<section class="group" aria-labelledby="group-${index}">
              <h2 id="group-${index}">${group.title}</h2>
              ${factList(group.facts)}
            </section>`,
        )}
      </div>
    </div>`;
  }

  private renderTile({ label, value, detail }: Fact): TemplateResult {
    return html`<div class="tile" title=${printable(detail ?? '')}>
      <dt>${label}</dt>
      <dd>${untrusted(value)}</dd>
    </div>`;
  }

  /** Nothing is said when nothing is wrong: the tab says it. */
  private renderHealth(): TemplateResult | string {
    const { problems, tensors } = this.model;
    const severity = worstSeverity(problems);
    if (severity === undefined) return '';
    const partial =
      severity === 'error'
        ? `${tensors.length === 0 ? 'No tensor could be read' : 'What could be read is shown; the rest may be missing'}.`
        : '';
    return html`<p class="health ${severity}">
      ${icon(severity, { tone: severity })}
      <span>${countProblems(problems)}. ${partial}</span>
      <button class="link" @click=${this.showProblems}>Show problems</button>
    </p>`;
  }

  private readonly showProblems = (): void => {
    this.dispatchEvent(new CustomEvent(SHOW_PROBLEMS, { bubbles: true, composed: true }));
  };
}

customElements.define('qs-overview-view', OverviewView);
