// A long table with the keyboard of a grid: one tab stop, the active row (or a column header, above the first row) is
// announced through aria-activedescendant, and only the rows in view are in the document. It knows nothing about what the
// rows are: cells are asked for by row and column number.
import { html, LitElement, type PropertyValues, type TemplateResult } from 'lit';
import { property, query, state } from 'lit/decorators.js';
import {
  HEADER_ROW,
  moveTo,
  navigate,
  selectAll,
  selectOnly,
  selectRange,
  toggleRow,
  type Selection,
} from '../model/selection.js';
import { ariaSort, type SortOrder } from '../model/sort.js';
import { gridStyles } from './data-grid.styles.js';
import { icon } from './icon.js';
import { ROW_HEIGHT, RowWindowController } from './row-window.js';
import { shared } from './styles.js';

export interface GridColumn {
  readonly id: string;
  readonly label: string;
  /** A track of CSS grid. */
  readonly width: string;
  readonly end?: boolean;
  readonly mono?: boolean;
}

export type CellContent = (row: number, column: number) => unknown;

export interface GridEvents {
  'grid-sort': CustomEvent<string>;
  'grid-select': CustomEvent<Selection>;
  'grid-open': CustomEvent<number>;
  'grid-copy': CustomEvent<undefined>;
  'grid-scroll': CustomEvent<number>;
}

export class DataGrid extends LitElement {
  static override styles = [shared, gridStyles];

  @property() label = '';
  @property({ attribute: false }) columns: readonly GridColumn[] = [];
  @property({ type: Number }) count = 0;
  @property({ attribute: false }) cell: CellContent = () => '';
  /** Tooltip of a row's cell. */
  @property({ attribute: false }) hint: (row: number, column: number) => string = () => '';
  @property({ attribute: false }) order: SortOrder | undefined;
  @property({ attribute: false }) selection: Selection = selectOnly(HEADER_ROW);
  @property() empty = '';
  /** Scroll position to begin with. */
  @property({ type: Number }) initialScroll = 0;

  @state() private headerColumn = 0;
  @query('.scroller') private readonly scroller!: HTMLElement | null;
  @query('.body') private readonly body!: HTMLElement | null;
  @query('.rows') private readonly rowsElement!: HTMLElement | null;
  private readonly rowWindow = new RowWindowController(this, () => this.scroller);

  override focus(): void {
    this.scroller?.focus();
  }

  /** Makes sure that a row can be seen. */
  reveal(index: number): void {
    if (index >= 0) this.rowWindow.reveal(index);
  }

  scrollToTop(): void {
    this.scroller?.scrollTo({ top: 0 });
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    this.rowWindow.setCount(this.count);
    if (changed.has('columns')) {
      this.style.setProperty('--columns', this.columns.map(column => column.width).join(' '));
    }
  }

  protected override firstUpdated(): void {
    // The body has its height by now, so that the position exists.
    this.updateBox();
    if (this.initialScroll > 0) this.scroller?.scrollTo({ top: this.initialScroll });
  }

  protected override updated(): void {
    this.updateBox();
  }

  /** Sizes go through the object model: a style attribute would be refused by the page's policy. */
  private updateBox(): void {
    if (this.body) this.body.style.height = `${this.count * ROW_HEIGHT}px`;
    if (this.rowsElement)
      this.rowsElement.style.transform = `translateY(${this.rowWindow.window.first * ROW_HEIGHT}px)`;
  }

  protected override render(): TemplateResult {
    const { active } = this.selection;
    const activeId = active === HEADER_ROW ? `column-${this.headerColumn}` : `row-${active}`;
    return html`<div
      class="scroller"
      role="grid"
      tabindex="0"
      aria-label=${this.label}
      aria-multiselectable="true"
      aria-rowcount=${this.count + 1}
      aria-colcount=${this.columns.length}
      aria-activedescendant=${activeId}
      @keydown=${this.onKeyDown}
      @scroll=${this.onScroll}
      @copy=${this.onCopy}
    >
      <div class="table" role="presentation">
        <div role="rowgroup" class="header">${this.renderHeader(active)}</div>
        <div role="rowgroup" class="body"><div class="rows" role="presentation">${this.renderRows(active)}</div></div>
      </div>
      ${this.count === 0 ? html`<p class="empty">${this.empty}</p>` : ''}
    </div>`;
  }

