// What a plan has to say before a byte is written: substitutions and what they cost, requantization, missing kernels,
// importance matrix that is missing, foreign or of the wrong size, rules without effect. One problem per kind, not per
// tensor: a 100-layer model must not give 400 lines. Bad plans are error-level; the job refuses them.
import { bitsPerWeight, ggmlType, ggmlTypeByName } from '../ggml/ggml-type.js';
import { metadataEntry, metadataString, type GgufTensorInfo } from '../gguf/gguf.js';
import { MAX_TENSOR_NAME_BYTES } from '../gguf/limits.js';
import type { Problem } from '../problem.js';
import { quote } from '../text/printable.js';
import { formatBitsPerWeight, formatInteger, plural } from '../text/quantity.js';
import { missingKernels, type Decision, type RuleUse } from './choose-types.js';
import { importanceLength, usesImportance, type ImportanceMatrix } from './importance-matrix.js';
import { isTokenEmbedding } from './mixture.js';
import type { PlanSource } from './model-facts.js';
import type { QuantizeOptions } from './quantization-plan.js';
import { targetByteLength } from './output-layout.js';

/** Names shown of a long list. */
const NAMES_SHOWN = 3;

const converted = (decision: Decision) => decision.fromType !== decision.toType;

function someNames(decisions: readonly Decision[]): string {
  const names = decisions.slice(0, NAMES_SHOWN).map(decision => decision.tensor.name);
  return names.join(', ') + (decisions.length > NAMES_SHOWN ? ` and ${decisions.length - NAMES_SHOWN} more` : '');
}

function groupBy<T>(items: readonly T[], key: (item: T) => string): ReadonlyMap<string, readonly T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const name = key(item);
    const group = groups.get(name);
    if (group) group.push(item);
    else groups.set(name, [item]);
  }
  return groups;
}

function subject(decisions: readonly Decision[]): { subject?: string } {
  const name = decisions[0]?.tensor.name;
  return name === undefined ? {} : { subject: name };
}

/** Bits per weight of all tensors: bytes times 8 over elements. */
export function averageBits(decisions: readonly Decision[], byteLength: (decision: Decision) => number): number {
  let bytes = 0;
  let elements = 0;
  for (const decision of decisions) {
    bytes += byteLength(decision);
    elements += decision.tensor.elementCount;
  }
  return elements === 0 ? 0 : (bytes * 8) / elements;
}

/** One summary of all substitutions: how many of what, and what they do to the size of the file. */
export function fallbackProblems(decisions: readonly Decision[]): readonly Problem[] {
  const fallen = decisions.filter(
    ({ requestedType, rule }) => requestedType !== undefined && rule.includes('fallback from'),
  );
  if (fallen.length === 0) return [];
  const bits = (type: string) => formatBitsPerWeight(bitsPerWeight(ggmlType(type)));
  const pairs = [...groupBy(fallen, ({ requestedType, toType }) => `${requestedType ?? ''} ${toType}`)].map(
    ([pair, group]) => {
      const [from = '', to = ''] = pair.split(' ');
      return `${group.length} ${from} -> ${to} (${bits(from)} -> ${bits(to)} bits)`;
    },
  );
  const wishedBytes = (decision: Decision) =>
    decision.requestedType === undefined
      ? targetByteLength(decision)
      : (bitsPerWeight(ggmlType(decision.requestedType)) * decision.tensor.elementCount) / 8;
  const rows = [...new Set(fallen.map(({ tensor }) => tensor.ne[0] ?? 0))].sort((a, b) => a - b);
  return [
    {
      code: 'plan/shape-fallback',
      severity: 'warning',
      message:
        `${fallen.length} of ${plural(decisions.length, 'tensor')} cannot hold the type asked for, because rows of ` +
        `${rows.slice(0, NAMES_SHOWN).join(', ')}${rows.length > NAMES_SHOWN ? ', …' : ''} weights do not divide into its blocks: ` +
        `${pairs.join('; ')}. The file comes to ${formatBitsPerWeight(averageBits(decisions, targetByteLength))} bits per weight ` +
        `instead of ${formatBitsPerWeight(averageBits(decisions, wishedBytes))}.`,
      hint: 'Give rules for these tensors, or set the fallback to error or to a type of your choice.',
      ...subject(fallen),
    },
  ];
}

