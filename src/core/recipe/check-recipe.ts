// What is wrong with a recipe in its world: the model it is bound to, and the files it names. Pure: the facts are gathered
// elsewhere (platform/recipe-facts.ts) and may be incomplete; what is not known yet is not complained about. Works on a
// draft, so a recipe that is being written is checked as far as it goes.
import { bitsPerWeight, ggmlTypeByName } from '../ggml/ggml-type.js';
import { nearestNames } from '../ggml/nearest-name.js';
import type { GgufModel, GgufTensorInfo } from '../gguf/gguf.js';
import type { Problem } from '../problem.js';
import { filterProblems, type ImportanceFilter, type ImportanceMatrix } from '../quantize/importance-matrix.js';
import { defaultOptions, planQuantization } from '../quantize/plan.js';
import { fallbackType, fitsShape } from '../quantize/shape-fallback.js';
import { pruneLayers } from '../quantize/prune-layers.js';
import { reasonToKeep } from '../quantize/tensor-selection.js';
import { placeText } from '../text/place-text.js';
import { formatBitsPerWeight, plural } from '../text/quantity.js';
import { ruleEffects, type BoundModel, type RuleEffect } from './bound-model.js';
import { settingRange, type RecipeSettings } from './recipe-settings.js';
import type { RecipeDraft } from './parse-recipe.js';
import type { RecipeDiagnostic, RecipeRule, TextRange } from './recipe.js';

/** What is known of a file that could not be read, or not yet. */
export type UnreadState =
  | { readonly state: 'loading' }
  /** `nearby` are paths of files that exist and might be meant, as they would be written. */
  | { readonly state: 'missing'; readonly nearby: readonly string[] }
  | { readonly state: 'unusable'; readonly problem: Problem };

/** Of the model: its header. */
export type SourceState = { readonly state: 'bound'; readonly bound: BoundModel } | UnreadState;

/** Of the importance matrix: names and lengths of its entries, whose values cannot be read any more. */
export type ImatrixState =
  { readonly state: 'read'; readonly matrix: ImportanceMatrix; readonly problems: readonly Problem[] } | UnreadState;

/** What is known of the files a recipe names; undefined where nothing is named or not known yet. */
export interface RecipeFacts {
  readonly source?: SourceState;
  readonly output?: { readonly exists: boolean; readonly folderExists: boolean; readonly sameAsSource: boolean };
  readonly imatrix?: ImatrixState;
}

export function checkRecipe(draft: RecipeDraft, facts: RecipeFacts): RecipeDiagnostic[] {
  return [
    ...checkFiles(draft, facts),
    ...checkWeights(draft, matrixOf(draft, facts)),
    ...(facts.source?.state === 'bound' ? checkModel(draft, facts.source.bound, matrixOf(draft, facts)) : []),
  ];
}

function diagnostic(
  code: string,
  severity: RecipeDiagnostic['severity'],
  range: TextRange,
  message: string,
  extra: Pick<RecipeDiagnostic, 'suggestion' | 'unnecessary'> = {},
): RecipeDiagnostic {
  return { code: `recipe/${code}`, severity, message, range, ...extra };
}

function* checkFiles(draft: RecipeDraft, facts: RecipeFacts): Generator<RecipeDiagnostic> {
  const { source, output, imatrix } = draft;
  if (source && facts.source?.state === 'missing') {
    yield missingFile('source-missing', 'the source', source, facts.source.nearby);
  }
  if (source && facts.source?.state === 'unusable') {
    const { problem } = facts.source;
    yield fileProblem(source.range, {
      ...problem,
      severity: 'error',
      message: `\`${source.path}\` cannot be used: ${problem.message}`,
    });
  }
  if (imatrix && facts.imatrix?.state === 'missing') {
    yield missingFile('imatrix-missing', 'the importance matrix', imatrix, facts.imatrix.nearby);
  }
  if (imatrix && facts.imatrix?.state === 'unusable') {
    yield fileProblem(imatrix.range, { ...facts.imatrix.problem, severity: 'error' });
  }
  if (imatrix && facts.imatrix?.state === 'read') {
    for (const problem of facts.imatrix.problems) {
      if (problem.severity !== 'info') yield fileProblem(imatrix.range, problem);
    }
  }
  if (!output || !facts.output) return;
  if (facts.output.sameAsSource) {
    yield diagnostic(
      'output-is-source',
      'error',
      output.range,
      'the output is the source itself, which would be overwritten; choose another name',
    );
  } else if (!facts.output.folderExists) {
    yield diagnostic(
      'output-folder',
      'info',
      output.range,
      `the folder of \`${output.path}\` does not exist; running the recipe creates it`,
    );
  } else if (facts.output.exists) {
    yield diagnostic(
      'output-exists',
      'hint',
      output.range,
      `\`${output.path}\` exists; running the recipe replaces it only if you ask for that (\`--overwrite\`)`,
    );
  }
  if (!/\.gguf$/i.test(output.path)) {
    yield diagnostic(
      'output-extension',
      'warning',
      output.range,
      'the output is a GGUF file, and programs find those by their extension; end the name in `.gguf`',
      {
        suggestion: `${output.path}.gguf`,
      },
    );
  }
}

