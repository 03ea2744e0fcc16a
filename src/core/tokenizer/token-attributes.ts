// What kind of token each one is, as llama.cpp sees it after loading: the type in the file, and what it adds by the texts of
// tokens and the names of models where converters left types wrong or GGUF has no field.
import type { GgufScalar } from '../gguf/gguf.js';
import { stringAt, type ByteStrings } from './byte-strings.js';
import { ALWAYS_SHOWN, END_OF_GENERATION, ROLES, type RoleName, type TokenRoles } from './token-roles.js';
import { TOKEN_TYPE } from './tokenizer-metadata.js';

/** Attribute bits. A token may have several: a control token that is also a normal one is shown as its text. */
export const ATTRIBUTE = {
  unknown: 1,
  unused: 2,
  normal: 4,
  control: 8,
  userDefined: 16,
  byte: 32,
  /** White space before or after it goes when it is recognized in a text. */
  stripsLeft: 64,
  stripsRight: 128,
} as const;

export function attributesOf(types: Int32Array | undefined, size: number): Uint8Array {
  const attributes = new Uint8Array(size).fill(ATTRIBUTE.normal);
  if (!types) return attributes;
  const byType: Readonly<Record<number, number>> = {
    [TOKEN_TYPE.normal]: ATTRIBUTE.normal,
    [TOKEN_TYPE.unknown]: ATTRIBUTE.unknown,
    [TOKEN_TYPE.control]: ATTRIBUTE.control,
    [TOKEN_TYPE.userDefined]: ATTRIBUTE.userDefined,
    [TOKEN_TYPE.unused]: ATTRIBUTE.unused,
    [TOKEN_TYPE.byte]: ATTRIBUTE.byte,
  };
  for (let token = 0; token < size; token++) attributes[token] = byType[types[token] ?? 0] ?? 0;
  return attributes;
}

/** Roles that metadata does not give, by the texts of tokens. A token found so is a control token, whatever its type says. */
export function recognizedRoles(
  given: ReadonlyMap<RoleName, number>,
  find: (text: string) => number,
  attributes: Uint8Array,
): TokenRoles {
  const entries = ROLES.map(({ name, texts }): [RoleName, number] => {
    let token = given.get(name) ?? -1;
    for (const text of texts) {
      if (token >= 0) break;
      token = find(text);
      if (token >= 0) setAttribute(attributes, token, ATTRIBUTE.control);
    }
    return [name, token];
  });
  return Object.fromEntries(entries) as TokenRoles;
}

export function endsOf(
  roles: TokenRoles,
  find: (text: string) => number,
  attributes: Uint8Array,
  texts: ByteStrings,
): ReadonlySet<number> {
  const unused = new TextEncoder().encode('unused');
  for (let token = 0; token < attributes.length; token++) {
    const attribute = attributes[token] as number;
    if (attribute & ATTRIBUTE.control && contains(stringAt(texts, token), unused)) {
      setAttribute(attributes, token, ATTRIBUTE.unused);
    }
  }
  const ends = new Set<number>();
  const add = (token: number): void => {
    if (token >= 0) ends.add(token);
  };
  for (const role of ['fimPad', 'fimRepo', 'fimSeparator'] as const) add(roles[role]);
  for (const text of END_OF_GENERATION) {
    const token = find(text);
    add(token);
    if (token >= 0) setAttribute(attributes, token, ATTRIBUTE.control);
  }
  for (const text of ALWAYS_SHOWN) {
    const token = find(text);
    if (token >= 0) attributes[token] = ATTRIBUTE.userDefined;
  }
  for (const role of ['eos', 'eot', 'eom'] as const) add(roles[role]);

  // In gpt-oss and Solar <|end|> ends a part of an answer, in Gemma 4 and PaddleOCR </s> is ordinary text.
  const has = (text: string): boolean => ends.has(find(text));
  const end = find('<|end|>');
  const called = has('<|call|>') || has('<|calls|>');
  if (ends.has(end) && called && (has('<|return|>') || has('<|flush|>'))) {
    ends.delete(end);
    attributes[end] = ATTRIBUTE.userDefined;
  }
  const closing = find('</s>');
  if (ends.has(closing) && has('<|tool_response>')) {
    ends.delete(closing);
    attributes[closing] = ATTRIBUTE.normal;
  }
  return ends;
}

/** White space around special tokens goes in the models that were trained so; GGUF has no key for it, so the name decides. */
export function markStripping(
  scalars: ReadonlyMap<string, GgufScalar>,
  find: (text: string) => number,
  attributes: Uint8Array,
): void {
  const text = (key: string): string => {
    const value = scalars.get(key);
    return typeof value === 'string' ? value : '';
  };
  const name = text('general.name').toLowerCase();
  const mark = (token: number, bit: number): void => {
    if (token >= 0) setAttribute(attributes, token, bit);
  };
  const any = (where: string, parts: readonly string[]): boolean => parts.some(part => where.includes(part));
  if (
    any(text('tokenizer.ggml.pre'), ['jina-v2-de', 'jina-v2-es', 'jina-v2-code']) ||
    any(text('general.architecture'), ['nomic-bert-moe', 'jina-bert-v3'])
  ) {
    mark(find('<mask>'), ATTRIBUTE.stripsLeft);
  } else if (any(name, ['phi-3', 'phi3'])) {
    const special = ATTRIBUTE.control | ATTRIBUTE.userDefined | ATTRIBUTE.unknown;
    for (let token = 0; token < attributes.length; token++) {
      if ((attributes[token] as number) & special) setAttribute(attributes, token, ATTRIBUTE.stripsRight);
    }
    mark(find('</s>'), ATTRIBUTE.stripsRight);
    for (const other of ['<unk>', '<s>', '<|endoftext|>']) {
      const token = find(other);
      if (token >= 0) attributes[token] = (attributes[token] as number) & ~ATTRIBUTE.stripsRight;
    }
  } else if (any(name, ['modern-bert'])) {
    mark(find('[MASK]'), ATTRIBUTE.stripsLeft);
  }
}

function setAttribute(attributes: Uint8Array, token: number, bit: number): void {
  attributes[token] = (attributes[token] as number) | bit;
}

function contains(text: Uint8Array, part: Uint8Array): boolean {
  for (let at = 0; at + part.length <= text.length; at++) {
    let i = 0;
    while (i < part.length && text[at + i] === part[i]) i++;
    if (i === part.length) return true;
  }
  return false;
}
