// From what the user asked for to what will be done: the type and place of every tensor of the output, and everything that
// can be said about it beforehand. Pure: no file is touched, the same input gives the same plan, and a plan that cannot be
// run carries error-level problems instead of an exception. Without options it is llama-quantize's choice, tensor for
// tensor (types, order, padding, metadata), which 648 of its dry runs check.
import { fileTypeByName, suggestFileTypes } from '../ggml/file-type.js';
import { ggmlTypeById, ggmlTypeName } from '../ggml/ggml-type.js';
import type { GgufTensorInfo } from '../gguf/gguf.js';
import type { Problem } from '../problem.js';
import { quote } from '../text/printable.js';
import { chooseTypes, type Decision } from './choose-types.js';
import {
  filterImportance,
  filterProblems,
  usesImportance,
  type ImportanceFilter,
  type ImportanceMatrix,
} from './importance-matrix.js';
import { hiddenQuantizationProblems } from './hidden-quantization.js';
import { overriddenMetadata, overrideProblems } from './metadata-override.js';
import { readMixtureModel, type PlanSource } from './model-facts.js';
import { layOut, targetByteLength, type Target } from './output-layout.js';
import { metadataChanges, metadataRemoved, splitMetadata } from './plan-metadata.js';
import {
  averageBits,
  fallbackProblems,
  hasImportance,
  importanceProblems,
  kernelProblems,
  modelProblems,
  nameProblems,
  optionProblems,
  requantizeProblems,
  ruleProblems,
} from './plan-problems.js';
import type { QuantizationGrid } from './quantization-grid.js';
import { qualityLints } from './quality-lints.js';
import { pruneLayers, type PrunedModel } from './prune-layers.js';
import { runtimeProblems } from './runtime-support.js';
import type { OutputSplit, PlannedTensor, QuantizationPlan, QuantizeOptions } from './quantization-plan.js';
import { compareOutputOrder, significantDimensions } from './tensor-selection.js';

/** Everything a plan may take into account besides model and options. */
export interface PlanExtras {
  /** As read; without entries, or with none left by `weights`, it counts as none. */
  readonly imatrix?: ImportanceMatrix;
  /** Which of its entries to use. Default: all. */
  readonly weights?: ImportanceFilter;
  /** Default: one file. */
  readonly split?: OutputSplit;
  /** False plans types that cannot be written here as well, to show what they would be. Default true. */
  readonly kernelsRequired?: boolean;
  /** What samples of the source's weights show, if anybody looked. */
  readonly grid?: QuantizationGrid;
}

/** What a quantization without wishes asks for. */
export function defaultOptions(fileType: string): QuantizeOptions {
  return { fileType, rules: [], pure: false, allowRequantize: false, onFallback: 'promote' };
}

/**
 * Plans the quantization of `source` (a GgufModel, or the metadata and tensors of anything like one). Tensors come in the
 * order they are written. A source without metadata, tensors and files is no model: it checks the options alone. Rules and types that make no sense give a plan without tensors, with problems that say why.
 */
