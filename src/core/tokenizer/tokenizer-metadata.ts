// What a tokenizer is made from: the `tokenizer.*` entries of a GGUF header, arrays included, as plain data. Reading them from
// a file is in read-tokenizer.ts; a test or a converter fills in its own.
import type { GgufScalar } from '../gguf/gguf.js';
import type { ByteStrings } from './byte-strings.js';

export interface TokenizerMetadata {
  /** Scalars by key: `tokenizer.ggml.model`, the ids of special tokens, the switches, and `general.name` and `general.architecture`. */
  readonly scalars: ReadonlyMap<string, GgufScalar>;
  /** `tokenizer.ggml.tokens` */
  readonly tokens?: ByteStrings;
  /** `tokenizer.ggml.scores`, one per token. */
  readonly scores?: Float32Array;
  /** `tokenizer.ggml.token_type`, one per token; numbers as in {@link TOKEN_TYPE}. */
  readonly tokenTypes?: Int32Array;
  /** `tokenizer.ggml.merges`: two texts with a space between them, the first merge first. */
  readonly merges?: ByteStrings;
}

/** Values of `tokenizer.ggml.token_type`. */
export const TOKEN_TYPE = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;

/** Eight times the largest vocabulary in use (262,144 tokens in Gemma 3). A token costs about 60 bytes here. */
export const MAX_TOKENS = 2 ** 21;
/** Eight times the most merges in use (514,906 in Gemma 3). A merge costs about 40 bytes here. */
export const MAX_MERGES = 2 ** 22;
