// THE table of ggml tensor types: every other fact about them (bits per weight, byte lengths, what can be quantized here,
// hovers, completions, the C++ table through a test) derives from it. Ids and layouts as of ggml 0.27.0; ids that ggml has
// removed are listed so that a file using one gets a message that names it. An id that is not in the table is not an
// error of the table: show `type 57`, never throw.

/** How a type spends its bits; used for grouping and colours. */
export type GgmlTypeFamily =
  'float' | 'integer' | 'legacy' | 'k-quant' | 'iq-quant' | 'ternary' | 'micro-scaling' | 'low-bit' | 'activation';

export interface GgmlType {
  /** The number stored in a GGUF file. */
  readonly id: number;
  /** Exactly as ggml prints it. */
  readonly name: string;
  /** Weights per block. */
  readonly blockSize: number;
  /** Bytes per block. */
  readonly typeSize: number;
  readonly family: GgmlTypeFamily;
  /** Kernels exist here to write this type (and to read it back). */
  readonly canQuantize: boolean;
  /** Kernels exist here to decode this type to float32. */
  readonly canDequantize: boolean;
  /** ggml's encoder asserts importance weights for every row; llama-quantize wants them for more types, which it can do without. */
  readonly needsImportance: boolean;
  /** What a person choosing a type wants to know, in one line. */
  readonly summary: string;
}

function row(
  id: number,
  name: string,
  blockSize: number,
  typeSize: number,
  family: GgmlTypeFamily,
  kernels: '' | 'kernels',
  summary: string,
  needs: '' | 'importance' = '',
): GgmlType {
  const exists = kernels !== '';
  const needsImportance = needs !== '';
  return {
    id,
    name,
    blockSize,
    typeSize,
    family,
    canQuantize: exists,
    canDequantize: exists,
    needsImportance,
    summary,
  };
}

// prettier-ignore
export const GGML_TYPES: readonly GgmlType[] = [
  row(0,  'F32',     1,   4,   'float',         'kernels', '32-bit IEEE float'),
  row(1,  'F16',     1,   2,   'float',         'kernels', '16-bit IEEE float, largest value 65504'),
  row(2,  'Q4_0',    32,  18,  'legacy',        'kernels', '4-bit, one scale per 32 weights'),
  row(3,  'Q4_1',    32,  20,  'legacy',        'kernels', '4-bit, scale and minimum per 32 weights'),
  row(6,  'Q5_0',    32,  22,  'legacy',        'kernels', '5-bit, one scale per 32 weights'),
  row(7,  'Q5_1',    32,  24,  'legacy',        'kernels', '5-bit, scale and minimum per 32 weights'),
  row(8,  'Q8_0',    32,  34,  'legacy',        'kernels', '8-bit, one scale per 32 weights; nearly lossless'),
  row(9,  'Q8_1',    32,  36,  'activation',    '',        '8-bit with sums; activations only, never stored'),
  row(10, 'Q2_K',    256, 84,  'k-quant',       'kernels', '2-bit, super-block of 16 x 16 with scales and minimums'),
  row(11, 'Q3_K',    256, 110, 'k-quant',       'kernels', '3-bit, super-block of 16 x 16 with scales'),
  row(12, 'Q4_K',    256, 144, 'k-quant',       'kernels', '4-bit, super-block of 8 x 32 with scales and minimums'),
  row(13, 'Q5_K',    256, 176, 'k-quant',       'kernels', '5-bit, super-block of 8 x 32 with scales and minimums'),
  row(14, 'Q6_K',    256, 210, 'k-quant',       'kernels', '6-bit, super-block of 16 x 16 with scales'),
  row(15, 'Q8_K',    256, 292, 'activation',    '',        '8-bit super-block; activations only, never stored'),
  row(16, 'IQ2_XXS', 256, 66,  'iq-quant',      'kernels', '2-bit codebook; needs an importance matrix', 'importance'),
  row(17, 'IQ2_XS',  256, 74,  'iq-quant',      'kernels', '2-bit codebook; needs an importance matrix', 'importance'),
  row(18, 'IQ3_XXS', 256, 98,  'iq-quant',      'kernels', '3-bit codebook'),
  row(19, 'IQ1_S',   256, 50,  'iq-quant',      'kernels', '1-bit codebook; needs an importance matrix', 'importance'),
  row(20, 'IQ4_NL',  32,  18,  'iq-quant',      'kernels', '4-bit with a non-linear grid, 32 weights per block'),
  row(21, 'IQ3_S',   256, 110, 'iq-quant',      'kernels', '3-bit codebook'),
  row(22, 'IQ2_S',   256, 82,  'iq-quant',      'kernels', '2-bit codebook'),
  row(23, 'IQ4_XS',  256, 136, 'iq-quant',      'kernels', '4-bit with a non-linear grid, super-block of 256'),
  row(24, 'I8',      1,   1,   'integer',       '',        '8-bit integer'),
  row(25, 'I16',     1,   2,   'integer',       '',        '16-bit integer'),
  row(26, 'I32',     1,   4,   'integer',       '',        '32-bit integer'),
  row(27, 'I64',     1,   8,   'integer',       '',        '64-bit integer'),
  row(28, 'F64',     1,   8,   'float',         '',        '64-bit IEEE float'),
  row(29, 'IQ1_M',   256, 56,  'iq-quant',      'kernels', '1-bit codebook'),
  row(30, 'BF16',    1,   2,   'float',         'kernels', '16-bit brain float: the range of F32, 8 bits of precision'),
  row(34, 'TQ1_0',   256, 54,  'ternary',       'kernels', 'ternary, 1.69 bits'),
  row(35, 'TQ2_0',   256, 66,  'ternary',       'kernels', 'ternary, 2.06 bits'),
  row(39, 'MXFP4',   32,  17,  'micro-scaling', 'kernels', '4-bit float (E2M1), power-of-two scale per 32'),
  row(40, 'NVFP4',   64,  36,  'micro-scaling', 'kernels', '4-bit float (E2M1), 8-bit float scale per 16'),
  row(41, 'Q1_0',    128, 18,  'low-bit',       'kernels', '1-bit, one scale per 128 weights'),
  row(42, 'Q2_0',    64,  18,  'low-bit',       'kernels', '2-bit, one scale per 64 weights'),
];

