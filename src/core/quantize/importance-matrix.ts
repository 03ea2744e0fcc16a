// The importance matrix in memory: per weight matrix the mean square of each input column's activations, which quantizers
// use as the weight of that column's error. Reading files is in imatrix-file.ts.
import type { GgufTensorInfo } from '../gguf/gguf.js';

export interface ImportanceEntry {
  /**
   * Mean squares, one per column; for tensors of experts `ne[2]` slices of `ne[0]` values after each other. All finite.
   */
  readonly values: Float32Array;
  /** Slices for which no activation was seen (experts never chosen); their values are all 1, as llama-quantize has it. */
  readonly unseenSlices: number;
}

export interface ImportanceMatrix {
  /** As the user named the file; goes into the output's metadata. */
  readonly name: string;
  readonly format: 'gguf' | 'legacy';
  /** By the name of the weight tensor. */
  readonly entries: ReadonlyMap<string, ImportanceEntry>;
  /** The texts it was computed from, as the file names them. */
  readonly datasets: readonly string[];
  /** Chunks of text evaluated; undefined if the file does not say. */
  readonly chunkCount: number | undefined;
}

/** Types whose quantizer reads importance weights; the others give the same bytes with and without. Source: ggml 0.27. */
const WEIGHTED_TYPES = new Set(
  'Q4_0 Q4_1 Q5_0 Q5_1 Q2_K Q3_K Q4_K Q5_K Q6_K IQ1_S IQ1_M IQ2_XXS IQ2_XS IQ2_S IQ3_XXS IQ3_S IQ4_NL IQ4_XS'.split(
    ' ',
  ),
);

export function usesImportance(type: string): boolean {
  return WEIGHTED_TYPES.has(type);
}

/** Values an entry for this tensor must have: one per column and expert. */
export function importanceLength(tensor: Pick<GgufTensorInfo, 'ne'>): number {
  return (tensor.ne[0] ?? 0) * (tensor.ne[2] ?? 1);
}

/** The weights for slice `index` along `ne[2]` of a tensor with `columns` columns; a view, not a copy. */
export function importanceSlice(entry: ImportanceEntry, columns: number, index: number): Float32Array {
  return entry.values.subarray(index * columns, (index + 1) * columns);
}

/** Which entries to use: by substring of the name, as `--include-weights` and `--exclude-weights` of llama-quantize. */
export interface ImportanceFilter {
  readonly include?: readonly string[];
  readonly exclude?: readonly string[];
}

/** Keeps entries that contain any of `include` (all if empty) and none of `exclude`. */
export function filterImportance(matrix: ImportanceMatrix, filter: ImportanceFilter): ImportanceMatrix {
  const include = filter.include ?? [];
  const exclude = filter.exclude ?? [];
  if (include.length === 0 && exclude.length === 0) return matrix;
  const kept = [...matrix.entries].filter(
    ([name]) =>
      (include.length === 0 || include.some(part => name.includes(part))) && !exclude.some(part => name.includes(part)),
  );
  return { ...matrix, entries: new Map(kept) };
}
