// A model's tokenizer, made from GGUF metadata alone: text to tokens and back, exactly as llama.cpp 0.7.0 does it. It keeps no
// state between calls but a cache of words, needs no file and no platform, and takes any bytes: what is no UTF-8 is read as
// llama.cpp reads it. Absent on purpose: chat templates (core/chat), and the tokenizers of T5, RWKV and PLaMo.
import type { ReadResult } from '../problem.js';
import { plural } from '../text/quantity.js';
import { ProblemList } from '../gguf/problem-list.js';
import { ByteBuffer, IntBuffer, packStrings, stringCount, type ByteStrings } from './byte-strings.js';
import { BytePairEncoder } from './bpe.js';
import { appendPiece, detokenize, StreamDecoder, type DecodeOptions } from './detokenize.js';
import { MAX_SPECIAL_BYTES, SpecialTokens } from './special-tokens.js';
import { escapeSpaces, prefixLines, SentencePieceEncoder } from './spm.js';
import { ATTRIBUTE } from './token-attributes.js';
import type { TokenRoles } from './token-roles.js';
import { MAX_MERGES, type TokenizerMetadata } from './tokenizer-metadata.js';
import { readVocabulary, type TokenizerKind, type Vocabulary } from './vocabulary.js';
import { WordPieceEncoder } from './wpm.js';

export interface EncodeOptions {
  /** Add what the model's own rules put around a text: BOS, for some models EOS, for BERT both ends. Default: no. */
  readonly addSpecial?: boolean;
  /** Recognize control tokens (`<|im_start|>`) in the text. Only for text that is trusted. Default: no. */
  readonly parseSpecial?: boolean;
}

export interface Tokenizer {
  readonly kind: TokenizerKind;
  /** Tokens of the vocabulary; every token is below this. */
  readonly size: number;
  /** Of every token, as the file has it. */
  readonly texts: ByteStrings;
  readonly roles: TokenRoles;
  readonly endOfGeneration: ReadonlySet<number>;
  /** Whether encoding with `addSpecial` puts BOS before, and EOS behind a text. */
  readonly addBos: boolean;
  readonly addEos: boolean;
  /** The tokens of a text, or of bytes that are meant to be UTF-8. O(n log n) in the longest word. */
  encode(text: string | Uint8Array, options?: EncodeOptions): Int32Array;
  /** The text of tokens. Throws a RangeError for a token outside the vocabulary. */
  decode(tokens: ArrayLike<number>, options?: DecodeOptions): string;
  /** The same as bytes, which need not be UTF-8. */
  decodeBytes(tokens: ArrayLike<number>, options?: DecodeOptions): Uint8Array;
  /** The text of each token alone, control tokens too; U+FFFD for parts of characters. Throws as `decode`. */
  pieces(tokens: ArrayLike<number>): string[];
  /** Where in a text's bytes a control token would be recognized if it were trusted, from left to right. */
  controlSpans(text: Uint8Array): readonly { readonly start: number; readonly end: number }[];
  /** For tokens that come one at a time. `special` as in {@link DecodeOptions}. */
  streamDecoder(options?: { readonly special?: boolean }): StreamDecoder;
}

/** Makes a tokenizer. Without a value there is a problem of severity `error`; warnings leave one that works. */
export function createTokenizer(metadata: TokenizerMetadata): ReadResult<Tokenizer> {
  const { value: vocabulary, problems: found } = readVocabulary(metadata);
  if (!vocabulary) return { value: undefined, problems: found };
  const problems = new ProblemList();
  const special = new SpecialTokens(vocabulary);
  if (special.ignored > 0) {
    const message = `${plural(special.ignored, 'special token')} of more than ${MAX_SPECIAL_BYTES} bytes cannot be found in a text.`;
    problems.add('warning', 'tokenizer/long-special-token', message, { subject: 'tokenizer.ggml.tokens' });
  }
  const encodeFragment = fragmentEncoder(vocabulary, metadata, problems);
  return {
    value: encodeFragment && new VocabularyTokenizer(vocabulary, special, encodeFragment),
    problems: [...found, ...problems.toArray()],
  };
}

/** Appends the tokens of text without special tokens. `first`: nothing, or a special token, stands before it. */
type EncodeFragment = (bytes: Uint8Array, first: boolean, output: IntBuffer) => void;

function fragmentEncoder(
  vocabulary: Vocabulary,
  metadata: TokenizerMetadata,
  problems: ProblemList,
): EncodeFragment | undefined {
  switch (vocabulary.kind) {
    case 'bpe': {
      const merges = mergesOf(vocabulary, metadata, problems);
      if (!merges) return undefined;
      const encoder = new BytePairEncoder(vocabulary, merges);
      reportMerges(encoder, problems);
      const { escapeSpaces: escape, prefixLines: prefix } = vocabulary.preTokenizer;
      return (bytes, _first, output) => {
        const escaped = escape ? escapeSpaces(bytes, false) : bytes;
        encoder.encode(prefix ? prefixLines(escaped) : escaped, output);
      };
    }
    case 'spm': {
      const encoder = new SentencePieceEncoder(vocabulary);
      if (encoder.bytesWithoutToken > 0) {
        const message = `${plural(encoder.bytesWithoutToken, 'byte')} of 256 have no token: text with characters that are no token loses them.`;
        problems.add('warning', 'tokenizer/no-byte-tokens', message, {
          subject: 'tokenizer.ggml.tokens',
          hint: 'They become the unknown token if there is one. llama.cpp ends the process on such text.',
        });
      }
      const { addSpacePrefix } = vocabulary;
      return (bytes, first, output) => encoder.encode(bytes, addSpacePrefix && first, output);
    }
    case 'wpm': {
      const encoder = new WordPieceEncoder(vocabulary);
      return (bytes, _first, output) => encoder.encode(bytes, output);
    }
  }
}

