// Rotary position embedding as a table: pair i of a head turns by position x frequency i, and the result is multiplied by
// `magnitude`. Every scaling method only changes these numbers, so the executor knows none of them.
// Sources: RoFormer (arXiv 2104.09864), position interpolation (2306.15595), YaRN (2309.00071), and llama.cpp's ggml_rope.
import { QuantsmithError } from '../../core/problem.js';
import type { ModelToDescribe } from './architecture.js';
import type { HyperParameters } from './hyper-parameters.js';

export interface RopeTable {
  /** Radians per position of each pair. */
  readonly frequencies: readonly number[];
  /** Values 2i and 2i + 1 (as Llama's weights are stored in GGUF), or i and i + half (as most others). */
  readonly pairing: 'neighbours' | 'halves';
  readonly magnitude: number;
}

export interface RopeOptions {
  readonly pairing: RopeTable['pairing'];
  /** Instead of `rope.freq_base`. */
  readonly base?: number;
  /** Divides each frequency: Llama 3's `rope_freqs.weight`, Phi 3's long and short factors. */
  readonly factors?: readonly number[] | undefined;
  /** Without the scaling that the metadata asks for. */
  readonly unscaled?: boolean;
}

/** Beyond it an angle says nothing; the executor refuses more (kernels/exec/verify.cc). */
const MAX_FREQUENCY = 2 ** 26;

/** The factors of a model that has one set for contexts up to the one it was first trained for, another beyond. */
export function longRopeFactors({ hyper, vector, context }: ModelToDescribe): readonly number[] | undefined {
  const firstContext = hyper.number('rope.scaling.original_context_length') ?? hyper.trainedContext;
  const [long, short] = [vector('rope_factors_long.weight'), vector('rope_factors_short.weight')];
  return context > firstContext ? long : short;
}

/** YaRN's range of turns over the trained context between which frequencies go from scaled to unscaled. */
const BETA_FAST = 32;
const BETA_SLOW = 1;

export function ropeTable(hyper: HyperParameters, options: RopeOptions): RopeTable {
  const base = options.base ?? hyper.number('rope.freq_base') ?? 10_000;
  const dimensions = hyper.number('rope.dimension_count') ?? hyper.keyLength;
  const pairs = dimensions / 2;
  const factorCount = options.factors?.length ?? pairs;
  if (!Number.isInteger(pairs) || pairs < 1 || dimensions > hyper.keyLength || factorCount < pairs || !(base > 0)) {
    throw new QuantsmithError(
      'engine/bad-metadata',
      `The model cannot be run: its positions turn ${dimensions} of ${hyper.keyLength} values of a head by base ${base}, with ${factorCount} factors.`,
      'The file is damaged, or was written for another program.',
    );
  }
  const type = options.unscaled === true ? 'none' : (hyper.text('rope.scaling.type') ?? 'linear');
  const factor = hyper.number('rope.scaling.factor') ?? hyper.number('rope.scale_linear') ?? 1;
  const scale = type === 'none' || !(factor > 0) ? 1 : 1 / factor;
  const attention = hyper.number('rope.scaling.attn_factor') ?? 1;
  const unscaled = Array.from({ length: pairs }, (_, i) => base ** (-i / pairs) / (options.factors?.[i] ?? 1));
  const bad = unscaled.findIndex(f => !(Math.abs(f * scale) <= MAX_FREQUENCY));
  if (bad >= 0) {
    throw new QuantsmithError(
      'engine/bad-metadata',
      `The model cannot be run: pair ${bad} of a head turns by ${String((unscaled[bad] ?? NaN) * scale)} per position.`,
      'Its frequency factors or its base are damaged. Convert or download the model again.',
    );
  }
  if (type !== 'yarn') {
    return { frequencies: unscaled.map(f => f * scale), pairing: options.pairing, magnitude: attention };
  }
  const trained = hyper.number('rope.scaling.original_context_length') ?? hyper.trainedContext;
  const pairOfTurns = (turns: number): number =>
    (dimensions * Math.log(trained / (turns * 2 * Math.PI))) / (2 * Math.log(base));
  const low = Math.max(0, Math.floor(pairOfTurns(BETA_FAST)));
  const high = Math.min(dimensions - 1, Math.ceil(pairOfTurns(BETA_SLOW)));
  const frequencies = unscaled.map((f, i) => {
    const ramp = 1 - Math.min(1, Math.max(0, (i - low) / Math.max(0.001, high - low)));
    return f * scale * (1 - ramp) + f * ramp;
  });
  return { frequencies, pairing: options.pairing, magnitude: attention * (1 + 0.1 * Math.log(1 / scale)) };
}
