// The mixtures: which ggml type a file type gives each kind of tensor. One table or function per kind of tensor, keyed by
// file type; what a table does not name gets the file type's default. Shape is not looked at (except for the output
// matrix, where llama-quantize does): substitution is in shape-fallback.ts.
//
// Source: llama.cpp src/llama-quant.cpp, llama_tensor_get_type_impl; integer divisions and running counters included. The
// counters advance only when a tensor goes through the mixture: a tensor taken by a rule does not count as a layer.
import { ggmlType } from '../ggml/ggml-type.js';
import { layerOf } from './tensor-selection.js';

export type TensorCategory =
  | 'output'
  | 'token_embd'
  | 'attn_v'
  | 'attn_k'
  | 'attn_q'
  | 'attn_output'
  | 'ffn_up'
  | 'ffn_gate'
  | 'ffn_down'
  | 'other';

/** By substring, in this order; fused qkv and MLA's kv_b count as attn_v, experts and shared experts as their ffn matrix. */
const CATEGORY_BY_PART: readonly (readonly [part: string, category: TensorCategory])[] = [
  ['attn_qkv.weight', 'attn_v'],
  ['attn_kv_b.weight', 'attn_v'],
  ['attn_v.weight', 'attn_v'],
  ['attn_k.weight', 'attn_k'],
  ['attn_q.weight', 'attn_q'],
  ['attn_output.weight', 'attn_output'],
  ['ffn_up', 'ffn_up'],
  ['ffn_gate', 'ffn_gate'],
  ['ffn_down', 'ffn_down'],
];

export function isTokenEmbedding(name: string): boolean {
  return name === 'token_embd.weight' || name === 'per_layer_token_embd.weight';
}

export function tensorCategory(name: string): TensorCategory {
  if (name === 'output.weight') return 'output';
  if (isTokenEmbedding(name)) return 'token_embd';
  return CATEGORY_BY_PART.find(([part]) => name.includes(part))?.[1] ?? 'other';
}

/** What the mixtures know of a model. */
export interface MixtureModel {
  readonly architecture: string;
  /** `<arch>.block_count`. */
  readonly blockCount: number;
  /** `<arch>.expert_count`, 0 for a dense model. */
  readonly expertCount: number;
  /** Query heads per key/value head of layer 0, rounded down; 0 without key/value heads. */
  readonly gqa: number;
  /** Number of tensors of category attn_v. */
  readonly attentionVCount: number;
  /** No `output.weight`: the token embedding is the output matrix too. */
  readonly tied: boolean;
  readonly hasImatrix: boolean;
}

export interface MixtureTensor {
  readonly name: string;
  readonly ne: readonly number[];
}

/** A type, and why, as shown in reports: `attn_v, more bits`. */
export interface MixtureChoice {
  readonly type: string;
  readonly why: string;
}

/** A tensor the mixture cannot place: llama-quantize stops there too. */
export class MixtureError extends Error {
  override readonly name = 'MixtureError';
}

/** Position of a tensor among its kind: layer `index` of `count`. */
interface Position {
  readonly index: number;
  readonly count: number;
}

/** A choice with its reason, or undefined for the default type. */
type Choice = readonly [type: string, why?: string] | undefined;
/** One file type's choice for one kind of tensor. */
type Choose = (model: MixtureModel, at: Position) => Choice;
type Choices = Readonly<Record<string, Choose>>;

const eighth = (n: number) => Math.floor(n / 8);
const firstEighth = ({ index, count }: Position) => index < eighth(count);
const firstSixteenth = ({ index, count }: Position) => index < Math.floor(count / 16);
const middle = ({ index, count }: Position) => index >= eighth(count) && index < Math.floor((7 * count) / 8);
/** The first and last eighth of the layers, and every third in between. */
const moreBits = ({ index, count }: Position) =>
  index < eighth(count) || index >= Math.floor((7 * count) / 8) || (index - eighth(count)) % 3 === 2;
const isFalcon = (model: MixtureModel) => model.architecture === 'falcon';

