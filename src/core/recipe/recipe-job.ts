// A checked recipe -> what the quantize job takes. Paths are resolved by the caller: core knows no file system.
import type { QuantizeOptions } from '../quantize/quantization-plan.js';
import type { Recipe } from './recipe.js';

export interface RecipeJob {
  readonly source: string;
  readonly output: string;
  readonly imatrix?: string;
  /** As the recipe has it. */
  readonly imatrixName?: string;
  readonly includeWeights?: readonly string[];
  readonly excludeWeights?: readonly string[];
  readonly keepSplit: boolean;
  readonly maxShardBytes?: number;
  readonly options: QuantizeOptions;
}

/** `resolve` turns a path of the recipe, relative to the recipe's folder or absolute, into one that can be opened. */
export function recipeToJob(recipe: Recipe, resolve: (path: string) => string): RecipeJob {
  const { options, includeWeights, excludeWeights, keepSplit, maxShardBytes } = recipe.settings;
  return {
    source: resolve(recipe.source.path),
    output: resolve(recipe.output.path),
    ...(recipe.imatrix && { imatrix: resolve(recipe.imatrix.path), imatrixName: recipe.imatrix.path }),
    ...(includeWeights && { includeWeights }),
    ...(excludeWeights && { excludeWeights }),
    keepSplit: keepSplit ?? false,
    ...(maxShardBytes !== undefined && { maxShardBytes }),
    options: {
      fileType: recipe.type.name,
      rules: recipe.rules.map(({ kind, pattern, type, label }) => ({ kind, pattern, type, label })),
      pure: false,
      allowRequantize: false,
      onFallback: recipe.fallback,
      ...options,
    },
  };
}