/** What every model has, and without which llama.cpp loads none: tensors and the name of its architecture. */
export function modelProblems({ metadata, tensors, shards }: PlanSource): readonly Problem[] {
  const problems: Problem[] = [];
  // No model at all, which is how options are checked before one is opened. A model from a file has its shards.
  if (shards === undefined && tensors.length === 0 && metadata.length === 0) return problems;
  if (tensors.length === 0) {
    problems.push({
      code: 'plan/no-tensors',
      severity: 'error',
      message: 'Expected a model with tensors, found none: there is nothing to quantize.',
      hint: 'The file holds a vocabulary alone, or its header is damaged. Give the file with the weights.',
    });
  }
  const key = 'general.architecture';
  const entry = metadataEntry(metadata, key);
  // An empty name is none: llama.cpp knows no such architecture.
  if (!metadataString(metadata, key)) {
    const found =
      entry === undefined ? 'no such key' : entry.type === 'string' ? 'no usable name' : `type ${entry.type}`;
    problems.push({
      code: 'plan/no-architecture',
      severity: 'error',
      message: `Expected the name of the model's architecture in ${key}, found ${found}.`,
      hint: 'llama.cpp could not load the result. Convert the original model again, or fetch the file again.',
      subject: key,
    });
  }
  return problems;
}

/** Options about a tensor that this model has not. */
export function optionProblems(decisions: readonly Decision[], options: QuantizeOptions): readonly Problem[] {
  if (decisions.length === 0) return [];
  const problems: Problem[] = [];
  const output = decisions.some(({ tensor }) => tensor.name === 'output.weight');
  if (options.leaveOutputTensor && options.outputTensorType !== undefined && output) {
    problems.push({
      code: 'plan/options-contradict',
      severity: 'warning',
      message: `output.weight shall keep its type and become ${options.outputTensorType}; it keeps its type.`,
      hint: 'Leave out one of the two wishes.',
      subject: 'output.weight',
    });
  }
  if (!output && options.leaveOutputTensor) {
    problems.push({
      code: 'plan/no-output-tensor',
      severity: 'warning',
      message: 'There is no output.weight to keep: this model uses its token embedding as output matrix.',
      hint: 'Give token_embd.weight a type of its own instead.',
    });
  }
  if (!output && options.outputTensorType !== undefined) {
    problems.push(tiedOutputProblem(decisions, options.outputTensorType));
  }
  if (options.tokenEmbeddingType !== undefined && !decisions.some(({ tensor }) => isTokenEmbedding(tensor.name))) {
    problems.push({
      code: 'plan/no-token-embedding',
      severity: 'warning',
      message: 'A type for the token embedding is given, and this model has no token_embd.weight.',
    });
  }
  return problems;
}

/**
 * What a type for an output matrix that does not exist does: it is the mixture's choice for the token embedding, as in
 * llama-quantize, and nothing where something else decides (a type of its own, a rule, no mixture).
 */
function tiedOutputProblem(decisions: readonly Decision[], type: string): Problem {
  const code = 'plan/output-type-tied';
  const embedding = decisions.find(({ tensor }) => isTokenEmbedding(tensor.name));
  if (!embedding) {
    return {
      code,
      severity: 'warning',
      message: `A type for output.weight is given (${type}), and this model has neither that nor a token embedding: it does nothing.`,
      hint: 'Leave it out.',
    };
  }
  const { tensor, toType, rule } = embedding;
  const tied = 'There is no output.weight: this model uses its token embedding as output matrix';
  const hint =
    '--token-embedding-type (token_embedding_type in a recipe) sets the type of the token embedding itself, and goes first.';
  return rule.includes('tied output')
    ? {
        code,
        severity: 'info',
        message: `${tied}. The type for output.weight, ${type}, is asked for ${tensor.name} instead, as in llama-quantize.`,
        hint,
        subject: tensor.name,
      }
    : {
        code,
        severity: 'warning',
        message: `${tied}. The type for output.weight, ${type}, does nothing: ${tensor.name} becomes ${toType} (${rule}).`,
        hint,
        subject: tensor.name,
      };
}

/** Unwritable names reported one by one; no real model has any, a damaged one may have 65,536. */
const NAME_PROBLEMS_SHOWN = 16;

/**
 * Names that cannot be written: longer than ggml allows, or known only in part or as a replacement, so that another name
 * would be written.
 */
