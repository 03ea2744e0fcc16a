// Fill-in-the-middle: which tokens a model was trained to find around a prefix and a suffix, and in which order. One table, a row
// per family. The ids come from the GGUF's metadata (tokenizer/token-roles.ts), then from the texts of tokens; never from a
// model's name, which says nothing about what a converter kept. Whether a model has learned to use them is another question:
// fim-check.ts asks it.
import type { Tokenizer } from '../tokenizer/tokenizer.js';
import { hashBytes, stringAt, stringCount } from '../tokenizer/byte-strings.js';

/** What stands first in the prompt. Suffix first keeps the cache of an unchanged suffix while the prefix grows. */
export type FimOrder = 'prefix-first' | 'suffix-first';

export interface FimFamily {
  readonly name: string;
  /** Texts of the tokens before the prefix, the suffix, and the middle; some families have none before the middle. */
  readonly prefix: string;
  readonly suffix: string;
  readonly middle?: string;
  readonly order: FimOrder;
  /** A token that tells the family from others with the same three. */
  readonly marker?: string;
  /** Tokens that a middle ends before, besides those that end any text: another file begins. */
  readonly ends: readonly string[];
  /** SentencePiece puts a space before a text that follows a special token; the suffix was trained without. */
  readonly bareSuffix?: true;
  /** How it was taught that there are other files; absent: it was not, or nobody says how. */
  readonly files?: FimFiles;
}

/** Texts of the tokens before the name of a repository, and before each of its files. */
export interface FimFiles {
  readonly repository: string;
  readonly separator: string;
  readonly layout: FilesLayout;
}

/**
 * `lines`: names end with their lines, and the file with the cursor begins as the others do, `SEP name\n PRE prefix` (the Qwen2.5-Coder
 * report, and what llama-server writes). `star`: the repository's name ends with the next token, and the name of the file with the
 * cursor is part of its prefix, `SEP PRE name\n prefix` (section 5.1 of the StarCoder 2 paper).
 */
export type FilesLayout = 'lines' | 'star';

/**
 * The first row whose tokens are all in the vocabulary counts. Sources: the models' own pages and papers; Codestral's and
 * Code Llama's suffix as their reference tokenizers encode it.
 */
export const FIM_FAMILIES: readonly FimFamily[] = [
  {
    name: 'CodeGemma',
    ...{ prefix: '<|fim_prefix|>', suffix: '<|fim_suffix|>', middle: '<|fim_middle|>', order: 'prefix-first' },
    marker: '<|file_separator|>',
    ends: ['<|file_separator|>'],
  },
  {
    name: 'Granite 4',
    ...{ prefix: '<|fim_prefix|>', suffix: '<|fim_suffix|>', middle: '<|fim_middle|>', order: 'prefix-first' },
    marker: '<|filename|>',
    ends: ['<|filename|>', '<|reponame|>'],
  },
  {
    name: 'Qwen Coder',
    ...{ prefix: '<|fim_prefix|>', suffix: '<|fim_suffix|>', middle: '<|fim_middle|>', order: 'prefix-first' },
    ends: ['<|file_sep|>', '<|repo_name|>', '<|fim_pad|>'],
    files: { repository: '<|repo_name|>', separator: '<|file_sep|>', layout: 'lines' },
  },
  {
    name: 'StarCoder 2',
    ...{ prefix: '<fim_prefix>', suffix: '<fim_suffix>', middle: '<fim_middle>', order: 'prefix-first' },
    ends: ['<file_sep>', '<repo_name>', '<filename>', '<fim_pad>'],
    files: { repository: '<repo_name>', separator: '<file_sep>', layout: 'star' },
  },
  {
    name: 'SantaCoder',
    ...{ prefix: '<fim-prefix>', suffix: '<fim-suffix>', middle: '<fim-middle>', order: 'prefix-first' },
    ends: ['<fim-pad>'],
  },
  {
    name: 'DeepSeek Coder',
    ...{ prefix: '<｜fim▁begin｜>', suffix: '<｜fim▁hole｜>', middle: '<｜fim▁end｜>', order: 'prefix-first' },
    ends: [],
  },
  {
    name: 'Code Llama',
    ...{ prefix: '▁<PRE>', suffix: '▁<SUF>', middle: '▁<MID>', order: 'prefix-first' },
    ends: ['▁<EOT>'],
    bareSuffix: true,
  },
  {
    name: 'Seed-Coder',
    ...{ prefix: '<[fim-prefix]>', suffix: '<[fim-suffix]>', middle: '<[fim-middle]>', order: 'suffix-first' },
    ends: ['<[PAD▁TOKEN]>'],
  },
  {
    name: 'Codestral',
    ...{ prefix: '[PREFIX]', suffix: '[SUFFIX]', order: 'suffix-first' },
    ends: [],
    bareSuffix: true,
  },
  {
    name: 'CodeGeeX 4',
    ...{ prefix: '<|code_prefix|>', suffix: '<|code_suffix|>', middle: '<|code_middle|>', order: 'suffix-first' },
    ends: [],
  },
];

