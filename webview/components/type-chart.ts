// Bytes by tensor type: one stacked bar with a table as its legend. The bar is SVG, so that widths are attributes, which
// the page's policy allows, and is described in words; the table says the same in numbers.
import { css, html, LitElement, svg, type TemplateResult } from 'lit';
import { property } from 'lit/decorators.js';
import type { ModelDescription } from '../../src/protocol/worker-protocol.js';
import { describeBreakdown, typeBreakdown } from '../model/type-breakdown.js';
import { seriesColors, shared } from './styles.js';
import { untrusted } from './untrusted-text.js';

export const SHOW_TYPE = 'inspector-show-type';

export class TypeChart extends LitElement {
  static override styles = [
    shared,
    seriesColors,
    css`
      :host {
        display: block;
        overflow-x: auto;
      }
      svg.chart {
        display: block;
        width: 100%;
        height: 18px;
        margin-bottom: 10px;
      }
      svg.chart rect {
        fill: var(--series);
        stroke: var(--vscode-editor-background);
        stroke-width: 1px;
        vector-effect: non-scaling-stroke;
      }
      .swatch {
        display: inline-block;
        width: 10px;
        height: 10px;
        margin-right: 8px;
        border-radius: 2px;
        background: var(--series);
        border: 1px solid var(--vscode-contrastBorder, transparent);
      }
      table {
        border-collapse: collapse;
        width: 100%;
        max-width: 640px;
        line-height: 22px;
      }
      th {
        font-weight: normal;
        color: var(--vscode-descriptionForeground);
      }
      th,
      td {
        text-align: right;
        padding: 0 0 0 16px;
        white-space: nowrap;
        font-variant-numeric: tabular-nums;
      }
      th:first-child,
      td:first-child {
        text-align: left;
        padding-left: 0;
      }
      tbody tr:hover {
        background: var(--vscode-list-hoverBackground);
      }
      @media (forced-colors: active) {
        svg.chart rect,
        .swatch {
          forced-color-adjust: none;
        }
        svg.chart rect {
          stroke: CanvasText;
        }
      }
    `,
  ];

  @property({ attribute: false }) model!: ModelDescription;

  protected override render(): TemplateResult {
    const parts = typeBreakdown(this.model);
    if (parts.length === 0) return html`<p class="muted">This file has no tensors.</p>`;
    return html`
      <svg
        class="chart"
        role="img"
        aria-label=${describeBreakdown(parts)}
        viewBox="0 0 1000 18"
        preserveAspectRatio="none"
      >
        ${parts.map(
          part =>
            svg`<rect class="series-${part.series}" x=${part.x.toFixed(2)} y="0" width=${part.width.toFixed(2)} height="18"></rect>`,
        )}
      </svg>
      <table>
        <thead>
          <tr>
            <th scope="col">Type</th>
            <th scope="col">Size</th>
            <th scope="col">Share</th>
            <th scope="col">Tensors</th>
            <th scope="col">Bits per weight</th>
          </tr>
        </thead>
        <tbody>
          ${parts.map(
            part =>
              html`<tr>
                <td>
                  <span class="swatch series-${part.series}" aria-hidden="true"></span
                  ><button
                    class="link"
                    aria-label="Show tensors of type ${part.type}"
                    @click=${() => {
                      this.show(part.type);
                    }}
                  >
                    ${untrusted(part.type)}
                  </button>
                </td>
                <td>${part.bytes}</td>
                <td>${part.share}</td>
                <td>${part.tensors}</td>
                <td>${part.bitsPerWeight}</td>
              </tr>`,
          )}
        </tbody>
      </table>
    `;
  }

  private show(type: string): void {
    this.dispatchEvent(new CustomEvent<string>(SHOW_TYPE, { detail: type, bubbles: true, composed: true }));
  }
}

customElements.define('qs-type-chart', TypeChart);
