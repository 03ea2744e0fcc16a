// Writes a program for the executor. An architecture's description calls one method per operation; the builder finds
// weights by name, checks that every shape fits, and gives temporaries their memory. A temporary is named, and the same
// name means the same memory in every layer: the description decides what may be reused, as a reader can see.
import type { GgufModel, GgufTensorInfo } from '../../core/gguf/gguf.js';
import { QuantsmithError } from '../../core/problem.js';
import { printable } from '../../core/text/printable.js';
import { missingTensor } from './hyper-parameters.js';
import { OPERATIONS, PROGRAM_MAGIC, PROGRAM_VERSION, type OperationName } from './operations.js';
import type { RopeTable } from './rope.js';

/** Where activations live: `columns` floats per token. */
export interface Slot {
  readonly index: number;
  readonly columns: number;
}

/** A tensor as the executor takes it: rows of `columns` weights, `slices` such matrices (experts). */
export interface Weight {
  readonly index: number;
  readonly tensor: GgufTensorInfo;
  readonly columns: number;
  readonly rows: number;
  readonly slices: number;
}

/** What keys and values are kept in; numbers in a program are by this order. */
export const CACHE_TYPES = ['f32', 'f16', 'q8_0'] as const;
export type CacheType = (typeof CACHE_TYPES)[number];
/** Values of a block of Q8_0. */
const CACHE_BLOCK = 32;

export interface ProgramLimits {
  /** Positions of a sequence at most. */
  readonly context: number;
  /** How many sequences there are. */
  readonly sequences: number;
  /** Positions that all sequences have together, however they share them; at most those of each. */
  readonly cells: number;
  /** Most tokens of one step. */
  readonly batch: number;
  readonly cacheType: CacheType;
}

export interface Program {
  readonly words: Int32Array;
  /** The tensors the program uses, by weight index. */
  readonly weights: readonly Weight[];
  readonly vocabulary: number;
  /** Bytes of the matrices that one token is multiplied with: what generation reads of the weights. */
  readonly weightBytesPerToken: number;
  readonly limits: ProgramLimits;
  /** Bytes that a session takes, to the percent: for keys and values, and for activations. */
  readonly memory: { readonly cache: number; readonly activations: number };
}

/** Bytes of a cached value; Q8_0 has a scale of two bytes for 32 of them. */
const CACHED_BYTES = { f32: 4, f16: 2, q8_0: 34 / 32 } as const satisfies Record<ProgramLimits['cacheType'], number>;

export type Activation = 'silu' | 'gelu';
const ACTIVATIONS: readonly Activation[] = ['silu', 'gelu'];

const NUMBER_OF = new Map(OPERATIONS.map(([name], index) => [name, index]));
const OPERANDS_OF = new Map(OPERATIONS.map(([name, operands]) => [name, operands as string]));

export class ProgramBuilder {
  readonly #tensors: ReadonlyMap<string, GgufTensorInfo>;
  readonly #weights = new Map<string, Weight>();
  readonly #slots: { base: number; offset: number; columns: number }[] = [];
  readonly #named = new Map<string, Slot>();
  readonly #layers: { keys: number; values: number; heads: number }[] = [];
  readonly #constants: number[] = [];
  readonly #tables = new Map<RopeTable, number>();
  readonly #code: number[] = [];
  #operations = 0;
  #weightBytes = 0;

  constructor(model: GgufModel) {
    this.#tensors = new Map(model.tensors.map(tensor => [tensor.name, tensor]));
  }

  has(name: string): boolean {
    return this.#tensors.has(name);
  }

  /** The tensor `<name>.weight` as a matrix. */
  weight(name: string): Weight {
    return this.#tensor(`${name}.weight`);
  }

  /** The temporary of that name; always asked for with the same width. */
  slot(name: string, columns: number): Slot {
    const known = this.#named.get(name);
    if (known) {
      if (known.columns !== columns) throw new RangeError(`slot ${name} has ${known.columns} columns, not ${columns}`);
      return known;
    }
    const slot = this.#addSlot(this.#slots.length, 0, columns);
    this.#named.set(name, slot);
    return slot;
  }

  /** `columns` values of each row of `slot`, from `offset` on. */
  view(slot: Slot, offset: number, columns: number): Slot {
    const of = this.#slots[slot.index];
    return this.#addSlot(of?.base ?? slot.index, (of?.offset ?? 0) + offset, columns);
  }

  /** Declares the cache of the next layer: keys and values of a token, of `heads` heads one after another. */
  layer(keys: number, values: number, heads: number): number {
    this.#layers.push({ keys, values, heads });
    return this.#layers.length - 1;
  }

  embed(target: Slot, name: string, factor = 1): Slot {
    const weight = this.weight(name);
    this.#expect(weight, weight.columns === target.columns, `rows of ${target.columns}`);
    return this.#emit('EMBED', target, weight.index, factor);
  }