/** Ids ggml once used and removed; llama.cpp refuses files that contain them. */
export const REMOVED_GGML_TYPES: ReadonlyMap<number, string> = new Map([
  [4, 'Q4_2'],
  [5, 'Q4_3'],
  [31, 'Q4_0_4_4'],
  [32, 'Q4_0_4_8'],
  [33, 'Q4_0_8_8'],
  [36, 'IQ4_NL_4_4'],
  [37, 'IQ4_NL_4_8'],
  [38, 'IQ4_NL_8_8'],
]);

const byId = new Map(GGML_TYPES.map(type => [type.id, type]));
const byName = new Map(GGML_TYPES.map(type => [type.name.toLowerCase(), type]));

export function ggmlTypeById(id: number): GgmlType | undefined {
  return byId.get(id);
}

/** Looks a type up by ggml's name, ignoring case as llama-quantize does. */
export function ggmlTypeByName(name: string): GgmlType | undefined {
  return byName.get(name.toLowerCase());
}

/** The row of a type that must exist; throws RangeError for a name that is not in the table (a programming error). */
export function ggmlType(name: string): GgmlType {
  const type = byName.get(name.toLowerCase());
  if (!type) throw new RangeError(`no ggml type is called ${name}`);
  return type;
}

/** What to call a type id in front of a person, whatever it is. */
export function ggmlTypeName(id: number): string {
  return byId.get(id)?.name ?? REMOVED_GGML_TYPES.get(id) ?? `type ${id}`;
}

/** Storage cost in bits per weight, block overhead included. */
export function bitsPerWeight(type: GgmlType): number {
  return (type.typeSize * 8) / type.blockSize;
}

/** Bytes of `elementCount` weights; `elementCount` must be a multiple of the block size. Exact up to 2^53. */
export function byteLengthOf(type: GgmlType, elementCount: number): number {
  return (elementCount / type.blockSize) * type.typeSize;
}
