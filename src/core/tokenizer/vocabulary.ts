// A vocabulary as llama.cpp sees it after loading: the text, score and attributes of every token, the roles of special
// tokens, and the settings. Metadata is untrusted: whatever is missing, of the wrong length or out of range becomes a problem
// with a code, and only what nothing can be done with leaves no vocabulary.
import { ProblemList } from '../gguf/problem-list.js';
import type { GgufScalar } from '../gguf/gguf.js';
import type { ReadResult } from '../problem.js';
import { quote } from '../text/printable.js';
import { formatInteger, plural } from '../text/quantity.js';
import { packStrings, stringAt, stringCount, StringTable, type ByteStrings } from './byte-strings.js';
import { DEFAULT_PRE_TOKENIZER, PRE_TOKENIZERS, type PreTokenizer } from './pre-tokenizers.js';
import { attributesOf, endsOf, markStripping, recognizedRoles } from './token-attributes.js';
import { DEFAULT_ROLES, ROLES, type RoleName, type TokenRoles } from './token-roles.js';
import { MAX_TOKENS, type TokenizerMetadata } from './tokenizer-metadata.js';

/** How text becomes tokens: byte pair encoding, SentencePiece or WordPiece. */
export type TokenizerKind = 'bpe' | 'spm' | 'wpm';

const KINDS: Readonly<Record<string, TokenizerKind>> = {
  llama: 'spm',
  bert: 'wpm',
  gpt2: 'bpe',
  gemma4: 'bpe',
  whitespace: 'bpe',
};
/** Known to llama.cpp and not here: no model this is for has them. */
const UNSUPPORTED = ['t5', 'rwkv', 'plamo2', 'hybriddna'];
const SUPPORTED = Object.keys(KINDS).join(', ');

export interface Vocabulary {
  readonly kind: TokenizerKind;
  /** `tokenizer.ggml.model` */
  readonly model: string;
  readonly preTokenizer: PreTokenizer;
  readonly size: number;
  readonly texts: ByteStrings;
  /** Token by text; of equal texts the last token. */
  readonly byText: StringTable;
  readonly scores: Float32Array;
  /** Bits of `ATTRIBUTE` by token. */
  readonly attributes: Uint8Array;
  readonly roles: TokenRoles;
  /** Tokens after which nothing more is generated. */
  readonly endOfGeneration: ReadonlySet<number>;
  readonly addBos: boolean;
  readonly addEos: boolean;
  /** SentencePiece: a space is put before the text and before text that follows a special token. */
  readonly addSpacePrefix: boolean;
  readonly cleanSpaces: boolean;
  /** WordPiece and `whitespace`. */
  readonly lowercase: boolean;
  readonly stripAccents: boolean;
  /** Bytes of the longest token. */
  readonly longest: number;
}

const KEY = {
  model: 'tokenizer.ggml.model',
  pre: 'tokenizer.ggml.pre',
  tokens: 'tokenizer.ggml.tokens',
  scores: 'tokenizer.ggml.scores',
  types: 'tokenizer.ggml.token_type',
  addBos: 'tokenizer.ggml.add_bos_token',
  addEos: 'tokenizer.ggml.add_eos_token',
  addSpacePrefix: 'tokenizer.ggml.add_space_prefix',
  lowercase: 'tokenizer.ggml.normalizer.lowercase',
  stripAccents: 'tokenizer.ggml.normalizer.strip_accents',
} as const;

const regenerate = 'Convert the model to GGUF again with a current converter.';