/** How to ask a model for a middle. */
export interface Fim {
  /** Of the row, or, where the ids are the file's and their texts those of no row, `token ids of the file`. */
  readonly family: string;
  readonly order: FimOrder;
  /** Token ids; -1: the family has no token there. */
  readonly prefix: number;
  readonly suffix: number;
  readonly middle: number;
  /** Before everything; -1 for none. */
  readonly bos: number;
  /** Tokens that end the middle and are no part of it. */
  readonly ends: ReadonlySet<number>;
  readonly bareSuffix: boolean;
  /** Token ids before the name of a repository (-1: none) and before each of its files; undefined: it takes no other files. */
  readonly files?: { readonly repository: number; readonly separator: number; readonly layout: FilesLayout };
}

/** How a model is asked for a middle; undefined if it has no tokens for that. */
export function findFim(tokenizer: Tokenizer): Fim | undefined {
  const { roles, endOfGeneration, addBos } = tokenizer;
  const ids = tokensByText(tokenizer, FIM_FAMILIES.flatMap(textsOf));
  const bos = addBos ? roles.bos : -1;
  const given = [roles.fimPrefix, roles.fimSuffix, roles.fimMiddle];
  // What no middle contains: the tokens around one, where they are not what they separate.
  const ends = (...more: number[]): ReadonlySet<number> =>
    new Set([...endOfGeneration, roles.fimPad, roles.fimRepo, roles.fimSeparator, ...more].filter(id => id >= 0));
  for (const row of FIM_FAMILIES) {
    const [prefix = -1, suffix = -1, middle = -1] = [row.prefix, row.suffix, row.middle ?? ''].map(
      t => ids.get(t) ?? -1,
    );
    const isThere = prefix >= 0 && suffix >= 0 && (row.middle === undefined) === middle < 0;
    // Ids that the file gives decide, also against texts.
    const isMeant = given.every((id, i) => id < 0 || id === [prefix, suffix, middle][i]);
    if (!isThere || !isMeant || (row.marker !== undefined && !ids.has(row.marker))) continue;
    const others = row.ends.map(text => ids.get(text) ?? -1);
    const separator = ids.get(row.files?.separator ?? '') ?? -1;
    const repository = ids.get(row.files?.repository ?? '') ?? -1;
    return {
      ...{ family: row.name, order: row.order, prefix, suffix, middle, bos },
      ends: ends(prefix, suffix, middle, ...others),
      bareSuffix: row.bareSuffix ?? false,
      ...(row.files && separator >= 0 ? { files: { repository, separator, layout: row.files.layout } } : {}),
    };
  }
  const [prefix = -1, suffix = -1, middle = -1] = given;
  if (prefix < 0 || suffix < 0 || middle < 0) return undefined;
  return {
    ...{ family: 'token ids of the file', order: 'prefix-first', prefix, suffix, middle, bos },
    ends: ends(prefix, suffix, middle),
    bareSuffix: false,
    // As llama-server does with these ids.
    ...(roles.fimSeparator >= 0
      ? { files: { repository: roles.fimRepo, separator: roles.fimSeparator, layout: 'lines' } }
      : {}),
  };
}

function textsOf({ prefix, suffix, middle, marker, ends, files }: FimFamily): readonly string[] {
  return [
    ...(files ? [files.repository, files.separator] : []),
    prefix,
    suffix,
    ...(middle === undefined ? [] : [middle]),
    ...(marker === undefined ? [] : [marker]),
    ...ends,
  ];
}

/** The ids of those of `wanted` that are tokens, the first of equals; one pass over the vocabulary. */
function tokensByText({ texts }: Tokenizer, wanted: readonly string[]): ReadonlyMap<string, number> {
  const hashes = new Map<number, string[]>();
  const encoder = new TextEncoder();
  for (const text of new Set(wanted)) {
    const bytes = encoder.encode(text);
    const hash = hashBytes(bytes, 0, bytes.length);
    hashes.set(hash, [...(hashes.get(hash) ?? []), text]);
  }
  const found = new Map<string, number>();
  const decoder = new TextDecoder();
  for (let id = 0; id < stringCount(texts); id++) {
    const candidates = hashes.get(hashBytes(texts.bytes, texts.offsets[id] ?? 0, texts.offsets[id + 1] ?? 0));
    if (!candidates) continue;
    const text = decoder.decode(stringAt(texts, id));
    if (candidates.includes(text) && !found.has(text)) found.set(text, id);
  }
  return found;
}