export function planQuantization(
  source: PlanSource,
  options: QuantizeOptions,
  extras: PlanExtras = {},
): QuantizationPlan {
  const fileType = fileTypeByName(options.fileType);
  if (!fileType?.offered) return emptyPlan(options.fileType, [unknownFileType(options.fileType)]);

  const split = extras.split ?? { kind: 'single' };
  const whole = extras.imatrix;
  const weights = extras.weights ?? {};
  const chosen = whole && filterImportance(whole, weights);
  const given = chosen && chosen.entries.size > 0 ? chosen : undefined;
  const overrides = options.metadata ?? [];
  const pruned = pruneLayers(source, options.pruneLayers ?? [], given);
  const { imatrix } = pruned;
  const ordered = outputOrder(pruned.tensors, split);
  const model = readMixtureModel(
    { ...source, metadata: overriddenMetadata(source.metadata, overrides) },
    pruned.tensors,
    given !== undefined,
  );
  const leftOut = (tensor: GgufTensorInfo): boolean => {
    const name = pruned.sourceNames.get(tensor.name) ?? tensor.name;
    return whole !== undefined && whole.entries.has(name) && !chosen?.entries.has(name);
  };
  const { decisions, rules, problems: choiceProblems } = chooseTypes(ordered, fileType, options, model);
  if (decisions.length < ordered.length) return emptyPlan(fileType.name, choiceProblems);

  const { targets, shards } = layOut(decisions, split);
  const tensors = decisions.map((decision, i) =>
    planned(decision, targets[i] ?? { shard: 0, offset: 0, byteLength: 0 }, pruned),
  );
  return {
    fileType: fileType.name,
    tensors,
    metadataChanges: metadataChanges(source, fileType, given, overrides, pruned.layers),
    metadataRemoved: metadataRemoved(source),
    shards: splitMetadata(shards, tensors.length),
    dataLength: shards.reduce((sum, shard) => sum + shard.dataLength, 0),
    bitsPerWeight: averageBits(decisions, targetByteLength),
    problems: [
      ...choiceProblems,
      ...modelProblems(source),
      ...pruned.problems,
      ...overrideProblems(source, overrides),
      ...optionProblems(decisions, options),
      ...nameProblems(ordered),
      ...unknownTypeProblems(decisions),
      ...(extras.kernelsRequired === false ? [] : kernelProblems(decisions)),
      ...requantizeProblems(decisions, options.allowRequantize),
      ...hiddenQuantizationProblems(source, decisions, extras.grid, options.allowRequantize),
      ...(source.tensors.length === 0 ? [] : filterProblems(whole, weights)),
      ...importanceProblems(decisions, fileType.name, imatrix, leftOut),
      ...fallbackProblems(decisions),
      ...ruleProblems(rules),
      ...runtimeProblems(decisions, options.runtime),
      ...qualityLints(decisions, imatrix),
    ],
  };
}

/** As written: by layer and name; when the source's shards are kept, shard by shard as the tensors lie in them. */
function outputOrder(tensors: readonly GgufTensorInfo[], split: OutputSplit): readonly GgufTensorInfo[] {
  const byName = [...tensors].sort(compareOutputOrder);
  if (split.kind !== 'keep') return byName;
  return byName.sort((a, b) => a.shard - b.shard || a.fileOffset - b.fileOffset);
}

function planned(decision: Decision, target: Target, { imatrix, sourceNames }: PrunedModel): PlannedTensor {
  const { tensor, fromType, toType, rule, requestedType } = decision;
  return {
    name: tensor.name,
    sourceName: sourceNames.get(tensor.name) ?? tensor.name,
    ne: significantDimensions(tensor.ne),
    elementCount: tensor.elementCount,
    fromType,
    toType,
    rule,
    ...(requestedType === undefined ? {} : { requestedType }),
    source: { shard: tensor.shard, fileOffset: tensor.fileOffset, byteLength: tensor.byteLength ?? 0 },
    target,
    importance: fromType !== toType && usesImportance(toType) && hasImportance(decision, imatrix),
  };
}

function emptyPlan(fileType: string, problems: readonly Problem[]): QuantizationPlan {
  return {
    fileType,
    tensors: [],
    metadataChanges: [],
    metadataRemoved: [],
    shards: [{ tensorCount: 0, dataLength: 0, splitMetadata: [] }],
    dataLength: 0,
    bitsPerWeight: 0,
    problems,
  };
}

function unknownFileType(name: string): Problem {
  const near = suggestFileTypes(name);
  return {
    code: 'plan/unknown-file-type',
    severity: 'error',
    message: `Expected a file type such as Q4_K_M, Q6_K or Q8_0, found ${quote(name)}.`,
    hint: near.length > 0 ? `Did you mean ${near.join(' or ')}?` : 'Names are those of llama-quantize.',
  };
}

/** Tensors of a type this version does not know: their length is unknown, so they cannot even be copied. */
function unknownTypeProblems(decisions: readonly Decision[]): readonly Problem[] {
  return decisions
    .filter(({ tensor }) => tensor.byteLength === undefined || ggmlTypeById(tensor.typeId) === undefined)
    .map(({ tensor }) => ({
      code: 'plan/unknown-source-type',
      severity: 'error',
      message: `${tensor.name} is stored as ${ggmlTypeName(tensor.typeId)}, which is not known here, so its length is not known either.`,
      hint: 'The file needs a newer version of Quantsmith.',
      subject: tensor.name,
    }));
}