  /** Root-mean-square norm in groups of `group` values (all of them unless given). */
  rmsNorm(target: Slot, source: Slot, name: string, epsilon: number, group = target.columns): Slot {
    return this.#emit('RMS_NORM', target, source.index, this.#vector(`${name}.weight`, group), group, epsilon);
  }

  layerNorm(target: Slot, source: Slot, name: string, epsilon: number): Slot {
    const weight = this.#vector(`${name}.weight`, target.columns);
    const bias = this.#vector(`${name}.bias`, target.columns, 'optional');
    return this.#emit('LAYER_NORM', target, source.index, weight, bias, epsilon);
  }

  /** `target = W source + b`, where the tensor `<name>.bias` is there. */
  matmul(target: Slot, source: Slot, name: string): Slot {
    const weight = this.weight(name);
    const fits = weight.columns === source.columns && weight.rows === target.columns && weight.slices === 1;
    this.#expect(weight, fits, `${source.columns} x ${target.columns}`);
    const bias = this.#vector(`${name}.bias`, weight.rows, 'optional');
    this.#weightBytes += weight.tensor.byteLength ?? 0;
    return this.#emit('MATMUL', target, source.index, weight.index, bias);
  }

  rope(slot: Slot, heads: number, table: RopeTable): Slot {
    let at = this.#tables.get(table);
    if (at === undefined) {
      at = this.#constants.length;
      this.#constants.push(table.frequencies.length, ...table.frequencies);
      this.#tables.set(table, at);
    }
    const pairing = table.pairing === 'neighbours' ? 0 : 1;
    return this.#emit('ROPE', slot, heads, slot.columns / heads, pairing, at, table.magnitude);
  }

  store(layer: number, keys: Slot, values: Slot): void {
    this.#write('STORE', [layer, keys.index, values.index]);
  }

  attention(
    target: Slot,
    query: Slot,
    layer: number,
    options: { heads: number; scale: number; softCap?: number; window?: number },
  ): Slot {
    const { heads, scale, softCap = 0, window = 0 } = options;
    return this.#emit('ATTENTION', target, query.index, layer, heads, scale, softCap, window);
  }

  add(target: Slot, a: Slot, b: Slot): Slot {
    return this.#emit('ADD', target, a.index, b.index);
  }

  /** `target = activation(a) * b`. */
  gate(target: Slot, a: Slot, b: Slot, activation: Activation): Slot {
    return this.#emit('GATE', target, a.index, b.index, ACTIVATIONS.indexOf(activation));
  }

  activate(target: Slot, source: Slot, activation: Activation): Slot {
    return this.#emit('ACTIVATE', target, source.index, ACTIVATIONS.indexOf(activation));
  }

  scale(target: Slot, source: Slot, factor: number): Slot {
    return factor === 1 && target === source ? target : this.#emit('SCALE', target, source.index, factor);
  }

  softCap(target: Slot, source: Slot, cap: number): Slot {
    return this.#emit('SOFT_CAP', target, source.index, cap);
  }

  /** The `used` most likely of the experts that `scores` has a value for, as (expert, weight) pairs. */
  route(target: Slot, scores: Slot, used: number, options: { normalize: boolean; scale?: number }): Slot {
    const { normalize, scale = 1 } = options;
    return this.#emit('ROUTE', target, scores.index, used, scores.columns, normalize ? 1 : 0, scale);
  }

  /** Products with the chosen experts' matrices, one block of rows per choice. */
  experts(
    target: Slot,
    source: Slot,
    pairs: Slot,
    name: string,
    { count, used }: { readonly count: number; readonly used: number },
  ): Slot {
    const weight = this.weight(name);
    const fits =
      weight.slices === count &&
      weight.rows * used === target.columns &&
      (weight.columns === source.columns || weight.columns * used === source.columns);
    this.#expect(weight, fits, `${source.columns} x ${target.columns / used} for each of ${count} experts`);
    this.#weightBytes += ((weight.tensor.byteLength ?? 0) / count) * used;
    return this.#emit('EXPERTS', target, source.index, pairs.index, weight.index, used);
  }

  mix(target: Slot, blocks: Slot, pairs: Slot, used: number): Slot {
    return this.#emit('MIX', target, blocks.index, pairs.index, used);
  }

  /** From here on only the tokens whose logits are wanted. */
  wanted(target: Slot, source: Slot): Slot {
    return this.#emit('WANTED', target, source.index);
  }

