// Recipes with their diagnostics written under the lines they point at, for fixtures:
//
//     sorce: a.gguf
//     ~~~~~ error recipe/unknown-key: … => source
//
// `~` covers the range in its first line; `(to 5:3)` follows when it ends in a later one (counted from 1); `=>` is the fix.
import type { RecipeDiagnostic } from '../../../src/core/recipe/recipe.js';

const MARK = /^\s*~+ (?:error|warning|info|hint) [a-z]+\//;

export function stripAnnotations(fixture: string): string {
  return fixture
    .split('\n')
    .filter(line => !MARK.test(line))
    .join('\n');
}

export function annotate(text: string, diagnostics: readonly RecipeDiagnostic[]): string {
  const lines = text.split('\n');
  return lines
    .flatMap((line, i) => [line, ...diagnostics.filter(({ range }) => range.start.line === i).map(d => mark(line, d))])
    .join('\n');
}

function mark(line: string, { severity, code, message, range, suggestion }: RecipeDiagnostic): string {
  const { start, end } = range;
  const endCharacter = end.line > start.line ? line.length : end.character;
  const to = end.line > start.line ? ` (to ${end.line + 1}:${end.character + 1})` : '';
  const fix = suggestion === undefined ? '' : ` => ${JSON.stringify(suggestion)}`;
  return `${' '.repeat(start.character)}${'~'.repeat(Math.max(1, endCharacter - start.character))} ${severity} ${code}${to}: ${message}${fix}`;
}
