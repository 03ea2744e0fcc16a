// Vocabularies for tests, made from lists, and a source of random numbers with a seed that a failing test prints.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { GgufScalar } from '../../../src/core/gguf/gguf.js';
import { readTokenizerMetadata } from '../../../src/core/tokenizer/read-tokenizer.js';
import { packStrings } from '../../../src/core/tokenizer/byte-strings.js';
import { createTokenizer, type Tokenizer } from '../../../src/core/tokenizer/tokenizer.js';
import type { TokenizerMetadata } from '../../../src/core/tokenizer/tokenizer-metadata.js';
import { openModel, requireModel } from '../../../src/platform/open-model.js';

export const root = join(import.meta.dirname, '../../..');
export const shared = join(root, '../shared/data');

export const P = 'tokenizer.ggml.';

export interface Lists {
  readonly tokens?: readonly (string | Uint8Array)[];
  readonly types?: readonly number[];
  readonly scores?: readonly number[];
  readonly merges?: readonly string[];
}

export function metadataOf(scalars: Readonly<Record<string, GgufScalar>>, lists: Lists): TokenizerMetadata {
  const { tokens, types, scores, merges } = lists;
  return {
    scalars: new Map(Object.entries(scalars)),
    ...(tokens ? { tokens: packStrings(tokens) } : {}),
    ...(types ? { tokenTypes: Int32Array.from(types) } : {}),
    ...(scores ? { scores: Float32Array.from(scores) } : {}),
    ...(merges ? { merges: packStrings(merges) } : {}),
  };
}

/** A tokenizer that must come out, whatever warnings there are. */
export function tokenizerOf(metadata: TokenizerMetadata): Tokenizer {
  const { value, problems } = createTokenizer(metadata);
  if (!value) throw new Error(problems.map(({ code, message }) => `${code}: ${message}`).join('\n'));
  return value;
}

/** The character that stands for a byte in byte-level vocabularies, by GPT-2's definition. */
export function byteCharacter(byte: number): string {
  const visible = (b: number): boolean => (b > 0x20 && b < 0x7f) || (b > 0xa0 && b !== 0xad);
  if (visible(byte)) return String.fromCharCode(byte);
  let hidden = 0;
  for (let b = 0; b < byte; b++) if (!visible(b)) hidden++;
  return String.fromCharCode(256 + hidden);
}

export const byteTokens: readonly string[] = Array.from({ length: 256 }, (_, byte) => byteCharacter(byte));

/** A byte-level vocabulary: the 256 bytes (token = byte), then what the merges make, then special tokens of type control. */
export function byteLevel(
  merges: readonly string[],
  { pre = 'gpt-2', special = [] as readonly string[], scalars = {} } = {},
): TokenizerMetadata {
  const made = [...new Set(merges.map(merge => merge.replace(' ', '')))].filter(text => !byteTokens.includes(text));
  const tokens = [...byteTokens, ...made, ...special];
  const types = tokens.map((_, token) => (token < 256 + made.length ? 1 : 3));
  return metadataOf({ [`${P}model`]: 'gpt2', [`${P}pre`]: pre, ...scalars }, { tokens, types, merges });
}

export async function metadataOfFile(file: string): Promise<TokenizerMetadata> {
  const opened = await openModel(file);
  try {
    const { value, problems } = await readTokenizerMetadata(requireModel(opened));
    if (!value) throw new Error(problems.map(({ message }) => message).join('\n'));
    return value;
  } finally {
    await opened.close();
  }
}

export function withScalar(metadata: TokenizerMetadata, key: string, value: GgufScalar): TokenizerMetadata {
  return { ...metadata, scalars: new Map([...metadata.scalars, [key, value]]) };
}

export function readJson(file: string): unknown {
  return JSON.parse(readFileSync(file, 'utf8'));
}

/** mulberry32: numbers in [0, 1) from a 32-bit seed. */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export const fromHex = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, 'hex'));
