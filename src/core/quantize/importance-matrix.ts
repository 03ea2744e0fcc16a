// The importance matrix: per weight matrix the mean square of each input column's activations, which quantizers use as the
// weight of that column's error. Values stay in the file until they are needed, a slice at a time: those of a model of 58
// layers with 256 experts take 1 GB. Reading files is in imatrix-file.ts.
import type { GgufTensorInfo } from '../gguf/gguf.js';
import type { Problem } from '../problem.js';
import { quote } from '../text/printable.js';
import { plural } from '../text/quantity.js';

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

/** Texts without effect reported one by one. */
const UNUSED_TEXTS_SHOWN = 16;

/** Texts that choose nothing: because there is no matrix, or because they are part of no entry's name. `matrix` is whole. */
export function filterProblems(matrix: ImportanceMatrix | undefined, filter: ImportanceFilter): readonly Problem[] {
  const problems = (['include', 'exclude'] as const).flatMap(kind => textProblems(kind, filter[kind] ?? [], matrix));
  if (matrix && matrix.entries.size > 0 && filterImportance(matrix, filter).entries.size === 0) {
    problems.push({
      code: 'plan/no-weights-left',
      severity: 'warning',
      message: `All ${matrix.entries.size} entries of ${matrix.name} are left out, so the result is that without an importance matrix.`,
      hint: 'Change the texts that include and exclude weights, or give no matrix.',
    });
  }
  return problems;
}

function textProblems(
  kind: 'include' | 'exclude',
  texts: readonly string[],
  matrix: ImportanceMatrix | undefined,
): readonly Problem[] {
  const code = `plan/${kind}-weights-unused`;
  const shown = (list: readonly string[]) => list.map(text => quote(text)).join(', ');
  if (texts.length === 0) return [];
  if (!matrix) {
    const some = texts.slice(0, 3);
    return [
      {
        code,
        severity: 'warning',
        message: `Importance weights to ${kind} are named (${shown(some)}${texts.length > some.length ? ', …' : ''}), and there is no importance matrix: they do nothing.`,
        hint: 'Give the importance matrix too, or leave them out.',
      },
    ];
  }
  const names = [...matrix.entries.keys()];
  const unused: string[] = [];
  for (const text of new Set(texts)) {
    if (unused.length === UNUSED_TEXTS_SHOWN) break;
    if (!names.some(name => name.includes(text))) unused.push(text);
  }
  const [example] = names;
  return unused.map(text => ({
    code,
    severity: 'warning',
    message: `Importance weights to ${kind}: expected part of the name of an entry of ${matrix.name}, found ${quote(text)}, which none of its ${plural(names.length, 'entry', 'entries')} contains.`,
    hint: `Entries have the names of tensors${example === undefined ? '' : `, such as ${example}`}; correct the text or leave it out.`,
  }));
}

/** Keeps entries that contain any of `include` (all if empty) and none of `exclude`. */
export function filterImportance(matrix: ImportanceMatrix, filter: ImportanceFilter): ImportanceMatrix {
  const include = [...new Set(filter.include)];
  const exclude = [...new Set(filter.exclude)];
  if (include.length === 0 && exclude.length === 0) return matrix;
  const kept = [...matrix.entries].filter(
    ([name]) =>
      (include.length === 0 || include.some(part => name.includes(part))) && !exclude.some(part => name.includes(part)),
  );
  return { ...matrix, entries: new Map(kept) };
}
