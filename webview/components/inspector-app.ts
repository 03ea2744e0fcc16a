// The inspector: what the host says decides which view is shown; what the person does is kept as view state, so that an
// editor that was hidden or reloaded comes back as it was. Only the view of the selected tab is in the document.
import { css, html, LitElement, type PropertyValues, type TemplateResult } from 'lit';
import { property, query, state } from 'lit/decorators.js';
import type { ErrorData } from '../../src/core/problem.js';
import { formatInteger } from '../../src/core/text/quantity.js';
import type { ToInspector } from '../../src/protocol/inspector-protocol.js';
import type { ModelDescription } from '../../src/protocol/worker-protocol.js';
import type { InspectorHost } from '../host.js';
import { worstSeverity } from '../model/problem-list.js';
import { parseViewState, type Tab, type TableState, type ViewState } from '../model/view-state.js';
import { ANNOUNCE, type Announcement } from './announce.js';
import { icon } from './icon.js';
import './metadata-view.js';
import './overview-view.js';
import { SHOW_PROBLEMS } from './overview-view.js';
import './problems-view.js';
import './status-card.js';
import { shared } from './styles.js';
import './tab-strip.js';
import type { TabItem } from './tab-strip.js';
import { TABLE_STATE } from './table-events.js';
import './tensors-view.js';
import { SHOW_TYPE } from './type-chart.js';

type Content =
  | { readonly kind: 'loading'; readonly path: string }
  | { readonly kind: 'failed'; readonly error: ErrorData }
  | { readonly kind: 'model'; readonly model: ModelDescription };

/** How long a message at the bottom is shown; a screen reader says it anyway. */
const TOAST_MS = 3000;

export class InspectorApp extends LitElement {
  static override styles = [
    shared,
    css`
      :host {
        display: flex;
        flex-direction: column;
        height: 100vh;
        position: relative;
      }
      .panel {
        flex: 1;
        min-height: 0;
        outline: none;
      }
      .panel > * {
        height: 100%;
      }
      .toast {
        position: absolute;
        right: 20px;
        bottom: 16px;
        z-index: 10;
        max-width: calc(100% - 40px);
        display: flex;
        align-items: center;
        gap: 8px;
        padding: 8px 12px;
        border-radius: 4px;
        overflow-wrap: anywhere;
        color: var(--vscode-notifications-foreground, var(--vscode-foreground));
        background: var(--vscode-notifications-background, var(--vscode-editorWidget-background));
        border: 1px solid var(--vscode-contrastBorder, var(--vscode-notifications-border, var(--vscode-widget-border)));
        box-shadow: 0 2px 8px var(--vscode-widget-shadow, transparent);
      }
      .toast:empty {
        display: none;
      }
    `,
  ];

  @property({ attribute: false }) host!: InspectorHost;
  /** Stores the view state with the editor. */
  @property({ attribute: false }) store: (state: ViewState) => void = () => undefined;

  @state() private content: Content = { kind: 'loading', path: '' };
  private view: ViewState = parseViewState(undefined);
  @state() private toast: Announcement | undefined;
  private toastTimer: number | undefined;
  private pendingShown: 'model' | 'failed' | undefined;

  @query('.panel > *') private readonly current!: (HTMLElement & { focusSearch?: () => void }) | null;

  /** State of an earlier life of this editor. */
  restore(stored: unknown): void {
    this.view = parseViewState(stored);
  }

  receive(message: ToInspector): void {
    switch (message.type) {
      case 'loading':
        this.content = { kind: 'loading', path: message.path };
        break;
      case 'model':
        this.content = { kind: 'model', model: message.model };
        this.pendingShown = 'model';
        break;
      case 'failed':
        this.content = { kind: 'failed', error: message.error };
        this.pendingShown = 'failed';
        break;
      case 'response':
        this.host.settle(message);
        break;
    }
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.addEventListener(ANNOUNCE, event => {
      this.showToast((event as CustomEvent<Announcement>).detail);
    });
    this.addEventListener(TABLE_STATE, event => {
      this.changeTable((event as CustomEvent<Partial<TableState>>).detail);
    });
    this.addEventListener(SHOW_TYPE, event => {
      const { detail } = event as CustomEvent<string>;
      this.change({
        ...this.view,
        tab: 'tensors',
        tensors: { ...this.view.tensors, type: detail, query: '', scroll: 0 },
      });
    });
    this.addEventListener(SHOW_PROBLEMS, () => {
      this.change({ ...this.view, tab: 'problems' });
    });
    window.addEventListener('keydown', this.onKeyDown);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    window.removeEventListener('keydown', this.onKeyDown);
  }

