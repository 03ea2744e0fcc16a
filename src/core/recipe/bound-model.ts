// The model a recipe is bound to by its `source`, and which of its tensors a pattern matches. Matching is remembered per
// model and pattern: after a keystroke only the pattern that changed is matched again.
import type { GgufModel, GgufTensorInfo } from '../gguf/gguf.js';
import type { Problem } from '../problem.js';
import type { TensorRule } from '../quantize/quantization-plan.js';
import { rememberedPattern } from './remembered-pattern.js';

export interface BoundModel {
  /** As resolved from the recipe. */
  readonly path: string;
  readonly model: GgufModel;
  /** What reading the header found. */
  readonly problems: readonly Problem[];
}

/** A pattern being edited leaves its former versions behind; more than this many per model are forgotten at once. */
const MAX_REMEMBERED_PATTERNS = 5000;

const remembered = new WeakMap<GgufModel, Map<string, readonly GgufTensorInfo[]>>();

/** The tensors whose names a pattern matches, in file order; none for a pattern that does not compile. */
export function matchedTensors(
  model: GgufModel,
  rule: Pick<TensorRule, 'kind' | 'pattern'>,
): readonly GgufTensorInfo[] {
  let patterns = remembered.get(model);
  if (!patterns) remembered.set(model, (patterns = new Map<string, readonly GgufTensorInfo[]>()));
  const key = `${rule.kind} ${rule.pattern}`;
  let matched = patterns.get(key);
  if (!matched) {
    const compiled = rememberedPattern(rule.kind, rule.pattern);
    matched = compiled.ok ? model.tensors.filter(tensor => compiled.matches(tensor.name)) : [];
    if (patterns.size >= MAX_REMEMBERED_PATTERNS) patterns.clear();
    patterns.set(key, matched);
  }
  return matched;
}

/** What one rule does when earlier rules are considered: the first rule that matches a tensor wins. */
export interface RuleEffect {
  readonly matched: readonly GgufTensorInfo[];
  /** Matched, and not taken by an earlier rule. */
  readonly taken: readonly GgufTensorInfo[];
  /** Index of the earlier rule that takes most of the tensors this one misses. */
  readonly shadowedBy?: number;
}

/** The effect of every rule, in order. */
export function ruleEffects(
  model: GgufModel,
  rules: readonly Pick<TensorRule, 'kind' | 'pattern'>[],
): readonly RuleEffect[] {
  const owner = new Map<GgufTensorInfo, number>();
  return rules.map((rule, index) => {
    const matched = matchedTensors(model, rule);
    const taken: GgufTensorInfo[] = [];
    const lost = new Map<number, number>();
    for (const tensor of matched) {
      const earlier = owner.get(tensor);
      if (earlier === undefined) {
        owner.set(tensor, index);
        taken.push(tensor);
      } else {
        lost.set(earlier, (lost.get(earlier) ?? 0) + 1);
      }
    }
    const [most] = [...lost].sort(([, a], [, b]) => b - a);
    return { matched, taken, ...(most && { shadowedBy: most[0] }) };
  });
}

/**
 * Patterns worth offering for a model: `blk.*.attn_v.weight` for every kind of tensor that several layers have, with the
 * number of tensors, then the tensors outside layers by name.
 */
export function usefulPatterns(model: GgufModel): readonly { readonly pattern: string; readonly tensors: number }[] {
  const counts = new Map<string, number>();
  for (const { name } of model.tensors) {
    const pattern = name.replace(/^blk\.\d+\./, 'blk.*.');
    counts.set(pattern, (counts.get(pattern) ?? 0) + 1);
  }
  return [...counts]
    .map(([pattern, tensors]) => ({ pattern, tensors }))
    .sort((a, b) => Number(b.tensors > 1) - Number(a.tensors > 1));
}
