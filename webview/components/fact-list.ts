// Label and value pairs, as a description list; values may come from the file.
import { css, html, type TemplateResult } from 'lit';
import { printable } from '../../src/core/text/printable.js';
import type { Fact } from '../model/overview.js';
import { untrusted } from './untrusted-text.js';

export const factListStyles = css`
  dl.facts {
    display: grid;
    grid-template-columns: minmax(96px, 160px) minmax(0, 1fr);
    gap: 4px 16px;
    line-height: 20px;
  }
  dl.facts dt {
    color: var(--vscode-descriptionForeground);
  }
  dl.facts dd {
    overflow-wrap: anywhere;
    user-select: text;
  }
  @container (max-width: 300px) {
    dl.facts {
      grid-template-columns: minmax(0, 1fr);
      gap: 0;
    }
    dl.facts dd {
      margin-bottom: 6px;
    }
  }
`;

export function factList(facts: readonly Fact[]): TemplateResult {
  return html`<dl class="facts">
    ${facts.map(
      ({ label, value, detail, key }) =>
        html`<dt>${label}</dt>
          <dd title=${printable(detail ?? key ?? '')}>${untrusted(value)}</dd>`,
    )}
  </dl>`;
}