export function nameProblems(tensors: readonly GgufTensorInfo[]): readonly Problem[] {
  const encoder = new TextEncoder();
  const problems = tensors.flatMap(({ name, inexactName }): readonly Problem[] => {
    const byteLength = inexactName?.byteLength ?? encoder.encode(name).length;
    const faults = [
      ...(byteLength > MAX_TENSOR_NAME_BYTES ? [`${formatInteger(byteLength)} bytes`] : []),
      ...(inexactName?.validUtf8 === false ? ['bytes that are not UTF-8'] : []),
    ];
    if (faults.length === 0) return [];
    return [
      {
        code: 'plan/tensor-name',
        severity: 'error',
        message: `The name of tensor ${quote(name)} cannot be written: expected at most ${MAX_TENSOR_NAME_BYTES} bytes of UTF-8, found ${faults.join(', ')}.`,
        hint: 'llama.cpp could not load the result. Convert the original model again with the names llama.cpp uses.',
        subject: name,
      },
    ];
  });
  const more = problems.length - NAME_PROBLEMS_SHOWN;
  if (more <= 0) return problems;
  const message = `The names of ${plural(more, 'more tensor')} cannot be written.`;
  return [...problems.slice(0, NAME_PROBLEMS_SHOWN), { code: 'plan/tensor-name', severity: 'error', message }];
}

/** Tensors that are quantized already and would be quantized again. */
export function requantizeProblems(decisions: readonly Decision[], allowed: boolean): readonly Problem[] {
  const again = decisions.filter(
    decision => converted(decision) && (ggmlTypeByName(decision.fromType)?.blockSize ?? 1) > 1,
  );
  if (again.length === 0) return [];
  const types = [...groupBy(again, ({ fromType }) => fromType)]
    .map(([type, group]) => `${group.length} ${type}`)
    .join(', ');
  return [
    {
      code: 'plan/requantize',
      severity: allowed ? 'warning' : 'error',
      message:
        `${plural(again.length, 'tensor')} of the source ${again.length === 1 ? 'is' : 'are'} quantized already (${types}); ` +
        `quantizing again adds their error to the new one (${someNames(again)}).`,
      ...(allowed ? {} : { hint: 'Start from an F16, BF16 or F32 model, or allow requantization.' }),
      ...subject(again),
    },
  ];
}

/** Conversions no kernel here can do. */
export function kernelProblems(decisions: readonly Decision[]): readonly Problem[] {
  const needs = decisions.flatMap(decision => missingKernels(decision).map(need => ({ need, decision })));
  return [...groupBy(needs, ({ need }) => need)].map(([need, group]) => {
    const tensors = group.map(({ decision }) => decision);
    return {
      code: 'plan/no-kernel',
      severity: 'error',
      message: `There is no kernel here to ${need}, which ${plural(tensors.length, 'tensor')} would need (${someNames(tensors)}).`,
      hint: need.startsWith('write')
        ? 'Choose another file type, or give these tensors another type by a rule.'
        : 'Use a source in F32, F16, BF16 or one of the supported types.',
      ...subject(tensors),
    };
  });
}

/** Types that are garbage without importance weights, so llama-quantize refuses them; Q2_K only inside Q2_K_S. */
const NEEDS_IMPORTANCE = new Set(['IQ1_S', 'IQ1_M', 'IQ2_XXS', 'IQ2_XS', 'IQ2_S', 'IQ3_XXS']);

function needsImportance({ tensor, toType }: Decision, fileType: string): boolean {
  if (ggmlTypeByName(toType)?.needsImportance) return true; // llama-quantize aborts at such an end
  if (isTokenEmbedding(tensor.name) || tensor.name === 'output.weight') return false;
  return NEEDS_IMPORTANCE.has(toType) || (toType === 'Q2_K' && fileType === 'Q2_K_S');
}

/** The matrix has an entry of the right size for this tensor. */
export function hasImportance({ tensor }: Decision, imatrix: ImportanceMatrix | undefined): boolean {
  return imatrix?.entries.get(tensor.name)?.values.length === importanceLength(tensor);
}

export function importanceProblems(
  decisions: readonly Decision[],
  fileType: string,
  imatrix: ImportanceMatrix | undefined,
  /** The matrix has an entry for the tensor that shall not be used. */
  leftOut: (tensor: GgufTensorInfo) => boolean,
): readonly Problem[] {
  const work = decisions.filter(converted);
  const lacking = work.filter(decision => needsImportance(decision, fileType) && !hasImportance(decision, imatrix));
  const problems: Problem[] = [];
  if (lacking.length > 0) {
    const types = [...new Set(lacking.map(({ toType }) => toType))].join(', ');
    const excluded = lacking.filter(({ tensor }) => leftOut(tensor));
    const without = excluded.length > 0 ? excluded : lacking;
    const why = imatrix ? `${imatrix.name} has no weights for` : 'none is given. First:';
    const advice = imatrix
      ? 'Compute the matrix from this very model, with text that reaches all its experts.'
      : 'Give an importance matrix, or choose a type that needs none.';
    problems.push({
      code: 'plan/imatrix-required',
      severity: 'error',
      message:
        `${plural(lacking.length, 'tensor')} would become ${types}, which is garbage without an importance matrix; ` +
        `${excluded.length > 0 ? 'the entries chosen of the matrix leave out' : why} ${someNames(without)}.`,
      hint: excluded.length > 0 ? 'Include the weights of these tensors, or choose a type that needs none.' : advice,
      ...subject(without),
    });
  }
  if (imatrix) problems.push(...entryProblems(decisions, work, imatrix, new Set(lacking), leftOut));
  return problems;
}

