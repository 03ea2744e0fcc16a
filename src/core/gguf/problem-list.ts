// Collects the problems of one file without letting a hostile one produce a million of them: each code is reported a
// limited number of times and then counted. Order of discovery is kept.
import type { Problem, Severity } from '../problem.js';
import { plural } from '../text/quantity.js';
import { MAX_PROBLEMS_PER_CODE } from './limits.js';

export interface ProblemDetails {
  readonly hint?: string;
  readonly offset?: number;
  readonly subject?: string;
}

export class ProblemList {
  private readonly found: Problem[] = [];
  private readonly counts = new Map<string, number>();

  add(severity: Severity, code: string, message: string, details: ProblemDetails = {}): void {
    const count = (this.counts.get(code) ?? 0) + 1;
    this.counts.set(code, count);
    if (count <= MAX_PROBLEMS_PER_CODE) this.found.push({ code, severity, message, ...details });
  }

  get hasError(): boolean {
    return this.found.some(problem => problem.severity === 'error');
  }

  /** Everything found, with one line for each code that was found more often than it is listed. */
  toArray(): readonly Problem[] {
    const all = [...this.found];
    for (const [code, count] of this.counts) {
      const last = this.found.findLast(problem => problem.code === code);
      if (last && count > MAX_PROBLEMS_PER_CODE) {
        all.push({
          code,
          severity: last.severity,
          message: `${plural(count - MAX_PROBLEMS_PER_CODE, 'more problem')} of this kind (${code}).`,
        });
      }
    }
    return all;
  }
}
