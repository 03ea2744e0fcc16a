declare module '*/scripts/test-outcome.mjs' {
  export interface Outcome {
    readonly passed: number;
    readonly failed: number;
    readonly skipped: number;
    readonly notes: readonly string[];
  }
  export function commandOutcome(ended: { code: number; output: string }): Outcome;
  export function vitestOutcome(ended: { report?: object; code: number; root: string }): Outcome;
  export function reportedOutcome(ended: { tests: readonly object[]; code: number; name: string }): Outcome;
}