function missingFile(
  code: string,
  what: string,
  path: { path: string; range: TextRange },
  nearby: readonly string[],
): RecipeDiagnostic {
  const near = nearby.length === 1 ? nearby[0] : nearestNames(path.path, nearby, 1)[0];
  const advice =
    near === undefined ? 'check the path; it starts at the folder of the recipe' : `did you mean \`${near}\`?`;
  return diagnostic(
    code,
    'error',
    path.range,
    `${what} \`${path.path}\` does not exist; ${advice}`,
    near === undefined ? {} : { suggestion: near },
  );
}

/** The matrix under the name the recipe has for it; `none` if the recipe names none, undefined if it is not known. */
function matrixOf({ imatrix }: RecipeDraft, facts: RecipeFacts): ImportanceMatrix | 'none' | undefined {
  if (!imatrix) return 'none';
  return facts.imatrix?.state === 'read' ? { ...facts.imatrix.matrix, name: imatrix.path } : undefined;
}

/**
 * Comparisons of texts with entries beyond which they are not made while somebody types: 16 M take about a second. Real ones
 * are a few texts and 1,000 entries.
 */
const MAX_COMPARISONS = 2 ** 24;

/** Texts of `include_weights` and `exclude_weights` that choose nothing. */
function* checkWeights(
  { imatrix, settings, type }: RecipeDraft,
  matrix: ImportanceMatrix | 'none' | undefined,
): Generator<RecipeDiagnostic> {
  if (matrix === undefined || !areFewWeights(settings, matrix)) return;
  for (const problem of filterProblems(matrix === 'none' ? undefined : matrix, weightsOf(settings))) {
    const range = settingRange(problem.code, problem.message, settings) ?? imatrix?.range ?? type?.range;
    if (range) yield fileProblem(range, problem);
  }
}

function areFewWeights({ includeWeights, excludeWeights }: RecipeSettings, matrix: ImportanceMatrix | 'none'): boolean {
  const texts = (includeWeights?.length ?? 0) + (excludeWeights?.length ?? 0);
  return matrix === 'none' || texts * matrix.entries.size <= MAX_COMPARISONS;
}

function weightsOf({ includeWeights, excludeWeights }: RecipeSettings): ImportanceFilter {
  return { ...(includeWeights && { include: includeWeights }), ...(excludeWeights && { exclude: excludeWeights }) };
}

/** A problem of a file the recipe names under its own code, with its place in that file and its hint: as `inspect` says it. */
function fileProblem(range: TextRange, problem: Problem): RecipeDiagnostic {
  const { code, severity, message, hint } = problem;
  const place = placeText(problem);
  const placed = place === '' ? message : `${message.replace(/[.;]$/, '')}${place}`;
  return { code, severity, message: withHint(placed, hint), range };
}

function withHint(message: string, hint: string | undefined): string {
  return hint === undefined ? message : `${message.replace(/[.;]$/, '')}. ${hint}`;
}

