// THE table of file types: the names a quantizer takes (`Q4_K_M`) and the number it leaves in `general.file_type`. A file
// type is a mixture, never the type of one tensor: which tensor gets which type is decided in quantize/mixture.ts, and the
// `types` column below is compared with it by a test. Ids, names and aliases as of llama.cpp 0.7.0; an id that is not in
// the table is not an error of the table.
import { nearestNames } from './nearest-name.js';
import { ggmlType } from './ggml-type.js';

export interface FileType {
  /** The number in `general.file_type`; undefined for COPY, which keeps the source's. */
  readonly id: number | undefined;
  readonly name: string;
  /** Other names llama-quantize takes for it. */
  readonly aliases: readonly string[];
  /** The ggml type most tensors get. */
  readonly defaultType: string;
  /** Every ggml type its mixture can choose, the default first; shape fallbacks not included. */
  readonly types: readonly string[];
  /** What a person choosing a type wants to know, in one line. */
  readonly summary: string;
  /** Takes part in pickers and `--type`; false for types that files carry but no quantizer offers. */
  readonly offered: boolean;
  /** Kernels exist here for every type of the mixture. */
  readonly available: boolean;
}

function row(
  id: number | undefined,
  name: string,
  types: string,
  summary: string,
  extra: { aliases?: readonly string[]; offered?: boolean } = {},
): FileType {
  const list = types.split(' ');
  return {
    id,
    name,
    aliases: extra.aliases ?? [],
    defaultType: list[0] ?? 'F32',
    types: list,
    summary,
    offered: extra.offered ?? true,
    available: (extra.offered ?? true) && list.every(type => ggmlType(type).canQuantize),
  };
}

// Perplexity differences are llama.cpp's for Llama 3 8B. Order: as a picker shows them, from large to small.
// prettier-ignore
export const FILE_TYPES: readonly FileType[] = [
  row(0,  'F32',       'F32',  'full precision, four bytes per weight; for reference'),
  row(1,  'F16',       'F16',  'half precision; the usual source of a quantization'),
  row(32, 'BF16',      'BF16', 'half size with the range of F32; lossless for BF16 checkpoints'),
  row(7,  'Q8_0',      'Q8_0', '8 bits, nearly lossless (perplexity +0.003 on Llama 3 8B)'),
  row(18, 'Q6_K',      'Q6_K Q8_0', '6 bits, very close to the original (perplexity +0.02 on Llama 3 8B)'),
  row(17, 'Q5_K_M',    'Q5_K Q6_K Q8_0', '5 bits, high quality (perplexity +0.06 on Llama 3 8B)', { aliases: ['Q5_K'] }),
  row(16, 'Q5_K_S',    'Q5_K Q6_K Q8_0', '5 bits, a little smaller than Q5_K_M (perplexity +0.10 on Llama 3 8B)'),
  row(9,  'Q5_1',      'Q5_1 Q6_K Q8_0', '5 bits, older format; Q5_K_M is better for its size'),
  row(8,  'Q5_0',      'Q5_0 Q5_1 Q6_K Q8_0', '5 bits, older format; for rows that are no multiple of 256'),
  row(15, 'Q4_K_M',    'Q4_K Q5_K Q6_K Q8_0', '4 bits, the usual choice (perplexity +0.18 on Llama 3 8B)', { aliases: ['Q4_K'] }),
  row(14, 'Q4_K_S',    'Q4_K Q5_K Q6_K Q8_0', '4 bits, a little smaller than Q4_K_M (perplexity +0.27 on Llama 3 8B)'),
  row(3,  'Q4_1',      'Q4_1 Q6_K Q8_0', '4 bits, older format with minimum (perplexity +0.45 on Llama 3 8B)'),
  row(2,  'Q4_0',      'Q4_0 Q4_1 Q6_K Q8_0', '4 bits, older format, fastest on many CPUs (perplexity +0.47 on Llama 3 8B)'),
  row(25, 'IQ4_NL',    'IQ4_NL Q5_K Q6_K Q8_0', '4.5 bits, non-linear grid; for rows that are no multiple of 256'),
  row(30, 'IQ4_XS',    'IQ4_XS Q5_K Q6_K Q8_0', '4.25 bits, non-linear grid; smallest good 4-bit type'),
  row(13, 'Q3_K_L',    'Q3_K Q4_K Q5_K Q6_K Q8_0', '3 bits, large mixture (perplexity +0.56 on Llama 3 8B)'),
  row(12, 'Q3_K_M',    'Q3_K Q4_K Q5_K Q6_K Q8_0', '3 bits, medium mixture (perplexity +0.66 on Llama 3 8B)', { aliases: ['Q3_K'] }),
  row(11, 'Q3_K_S',    'Q3_K Q5_K Q6_K Q8_0', '3 bits, small mixture (perplexity +1.6 on Llama 3 8B)'),
  row(27, 'IQ3_M',     'IQ3_S Q4_K Q5_K Q6_K Q8_0', '3.66 bits, mixture'),
  row(26, 'IQ3_S',     'IQ3_S Q4_K Q5_K Q6_K Q8_0', '3.44 bits'),
  row(22, 'IQ3_XS',    'IQ3_S IQ3_XXS Q4_K Q5_K Q6_K Q8_0', '3.3 bits; needs an importance matrix'),
  row(23, 'IQ3_XXS',   'IQ3_XXS IQ2_S IQ3_S Q3_K Q4_K Q5_K Q8_0', '3.06 bits; needs an importance matrix'),
  row(10, 'Q2_K',      'Q2_K Q3_K Q4_K Q5_K Q6_K Q8_0', '2 bits, large loss (perplexity +3.5 on Llama 3 8B)'),
  row(21, 'Q2_K_S',    'Q2_K Q4_K Q5_K Q6_K Q8_0', '2 bits, small mixture; needs an importance matrix'),
  row(29, 'IQ2_M',     'IQ2_S IQ3_S Q4_K Q5_K Q8_0', '2.7 bits; needs an importance matrix'),
  row(28, 'IQ2_S',     'IQ2_XS IQ3_S Q4_K Q5_K Q8_0', '2.5 bits; needs an importance matrix'),
  row(20, 'IQ2_XS',    'IQ2_XS Q2_K Q4_K Q5_K Q8_0', '2.31 bits; needs an importance matrix'),
  row(19, 'IQ2_XXS',   'IQ2_XXS Q2_K Q4_K Q5_K Q8_0', '2.06 bits; needs an importance matrix'),
  row(31, 'IQ1_M',     'IQ1_M IQ2_XXS Q2_K Q4_K Q5_K Q8_0', '1.75 bits; needs an importance matrix'),
  row(24, 'IQ1_S',     'IQ1_S IQ2_XXS Q2_K Q4_K Q5_K Q8_0', '1.56 bits; needs an importance matrix'),
  row(37, 'TQ2_0',     'TQ2_0 Q4_K Q6_K Q8_0', '2.06 bits, for models trained with ternary weights'),
  row(36, 'TQ1_0',     'TQ1_0 Q4_K Q6_K Q8_0', '1.69 bits, for models trained with ternary weights'),
  row(41, 'Q2_0',      'Q2_0 Q4_K Q6_K Q8_0', '2.25 bits, one scale per 64 weights'),
  row(40, 'Q1_0',      'Q1_0 Q6_K Q8_0', '1.125 bits, one scale per 128 weights'),
  row(38, 'MXFP4_MOE', 'MXFP4 Q8_0', 'experts as 4-bit floats, everything else Q8_0'),
  row(39, 'NVFP4',     'NVFP4', '4-bit floats with 8-bit scales, as published by the model maker', { offered: false }),
  row(undefined, 'COPY', 'F32', 'only copy the tensors, quantize nothing'),
];