  private renderHeader(active: number): TemplateResult {
    return html`<div class="row" role="row" aria-rowindex="1">
      ${this.columns.map((column, index) => {
        const sort = ariaSort(this.order, column.id);
        const isActive = active === HEADER_ROW && index === this.headerColumn;
        return html`<div
          id="column-${index}"
          role="columnheader"
          aria-colindex=${index + 1}
          aria-sort=${sort}
          title="Sort by ${column.label.toLowerCase()}"
          class="cell ${column.end ? 'end' : ''} ${index === 0 ? 'first' : ''} ${isActive ? 'active' : ''}"
          @click=${() => {
            this.sort(index);
          }}
        >
          <span class="label">${column.label}</span
          >${sort === 'none' ? '' : icon(sort === 'ascending' ? 'arrow-up' : 'arrow-down')}
        </div>`;
      })}
    </div>`;
  }

  private renderRows(active: number): TemplateResult[] {
    const rows: TemplateResult[] = [];
    const { first, end } = this.rowWindow.window;
    for (let row = first; row < Math.min(end, this.count); row++) rows.push(this.renderRow(row, row === active));
    return rows;
  }

  private renderRow(row: number, isActive: boolean): TemplateResult {
    const selected = this.selection.selected.has(row);
    return html`<div
      id="row-${row}"
      role="row"
      aria-rowindex=${row + 2}
      aria-selected=${selected ? 'true' : 'false'}
      class="row ${selected ? 'selected' : ''} ${isActive ? 'active' : ''}"
      @mousedown=${(event: MouseEvent) => {
        this.onRowPress(event, row);
      }}
      @dblclick=${() => {
        this.emit('grid-open', row);
      }}
    >
      ${this.columns.map(
        (column, index) =>
          html`<div
            role="gridcell"
            aria-colindex=${index + 1}
            class="cell ${column.end ? 'end' : ''} ${column.mono ? 'mono' : ''} ${index === 0 ? 'first' : ''}"
            title=${this.hint(row, index)}
          >
            ${this.cell(row, index)}
          </div>`,
      )}
    </div>`;
  }

  private emit<Name extends keyof GridEvents>(name: Name, detail: GridEvents[Name]['detail']): void {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  private sort(column: number): void {
    this.headerColumn = column;
    const id = this.columns[column]?.id;
    if (id !== undefined) this.emit('grid-sort', id);
  }

  private select(selection: Selection): void {
    this.reveal(selection.active);
    this.emit('grid-select', selection);
  }

  private onRowPress(event: MouseEvent, row: number): void {
    if (event.button !== 0) return;
    if (event.shiftKey) {
      // Shift+click would also select text.
      event.preventDefault();
      this.scroller?.focus();
      this.select(selectRange(Math.max(0, this.selection.anchor), row));
    } else if (event.ctrlKey || event.metaKey) this.select(toggleRow(this.selection, row));
    else this.select(selectOnly(row));
  }

  private readonly onScroll = (): void => {
    this.emit('grid-scroll', this.scroller?.scrollTop ?? 0);
  };

  private readonly onCopy = (event: ClipboardEvent): void => {
    event.preventDefault();
    this.emit('grid-copy', undefined);
  };

  private readonly onKeyDown = (event: KeyboardEvent): void => {
    if (event.altKey) return;
    const { active } = this.selection;
    if (event.ctrlKey || event.metaKey) {
      const key = event.key.toLowerCase();
      if (key === 'a') this.emit('grid-select', selectAll(this.selection, this.count));
      else if (key === 'c') this.emit('grid-copy', undefined);
      else return;
      event.preventDefault();
      event.stopPropagation();
      return;
    }
    if (active === HEADER_ROW && this.moveInHeader(event.key)) {
      event.preventDefault();
      return;
    }
    if ((event.key === 'Enter' || event.key === ' ') && active >= 0) {
      event.preventDefault();
      this.emit('grid-open', active);
      return;
    }
    const target = navigate(active, event.key, this.count, this.rowWindow.pageRows);
    if (target === undefined) return;
    event.preventDefault();
    this.select(moveTo(this.selection, target, event.shiftKey));
  };

  private moveInHeader(key: string): boolean {
    if (key === 'Enter' || key === ' ') this.sort(this.headerColumn);
    else if (key === 'ArrowLeft') this.headerColumn = Math.max(0, this.headerColumn - 1);
    else if (key === 'ArrowRight') this.headerColumn = Math.min(this.columns.length - 1, this.headerColumn + 1);
    else return false;
    return true;
  }
}

customElements.define('qs-data-grid', DataGrid);
