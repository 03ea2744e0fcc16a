// Problems and recipe diagnostics as lines for people and for problem matchers.
import type { Problem } from '../core/problem.js';
import type { RecipeDiagnostic } from '../core/recipe/recipe.js';
import { printable } from '../core/text/printable.js';
import { placeText } from '../core/text/place-text.js';
import { plural } from '../core/text/quantity.js';
import type { Style } from './style.js';

/** Repetitions of one code beyond this are counted, not printed: 2,000 overlapping tensors are one finding. */
const SHOWN_PER_CODE = 8;

/** `error: message [code] at byte 1,234` and the remedy below it; empty if there is nothing to say. */
export function problemsText(problems: readonly Problem[], style: Style): string {
  const seen = new Map<string, number>();
  let text = '';
  for (const problem of problems) {
    const count = (seen.get(problem.code) ?? 0) + 1;
    seen.set(problem.code, count);
    if (count > SHOWN_PER_CODE) continue;
    const label = severityLabel(problem.severity, style);
    text += `${label} ${printable(problem.message)} [${problem.code}]${placeText(problem)}\n`;
    text += remedyText(problem);
  }
  for (const [code, count] of seen) {
    if (count > SHOWN_PER_CODE) text += `  and ${plural(count - SHOWN_PER_CODE, 'more problem')} [${code}]\n`;
  }
  return text;
}

/** What on the command line allows what a problem is about; the words of the hint hold everywhere. */
const OPTIONS: Readonly<Record<string, string>> = {
  'output/exists': '--overwrite',
  'plan/requantize': '--allow-requantize',
  'plan/hidden-requantize': '--allow-requantize',
};

/** The remedy on a line of its own, with the option it is about; empty if there is none. */
export function remedyText({ code, hint }: { readonly code: string; readonly hint?: string }): string {
  if (hint === undefined) return '';
  const option = OPTIONS[code];
  const text = option === undefined ? hint : hint.replace(/\.?$/, ` (${option}).`);
  return `  ${printable(text)}\n`;
}

function severityLabel(severity: RecipeDiagnostic['severity'], style: Style): string {
  if (severity === 'error') return style.red('error:');
  return severity === 'warning' ? style.yellow('warning:') : `${severity}:`;
}

/**
 * `file:line:column: severity: message [code]`, one line each, counting from 1: the format of the `$quantsmith` problem
 * matcher. Hints are reported as `info`, which matchers know. No colours: they would end up in the matched text.
 */
export function diagnosticLines(file: string, diagnostics: readonly RecipeDiagnostic[]): string {
  return diagnostics
    .map(({ code, severity, message, range }) => {
      const position = `${range.start.line + 1}:${range.start.character + 1}`;
      return `${file}:${position}: ${severity === 'hint' ? 'info' : severity}: ${printable(message)} [${code}]\n`;
    })
    .join('');
}
