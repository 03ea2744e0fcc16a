// The decision per tensor: kept, named by an option, taken by a rule, or given by the mixture; then fitted to its shape.
// Decisions are made in output order, because the mixtures count layers as they go.
import { ggmlType, ggmlTypeById, ggmlTypeByName, ggmlTypeName, GGML_TYPES } from '../ggml/ggml-type.js';
import type { FileType } from '../ggml/file-type.js';
import { nearestNames } from '../ggml/nearest-name.js';
import type { GgufTensorInfo } from '../gguf/gguf.js';
import type { Problem } from '../problem.js';
import { quote } from '../text/printable.js';
import { isTokenEmbedding, Mixture, MixtureError, type MixtureModel } from './mixture.js';
import type { QuantizeOptions, TensorRule } from './quantization-plan.js';
import { fallbackType, fitsShape } from './shape-fallback.js';
import { compilePattern } from './tensor-pattern.js';
import { reasonToKeep } from './tensor-selection.js';

export interface Decision {
  readonly tensor: GgufTensorInfo;
  readonly fromType: string;
  readonly toType: string;
  /** Why, in words. */
  readonly rule: string;
  /** The type the shape did not allow. */
  readonly requestedType?: string;
}

/** What became of a rule. */
export interface RuleUse {
  readonly rule: TensorRule;
  /** Names it matches, quantizable or not. */
  matched: number;
  /** Of these, tensors that are quantized. */
  quantizable: number;
  /** Tensors it decided. */
  decided: number;
  /** Labels of what decided the others first. */
  readonly lostTo: Set<string>;
}

export interface Choices {
  readonly decisions: readonly Decision[];
  readonly rules: readonly RuleUse[];
  readonly problems: readonly Problem[];
}

/** A ggml type that files store weights in, by name in any case; a problem otherwise. */
export function storedType(name: string, where: string): { type?: string; problem?: Problem } {
  const type = ggmlTypeByName(name);
  if (type && type.family !== 'activation' && type.family !== 'integer' && type.name !== 'F64')
    return { type: type.name };
  if (type) {
    return {
      problem: {
        code: 'plan/unknown-type',
        severity: 'error',
        message: `${where}: ${type.name} is not a type weights are stored in (${type.summary}).`,
      },
    };
  }
  const near = nearestNames(
    name,
    GGML_TYPES.map(row => row.name),
  );
  return {
    problem: {
      code: 'plan/unknown-type',
      severity: 'error',
      message: `${where}: expected a ggml type such as Q4_K, Q6_K or Q8_0, found ${quote(name)}.`,
      hint:
        near.length > 0
          ? `Did you mean ${near.join(' or ')}?`
          : 'A mixture such as Q4_K_M is a file type, not the type of one tensor.',
    },
  };
}

/**
 * Chooses the type of every tensor of `ordered`, which must be in output order. Precedence: not quantizable, token
 * embedding option, output option, rules, mixture. Rules apply whatever the file type is; in llama-quantize they do
 * nothing when it is F32, F16 or BF16.
 */
export function chooseTypes(
  ordered: readonly GgufTensorInfo[],
  fileType: FileType,
  options: QuantizeOptions,
  model: MixtureModel,
): Choices {
  const problems: Problem[] = [];
  const optionType = (name: string | undefined, where: string) => {
    if (name === undefined) return undefined;
    const { type, problem } = storedType(name, where);
    if (problem) problems.push(problem);
    return type;
  };
  const tokenEmbedding = optionType(options.tokenEmbeddingType, 'token embedding type');
  const output = optionType(options.outputTensorType, 'output tensor type');
  if (options.onFallback !== 'error' && options.onFallback !== 'promote')
    optionType(options.onFallback, 'fallback type');
  const rules = compileRules(options.rules, problems);
  const uses = rules.map(rule => rule.use);
  if (problems.length > 0) return { decisions: [], rules: uses, problems };

  const mixed = ggmlType(fileType.defaultType).blockSize > 1 && !options.pure;
  const mixture = mixed ? new Mixture(fileType.name, fileType.defaultType, model, output) : undefined;

  const wish = (tensor: GgufTensorInfo): { type: string; rule: string; fixed?: string } => {
    const fixed = fixedType(tensor, tokenEmbedding, output);
    const matching = rules.filter(rule => rule.matches(tensor.name));
    for (const rule of matching) rule.use.quantizable++;
    const winner = fixed?.rule ?? matching[0]?.use.rule.label;
    matching.forEach((rule, i) => {
      if (i === 0 && !fixed) rule.use.decided++;
      else if (winner !== undefined) rule.use.lostTo.add(winner);
    });
    if (fixed) return { ...fixed, fixed: fixed.rule };
    if (matching[0]) return { type: matching[0].type, rule: matching[0].use.rule.label };
    if (mixture) {
      const { type, why } = mixture.choose(tensor);
      return { type, rule: `mixture ${fileType.name}: ${why}` };
    }
    return {
      type: fileType.defaultType,
      rule: options.pure ? `pure ${fileType.defaultType}` : `file type ${fileType.name}`,
    };
  };

  const decide = (tensor: GgufTensorInfo): Decision => {
    const fromType = ggmlTypeName(tensor.typeId);
    for (const rule of rules) if (rule.matches(tensor.name)) rule.use.matched++;
    const left =
      options.leaveOutputTensor && tensor.name === 'output.weight' ? 'kept: output left as it is' : undefined;
    const kept = fileType.id === undefined ? 'copy' : (reasonToKeep(tensor) ?? left);
    if (kept !== undefined) return { tensor, fromType, toType: fromType, rule: kept };
    const { type, rule, fixed } = wish(tensor);
    const columns = tensor.ne[0] ?? 1;
    if (fitsShape(type, columns)) return { tensor, fromType, toType: type, rule };
    const substitute = fixed === undefined ? fallbackType(type, columns, options.onFallback) : undefined;
    if (substitute === undefined) {
      problems.push(shapeProblem(tensor, type, fixed, options));
      return { tensor, fromType, toType: fromType, rule: `${rule}; ${type} does not fit`, requestedType: type };
    }
    return { tensor, fromType, toType: substitute, rule: `${rule}; fallback from ${type}`, requestedType: type };
  };

  const decisions: Decision[] = [];
  for (const tensor of ordered) {
    try {
      decisions.push(decide(tensor));
    } catch (error) {
      if (!(error instanceof MixtureError)) throw error;
      problems.push({ code: 'plan/bad-layer', severity: 'error', message: `${error.message}.`, subject: tensor.name });
      const fromType = ggmlTypeName(tensor.typeId);
      decisions.push({ tensor, fromType, toType: fromType, rule: 'kept: no layer number' });
    }
  }
  return { decisions, rules: uses, problems };
}