  /**
   * Ends the program.
   * @param described tensors whose values it was written from
   * @throws QuantsmithError `engine/unknown-tensor`: computing without it would give other numbers than the model's;
   *   `engine/cache-type`: the model's heads do not suit it
   */
  finish(logits: Slot, limits: ProgramLimits, described: readonly string[] = []): Program {
    for (const name of this.#tensors.keys()) {
      if (this.#weights.has(name) || described.includes(name)) continue;
      throw new QuantsmithError(
        'engine/unknown-tensor',
        `The model cannot be run: what its tensor "${printable(name)}" is for is not known here.`,
        'The model is a variant of its architecture that this version does not compute.',
      );
    }
    for (const { keys, values, heads } of this.#layers) {
      const width = [keys, values].map(columns => columns / heads).find(each => each % CACHE_BLOCK !== 0);
      if (limits.cacheType !== 'q8_0' || width === undefined) continue;
      throw new QuantsmithError(
        'engine/cache-type',
        `A cache in Q8_0 needs heads of a multiple of ${CACHE_BLOCK} values; this model's have ${width}.`,
        'Choose F16 for the cache.',
      );
    }
    this.#write('LOGITS', [logits.index]);
    const slots = this.#slots.flatMap(({ base, offset, columns }) => [base, offset, columns]);
    const layers = this.#layers.flatMap(({ keys, values, heads }) => [keys, values, heads]);
    const header = [
      PROGRAM_MAGIC,
      PROGRAM_VERSION,
      this.#slots.length,
      this.#constants.length,
      this.#layers.length,
      this.#operations,
      this.#code.length,
      limits.context,
      limits.sequences,
      limits.cells,
      limits.batch,
      logits.columns,
      CACHE_TYPES.indexOf(limits.cacheType),
    ];
    const words = Int32Array.from([...header, ...slots, ...layers, ...this.#constants.map(floatBits), ...this.#code]);
    return {
      words,
      weights: [...this.#weights.values()],
      vocabulary: logits.columns,
      weightBytesPerToken: this.#weightBytes,
      limits,
      memory: this.#memory(logits, limits),
    };
  }

  #memory(logits: Slot, { cells, batch, cacheType }: ProgramLimits): Program['memory'] {
    const own = this.#slots.filter(({ base }, index) => base === index && index !== logits.index);
    const activations = own.reduce((sum, { columns }) => sum + columns, 0);
    // The input of a product is rounded into a copy of its own.
    const widest = own.reduce((most, { columns }) => Math.max(most, columns), 0);
    const cached = this.#layers.reduce((sum, { keys, values }) => sum + keys + values, 0);
    return {
      cache: cells * cached * CACHED_BYTES[cacheType],
      activations: (batch * (activations + widest) + logits.columns) * 4,
    };
  }

  #addSlot(base: number, offset: number, columns: number): Slot {
    this.#slots.push({ base, offset, columns });
    return { index: this.#slots.length - 1, columns };
  }

  #tensor(name: string): Weight {
    const known = this.#weights.get(name);
    if (known) return known;
    const tensor = this.#tensors.get(name);
    if (!tensor) throw missingTensor(name);
    const [columns = 1, rows = 1, slices = 1, more = 1] = tensor.ne;
    const weight = { index: this.#weights.size, tensor, columns, rows, slices: slices * more };
    this.#weights.set(name, weight);
    return weight;
  }

  /** Index of a one-dimensional tensor; -1 if it is absent and may be. */
  #vector(name: string, length: number, presence?: 'optional'): number {
    if (presence === 'optional' && !this.#tensors.has(name)) return -1;
    const weight = this.#tensor(name);
    this.#expect(weight, weight.columns === length && weight.rows === 1 && weight.slices === 1, `${length} values`);
    if (weight.tensor.typeId !== 0) {
      throw new QuantsmithError(
        'engine/bad-type',
        `The model cannot be run: norms and biases must be F32, and "${name}" is not.`,
        'Convert the model again with a current converter.',
      );
    }
    return weight.index;
  }

  #expect(weight: Weight, fits: boolean, expected: string): void {
    if (fits) return;
    throw new QuantsmithError(
      'engine/bad-shape',
      `The model cannot be run: "${weight.tensor.name}" is ${weight.tensor.ne.join(' x ')}; ${expected} is expected.`,
      'The tensors do not belong to the metadata: the file is damaged, or the architecture is another one.',
    );
  }

  #emit(name: OperationName, target: Slot, ...operands: number[]): Slot {
    this.#write(name, [target.index, ...operands]);
    return target;
  }

  #write(name: OperationName, operands: readonly number[]): void {
    const letters = OPERANDS_OF.get(name) ?? '';
    const words = operands.map((value, i) => (letters[i] === 'f' ? floatBits(value) : value));
    this.#code.push(NUMBER_OF.get(name) ?? -1, ...words);
    this.#operations++;
  }
}

const float = new Float32Array(1);
const bits = new Int32Array(float.buffer);

function floatBits(value: number): number {
  float[0] = value;
  return bits[0] ?? 0;
}
