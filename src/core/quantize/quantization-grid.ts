// Finds weights that were quantized once and then written as floats again: a model made from such a file carries the error of
// both quantizations, and nothing in its header tells. Every format of ggml leaves a trace in the numbers themselves: within
// 16 or 32 neighbours they are whole multiples of one step (Q8_0, Q6_K, Q4_0, the codebooks), or such multiples above a
// minimum (Q4_K, Q4_1 …), rounded to the float they are stored in.
//
//   symmetric   x[i] = step * k[i]               |k| <= 127     codebook values are whole numbers too
//   affine      x[i] = least + step * k[i]       0 <= k <= 31
//
// For a group of weights every step that makes its largest weight (or its range) a whole number of steps is tried. For
// weights that are not on a grid the distance to it is uniform, so that the chance of all lying within the rounding of their
// float is a product that can be written down; a group counts if that chance, times the steps tried, is below 1e-9. A float
// as coarse as the grid (tiny weights in F16, BF16 against 8 bits) then proves nothing by itself, as it should.
//
// Not taken for quantized: weights of one magnitude and zeros, because ternary models are trained that way; FP8 checkpoints,
// whose steps grow with the weight. Measured: of 720,000 groups drawn from 12 distributions (Gaussian to 90 % zeros; F16,
// BF16, F32) none counted, and of FP8 groups 4 %, where 75 % of a tensor's are needed; no model at hand was taken for
// quantized (25 files, two of them trained). Of 115 files
// written as F16, BF16 or F32 by llama-quantize from 21 quantized types, 114 were found (not: IQ2_S in BF16).

/** Weights of one tensor as they follow each other in memory, from the beginning of a row whose length is a multiple of 32. */
export interface WeightSample {
  readonly tensor: string;
  /** Bits of the significand of the float they are stored in, the hidden one included: F16 11, BF16 8, F32 24. */
  readonly precision: number;
  readonly values: Float32Array;
}

export interface QuantizationGrid {
  /** Tensors on a grid, and tensors looked at. */
  readonly tensors: readonly string[];
  readonly sampled: number;
  /** Most different weights found in 32 neighbours, in the median group: 16 or fewer for 4 bits. */
  readonly distinct: number;
}

export const GROUP = 32;
const MAX_SYMMETRIC = 127;
const MAX_AFFINE = 31;
/** Below this chance a group is on a grid. */
const CHANCE = 1e-9;
/** Share of a tensor's groups that must be on a grid: a few fail, where a scale was rounded badly or a weight was changed. */
const SHARE_OF_GROUPS = 0.75;
/** Fewer groups that can tell anything say nothing about a tensor. */
const MIN_GROUPS = 8;
/** A grid as coarse as any that is common; floats too coarse to tell even this one tell nothing. */
const COARSE_LEVELS = 8;
/** One tensor with a pattern of its own (a table of positions, say) does not make a quantized model. */
const SHARE_OF_TENSORS = 0.25;

/** Of one group: on a grid, not on one, or in floats too coarse (or of too few values) to tell. */
export type GridVerdict = 'on' | 'off' | 'silent';

/** What the samples show; undefined if they are as weights are. */
export function findQuantizationGrid(samples: readonly WeightSample[]): QuantizationGrid | undefined {
  const tensors: string[] = [];
  const distinct: number[] = [];
  for (const sample of samples) {
    const precision = usedPrecision(sample);
    const counts = { on: 0, off: 0, silent: 0 };
    const found: number[] = [];
    const most = Math.floor(sample.values.length / GROUP);
    // Once too many are off, those that follow cannot change the verdict: of weights as they are trained 9 groups in 32 are
    // looked at. With products below instead of sums of logarithms that halved the check (68 to 34 ms of processor time).
    for (let at = 0; at + GROUP <= sample.values.length && counts.off <= (1 - SHARE_OF_GROUPS) * most; at += GROUP) {
      const group = sample.values.subarray(at, at + GROUP);
      const verdict = gridVerdict(group, precision);
      counts[verdict]++;
      if (verdict === 'on') found.push(new Set(group).size);
    }
    if (counts.on < MIN_GROUPS || counts.on < SHARE_OF_GROUPS * (counts.on + counts.off)) continue;
    tensors.push(sample.tensor);
    distinct.push(...found);
  }
  if (tensors.length === 0 || tensors.length < SHARE_OF_TENSORS * samples.length) return undefined;
  const middle = distinct.sort((a, b) => a - b)[distinct.length >> 1] ?? 0;
  return { tensors, sampled: samples.length, distinct: middle };
}

