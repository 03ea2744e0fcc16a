// Leaving out layers: the tensors of `blk.N.` for the listed N are dropped, the others numbered anew from 0, so that the
// result is a model of fewer layers. Names change before anything else is decided: rules, mixtures and order see the new
// ones, as in llama-quantize; its importance matrix still has the old ones.
// Source: llama.cpp src/llama-quant.cpp (remap_layer, remap_imatrix). Unlike there, a layer that does not exist is an error,
// so is leaving out all, and layers are numbered by number where that numbers them in the order of their names
// (`dec.blk.10` before `dec.blk.2`, which scrambles the decoder).
import { metadataArray, metadataNumber, metadataString, type GgufTensorInfo } from '../gguf/gguf.js';
import type { Problem } from '../problem.js';
import { plural } from '../text/quantity.js';
import type { ImportanceMatrix } from './importance-matrix.js';
import type { PlanSource } from './model-facts.js';

/** More layers than any model has; a list of more is a mistake. */
export const MAX_LAYERS = 4096;

const LAYER = /blk\.(\d{1,9})\./;

function layerIn(name: string): number | undefined {
  const digits = LAYER.exec(name)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

export interface PrunedModel {
  /** What remains, under the names it will have. */
  readonly tensors: readonly GgufTensorInfo[];
  /** New name -> name in the source, where they differ. */
  readonly sourceNames: ReadonlyMap<string, string>;
  /** Layers that remain; undefined if none was left out. */
  readonly layers: number | undefined;
  /** The matrix with the new names, without the entries of layers that are gone. */
  readonly imatrix: ImportanceMatrix | undefined;
  readonly problems: readonly Problem[];
}

/** `layers` as the source numbers them, in any order. */
export function pruneLayers(
  source: PlanSource,
  layers: readonly number[],
  imatrix: ImportanceMatrix | undefined,
): PrunedModel {
  const unchanged = { tensors: source.tensors, sourceNames: new Map<string, string>(), layers: undefined, imatrix };
  const gone = new Set(layers);
  const present = [...new Set(source.tensors.map(({ name }) => layerIn(name)))].filter(layer => layer !== undefined);
  const problems = source.tensors.length === 0 ? [] : pruneProblems(source, gone, new Set(present));
  if (gone.size === 0 || problems.length > 0) return { ...unchanged, problems };

  const kept = present.filter(layer => !gone.has(layer)).sort((a, b) => a - b);
  const numbers = new Map(kept.map((layer, index) => [layer, index]));
  /** Undefined for what is left out. */
  const renamed = (name: string): string | undefined => {
    const layer = layerIn(name);
    if (layer === undefined) return name;
    const number = numbers.get(layer);
    return number === undefined ? undefined : name.replace(LAYER, `blk.${number}.`);
  };
  const sourceNames = new Map<string, string>();
  const tensors = source.tensors.flatMap(tensor => {
    const name = renamed(tensor.name);
    if (name === undefined) return [];
    if (name !== tensor.name) sourceNames.set(name, tensor.name);
    return [{ ...tensor, name }];
  });
  const entries = [...(imatrix?.entries ?? [])].flatMap(([name, entry]) => {
    const now = renamed(name);
    return now === undefined ? [] : [[now, entry] as const];
  });
  return {
    tensors,
    sourceNames,
    layers: kept.length,
    imatrix: imatrix && { ...imatrix, entries: new Map(entries) },
    problems,
  };
}

function pruneProblems(
  source: PlanSource,
  gone: ReadonlySet<number>,
  present: ReadonlySet<number>,
): readonly Problem[] {
  if (gone.size === 0) return [];
  const found = present.size === 0 ? 'no layers' : `${plural(present.size, 'layer')}, 0 to ${Math.max(...present)}`;
  const missing = [...gone].filter(layer => !present.has(layer)).sort((a, b) => a - b);
  if (missing.length > 0) {
    return [
      {
        code: 'plan/no-such-layer',
        severity: 'error',
        message: `Expected layers of this model to leave out, found ${missing.join(', ')}; the model has ${found}.`,
        hint: 'Layers are numbered from 0, as in the names of the tensors (blk.0.…).',
      },
    ];
  }
  if (gone.size >= present.size) {
    return [
      {
        code: 'plan/no-layers-left',
        severity: 'error',
        message: `All ${plural(present.size, 'layer')} would be left out; nothing that could be run would remain.`,
        hint: 'Leave at least one layer.',
      },
    ];
  }
  return perLayerArrays(source, present.size);
}

/** Hyper-parameters given per layer keep their length, and llama.cpp refuses a model whose arrays do not fit its layers. */
function perLayerArrays({ metadata }: PlanSource, layers: number): readonly Problem[] {
  const architecture = metadataString(metadata, 'general.architecture');
  if (architecture === undefined) return [];
  const count = metadataNumber(metadata, `${architecture}.block_count`) ?? layers;
  return metadata
    .filter(({ key }) => key.startsWith(`${architecture}.`) && metadataArray(metadata, key)?.length === count)
    .map(({ key }) => ({
      code: 'plan/per-layer-metadata',
      severity: 'error',
      message: `${key} has one value for each of the ${count} layers; after leaving out layers it would not fit, and llama.cpp could not load the result.`,
      hint: 'Layers of a model with values per layer cannot be left out here.',
      subject: key,
    }));
}

/** `0, 3..5` -> [0, 3, 4, 5], ascending and without repetition; undefined if it is no list of layers. */
export function parseLayers(text: string): readonly number[] | undefined {
  const layers = new Set<number>();
  for (const part of text.split(',')) {
    const match = /^\s*(\d{1,4})(?:\.\.(\d{1,4}))?\s*$/.exec(part);
    if (!match) return undefined;
    const from = Number(match[1]);
    const to = Number(match[2] ?? from);
    if (from > to || to >= MAX_LAYERS) return undefined;
    for (let layer = from; layer <= to; layer++) layers.add(layer);
  }
  return [...layers].sort((a, b) => a - b);
}