function fixedType(
  tensor: GgufTensorInfo,
  tokenEmbedding: string | undefined,
  output: string | undefined,
): { type: string; rule: string } | undefined {
  if (tokenEmbedding !== undefined && isTokenEmbedding(tensor.name)) {
    return { type: tokenEmbedding, rule: 'token embedding type' };
  }
  if (output !== undefined && tensor.name === 'output.weight') return { type: output, rule: 'output tensor type' };
  return undefined;
}

interface CompiledRule {
  readonly use: RuleUse;
  readonly type: string;
  readonly matches: (name: string) => boolean;
}

function compileRules(rules: readonly TensorRule[], problems: Problem[]): readonly CompiledRule[] {
  return rules.flatMap(rule => {
    const pattern = compilePattern(rule.kind, rule.pattern);
    const { type, problem } = storedType(rule.type, rule.label);
    if (problem) problems.push(problem);
    if (!pattern.ok) {
      problems.push({
        code: 'plan/bad-pattern',
        severity: 'error',
        message: `${rule.label}: ${pattern.message} (at character ${pattern.position + 1} of ${quote(rule.pattern)}).`,
      });
    }
    if (!pattern.ok || type === undefined) return [];
    return [
      {
        use: { rule, matched: 0, quantizable: 0, decided: 0, lostTo: new Set<string>() },
        type,
        matches: pattern.matches,
      },
    ];
  });
}

function shapeProblem(
  tensor: GgufTensorInfo,
  type: string,
  fixed: string | undefined,
  options: QuantizeOptions,
): Problem {
  const { blockSize } = ggmlType(type);
  const columns = tensor.ne[0] ?? 1;
  const message = `${tensor.name}: ${type} needs rows that are a multiple of ${blockSize}, found ${columns}.`;
  const fitting = GGML_TYPES.filter(row => row.canQuantize && columns % row.blockSize === 0).map(row => row.name);
  const choice = `Choose a type that fits: ${fitting.join(', ')}`;
  if (fixed !== undefined) {
    return {
      code: 'plan/shape-mismatch',
      severity: 'error',
      message: `${fixed}: ${message}`,
      hint: `${choice}.`,
      subject: tensor.name,
    };
  }
  if (options.onFallback === 'error') {
    const promoted = fallbackType(type, columns, 'promote');
    return {
      code: 'plan/shape-mismatch',
      severity: 'error',
      message: `${message} Substitution is switched off.`,
      hint:
        promoted === undefined
          ? `${choice}.`
          : `Allow substitution (llama-quantize would take ${promoted}) or give a rule for this tensor.`,
      subject: tensor.name,
    };
  }
  const policy =
    options.onFallback === 'promote'
      ? `No substitute is defined for ${type}; llama-quantize stops here too.`
      : `The fallback type ${options.onFallback} does not fit either.`;
  return {
    code: 'plan/no-fallback',
    severity: 'error',
    message: `${message} ${policy}`,
    hint: `${choice}, by a rule or as the fallback type.`,
    subject: tensor.name,
  };
}

/** The kernels a decision needs that do not exist here; empty for a copy. */
export function missingKernels(decision: Decision): readonly string[] {
  if (decision.fromType === decision.toType) return [];
  const from = ggmlTypeById(decision.tensor.typeId);
  return [
    ...(from?.canDequantize ? [] : [`read ${decision.fromType}`]),
    ...(ggmlType(decision.toType).canQuantize ? [] : [`write ${decision.toType}`]),
  ];
}
