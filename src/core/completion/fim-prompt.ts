// A fill-in-the-middle prompt from the text around a cursor, within a number of tokens:
//
//   prefix first   [BOS] PRE … prefix SUF suffix … MID        suffix first   [BOS] SUF suffix … PRE … prefix MID
//
// Pieces of other files stand before that, behind BOS (other-files.ts).
// Of the prefix the end is kept, of the suffix the beginning. What is cut from the prefix grows in steps, so that while a
// person types the prompt begins with the same tokens, which need not be evaluated again.
import type { Tokenizer } from '../tokenizer/tokenizer.js';
import type { Fim, FimOrder } from './fim-families.js';

/** The text before and behind a cursor, or as much of it as is near. */
export interface CursorText {
  readonly prefix: string;
  readonly suffix: string;
}

/** Most tokens of each. */
export interface FimBudget {
  readonly prefix: number;
  readonly suffix: number;
  /** Of pieces of other files, with the tokens around them. */
  readonly files?: number;
}

export interface FimPrompt {
  readonly tokens: Int32Array;
  readonly prefixTokens: number;
  readonly suffixTokens: number;
  readonly filesTokens: number;
  /** Tokens of the text that did not fit. */
  readonly prefixCut: number;
  readonly suffixCut: number;
}

/** BOS and the three around the texts. */
export const FIM_SPECIAL_TOKENS = 4;
/** The prefix loses this share of its budget at once: a new beginning every some hundred tokens instead of with each one. */
const CUT_SHARE = 0.25;

/**
 * What a context has room for: the generated tokens first, then the suffix, at most a third of the rest; the prefix has what
 * is left, because what stands before the cursor says most; other files what that leaves.
 */
export function fimBudget(context: number, generated: number, wanted: FimBudget): Required<FimBudget> {
  const room = Math.max(0, context - generated - FIM_SPECIAL_TOKENS);
  const suffix = Math.min(wanted.suffix, Math.floor(room / 3));
  const prefix = Math.min(wanted.prefix, room - suffix);
  return { prefix, suffix, files: Math.min(wanted.files ?? 0, room - suffix - prefix) };
}

/** About 100 lines before the cursor and 25 behind it: what is worth reading where reading is fast. */
export const LARGEST_BUDGET: Required<FimBudget> = { prefix: 1024, suffix: 256, files: 2048 };
/** Less than this says too little. */
const LEAST_BUDGET: Required<FimBudget> = { prefix: 256, suffix: 32, files: 256 };
/** What reading a prefix may take once, when another file is opened. */
const PREFIX_SECONDS = 3;
/** What reading pieces of other files may take, while nobody types and any key ends it. */
const FILES_SECONDS = 5;
/** What the suffix may take after every typed character, where it stands behind what was typed and so is read again. */
const SUFFIX_SECONDS = 0.15;

/**
 * What a model that reads so many tokens a second has time for. Powers of two, so that a speed that wavers changes nothing: a
 * processor that reads the 0.5B shape with 160 tokens a second gets 512 and 32, of which a key costs 0.2 s instead of 1.6.
 */
export function affordableBudget(order: FimOrder, tokensPerSecond: number): Required<FimBudget> {
  const within = (seconds: number, least: number, most: number): number =>
    Math.min(most, Math.max(least, 2 ** Math.round(Math.log2(Math.max(1, tokensPerSecond * seconds)))));
  return {
    prefix: within(PREFIX_SECONDS, LEAST_BUDGET.prefix, LARGEST_BUDGET.prefix),
    suffix:
      order === 'suffix-first'
        ? LARGEST_BUDGET.suffix
        : within(SUFFIX_SECONDS, LEAST_BUDGET.suffix, LARGEST_BUDGET.suffix),
    // One that reads too slowly for a piece that says something has none.
    files:
      tokensPerSecond * FILES_SECONDS < LEAST_BUDGET.files
        ? 0
        : within(FILES_SECONDS, LEAST_BUDGET.files, LARGEST_BUDGET.files),
  };
}

/** @param files what says that there are other files, and which file this is */
export function buildFimPrompt(
  tokenizer: Tokenizer,
  fim: Fim,
  text: CursorText,
  budget: FimBudget,
  files: FilesTokens = NO_FILES,
): FimPrompt {
  const before = tokenizer.encode(text.prefix);
  const after = fim.bareSuffix ? encodeBare(tokenizer, text.suffix) : tokenizer.encode(text.suffix);
  const prefix = before.subarray(prefixCut(before.length, budget.prefix));
  const suffix = after.subarray(0, budget.suffix);
  const parts =
    fim.order === 'prefix-first'
      ? [[fim.bos], files.before, [fim.prefix], files.name, prefix, [fim.suffix], suffix, [fim.middle]]
      : [[fim.bos], files.before, [fim.suffix], suffix, [fim.prefix], files.name, prefix, [fim.middle]];
  const tokens = parts.flatMap(part => Array.from(part)).filter(id => id >= 0);
  return {
    tokens: Int32Array.from(tokens),
    filesTokens: files.before.length + files.name.length,
    prefixTokens: prefix.length,
    suffixTokens: suffix.length,
    prefixCut: before.length - prefix.length,
    suffixCut: after.length - suffix.length,
  };
}

/** Tokens that tell of other files: before everything, and between PRE and the prefix. */
export interface FilesTokens {
  readonly before: readonly number[];
  readonly name: readonly number[];
}

export const NO_FILES: FilesTokens = { before: [], name: [] };

/** How many tokens a prefix of `length` loses: none, or so many that the next ones find room. */
export function prefixCut(length: number, budget: number): number {
  if (length <= budget) return 0;
  const step = Math.max(1, Math.floor(budget * CUT_SHARE));
  return Math.min(length, Math.ceil((length - budget) / step) * step);
}

/**
 * Where the text that is worth sending begins, for a cursor at `offset` of a document: within `most` characters before it, and
 * at the same place for the next `most / 4` typed ones.
 */
export function windowStart(offset: number, most: number): number {
  if (offset <= most) return 0;
  const step = Math.max(1, Math.floor(most / 4));
  return Math.ceil((offset - most) / step) * step;
}

/** A character that is in no word; it takes the space that SentencePiece puts before a text. */
const STAND_IN = '☺';
const STAND_IN_BYTES = new TextEncoder().encode(STAND_IN).length;

/** The tokens of a text without the space that SentencePiece puts before it. */
function encodeBare(tokenizer: Tokenizer, text: string): Int32Array {
  const tokens = tokenizer.encode(STAND_IN + text);
  for (let count = 1; count <= tokens.length; count++) {
    // Decoding drops the space again.
    const { length } = tokenizer.decodeBytes(tokens.subarray(0, count));
    if (length === STAND_IN_BYTES) return tokens.subarray(count);
    if (length > STAND_IN_BYTES) break;
  }
  // A token of the stand-in together with what follows it: no known vocabulary has one.
  return tokenizer.encode(text);
}