/** Architectures whose 80-layer model llama.cpp takes for the 70B one; llama only with grouped queries and without 8 experts. */
function is70B(model: MixtureModel): boolean {
  if (model.architecture === 'llama') return model.blockCount === 80 && model.gqa !== 1 && model.expertCount !== 8;
  if (model.architecture === 'jais2') return model.blockCount === 68;
  return ['qwen2', 'deci', 'olmo'].includes(model.architecture) && model.blockCount === 80;
}

/** Two bits and less: these file types have their own, shorter rules for the layers. */
const VERY_LOW_BIT = new Set(['IQ1_S', 'IQ1_M', 'IQ2_XXS', 'IQ2_XS', 'IQ2_S', 'IQ2_M']);
const isIq2SOrM = (fileType: string) => fileType === 'IQ2_S' || fileType === 'IQ2_M';

const always =
  (type: string): Choose =>
  () => [type];
const ifGrouped =
  (type: string): Choose =>
  model =>
    model.gqa >= 4 ? [type, '4 or more heads share it'] : undefined;
const ifMoreBits =
  (type: string): Choose =>
  (_, at) =>
    moreBits(at) ? [type, 'more bits'] : undefined;
const ifFirstEighth =
  (type: string): Choose =>
  (_, at) =>
    firstEighth(at) ? [type, 'first layers'] : undefined;
const ifImatrix =
  (wanted: boolean, choose: Choose): Choose =>
  (model, at) =>
    model.hasImatrix === wanted ? choose(model, at) : undefined;
const unlessFalcon =
  (choose: Choose, falcon: Choose = () => undefined): Choose =>
  (model, at) =>
    (isFalcon(model) ? falcon : choose)(model, at);

const TOKEN_EMBEDDING: Choices = {
  IQ1_S: always('Q2_K'),
  IQ1_M: always('Q2_K'),
  IQ2_XXS: always('Q2_K'),
  IQ2_XS: always('Q2_K'),
  IQ2_S: always('IQ3_S'),
  IQ2_M: always('IQ3_S'),
  IQ3_XXS: always('IQ3_S'),
  TQ1_0: always('Q4_K'),
  TQ2_0: always('Q4_K'),
  Q2_0: always('Q4_K'),
};

const ATTENTION_V: Choices = {
  Q2_K: (model, at) => ifGrouped('Q4_K')(model, at) ?? ['Q3_K'],
  Q2_K_S: ifGrouped('Q4_K'),
  IQ3_XXS: (model, at) => ifGrouped('Q4_K')(model, at) ?? (model.hasImatrix ? undefined : ['IQ3_S', 'no imatrix']),
  IQ3_XS: ifGrouped('Q4_K'),
  IQ3_S: ifGrouped('Q4_K'),
  IQ3_M: always('Q4_K'),
  Q3_K_M: (_, { index }) => (index < 2 ? ['Q5_K', 'first layers'] : ['Q4_K']),
  Q3_K_L: always('Q5_K'),
  IQ4_NL: ifGrouped('Q5_K'),
  IQ4_XS: ifGrouped('Q5_K'),
  Q4_K_M: ifMoreBits('Q6_K'),
  Q5_K_M: ifMoreBits('Q6_K'),
  Q4_K_S: (_, { index }) => (index < 4 ? ['Q5_K', 'first layers'] : undefined),
};

const ATTENTION_Q_AND_K: Choices = { IQ3_XS: always('IQ3_XXS'), IQ3_XXS: always('IQ2_S') };