function* checkModel(
  draft: RecipeDraft,
  bound: BoundModel,
  matrix: ImportanceMatrix | 'none' | undefined,
): Generator<RecipeDiagnostic> {
  if (draft.source) {
    for (const problem of bound.problems) {
      if (problem.severity === 'info') continue;
      yield fileProblem(draft.source.range, problem);
    }
  }
  // A header that is wrong says nothing reliable about tensors.
  if (bound.problems.some(problem => problem.severity === 'error')) return;
  const seen = { ...bound, model: prunedModel(bound.model, draft.settings.options.pruneLayers) };
  const effects = ruleEffects(seen.model, draft.rules);
  for (const [index, rule] of draft.rules.entries()) {
    const effect = effects[index];
    if (effect) yield* checkRule(rule, effect, draft, seen);
  }
  // Rules that decide nothing cannot change the plan, and matching them again is most of its cost.
  const deciding = draft.rules.filter((_, index) => (effects[index]?.taken.length ?? 0) > 0);
  yield* checkPlan(draft, deciding, bound, matrix);
}

/** Rules see the names that tensors will have. Not to be asked for without need: matches are remembered per model. */
function prunedModel(model: GgufModel, layers: readonly number[] | undefined): GgufModel {
  return layers && layers.length > 0 ? { ...model, tensors: pruneLayers(model, layers, undefined).tensors } : model;
}

/** Problems of the plan that are said better, and in a better place, by the checks here. */
const SAID_ELSEWHERE = new Set([
  'plan/include-weights-unused',
  'plan/exclude-weights-unused',
  'plan/no-weights-left',
  'plan/rule-unused',
  'plan/rule-without-effect',
  'plan/rule-shadowed',
  'plan/unknown-file-type',
  'plan/unknown-type',
  'plan/bad-pattern',
]);

/** What the planner finds when it carries the recipe out: substitutions, requantization, kernels that are missing. */
function* checkPlan(
  draft: RecipeDraft,
  rules: readonly RecipeRule[],
  bound: BoundModel,
  matrix: ImportanceMatrix | 'none' | undefined,
): Generator<RecipeDiagnostic> {
  const { type, source } = draft;
  if (!type || !source) return;
  const imatrix = typeof matrix === 'object' && areFewWeights(draft.settings, matrix) ? matrix : undefined;
  const plan = planQuantization(
    bound.model,
    { ...defaultOptions(type.name), rules, onFallback: draft.fallback, ...draft.settings.options },
    {
      ...(draft.settings.keepSplit && { split: { kind: 'keep' } }),
      ...(imatrix && { imatrix, weights: weightsOf(draft.settings) }),
    },
  );
  const byRule = new Map(plan.tensors.map(tensor => [tensor.name, tensor.rule]));
  const perTensor = new Map<string, Problem[]>();
  const ofMatrix = new Map<string, Problem[]>();
  for (const problem of plan.problems) {
    if (SAID_ELSEWHERE.has(problem.code)) continue;
    // Whether the matrix has what a type needs is known only when it is read.
    if (/imatrix-required|without-imatrix/.test(problem.code) && draft.imatrix && !imatrix) continue;
    if (draft.imatrix && problem.code.startsWith('plan/imatrix-')) {
      const kind = `${problem.severity} ${problem.code}`;
      ofMatrix.set(kind, [...(ofMatrix.get(kind) ?? []), problem]);
      continue;
    }
    if (problem.code === 'plan/shape-mismatch' || problem.code === 'plan/no-fallback') {
      const decidedByRule = rules.some(rule => byRule.get(problem.subject ?? '')?.startsWith(rule.label));
      if (!decidedByRule) perTensor.set(problem.code, [...(perTensor.get(problem.code) ?? []), problem]);
      continue;
    }
    const aboutSource =
      problem.code === 'plan/requantize' ||
      problem.code === 'plan/bad-layer' ||
      problem.code.includes('source') ||
      /kernel here to read/.test(problem.message);
    yield diagnostic(
      problem.code.replace('plan/', ''),
      // A type chosen in the recipe for this very case is no surprise.
      problem.code === 'plan/shape-fallback' && draft.fallback !== 'promote' ? 'info' : problem.severity,
      settingRange(problem.code, problem.message, draft.settings) ?? (aboutSource ? source.range : type.range),
      withHint(problem.message, problem.hint),
    );
  }
  for (const [code, problems] of perTensor) {
    const [first] = problems;
    if (!first) continue;
    const range = settingRange(first.code, first.message, draft.settings) ?? type.range;
    const { severity, message, hint } = withMore(first, problems.length);
    yield diagnostic(code.replace('plan/', ''), severity, range, withHint(message, hint));
  }
  for (const problems of ofMatrix.values()) {
    const [first] = problems;
    if (first && draft.imatrix) yield fileProblem(draft.imatrix.range, withMore(first, problems.length));
  }
}