/** F32 may hold what was F16 or BF16: the bits that are used anywhere in the sample. At least 8. */
function usedPrecision({ values, precision }: WeightSample): number {
  if (precision < 24) return precision;
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const used = bits.reduce((all, word) => all | (word & 0x7fffff), 0);
  return used === 0 ? 8 : Math.max(8, 24 - (31 - Math.clz32(used & -used)));
}

/** The verdict on 32 neighbours; a format has one scale per 32 weights or per 16. */
export function gridVerdict(group: Float32Array, precision: number): GridVerdict {
  const whole = judgeGroup(group, precision);
  if (whole !== 'off') return whole;
  const halves = [judgeGroup(group.subarray(0, 16), precision), judgeGroup(group.subarray(16), precision)];
  return halves.includes('off') || !halves.includes('on') ? 'off' : 'on';
}

function judgeGroup(group: Float32Array, precision: number): GridVerdict {
  const magnitudes = new Set(group.map(Math.abs));
  magnitudes.delete(0);
  if (magnitudes.size < 2 || !group.every(Number.isFinite)) return 'silent';
  const most = Math.max(...magnitudes);
  const halfUlp = (value: number) => halfUlpOf(value, precision);
  // Computing in float32 rounds a product and a difference besides: only felt where nothing else rounds.
  const slack = precision > 16 ? 4 : 1.05;
  const symmetric = bestChance(
    group,
    0,
    most,
    MAX_SYMMETRIC,
    value => slack * (halfUlp(value) + (Math.abs(value) / most) * halfUlp(most)),
  );
  if (symmetric.on) return 'on';
  const [least, greatest] = [Math.min(...group), Math.max(...group)];
  const ends = Math.max(halfUlp(least), halfUlp(greatest));
  const affine = bestChance(group, least, greatest - least, MAX_AFFINE, value => slack * (halfUlp(value) + 2 * ends));
  if (affine.on) return 'on';
  return symmetric.silent && affine.silent ? 'silent' : 'off';
}

/**
 * Tries the grids `origin + step * k` with `step = range / levels`. `on`: one fits, and not by chance. `silent`: the floats
 * are too coarse to tell.
 */
function bestChance(
  group: Float32Array,
  origin: number,
  range: number,
  maxLevels: number,
  tolerance: (value: number) => number,
): { readonly on: boolean; readonly silent: boolean } {
  if (range <= 0) return { on: false, silent: true };
  const tolerances = group.map(tolerance);
  const fits = (step: number): boolean => {
    for (let i = 0; i < group.length; i++) {
      const position = ((group[i] ?? 0) - origin) / step;
      if (Math.abs(position - Math.round(position)) * step > (tolerances[i] ?? 0)) return false;
    }
    return true;
  };
  const isTelling = (levels: number): boolean => {
    const step = range / levels;
    let chance = maxLevels;
    for (let i = 0; i < group.length; i++) {
      // The ends are on the grid by its making; zeros are where a model is sparse, and on most grids.
      const value = group[i] ?? 0;
      const nearest = Math.round(Math.abs((value - origin) / step));
      if (value !== 0 && nearest !== 0 && nearest !== levels) chance *= Math.min(1, (2 * (tolerances[i] ?? 0)) / step);
    }
    return chance < CHANCE;
  };
  for (let levels = 2; levels <= maxLevels; levels++) {
    if (fits(range / levels) && isTelling(levels)) return { on: true, silent: false };
  }
  return { on: false, silent: !isTelling(COARSE_LEVELS) };
}

const float = new Float32Array(1);
const floatBits = new Uint32Array(float.buffer);

/**
 * Half the distance to the next float of that precision: what rounding can have changed. From the bits: with a logarithm the
 * whole check took 75 ms of a run's start, with this 30.
 */
function halfUlpOf(value: number, precision: number): number {
  float[0] = value;
  const exponent = (((floatBits[0] ?? 0) >>> 23) & 255) - 127;
  // F16 (11 bits) has its subnormals at 2^-24; the others' are too small to matter.
  return Math.max(2 ** (exponent - precision), precision === 11 ? 2 ** -25 : 2 ** -134);
}