const FFN_DOWN: Choices = {
  Q2_K: always('Q3_K'),
  Q2_K_S: ifFirstEighth('Q4_K'),
  IQ3_XXS: ifImatrix(false, (model, at) => ifFirstEighth('Q4_K')(model, at) ?? ['Q3_K', 'no imatrix']),
  Q3_K_M: (model, at) => {
    if (firstSixteenth(at)) return ['Q5_K', 'first layers'];
    return unlessFalcon(always('Q4_K'), ifMoreBits('Q4_K'))(model, at);
  },
  IQ3_M: (model, at) =>
    ifFirstEighth('Q4_K')(model, at) ?? (model.expertCount === 8 ? ifMoreBits('Q4_K')(model, at) : undefined),
  Q3_K_L: unlessFalcon(always('Q5_K'), always('Q4_K')),
  Q4_K_M: unlessFalcon(ifMoreBits('Q6_K'), (model, at) =>
    firstSixteenth(at) ? ['Q6_K', 'first layers'] : ifMoreBits('Q5_K')(model, at),
  ),
  IQ4_NL: ifImatrix(false, ifFirstEighth('Q5_K')),
  IQ4_XS: ifImatrix(false, ifFirstEighth('Q5_K')),
  Q5_K_M: ifMoreBits('Q6_K'),
  Q4_K_S: unlessFalcon(ifFirstEighth('Q5_K')),
  Q4_0: ifImatrix(true, ifFirstEighth('Q4_1')),
  Q5_0: ifImatrix(true, ifFirstEighth('Q5_1')),
};

const FFN_UP_AND_GATE: Choices = {
  IQ3_XS: (_, at) => (middle(at) ? ['IQ3_XXS', 'middle layers'] : undefined),
};

const ATTENTION_OUTPUT: Choices = {
  Q2_K: unlessFalcon(always('Q3_K')),
  IQ3_XXS: unlessFalcon(always('IQ3_S')),
  Q3_K_M: unlessFalcon(always('Q4_K')),
  Q3_K_L: unlessFalcon(always('Q5_K'), always('Q4_K')),
  IQ3_M: unlessFalcon(always('Q4_K')),
};
/** File types whose attn_output becomes Q5_K in a model with 8 experts, where it is a small part of the weights. */
const ATTENTION_OUTPUT_OF_8_EXPERTS = new Set(
  'Q2_K IQ3_XS IQ3_XXS Q3_K_S Q3_K_M IQ4_NL Q4_K_S Q4_K_M IQ3_S IQ3_M IQ4_XS'.split(' '),
);
const EIGHT_EXPERTS = '8 experts';

/** Chooses types for the tensors of one output, which must be asked for in output order: the running counters are state. */
export class Mixture {
  private attentionV = 0;
  private readonly ffn = { ffn_up: 0, ffn_gate: 0, ffn_down: 0 };

  /**
   * @param fileType name in the file type table.
   * @param defaultType its default ggml type, which must be a quantized one.
   * @param outputTensorType replaces the choice for a tied token embedding, which is the output matrix.
   */
  constructor(
    private readonly fileType: string,
    private readonly defaultType: string,
    private readonly model: MixtureModel,
    private readonly outputTensorType?: string,
  ) {}

  /** The type of the next tensor. Throws {@link MixtureError} where an expert model's tensor names no valid layer. */
  choose(tensor: MixtureTensor): MixtureChoice {
    const category = tensorCategory(tensor.name);
    const [type, why] = this.pick(tensor, category) ?? [this.defaultType];
    const kind = category === 'other' ? 'default' : category;
    return { type, why: why === undefined ? kind : `${kind}, ${why}` };
  }

  private pick(tensor: MixtureTensor, category: TensorCategory): Choice {
    if (category === 'output') return [this.outputMatrix(tensor)];
    if (category === 'token_embd' && this.model.tied) return [this.outputMatrix(tensor), 'tied output'];
    if (this.fileType === 'MXFP4_MOE') return this.mxfp4Moe(tensor, category);
    if (category === 'token_embd') return this.lookUp(TOKEN_EMBEDDING, { index: 0, count: 1 });
    return VERY_LOW_BIT.has(this.fileType) ? this.veryLowBit(category) : this.layerMatrix(tensor, category);
  }

  private lookUp(choices: Choices, at: Position): Choice {
    return choices[this.fileType]?.(this.model, at);
  }

  private outputMatrix(tensor: MixtureTensor): string {
    if (this.outputTensorType !== undefined) return this.outputTensorType;
    if (this.fileType === 'MXFP4_MOE' || isFalcon(this.model)) return 'Q8_0';
    if ((tensor.ne[0] ?? 1) % ggmlType(this.defaultType).blockSize !== 0) return 'Q8_0';
    if (VERY_LOW_BIT.has(this.fileType) || this.fileType === 'IQ3_XXS') return 'Q5_K';
    return this.defaultType === 'Q8_0' ? 'Q8_0' : 'Q6_K';
  }

