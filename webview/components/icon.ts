// Icons of the codicon font by name. They are decoration: what they say is always said in words too.
import { html, type TemplateResult } from 'lit';

/** Name -> code point in the codicon font; a test compares them with the font's own list. */
export const ICONS = {
  'arrow-down': 0xea9a,
  'arrow-up': 0xeaa1,
  'chevron-left': 0xeab5,
  'chevron-right': 0xeab6,
  close: 0xea76,
  copy: 0xebcc,
  error: 0xea87,
  'file-text': 0xec5e,
  info: 0xea74,
  json: 0xea8b,
  output: 0xeb9d,
  package: 0xeb29,
  pass: 0xeba4,
  refresh: 0xeb37,
  search: 0xea6d,
  warning: 0xea6c,
} as const;

export type IconName = keyof typeof ICONS;

/** `slot` puts the icon into a control's slot; `tone` colours it. */
export function icon(name: IconName, options: { slot?: string; tone?: string } = {}): TemplateResult {
  const glyph = String.fromCodePoint(ICONS[name]);
  return html`<span class="icon ${options.tone ?? ''}" slot=${options.slot ?? ''} aria-hidden="true">${glyph}</span>`;
}
