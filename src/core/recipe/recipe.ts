// A quantization recipe, version 1: what the user wrote in `*.quant.yaml`, after checking. recipe-schema.ts is the one
// table of keys; yaml-tree.ts turns a syntax tree into plain data, parse-recipe.ts turns that into a `Recipe` with
// diagnostics that point into the text, check-recipe.ts compares it with the model it is bound to. Nothing here opens a
// file or knows about editors; no expression in a recipe is ever evaluated.
import type { RecipeSettings } from './recipe-settings.js';
import type { FallbackPolicy, TensorRule } from '../quantize/quantization-plan.js';

/** Zero-based line and character (UTF-16). */
export interface TextPosition {
  readonly line: number;
  readonly character: number;
}

/** End exclusive: what editors and the language-server protocol use. */
export interface TextRange {
  readonly start: TextPosition;
  readonly end: TextPosition;
}

export interface RecipeDiagnostic {
  /** Kebab-case with prefix: `recipe/unknown-key`, `recipe/syntax` … */
  readonly code: string;
  readonly severity: 'error' | 'warning' | 'info' | 'hint';
  readonly message: string;
  readonly range: TextRange;
  /** A replacement for the range that would fix it, for quick fixes (`did you mean`). */
  readonly suggestion?: string;
  /** The text has no effect: editors show it faded. */
  readonly unnecessary?: boolean;
}

export interface LocatedPath {
  /** As written; relative to the recipe's folder. */
  readonly path: string;
  readonly range: TextRange;
}

export interface RecipeRule extends TensorRule {
  /** The whole rule. */
  readonly range: TextRange;
  readonly patternRange: TextRange;
  readonly typeRange: TextRange;
}

export interface Recipe {
  readonly version: 1;
  readonly source: LocatedPath;
  readonly output: LocatedPath;
  /** A file type name. */
  readonly type: { readonly name: string; readonly range: TextRange };
  readonly rules: readonly RecipeRule[];
  readonly imatrix?: LocatedPath;
  readonly fallback: FallbackPolicy;
  readonly settings: RecipeSettings;
}