export function readVocabulary(metadata: TokenizerMetadata): ReadResult<Vocabulary> {
  const problems = new ProblemList();
  const done = (value: Vocabulary | undefined): ReadResult<Vocabulary> => ({ value, problems: problems.toArray() });
  const { scalars } = metadata;

  const model = scalars.get(KEY.model);
  if (typeof model !== 'string' || model === 'no_vocab' || model === 'none') {
    const found = typeof model === 'string' ? `is ${quote(model)}` : 'is missing';
    problems.add('error', 'tokenizer/none', `The file has no tokenizer: ${KEY.model} ${found}.`, {
      subject: KEY.model,
      hint: 'Use the model file that holds the vocabulary; of a split model, that is the first part.',
    });
    return done(undefined);
  }
  const kind = Object.hasOwn(KINDS, model) ? KINDS[model] : undefined;
  if (!kind) {
    const known = UNSUPPORTED.includes(model) ? 'is not supported' : 'is not known';
    problems.add('error', 'tokenizer/unsupported', `The tokenizer model ${quote(model)} ${known}.`, {
      subject: KEY.model,
      hint: `Supported: ${SUPPORTED}.`,
    });
    return done(undefined);
  }
  const texts = nonEmptyTexts(metadata.tokens, problems);
  if (!texts) return done(undefined);
  const size = stringCount(texts);
  const lengthsFit =
    fits(metadata.scores, size, KEY.scores, problems) && fits(metadata.tokenTypes, size, KEY.types, problems);
  if (!lengthsFit) return done(undefined);

  const byText = new StringTable(size, texts.bytes.length);
  let longest = 0;
  for (let token = 0; token < size; token++) {
    const start = texts.offsets[token] as number;
    const end = texts.offsets[token + 1] as number;
    longest = Math.max(longest, end - start);
    const before = byText.assign(texts.bytes, start, end, token);
    if (before < 0) continue;
    const name = quote(new TextDecoder().decode(texts.bytes.subarray(start, Math.min(end, start + 256))));
    problems.add('warning', 'tokenizer/duplicate-token', `Tokens ${before} and ${token} have the same text ${name}.`, {
      subject: KEY.tokens,
      hint: 'Text is encoded with the last of them. llama.cpp does not load such a model.',
    });
  }

  const pre = preTokenizerOf(kind, model, scalars, problems);
  const attributes = attributesOf(metadata.tokenTypes, size);
  const flag = (key: string, otherwise: boolean): boolean => {
    const value = scalars.get(key);
    if (value === undefined || typeof value === 'boolean') return value ?? otherwise;
    problems.add('warning', 'tokenizer/wrong-type', `${key} must be true or false, found ${shown(value)}; ignored.`, {
      subject: key,
    });
    return otherwise;
  };
  let addBos = flag(KEY.addBos, kind === 'bpe' ? pre.addBos : true);
  if (pre.forceBos && !addBos) {
    addBos = true;
    problems.add('warning', 'tokenizer/bos-forced', `${KEY.addBos} is taken to be true for this pre-tokenizer.`, {
      subject: KEY.addBos,
    });
  }
  const addEos = flag(KEY.addEos, false);
  const lowercase = flag(KEY.lowercase, kind === 'wpm' || model !== 'whitespace');
  const stripAccents = flag(KEY.stripAccents, lowercase);
  const addSpacePrefix = flag(KEY.addSpacePrefix, kind === 'spm');

  const find = (text: string): number => {
    const bytes = new TextEncoder().encode(text);
    return byText.find(bytes, 0, bytes.length);
  };
  const given = givenRoles(model, pre, size, scalars, problems);
  const roles = recognizedRoles(given, find, attributes);
  const endOfGeneration = endsOf(roles, find, attributes, texts);
  markStripping(scalars, find, attributes);
  for (const [wanted, key, role] of [
    [addBos || kind === 'wpm', KEY.addBos, 'bos'],
    [addEos, KEY.addEos, 'eos'],
    [kind === 'wpm', 'tokenizer.ggml.add_sep_token', 'sep'],
  ] as const) {
    if (!wanted || roles[role] >= 0) continue;
    problems.add(
      'warning',
      'tokenizer/no-such-token',
      `${key} asks for a ${role.toUpperCase()} token, but there is none.`,
      {
        subject: key,
        hint: 'None is added. llama.cpp does not load such a model.',
      },
    );
  }

  return done({
    kind,
    model,
    preTokenizer: pre,
    size,
    texts,
    byText,
    scores: metadata.scores ?? new Float32Array(size),
    attributes,
    roles,
    endOfGeneration,
    addBos,
    addEos,
    addSpacePrefix,
    cleanSpaces: kind === 'bpe' ? pre.cleanSpaces : kind === 'wpm',
    lowercase,
    stripAccents,
    longest,
  });
}