/** Numbers once written to `general.file_type` by versions of llama.cpp whose formats are gone. */
export const REMOVED_FILE_TYPES: ReadonlyMap<number, string> = new Map([
  [4, 'Q4_1_SOME_F16'],
  [5, 'Q4_2'],
  [6, 'Q4_3'],
  [33, 'Q4_0_4_4'],
  [34, 'Q4_0_4_8'],
  [35, 'Q4_0_8_8'],
]);

/** llama.cpp's mark, added to the id, that the file type was guessed from the tensors. */
export const GUESSED_FILE_TYPE = 1024;

const byId = new Map<number, FileType>();
const byName = new Map<string, FileType>();
for (const type of FILE_TYPES) {
  if (type.id !== undefined) byId.set(type.id, type);
  for (const name of [type.name, ...type.aliases]) byName.set(name.toLowerCase(), type);
}

/** The file type of a `general.file_type` value; the mark of a guess is ignored. */
export function fileTypeById(id: number): FileType | undefined {
  return byId.get(id & ~GUESSED_FILE_TYPE);
}

/** Looks a file type up by name, alias or number, ignoring case as llama-quantize does. Includes types not `offered`. */
export function fileTypeByName(name: string): FileType | undefined {
  const text = name.trim().toLowerCase();
  return byName.get(text) ?? (/^\d{1,4}$/.test(text) ? byId.get(Number(text)) : undefined);
}

/** What to call a `general.file_type` value in front of a person, whatever it is. */
export function fileTypeName(id: number): string {
  return fileTypeById(id)?.name ?? REMOVED_FILE_TYPES.get(id) ?? `file type ${id}`;
}

/** The file type llama.cpp assumes when `general.file_type` is missing: by the ggml type most tensors have. */
export function guessFileType(mostFrequentType: string): FileType | undefined {
  const mixture = { Q3_K: 'Q3_K_M', Q4_K: 'Q4_K_M', Q5_K: 'Q5_K_M' }[mostFrequentType];
  return byName.get((mixture ?? mostFrequentType).toLowerCase());
}

/** Names of offered file types close to a misspelt one, the closest first. */
export function suggestFileTypes(name: string): readonly string[] {
  const offered = FILE_TYPES.filter(type => type.offered);
  return nearestNames(
    name,
    offered.flatMap(type => [type.name, ...type.aliases]),
  );
}
