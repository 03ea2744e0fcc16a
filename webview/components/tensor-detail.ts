// What is known of one tensor without reading its data.
import '@vscode-elements/elements/dist/vscode-button/index.js';
import { html, LitElement, type TemplateResult } from 'lit';
import { property } from 'lit/decorators.js';
import type { TensorRow } from '../../src/protocol/worker-protocol.js';
import type { InspectorHost } from '../host.js';
import { tensorFacts } from '../model/tensor-rows.js';
import { announcing } from './announce.js';
import { factList, factListStyles } from './fact-list.js';
import { icon } from './icon.js';
import { shared } from './styles.js';
import { detailStyles } from './table-view.styles.js';
import { untrusted } from './untrusted-text.js';

export class TensorDetail extends LitElement {
  static override styles = [shared, detailStyles, factListStyles];

  @property({ attribute: false }) row!: TensorRow;
  @property({ attribute: false }) shardPath: string | undefined;
  @property({ attribute: false }) modelBytes = 0;
  @property({ attribute: false }) host!: InspectorHost;

  protected override render(): TemplateResult {
    return html`
      <section aria-label="Tensor details" @keydown=${this.onKeyDown}>
        <header>
          <h2 class="name mono">${untrusted(this.row.name)}</h2>
          <button class="icon-button" aria-label="Close details" title="Close (Escape)" @click=${this.close}>
            ${icon('close')}
          </button>
        </header>
        <div class="actions">
          <vscode-button secondary @click=${this.copyName}
            >${icon('copy', { slot: 'content-before' })}Copy name</vscode-button
          >
        </div>
      </section>
      <div class="content" tabindex="0" role="group" aria-label="Facts">
        ${factList(tensorFacts(this.row, this.shardPath, this.modelBytes))}
      </div>
    `;
  }

  private readonly copyName = (): void => {
    void announcing(this, () => {
      this.host.copy(this.row.name);
      return 'Copied the name';
    });
  };

  private readonly onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === 'Escape') this.close();
  };

  private readonly close = (): void => {
    this.dispatchEvent(new CustomEvent('detail-close'));
  };
}

customElements.define('qs-tensor-detail', TensorDetail);
