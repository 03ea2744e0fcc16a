import { css } from 'lit';

// Heights are those of row-window.ts. Column widths come as --columns, set by the component.
export const gridStyles = css`
  :host {
    display: block;
    min-height: 0;
    min-width: 0;
    border: 1px solid var(--vscode-contrastBorder, transparent);
  }
  .scroller {
    height: 100%;
    overflow: auto;
    outline: none;
    overflow-anchor: none;
  }
  .table {
    min-width: min-content;
  }
  .row {
    display: grid;
    grid-template-columns: var(--columns);
    align-items: center;
    height: 24px;
    cursor: default;
  }
  .header {
    position: sticky;
    top: 0;
    z-index: 2;
    height: 28px;
    background: var(--vscode-keybindingTable-headerBackground, var(--vscode-editor-background));
    background-color: var(--vscode-editor-background);
    border-bottom: 1px solid
      var(--vscode-contrastBorder, var(--vscode-editorWidget-border, var(--vscode-widget-border, currentColor)));
  }
  /* Not the row: its width unit must be that of the rows below. */
  .header .label {
    font-weight: 600;
  }
  .body {
    position: relative;
  }
  .cell {
    overflow: hidden;
    white-space: nowrap;
    text-overflow: ellipsis;
    padding: 0 10px;
    height: 100%;
    line-height: 24px;
    background: inherit;
  }
  .header .cell {
    display: flex;
    align-items: center;
    gap: 4px;
    line-height: 27px;
    cursor: pointer;
  }
  .header .cell:hover {
    color: var(--vscode-list-hoverForeground, var(--vscode-foreground));
    background: var(--vscode-list-hoverBackground);
  }
  .header .label {
    overflow: hidden;
    text-overflow: ellipsis;
  }
  .header .icon {
    font-size: 14px;
  }
  .end {
    text-align: right;
    font-variant-numeric: tabular-nums;
  }
  .header .end {
    justify-content: flex-end;
  }
  .cell.first {
    position: sticky;
    left: 0;
    z-index: 1;
  }
  .cell.mono {
    font-family: var(--vscode-editor-font-family, monospace);
    font-size: 0.95em;
  }
  .row {
    background: var(--vscode-editor-background);
  }
  .body .row:hover .cell {
    background-image: linear-gradient(var(--vscode-list-hoverBackground), var(--vscode-list-hoverBackground));
  }
  .body .row.selected {
    background: var(--vscode-list-inactiveSelectionBackground, var(--vscode-editor-background));
    color: var(--vscode-list-inactiveSelectionForeground, inherit);
  }
  .scroller:focus .body .row.selected {
    background: var(--vscode-list-activeSelectionBackground, var(--vscode-editor-background));
    color: var(--vscode-list-activeSelectionForeground, inherit);
  }
  .body .row.selected .cell {
    background-image: none;
  }
  .body .row.selected .escape,
  .body .row.selected .muted {
    color: inherit;
  }
  .row {
    position: relative;
  }
  /* Above the sticky first cell, which would cover an outline. */
  .row.selected::after,
  .scroller:focus .row.active::after {
    content: '';
    position: absolute;
    inset: 0;
    z-index: 2;
    pointer-events: none;
    border: 1px dashed var(--vscode-contrastActiveBorder, transparent);
  }
  .scroller:focus .row.active::after {
    border: 1px solid var(--vscode-list-focusOutline, var(--vscode-focusBorder));
  }
  .scroller:focus .header .cell.active {
    outline: 1px solid var(--vscode-list-focusOutline, var(--vscode-focusBorder));
    outline-offset: -2px;
  }
  .scroller:focus:not(:has(.active)) {
    outline: 1px solid var(--vscode-focusBorder);
    outline-offset: -1px;
  }
  .empty {
    padding: 24px 16px;
    text-align: center;
    color: var(--vscode-descriptionForeground);
  }
  .bar {
    float: left;
    margin-top: 8px;
    fill: var(--vscode-charts-blue);
  }
  .scroller:focus .row.selected .bar {
    fill: currentColor;
  }
  @media (forced-colors: active) {
    .row.selected::after {
      border: 2px solid Highlight;
    }
    .bar {
      fill: CanvasText;
    }
  }
`;