/** The texts; an empty one becomes `[EMPTY_7]`, as in llama.cpp, so that no two are the same. */
function nonEmptyTexts(tokens: ByteStrings | undefined, problems: ProblemList): ByteStrings | undefined {
  const size = tokens ? stringCount(tokens) : 0;
  if (!tokens || size === 0) {
    const found = tokens ? 'is empty' : 'is missing';
    problems.add('error', 'tokenizer/no-tokens', `The vocabulary ${KEY.tokens} ${found}.`, {
      subject: KEY.tokens,
      hint: regenerate,
    });
    return undefined;
  }
  if (size > MAX_TOKENS) {
    const message = `The vocabulary has ${formatInteger(size)} tokens; at most ${formatInteger(MAX_TOKENS)} can be used.`;
    problems.add('error', 'tokenizer/too-large', message, { subject: KEY.tokens });
    return undefined;
  }
  let empty = 0;
  for (let token = 0; token < size; token++) if (tokens.offsets[token] === tokens.offsets[token + 1]) empty++;
  if (empty === 0) return tokens;
  problems.add('warning', 'tokenizer/empty-token', `The vocabulary has ${plural(empty, 'token')} without text.`, {
    subject: KEY.tokens,
    hint: 'Such a token is named [EMPTY_…] and never comes out of a text.',
  });
  return packStrings(
    Array.from({ length: size }, (_, token) => {
      const text = stringAt(tokens, token);
      return text.length > 0 ? text : `[EMPTY_${token}]`;
    }),
  );
}

function fits(
  values: { readonly length: number } | undefined,
  size: number,
  key: string,
  problems: ProblemList,
): boolean {
  if (!values || values.length >= size) return true;
  const message = `${key} has ${plural(values.length, 'value')} for ${plural(size, 'token')}; one for each is expected.`;
  problems.add('error', 'tokenizer/wrong-length', message, { subject: key, hint: regenerate });
  return false;
}

function preTokenizerOf(
  kind: TokenizerKind,
  model: string,
  scalars: ReadonlyMap<string, GgufScalar>,
  problems: ProblemList,
): PreTokenizer {
  if (kind !== 'bpe') return DEFAULT_PRE_TOKENIZER;
  const name = model === 'gemma4' ? 'gemma4' : scalars.get(KEY.pre);
  const row = typeof name === 'string' ? PRE_TOKENIZERS.get(name) : undefined;
  if (row) return row;
  const missing = name === undefined || name === '';
  problems.add(
    'warning',
    missing ? 'tokenizer/no-pre-tokenizer' : 'tokenizer/unknown-pre-tokenizer',
    missing
      ? `${KEY.pre} is missing: the default way of cutting text into words is used.`
      : `The pre-tokenizer ${shown(name)} is not known: the default way of cutting text into words is used instead.`,
    {
      subject: KEY.pre,
      hint: `Tokens may differ from those the model was trained with, and its quality suffers. ${regenerate}`,
    },
  );
  return DEFAULT_PRE_TOKENIZER;
}

/** What the metadata says, over the defaults of the tokenizer model. Ids outside the vocabulary count as absent. */
function givenRoles(
  model: string,
  pre: PreTokenizer,
  size: number,
  scalars: ReadonlyMap<string, GgufScalar>,
  problems: ProblemList,
): Map<RoleName, number> {
  const given = new Map<RoleName, number>();
  const defaults = DEFAULT_ROLES[model] ?? {};
  for (const { name, keys } of ROLES) {
    let token = name === 'bos' && pre.noDefaultBos ? -1 : (defaults[name] ?? -1);
    if (token >= size) token = -1;
    for (const key of keys) {
      const value = scalars.get(key);
      if (value === undefined) continue;
      if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < size) {
        token = value;
        continue;
      }
      // 2^32 - 1 is how converters write "none" into an unsigned field.
      if (value === 0xffffffff) continue;
      const message = `${key} must be a token from 0 to ${size - 1}, found ${shown(value)}; ignored.`;
      problems.add('warning', 'tokenizer/bad-special-token', message, { subject: key });
    }
    given.set(name, token);
  }
  return given;
}

function shown(value: GgufScalar | undefined): string {
  return typeof value === 'string' ? quote(value) : String(value);
}
