// Texts that every message of the extension needs. Pure: no vscode, so tests compare plain text. Numbers are written by
// core/text/quantity.ts, text from files by core/text/printable.ts.

/** Ends a sentence that may or may not have its full stop, so that a hint can follow it. */
export function sentence(text: string): string {
  const trimmed = text.trim();
  return trimmed === '' || /[.!?…]$/.test(trimmed) ? trimmed : `${trimmed}.`;
}
