// The importance matrix: per weight matrix the mean square of each input column's activations, which quantizers use as the
// weight of that column's error. Values stay in the file until they are needed, a slice at a time: those of a model of 58
// layers with 256 experts take 1 GB. Reading files is in imatrix-file.ts.
import type { GgufTensorInfo } from '../gguf/gguf.js';

export interface ImportanceValues {
  readonly length: number;
  /** From index `start` to before `end`, in memory of their own. Rejects if the file cannot be read. */
  read(start: number, end: number, signal?: AbortSignal): Promise<Float32Array>;
}

export interface ImportanceEntry {
  /**
   * Mean squares, one per column; for tensors of experts `ne[2]` slices of `ne[0]` values after each other. All finite.
   */
  readonly values: ImportanceValues;
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

/**
 * Types whose quantizer weighs an error by the mean square of the whole row, so that a row with importance weights cannot be
 * cut. All others look at a block of 256 weights at most. Source: ggml-quants.c.
 */
const ROW_TYPES = new Set(['Q4_0', 'Q4_1', 'Q5_0', 'Q5_1']);

export function weighsByRow(type: string): boolean {
  return ROW_TYPES.has(type);
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