  /** Experts are the 3-D tensors; bailingmoe3 has other 3-D tensors too. */
  private mxfp4Moe(tensor: MixtureTensor, category: TensorCategory): Choice {
    const experts =
      (tensor.ne[2] ?? 1) > 1 && (this.model.architecture !== 'bailingmoe3' || category.startsWith('ffn_'));
    return experts ? ['MXFP4', 'experts'] : ['Q8_0', 'not experts'];
  }

  private veryLowBit(category: TensorCategory): Choice {
    const { model, fileType } = this;
    const better = isIq2SOrM(fileType) ? 'IQ3_S' : 'Q2_K';
    if (category === 'attn_v') {
      if (model.expertCount >= 4) return ['Q4_K', '4 or more experts'];
      return ifGrouped('Q4_K')(model, { index: 0, count: 1 }) ?? [better];
    }
    if (category === 'attn_k') return model.expertCount === 8 ? ['Q4_K', EIGHT_EXPERTS] : undefined;
    if (category === 'ffn_down') {
      return ifFirstEighth(better)(model, { index: this.ffn.ffn_down++, count: model.blockCount });
    }
    if (category === 'attn_output') {
      if (model.expertCount === 8) return ['Q5_K', EIGHT_EXPERTS];
      if (fileType === 'IQ1_S' || fileType === 'IQ1_M') return ['IQ2_XXS'];
      return isIq2SOrM(fileType) ? ['IQ3_S'] : undefined;
    }
    return undefined;
  }

  private layerMatrix(tensor: MixtureTensor, category: TensorCategory): Choice {
    const eightExperts = this.model.expertCount === 8;
    const anywhere = { index: 0, count: 1 };
    switch (category) {
      case 'attn_v':
        return this.attentionValue();
      case 'attn_k':
        return eightExperts ? ['Q8_0', EIGHT_EXPERTS] : this.lookUp(ATTENTION_Q_AND_K, anywhere);
      case 'attn_q':
        return this.lookUp(ATTENTION_Q_AND_K, anywhere);
      case 'attn_output':
        if (!eightExperts || isFalcon(this.model)) return this.lookUp(ATTENTION_OUTPUT, anywhere);
        return ATTENTION_OUTPUT_OF_8_EXPERTS.has(this.fileType) ? ['Q5_K', EIGHT_EXPERTS] : undefined;
      case 'ffn_down':
        return this.lookUp(FFN_DOWN, this.position(tensor.name, category));
      case 'ffn_up':
      case 'ffn_gate':
        return this.lookUp(FFN_UP_AND_GATE, this.position(tensor.name, category));
      default:
        return undefined;
    }
  }

  private attentionValue(): Choice {
    const { model } = this;
    const choice = this.lookUp(ATTENTION_V, { index: this.attentionV++, count: model.attentionVCount });
    if (model.expertCount === 8) return ['Q8_0', EIGHT_EXPERTS];
    const type = choice?.[0] ?? this.defaultType;
    // In the 70B models 8 heads share one attn_v, so more bits there cost next to nothing.
    return is70B(model) && (type === 'Q3_K' || type === 'Q4_K') ? ['Q5_K', '70B'] : choice;
  }

  /** Layer of an ffn matrix: a running counter, or in expert models the number in the name. */
  private position(name: string, category: 'ffn_up' | 'ffn_gate' | 'ffn_down'): Position {
    const count = this.model.blockCount;
    const running = this.ffn[category]++;
    if (this.model.expertCount <= 1) return { index: running, count };
    const index = layerOf(name);
    if (index < 0 || index >= count) {
      throw new MixtureError(
        `expected the name of an expert model's ${category} tensor to start with blk.0. to blk.${count - 1}., found ${name}`,
      );
    }
    return { index, count };
  }
}
