import { css } from 'lit';

/** Layout of a view that is a toolbar above a table with details beside it (below it where the editor is narrow). */
export const tableViewStyles = css`
  :host {
    display: flex;
    flex-direction: column;
    height: 100%;
    min-height: 0;
    container-type: inline-size;
  }
  .toolbar {
    display: flex;
    flex-wrap: wrap;
    align-items: center;
    gap: 8px;
    padding: 8px 12px;
    flex: none;
  }
  .toolbar vscode-textfield {
    flex: 1 1 200px;
    max-width: 420px;
    min-width: 0;
    width: auto;
  }
  .toolbar vscode-single-select {
    flex: 0 1 150px;
    width: 150px;
    min-width: 100px;
  }
  .toolbar .icon {
    font-size: 14px;
  }
  .count {
    flex: 1 1 auto;
    white-space: nowrap;
  }
  .filter-error {
    flex: none;
    display: flex;
    align-items: center;
    gap: 6px;
    margin: 0 12px 8px;
    padding: 4px 8px;
    color: var(--vscode-inputValidation-errorForeground, var(--vscode-foreground));
    background: var(--vscode-inputValidation-errorBackground);
    border: 1px solid var(--vscode-inputValidation-errorBorder, currentColor);
  }
  .split {
    flex: 1;
    min-height: 0;
    display: grid;
    grid-template-columns: minmax(0, 1fr);
    grid-template-rows: minmax(0, 1fr);
    border-top: 1px solid var(--vscode-contrastBorder, var(--vscode-panel-border, transparent));
  }
  .split.detail {
    grid-template-rows: minmax(120px, 1fr) minmax(140px, 1fr);
  }
  @container (min-width: 900px) {
    .split.detail {
      grid-template-rows: minmax(0, 1fr);
      grid-template-columns: minmax(0, 1fr) clamp(320px, 34%, 600px);
    }
  }
`;

/** A panel with details of the active row: title line, actions, content. */
export const detailStyles = css`
  :host {
    display: flex;
    flex-direction: column;
    min-height: 0;
    min-width: 0;
    border-top: 1px solid var(--vscode-contrastBorder, var(--vscode-panel-border, currentColor));
    background: var(--vscode-sideBar-background, var(--vscode-editor-background));
    container-type: inline-size;
  }
  @media (min-width: 900px) {
    :host {
      border-top: none;
      border-left: 1px solid var(--vscode-contrastBorder, var(--vscode-panel-border, currentColor));
    }
  }
  header {
    display: flex;
    align-items: flex-start;
    gap: 8px;
    padding: 10px 8px 4px 12px;
  }
  header .name {
    flex: 1;
    min-width: 0;
    overflow-wrap: anywhere;
    font-size: 13px;
    font-weight: 600;
    line-height: 20px;
    max-height: 100px;
    overflow: auto;
  }
  .about {
    padding: 0 12px 8px;
    color: var(--vscode-descriptionForeground);
    display: flex;
    flex-wrap: wrap;
    align-items: center;
    gap: 6px 12px;
  }
  .actions {
    display: flex;
    flex-wrap: wrap;
    gap: 6px;
    padding: 0 12px 8px;
  }
  .actions .icon {
    font-size: 14px;
  }
  .content {
    flex: 1;
    min-height: 0;
    overflow: auto;
    padding: 4px 12px 12px;
  }
  .icon-button {
    all: unset;
    box-sizing: border-box;
    flex: none;
    width: 22px;
    height: 22px;
    display: grid;
    place-items: center;
    border-radius: 4px;
    cursor: pointer;
    color: var(--vscode-icon-foreground, var(--vscode-foreground));
  }
  .icon-button:hover {
    background: var(--vscode-toolbar-hoverBackground);
    outline: 1px dashed var(--vscode-contrastActiveBorder, transparent);
  }
  .icon-button:focus-visible {
    outline: 1px solid var(--vscode-focusBorder);
  }
  .failure {
    color: var(--vscode-errorForeground);
    display: flex;
    flex-wrap: wrap;
    gap: 6px;
    align-items: center;
  }
`;
