// The only way text from a model file gets onto the page: as text nodes, with what cannot be seen shown as escapes.
import { html, type TemplateResult } from 'lit';
import { visibleSegments } from '../../src/core/text/printable.js';

function content(text: string, lines: boolean): readonly unknown[] {
  return visibleSegments(text, lines).map(segment =>
    segment.escape ? html`<span class="escape">${segment.text}</span>` : segment.text,
  );
}

/** Text in one line. */
export function untrusted(text: string): TemplateResult {
  return html`<span class="untrusted">${content(text, false)}</span>`;
}

/** Text that keeps its line feeds and tabs. */
export function untrustedLines(text: string): TemplateResult {
  return html`<span class="untrusted">${content(text, true)}</span>`;
}
