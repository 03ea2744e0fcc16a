// The list a person picks a file type from: what each would give for this very model, fallbacks and mixtures included.
import { FILE_TYPES, type FileType } from '../ggml/file-type.js';
import type { Problem } from '../problem.js';
import type { ImportanceMatrix } from './importance-matrix.js';
import type { PlanSource } from './model-facts.js';
import type { PlannedTensor, QuantizeOptions } from './quantization-plan.js';
import type { QuantizationGrid } from './quantization-grid.js';
import { headerByteLengths } from './plan-metadata.js';
import { defaultOptions, planQuantization } from './plan.js';

export interface FileTypePreview {
  readonly fileType: string;
  readonly summary: string;
  /** Tensor bytes times 8 over elements. */
  readonly bitsPerWeight: number;
  /** Of the whole file, header included. */
  readonly byteLength: number;
  /** Tensors whose type changes. */
  readonly converted: number;
  /**
   * Tensors whose rows do not fit the type asked for: their weights as a share of all, 0 to 1, and the types they get
   * instead, most weights first.
   */
  readonly fallback: { readonly share: number; readonly types: readonly string[] };
  /** What the plan says; a type with an error-level problem cannot be chosen as it is. */
  readonly problems: readonly Problem[];
}

/** File types whose kernels exist here, COPY excepted, in the table's order: from large to small. */
export function availableFileTypes(): readonly FileType[] {
  return FILE_TYPES.filter(type => type.available && type.id !== undefined);
}

export interface PreviewExtras {
  readonly imatrix?: ImportanceMatrix;
  readonly grid?: QuantizationGrid;
  /** What else is wished for, the same for every type. */
  readonly options?: Partial<QuantizeOptions>;
}

function fallbackOf(tensors: readonly PlannedTensor[]): FileTypePreview['fallback'] {
  const weights = new Map<string, number>();
  let [fallen, all] = [0, 0];
  for (const { requestedType, rule, toType, elementCount } of tensors) {
    all += elementCount;
    if (requestedType === undefined || !rule.includes('fallback from')) continue;
    fallen += elementCount;
    weights.set(toType, (weights.get(toType) ?? 0) + elementCount);
  }
  const types = [...weights].sort((a, b) => b[1] - a[1]).map(([type]) => type);
  return { share: fallen / Math.max(1, all), types };
}

/** Plans every available file type. Pure and quick: a few milliseconds per type and 1,000 tensors. */
export function previewFileTypes(
  source: PlanSource,
  { imatrix, grid, options }: PreviewExtras = {},
): readonly FileTypePreview[] {
  return availableFileTypes().map(({ name, summary }) => {
    const wished = { ...defaultOptions(name), ...options, fileType: name };
    const plan = planQuantization(source, wished, { ...(imatrix && { imatrix }), ...(grid && { grid }) });
    const headers = headerByteLengths(source, plan).reduce((sum, length) => sum + length, 0);
    return {
      fileType: name,
      summary,
      bitsPerWeight: plan.bitsPerWeight,
      byteLength: headers + plan.dataLength,
      converted: plan.tensors.filter(({ fromType, toType }) => fromType !== toType).length,
      fallback: fallbackOf(plan.tensors),
      problems: plan.problems,
    };
  });
}
