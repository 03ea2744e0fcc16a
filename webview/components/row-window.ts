// Which rows of a long table are in the document: a Lit controller around @tanstack/virtual-core. All rows have the same
// height, so nothing is measured and the scroll bar never jumps.
import {
  elementScroll,
  observeElementOffset,
  observeElementRect,
  Virtualizer,
  type VirtualizerOptions,
} from '@tanstack/virtual-core';
import type { ReactiveController, ReactiveControllerHost } from 'lit';

/** Height of a row and of the header, in CSS pixels; the styles of the table use the same numbers. */
export const ROW_HEIGHT = 24;
export const HEADER_HEIGHT = 28;
/** Rows kept beyond each edge, so that a wheel step shows no blank. */
const OVERSCAN = 8;

export interface RowWindow {
  readonly first: number;
  /** One past the last row. */
  readonly end: number;
}

export class RowWindowController implements ReactiveController {
  private readonly virtualizer: Virtualizer<HTMLElement, Element>;
  private disconnect: (() => void) | undefined;

  constructor(
    private readonly host: ReactiveControllerHost,
    private readonly scroller: () => HTMLElement | null,
  ) {
    host.addController(this);
    this.virtualizer = new Virtualizer<HTMLElement, Element>(this.options(0));
  }

  hostConnected(): void {
    this.disconnect = this.virtualizer._didMount();
  }

  hostUpdated(): void {
    this.virtualizer._willUpdate();
  }

  hostDisconnected(): void {
    this.disconnect?.();
  }

  setCount(count: number): void {
    if (this.virtualizer.options.count !== count) this.virtualizer.setOptions(this.options(count));
  }

  get window(): RowWindow {
    const items = this.virtualizer.getVirtualItems();
    return { first: items[0]?.index ?? 0, end: (items.at(-1)?.index ?? -1) + 1 };
  }

  /** Full rows that fit, for PageUp and PageDown. */
  get pageRows(): number {
    const height = this.virtualizer.scrollRect?.height ?? 0;
    return Math.max(1, Math.floor((height - HEADER_HEIGHT) / ROW_HEIGHT) - 1);
  }

  /** Scrolls as little as needed. */
  reveal(index: number): void {
    this.virtualizer.scrollToIndex(index, { align: 'auto' });
  }

  private options(count: number): VirtualizerOptions<HTMLElement, Element> {
    return {
      count,
      getScrollElement: this.scroller,
      estimateSize: () => ROW_HEIGHT,
      overscan: OVERSCAN,
      // Rows begin below the header, which stays at the top and covers what is behind it.
      scrollMargin: HEADER_HEIGHT,
      scrollPaddingStart: HEADER_HEIGHT,
      scrollToFn: elementScroll,
      observeElementRect,
      observeElementOffset,
      onChange: () => {
        this.host.requestUpdate();
      },
    };
  }
}
