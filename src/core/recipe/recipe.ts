// A quantization recipe, version 1: what the user wrote in `*.quant.yaml`, after checking. recipe-schema.ts is the one
// table of keys; parse-recipe.ts turns a YAML tree into a `Recipe` with diagnostics that point into the text.
import type { FallbackPolicy, TensorRule } from '../quantize/quantization-plan.js';

/** Zero-based line and character (UTF-16), end exclusive: what editors and the language-server protocol use. */
export interface TextRange {
  readonly start: { readonly line: number; readonly character: number };
  readonly end: { readonly line: number; readonly character: number };
}

export interface RecipeDiagnostic {
  /** Kebab-case with prefix: `recipe/unknown-key`, `recipe/syntax` … */
  readonly code: string;
  readonly severity: 'error' | 'warning' | 'info' | 'hint';
  readonly message: string;
  readonly range: TextRange;
  /** A replacement for the range that would fix it, for quick fixes (`did you mean`). */
  readonly suggestion?: string;
}

export interface RecipeRule extends TensorRule {
  readonly range: TextRange;
}

export interface Recipe {
  readonly version: 1;
  /** Path or as written; relative to the recipe's folder. */
  readonly source: { readonly path: string; readonly range: TextRange };
  readonly output: { readonly path: string; readonly range: TextRange };
  /** A file type name. */
  readonly type: { readonly name: string; readonly range: TextRange };
  readonly rules: readonly RecipeRule[];
  readonly imatrix?: { readonly path: string; readonly range: TextRange };
  readonly fallback: FallbackPolicy;
}