/** Entries that do not fit their tensor, tensors without entry, and entries without tensor. */
function entryProblems(
  decisions: readonly Decision[],
  work: readonly Decision[],
  imatrix: ImportanceMatrix,
  reported: ReadonlySet<Decision>,
  leftOut: (tensor: GgufTensorInfo) => boolean,
): readonly Problem[] {
  const problems: Problem[] = [];
  const names = new Set(decisions.map(({ tensor }) => tensor.name));
  const foreign = [...imatrix.entries.keys()].filter(name => !names.has(name));
  if (foreign.length > 0) {
    problems.push({
      code: 'plan/imatrix-foreign',
      severity: 'warning',
      message: `${foreign.length} of ${imatrix.entries.size} entries of ${imatrix.name} name no tensor of this model (${foreign.slice(0, NAMES_SHOWN).join(', ')}).`,
      hint: 'Check that the matrix was computed from this model.',
    });
  }
  for (const decision of work) {
    const found = imatrix.entries.get(decision.tensor.name)?.values.length;
    const expected = importanceLength(decision.tensor);
    if (found === undefined || found === expected) continue;
    const tolerated = isTokenEmbedding(decision.tensor.name);
    problems.push({
      code: 'plan/imatrix-size',
      severity: tolerated ? 'info' : 'error',
      message: `${decision.tensor.name}: expected ${expected} importance weights, found ${found} in ${imatrix.name}.`,
      ...(tolerated
        ? {}
        : { hint: 'The matrix was computed from another model, or an older file of it; compute it anew.' }),
      subject: decision.tensor.name,
    });
  }
  // The token embedding and the output are not collected by default, so their absence says nothing.
  const unweighted = work.filter(
    decision =>
      usesImportance(decision.toType) &&
      !imatrix.entries.has(decision.tensor.name) &&
      !reported.has(decision) &&
      !isTokenEmbedding(decision.tensor.name) &&
      decision.tensor.name !== 'output.weight',
  );
  const excluded = unweighted.filter(({ tensor }) => leftOut(tensor));
  if (excluded.length > 0) {
    problems.push({
      code: 'plan/imatrix-entry-left-out',
      severity: 'info',
      message: `The entries of ${imatrix.name} for ${plural(excluded.length, 'tensor')} are left out as asked, so these are quantized without importance weights: ${someNames(excluded)}.`,
      ...subject(excluded),
    });
  }
  const without = unweighted.filter(({ tensor }) => !leftOut(tensor));
  if (without.length > 0) {
    problems.push({
      code: 'plan/imatrix-missing-entry',
      severity: 'warning',
      message: `${imatrix.name} has no entry for ${plural(without.length, 'tensor')}, quantized without importance weights: ${someNames(without)}.`,
      ...subject(without),
    });
  }
  return problems;
}

/** Rules that decide nothing, and why. */
export function ruleProblems(rules: readonly RuleUse[]): readonly Problem[] {
  return rules.flatMap((use): readonly Problem[] => {
    if (use.decided > 0) return [];
    const { label } = use.rule;
    if (use.matched === 0) {
      return [
        {
          code: 'plan/rule-unused',
          severity: 'warning',
          message: `${label} matches no tensor of this model.`,
          hint:
            use.rule.kind === 'glob'
              ? 'A glob must match the whole name, as in blk.*.attn_v.weight; * stands for any characters.'
              : 'A regular expression is searched for in names such as blk.0.attn_v.weight.',
        },
      ];
    }
    if (use.quantizable === 0) {
      return [
        {
          code: 'plan/rule-without-effect',
          severity: 'warning',
          message: `${label} matches ${plural(use.matched, 'tensor')}, none of which is quantized (norms, biases, routers and the like keep their type).`,
        },
      ];
    }
    const count = use.quantizable;
    const which = count === 1 ? 'the one tensor it matches is' : `all ${count} tensors it matches are`;
    return [
      {
        code: 'plan/rule-shadowed',
        severity: 'warning',
        message: `${label} decides nothing: ${which} decided before it, by ${[...use.lostTo].join(', ')}.`,
        hint: 'The first match wins: put the narrower rule first.',
      },
    ];
  });
}