/** The first of several problems of a kind. */
function withMore(first: Problem, count: number): Problem {
  return count > 1 ? { ...first, message: `${first.message} The same holds for ${count - 1} more.` } : first;
}

function* checkRule(
  rule: RecipeRule,
  effect: RuleEffect,
  draft: RecipeDraft,
  bound: BoundModel,
): Generator<RecipeDiagnostic> {
  const { matched, taken } = effect;
  if (matched.length === 0) {
    const near = nearTensor(rule, bound);
    const advice =
      near === undefined ? 'check the pattern against the tensors of the model' : `did you mean \`${near}\`?`;
    yield diagnostic(
      'no-match',
      'warning',
      rule.patternRange,
      `this matches none of the ${plural(bound.model.tensors.length, 'tensor')} of \`${draft.source?.path ?? bound.path}\`; ${advice}`,
      {
        ...(near === undefined ? {} : { suggestion: near }),
      },
    );
    return;
  }
  if (taken.length === 0) {
    const earlier = effect.shadowedBy === undefined ? undefined : draft.rules[effect.shadowedBy];
    const all = matched.length === 1 ? 'the tensor it matches is' : `all ${matched.length} tensors it matches are`;
    const by = earlier ? ` (${earlier.label})` : '';
    yield diagnostic(
      'dead-rule',
      'warning',
      rule.range,
      `this rule has no effect: ${all} taken by earlier rules${by}. Move it up, or remove it`,
      { unnecessary: true },
    );
    return;
  }
  const quantizable = taken.filter(tensor => reasonToKeep(tensor) === undefined);
  if (quantizable.length === 0) {
    const [first] = taken;
    const why = first ? (reasonToKeep(first) ?? '') : '';
    yield diagnostic(
      'never-quantized',
      'warning',
      rule.patternRange,
      `this rule has no effect: ${describeTensors(taken)} ${taken.length === 1 ? 'is' : 'are'} never quantized (${why}) and ${taken.length === 1 ? 'keeps its' : 'keep their'} type`,
    );
    return;
  }
  yield* checkShape(rule, quantizable, draft);
}

function* checkShape(
  rule: RecipeRule,
  tensors: readonly GgufTensorInfo[],
  draft: RecipeDraft,
): Generator<RecipeDiagnostic> {
  const misfits = tensors.filter(tensor => !fitsShape(rule.type, tensor.ne[0] ?? 1));
  const [first] = misfits;
  if (!first) return;
  const row = first.ne[0] ?? 0;
  const block = ggmlTypeByName(rule.type)?.blockSize ?? 0;
  const what = `${describeTensors(misfits)} ${misfits.length === 1 ? 'has' : 'have'} rows of ${row} weights, which is no multiple of the ${block} in a block of ${rule.type}`;
  const instead = ggmlTypeByName(fallbackType(rule.type, row, draft.fallback) ?? '');
  if (!instead) {
    const todo =
      draft.fallback === 'error'
        ? 'Choose a type with smaller blocks such as Q8_0, or set `fallback: promote`'
        : 'Choose a type with smaller blocks such as Q8_0';
    yield diagnostic('shape', 'error', rule.typeRange, `${what}. ${todo}`);
    return;
  }
  const bits = formatBitsPerWeight(bitsPerWeight(instead));
  yield diagnostic(
    'shape-fallback',
    'info',
    rule.typeRange,
    `${what}: ${misfits.length === 1 ? 'it becomes' : 'they become'} ${instead.name} (${bits} bits per weight)`,
  );
}

/** A name to suggest for a pattern without wildcards. */
function nearTensor(rule: RecipeRule, bound: BoundModel): string | undefined {
  if (rule.kind !== 'glob' || /[*?[]/.test(rule.pattern)) return undefined;
  const names = bound.model.tensors.map(tensor => tensor.name);
  const longer = names.find(name => name === `${rule.pattern}.weight`);
  return longer ?? nearestNames(rule.pattern, names, 1)[0];
}

/** One tensor by name, several by number and example. */
function describeTensors(tensors: readonly GgufTensorInfo[]): string {
  const [first] = tensors;
  return tensors.length === 1
    ? `\`${first?.name ?? ''}\``
    : `${plural(tensors.length, 'tensor')} (\`${first?.name ?? ''}\` …)`;
}
