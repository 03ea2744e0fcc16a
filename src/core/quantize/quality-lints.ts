// Plans that can be carried out and probably are not what was wanted. Warnings, never errors: the user may know better.
import { bitsPerWeight, ggmlType, ggmlTypeByName } from '../ggml/ggml-type.js';
import type { Problem } from '../problem.js';
import { formatBitsPerWeight, formatBytes, plural } from '../text/quantity.js';
import type { Decision } from './choose-types.js';
import { importanceLength, usesImportance, type ImportanceMatrix } from './importance-matrix.js';
import { isTokenEmbedding } from './mixture.js';
import { targetByteLength } from './output-layout.js';

/** Below this the output matrix costs more quality than it saves bytes; no mixture of llama.cpp goes there. */
const LEAST_OUTPUT_BITS = 4;
/** From here down rounding without importance weights shows in everything a model says (perplexity +0.5 and more). */
const LOW_BITS = 3.5;

export function qualityLints(
  decisions: readonly Decision[],
  imatrix: ImportanceMatrix | undefined,
): readonly Problem[] {
  return [
    ...largerThanSource(decisions),
    ...coarseOutput(decisions),
    ...lowBitsWithoutImportance(decisions, imatrix),
    ...unseenExperts(decisions, imatrix),
  ];
}

const bitsOf = (type: string): number => {
  const known = ggmlTypeByName(type);
  return known ? bitsPerWeight(known) : Infinity;
};

const isChanged = ({ fromType, toType }: Decision): boolean => fromType !== toType;

function largerThanSource(decisions: readonly Decision[]): readonly Problem[] {
  const before = decisions.reduce((sum, { tensor }) => sum + (tensor.byteLength ?? 0), 0);
  const after = decisions.reduce((sum, decision) => sum + targetByteLength(decision), 0);
  if (after <= before) return [];
  const message = `The tensors grow from ${formatBytes(before)} to ${formatBytes(after)}; a larger type brings back nothing that was lost.`;
  return [{ code: 'plan/grows', severity: 'warning', message, hint: 'Choose a smaller file type.' }];
}

/** The matrix that becomes the next token's probabilities: output.weight, or the embedding where there is none. */
function coarseOutput(decisions: readonly Decision[]): readonly Problem[] {
  const output =
    decisions.find(({ tensor }) => tensor.name === 'output.weight') ??
    decisions.find(({ tensor }) => tensor.name === 'token_embd.weight');
  if (!output || !isChanged(output) || bitsOf(output.toType) >= LEAST_OUTPUT_BITS) return [];
  const { name } = output.tensor;
  return [
    {
      code: 'plan/coarse-output',
      severity: 'warning',
      message: `${name}, which every token passes, becomes ${output.toType} with ${formatBitsPerWeight(bitsOf(output.toType))} bits per weight.`,
      hint: `Give it Q6_K by a rule${name === 'output.weight' ? ' or as output tensor type' : ''}; it is a small part of the file.`,
      subject: name,
    },
  ];
}

function lowBitsWithoutImportance(
  decisions: readonly Decision[],
  imatrix: ImportanceMatrix | undefined,
): readonly Problem[] {
  if (imatrix) return [];
  const low = decisions.filter(
    decision =>
      isChanged(decision) &&
      usesImportance(decision.toType) &&
      bitsOf(decision.toType) < LOW_BITS &&
      !isTokenEmbedding(decision.tensor.name),
  );
  const [first] = low;
  if (!first) return [];
  const types = [...new Set(low.map(({ toType }) => ggmlType(toType).name))].join(', ');
  return [
    {
      code: 'plan/low-bits-without-imatrix',
      severity: 'info',
      message: `${plural(low.length, 'tensor')} become ${types} without importance weights, with which the same bits lose clearly less.`,
      hint: 'Compute an importance matrix from text like that the model will see, and give it.',
      subject: first.tensor.name,
    },
  ];
}

function unseenExperts(decisions: readonly Decision[], imatrix: ImportanceMatrix | undefined): readonly Problem[] {
  const partial = decisions.flatMap(decision => {
    const entry =
      isChanged(decision) && usesImportance(decision.toType) ? imatrix?.entries.get(decision.tensor.name) : undefined;
    if (!entry || entry.unseenSlices === 0 || entry.values.length !== importanceLength(decision.tensor)) return [];
    return [{ decision, unseen: entry.unseenSlices }];
  });
  const [first] = partial;
  if (!first || !imatrix) return [];
  const most = Math.max(...partial.map(({ unseen }) => unseen));
  const { name, ne } = first.decision.tensor;
  return [
    {
      code: 'plan/imatrix-unseen',
      severity: 'warning',
      message: `${imatrix.name} has seen no text for up to ${most} of ${ne[2] ?? 1} matrices of ${plural(partial.length, 'tensor')} (${name}); their weights count alike.`,
      hint: 'Compute the matrix from more and more varied text, so that it reaches all experts.',
      subject: name,
    },
  ];
}