  protected override updated(_changed: PropertyValues): void {
    if (this.pendingShown === undefined) return;
    const view = this.pendingShown;
    this.pendingShown = undefined;
    // After the views below have rendered too.
    requestAnimationFrame(() => {
      this.host.shown(view);
    });
  }

  private change(view: ViewState): void {
    this.view = view;
    this.store(view);
    this.requestUpdate();
  }

  private changeTable(patch: Partial<TableState>): void {
    const { tab } = this.view;
    if (tab !== 'metadata' && tab !== 'tensors') return;
    const view = { ...this.view, [tab]: { ...this.view[tab], ...patch } };
    // Nothing is shown differently after scrolling: the position matters to the next life of the table only.
    if (Object.keys(patch).join() === 'scroll') this.store((this.view = view));
    else this.change(view);
  }

  private showToast(announcement: Announcement): void {
    clearTimeout(this.toastTimer);
    this.toast = announcement;
    this.toastTimer = window.setTimeout(
      () => {
        this.toast = undefined;
      },
      announcement.failed ? 3 * TOAST_MS : TOAST_MS,
    );
  }

  protected override render(): TemplateResult {
    return html`
      ${
        this.content.kind === 'model'
          ? this.renderModel(this.content.model)
          : html`<qs-status-card
              .host=${this.host}
              .error=${this.content.kind === 'failed' ? this.content.error : undefined}
              .path=${this.content.kind === 'loading' ? this.content.path : ''}
            ></qs-status-card>`
      }
      <div class="toast" role="status" aria-live="polite">${this.toast ? this.renderToast(this.toast) : ''}</div>
    `;
  }

  private renderToast({ message, failed }: Announcement): TemplateResult {
    return html`${failed ? icon('error', { tone: 'error' }) : icon('pass', { tone: 'pass' })}<span>${message}</span>`;
  }

  private renderModel(model: ModelDescription): TemplateResult {
    const { tab } = this.view;
    return html`<qs-tab-strip
        .tabs=${tabsOf(model)}
        .selected=${tab}
        @tab-select=${(event: CustomEvent<Tab>) => {
          this.change({ ...this.view, tab: event.detail });
        }}
      ></qs-tab-strip>
      <div class="panel" role="tabpanel" aria-label=${tab}>${this.renderView(model, tab)}</div>`;
  }

  private renderView(model: ModelDescription, tab: Tab): TemplateResult {
    const { host, view } = this;
    switch (tab) {
      case 'overview':
        return html`<qs-overview-view tabindex="0" .model=${model} .host=${host}></qs-overview-view>`;
      case 'metadata':
        return html`<qs-metadata-view .model=${model} .host=${host} .table=${view.metadata}></qs-metadata-view>`;
      case 'tensors':
        return html`<qs-tensors-view .model=${model} .host=${host} .table=${view.tensors}></qs-tensors-view>`;
      case 'problems':
        return html`<qs-problems-view tabindex="0" .problems=${model.problems}></qs-problems-view>`;
    }
  }

  private readonly onKeyDown = (event: KeyboardEvent): void => {
    if (event.key.toLowerCase() !== 'f' || !(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey) return;
    if (!this.current?.focusSearch) return;
    event.preventDefault();
    event.stopPropagation();
    this.current.focusSearch();
  };
}

function tabsOf(model: ModelDescription): TabItem[] {
  const severity = worstSeverity(model.problems);
  return [
    { id: 'overview', label: 'Overview' },
    { id: 'metadata', label: 'Metadata', count: formatInteger(model.metadata.length) },
    { id: 'tensors', label: 'Tensors', count: formatInteger(model.tensors.length) },
    {
      id: 'problems',
      label: 'Problems',
      ...(severity === undefined ? {} : { severity, count: formatInteger(model.problems.length) }),
    },
  ];
}

customElements.define('qs-inspector-app', InspectorApp);
