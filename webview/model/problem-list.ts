// Problems as the inspector lists them: errors first, then warnings, then notes, each in file order.
import type { Problem, Severity } from '../../src/core/problem.js';
import { plural } from '../../src/core/text/quantity.js';

const RANK: Readonly<Record<Severity, number>> = { error: 0, warning: 1, info: 2 };

export const SEVERITY_NAME: Readonly<Record<Severity, string>> = { error: 'Error', warning: 'Warning', info: 'Note' };

export function sortProblems(problems: readonly Problem[]): readonly Problem[] {
  // sort() is stable: within a severity and offset the reader's order remains.
  return [...problems].sort((a, b) => RANK[a.severity] - RANK[b.severity] || (a.offset ?? 0) - (b.offset ?? 0));
}

export function worstSeverity(problems: readonly Problem[]): Severity | undefined {
  return sortProblems(problems)[0]?.severity;
}

/** `1 error, 2 warnings`; `No problems found`. */
export function countProblems(problems: readonly Problem[]): string {
  const count = (severity: Severity) => problems.filter(problem => problem.severity === severity).length;
  const parts = [
    { n: count('error'), one: 'error' },
    { n: count('warning'), one: 'warning' },
    { n: count('info'), one: 'note' },
  ];
  const text = parts.filter(({ n }) => n > 0).map(({ n, one }) => plural(n, one));
  return text.length ? text.join(', ') : 'No problems found';
}
