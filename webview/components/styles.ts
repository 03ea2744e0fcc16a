// What all components look like: VS Code's own colours and nothing else, so that every theme works, high contrast too.
import { css } from 'lit';

export const shared = css`
  :host {
    box-sizing: border-box;
    color: var(--vscode-foreground);
    font-family: var(--vscode-font-family, sans-serif);
    font-size: var(--vscode-font-size, 13px);
  }
  :host([hidden]),
  [hidden] {
    display: none !important;
  }
  *,
  *::before,
  *::after {
    box-sizing: border-box;
  }
  h1,
  h2,
  h3,
  p,
  ul,
  dl,
  dd {
    margin: 0;
    padding: 0;
  }
  .mono {
    font-family: var(--vscode-editor-font-family, monospace);
  }
  .muted {
    color: var(--vscode-descriptionForeground);
  }
  .number {
    font-variant-numeric: tabular-nums;
  }
  .icon {
    display: inline-block;
    flex: none;
    font: normal 16px/1 codicon;
    text-align: center;
    width: 16px;
    -webkit-font-smoothing: antialiased;
    user-select: none;
  }
  .icon.error {
    color: var(--vscode-editorError-foreground, var(--vscode-errorForeground));
  }
  .icon.warning {
    color: var(--vscode-editorWarning-foreground, var(--vscode-charts-yellow));
  }
  .icon.info {
    color: var(--vscode-editorInfo-foreground, var(--vscode-charts-blue));
  }
  .icon.pass {
    color: var(--vscode-testing-iconPassed, var(--vscode-charts-green));
  }
  /* A character that could not be seen. */
  .escape {
    color: inherit;
    outline: 1px dotted var(--vscode-editorWarning-foreground, currentColor);
    outline-offset: -1px;
    border-radius: 2px;
    padding: 0 1px;
    font-family: var(--vscode-editor-font-family, monospace);
    font-size: 0.9em;
  }
  .untrusted {
    unicode-bidi: isolate;
  }
  .visually-hidden {
    position: absolute;
    width: 1px;
    height: 1px;
    margin: -1px;
    overflow: hidden;
    clip-path: inset(50%);
    white-space: nowrap;
  }
  :focus-visible {
    outline: 1px solid var(--vscode-focusBorder);
    outline-offset: 1px;
  }
  button.link {
    all: unset;
    cursor: pointer;
    color: var(--vscode-textLink-foreground);
  }
  button.link:hover {
    text-decoration: underline;
    color: var(--vscode-textLink-activeForeground);
  }
  button.link:focus-visible {
    outline: 1px solid var(--vscode-focusBorder);
    outline-offset: 1px;
  }
  @media (prefers-reduced-motion: reduce) {
    * {
      animation-duration: 0s !important;
      transition-duration: 0s !important;
    }
  }
`;

/** Colours of chart series; `series-N` on any element sets `--series`. */
export const seriesColors = css`
  .series-0 {
    --series: var(--vscode-charts-blue);
  }
  .series-1 {
    --series: var(--vscode-charts-green);
  }
  .series-2 {
    --series: var(--vscode-charts-yellow);
  }
  .series-3 {
    --series: var(--vscode-charts-purple);
  }
  .series-4 {
    --series: var(--vscode-charts-red);
  }
  .series-5 {
    --series: var(--vscode-terminal-ansiCyan);
  }
`;