function mergesOf(vocabulary: Vocabulary, { merges }: TokenizerMetadata, problems: ProblemList) {
  const subject = 'tokenizer.ggml.merges';
  if (!merges) {
    // Kimi K2 can do without: words that are tokens are looked up.
    if (vocabulary.preTokenizer.mergesOptional) return packStrings([]);
    problems.add('error', 'tokenizer/no-merges', `The merges of the vocabulary (${subject}) are missing.`, {
      subject,
      hint: 'Convert the model to GGUF again with a current converter.',
    });
    return undefined;
  }
  if (stringCount(merges) <= MAX_MERGES) return merges;
  const message = `The vocabulary has ${plural(stringCount(merges), 'merge')}; at most ${MAX_MERGES} can be used.`;
  problems.add('error', 'tokenizer/too-large', message, { subject });
  return undefined;
}

function reportMerges({ unusableMerges, mergesWithoutToken }: BytePairEncoder, problems: ProblemList): void {
  const subject = 'tokenizer.ggml.merges';
  if (unusableMerges > 0) {
    const message = `${plural(unusableMerges, 'merge')} cannot be used: two texts with a space between them are expected.`;
    problems.add('warning', 'tokenizer/unusable-merge', message, { subject });
  }
  if (mergesWithoutToken > 0) {
    const message = `${plural(mergesWithoutToken, 'merge')} make a text that is no token.`;
    problems.add('info', 'tokenizer/merge-without-token', message, { subject });
  }
}

class VocabularyTokenizer implements Tokenizer {
  readonly kind: TokenizerKind;
  readonly size: number;
  readonly texts: ByteStrings;
  readonly roles: TokenRoles;
  readonly endOfGeneration: ReadonlySet<number>;
  readonly addBos: boolean;
  readonly addEos: boolean;

  constructor(
    private readonly vocabulary: Vocabulary,
    private readonly special: SpecialTokens,
    private readonly encodeFragment: EncodeFragment,
  ) {
    this.kind = vocabulary.kind;
    this.size = vocabulary.size;
    this.texts = vocabulary.texts;
    this.roles = vocabulary.roles;
    this.endOfGeneration = vocabulary.endOfGeneration;
    // BERT has its two ends whatever the switches say.
    this.addBos = (vocabulary.kind === 'wpm' || vocabulary.addBos) && vocabulary.roles.bos >= 0;
    this.addEos = vocabulary.kind !== 'wpm' && vocabulary.addEos && vocabulary.roles.eos >= 0;
  }

  encode(text: string | Uint8Array, { addSpecial = false, parseSpecial = false }: EncodeOptions = {}): Int32Array {
    const bytes = typeof text === 'string' ? new TextEncoder().encode(text) : text;
    const { roles, kind } = this.vocabulary;
    const output = new IntBuffer();
    if (addSpecial && this.addBos) output.push(roles.bos);
    let first = true;
    for (const { token, start, end } of this.special.partition(bytes, parseSpecial)) {
      if (token >= 0) output.push(token);
      else this.encodeFragment(bytes.subarray(start, end), first, output);
      first = token >= 0;
    }
    if (addSpecial && this.addEos) output.push(roles.eos);
    if (addSpecial && kind === 'wpm' && roles.sep >= 0) output.push(roles.sep);
    return output.view();
  }

  decode(tokens: ArrayLike<number>, options: DecodeOptions = {}): string {
    return new TextDecoder('utf-8', { ignoreBOM: true }).decode(this.decodeBytes(tokens, options));
  }

  decodeBytes(tokens: ArrayLike<number>, options: DecodeOptions = {}): Uint8Array {
    for (let i = 0; i < tokens.length; i++) this.check(tokens[i] as number);
    return detokenize(this.vocabulary, tokens, options);
  }

  pieces(tokens: ArrayLike<number>): string[] {
    const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
    const piece = new ByteBuffer();
    return Array.from(tokens, token => {
      this.check(token);
      piece.length = 0;
      appendPiece(this.vocabulary, token, true, piece);
      return decoder.decode(piece.view());
    });
  }

  controlSpans(text: Uint8Array): readonly { readonly start: number; readonly end: number }[] {
    const isUserDefined = (token: number): boolean =>
      ((this.vocabulary.attributes[token] as number) & ATTRIBUTE.userDefined) !== 0;
    return this.special.partition(text, true).filter(({ token }) => token >= 0 && !isUserDefined(token));
  }

  streamDecoder({ special = true }: { readonly special?: boolean } = {}): StreamDecoder {
    return new StreamDecoder(this.vocabulary, special);
  }

  private check(token: number): void {
    if (!Number.isInteger(token) || token < 0 || token >= this.size) {
      throw new RangeError(`Token ${token} is not in the vocabulary of ${this.size} tokens.`);
    }
  }
}
