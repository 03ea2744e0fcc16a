// Metadata the user sets in the output: `KEY=TYPE:VALUE`, one syntax for command line and recipes. The types `int`, `float`,
// `bool` and `str` write what llama-quantize writes for them: a u32, an f32, a bool, a string. The exact types of GGUF
// (`u8` … `f64`) can be named too. llama-quantize takes whatever number begins the text, 0 if none does, cuts integers to 32
// bits, drops their sign and cuts strings at 127 bytes, all without a word; here what does not fit is refused, and a dropped
// sign is said.
// As there, hyper-parameters set this way are those the mixtures see.
import type { GgufElementType, GgufMetadataEntry, GgufScalar } from '../gguf/gguf.js';
import { metadataEntry, metadataString } from '../gguf/gguf.js';
import { SPLIT_KEYS } from '../gguf/shards.js';
import type { Problem } from '../problem.js';
import { quote } from '../text/printable.js';
import { OUTPUT_ALIGNMENT } from './output-layout.js';
import type { PlanSource } from './model-facts.js';

export interface MetadataOverride {
  readonly key: string;
  readonly type: GgufElementType;
  readonly value: GgufScalar;
  /** As written, for messages: `llama.context_length=int:8192`. */
  readonly text: string;
}

export type ParsedOverride =
  { readonly ok: true; readonly override: MetadataOverride } | { readonly ok: false; readonly message: string };

/** GGUF keys have at most 65,535 bytes. */
const MAX_KEY_BYTES = 65_535;
/** Text that belongs into a header; a chat template has some kilobytes. */
const MAX_TEXT_BYTES = 2 ** 20;

const INTEGER_BITS: Readonly<Record<string, number>> = { 8: 8, 16: 16, 32: 32, 64: 64 };
const TYPES = 'int, float, bool, str, u8, i8, u16, i16, u32, i32, u64, i64, f32, f64';

/** `KEY=TYPE:VALUE`. */
export function parseOverride(text: string): ParsedOverride {
  const equals = text.indexOf('=');
  if (equals <= 0) {
    return { ok: false, message: `expected KEY=TYPE:VALUE such as general.name=str:My model, found ${quote(text)}` };
  }
  return parseTypedValue(text.slice(0, equals), text.slice(equals + 1));
}

/** The part behind the key: `TYPE:VALUE`. */
export function parseTypedValue(key: string, typed: string): ParsedOverride {
  const refuse = (message: string): ParsedOverride => ({ ok: false, message: `${key}: ${message}` });
  if (new TextEncoder().encode(key).length > MAX_KEY_BYTES) return refuse('the key is too long');
  const colon = typed.indexOf(':');
  const name = typed.slice(0, colon);
  const value = typed.slice(colon + 1);
  if (colon < 0) return refuse(`expected TYPE:VALUE, where TYPE is one of ${TYPES}, found ${quote(typed)}`);
  const accept = (type: GgufElementType, parsed: GgufScalar): ParsedOverride => {
    return { ok: true, override: { key, type, value: parsed, text: `${key}=${typed}` } };
  };
  if (name === 'str') {
    const bytes = new TextEncoder().encode(value).length;
    return bytes <= MAX_TEXT_BYTES
      ? accept('string', value)
      : refuse(`expected at most ${MAX_TEXT_BYTES} bytes of text, found ${bytes}`);
  }
  if (name === 'bool') {
    if (value === 'true' || value === 'false') return accept('bool', value === 'true');
    return refuse(`expected true or false, found ${quote(value)}`);
  }
  if (name === 'float' || name === 'f32' || name === 'f64') {
    const number = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i.test(value) ? Number(value) : Number.NaN;
    const stored = name === 'f64' ? number : Math.fround(number);
    if (Number.isFinite(stored)) return accept(name === 'f64' ? 'f64' : 'f32', number);
    return refuse(`expected a number that fits ${name === 'f64' ? 'an f64' : 'an f32'}, found ${quote(value)}`);
  }
  const exact = /^([ui])(8|16|32|64)$/.exec(name);
  if (name !== 'int' && !exact) return refuse(`expected one of ${TYPES} before the colon, found ${quote(name)}`);
  if (!/^[+-]?\d{1,20}$/.test(value)) return refuse(`expected a whole number, found ${quote(value)}`);
  return parseInteger(accept, refuse, exact?.[1] ?? 'int', INTEGER_BITS[exact?.[2] ?? '32'] ?? 32, value);
}

function parseInteger(
  accept: (type: GgufElementType, value: GgufScalar) => ParsedOverride,
  refuse: (message: string) => ParsedOverride,
  kind: string,
  bits: number,
  text: string,
): ParsedOverride {
  const written = BigInt(text.replace('+', ''));
  // What `int` means in llama-quantize; preserved because files shall be the same, and said in a warning.
  const value = kind === 'int' && written < 0n ? -written : written;
  const least = kind === 'i' ? -(1n << BigInt(bits - 1)) : 0n;
  const most = (1n << BigInt(kind === 'i' ? bits - 1 : bits)) - 1n;
  const type = `${kind === 'i' ? 'i' : 'u'}${bits}` as GgufElementType;
  if (value < least || value > most) {
    const other = kind === 'int' ? '; name the type, for example i64 or u64' : '';
    return refuse(`expected a whole number from ${least} to ${most} for ${type}, found ${text}${other}`);
  }
  const safe = value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER);
  return accept(type, safe ? Number(value) : value);
}

/** The source's metadata with the overrides in it: what the mixtures and checks look at. */
export function overriddenMetadata(
  metadata: readonly GgufMetadataEntry[],
  overrides: readonly MetadataOverride[],
): readonly GgufMetadataEntry[] {
  if (overrides.length === 0) return metadata;
  const last = new Map(overrides.map(override => [override.key, override]));
  const changed = metadata.map(({ cut, ...entry }): GgufMetadataEntry => {
    const override = last.get(entry.key);
    last.delete(entry.key);
    // A value of another kind is written but not read: llama.cpp expects a number where there was one.
    if (!override || kindOf(override.type) !== kindOf(entry.type)) return cut ? { ...entry, cut } : entry;
    return { ...entry, type: override.type, value: override.value };
  });
  const added = [...last.values()].map(({ key, type, value }) => ({ key, type, value, fileOffset: 0, byteLength: 0 }));
  return [...changed, ...added];
}

function kindOf(type: GgufMetadataEntry['type']): string {
  if (type === 'f32' || type === 'f64') return 'float';
  return /^[ui]\d+$/.test(type) ? 'integer' : type;
}

/** What is wrong with overrides, some of which only shows beside the model. */
export function overrideProblems(source: PlanSource, overrides: readonly MetadataOverride[]): readonly Problem[] {
  const problems: Problem[] = [];
  const keys = new Set<string>();
  for (const { key, type, value, text } of overrides) {
    const say = (severity: Problem['severity'], code: string, message: string, hint: string): void => {
      problems.push({ code: `plan/${code}`, severity, message, hint, subject: key });
    };
    const there = metadataEntry(source.metadata, key);
    if (SPLIT_KEYS.includes(key)) {
      say('error', 'override-split', `${key} follows from the output's files and cannot be set.`, 'Leave it out.');
    } else if (key === 'general.alignment' && value !== OUTPUT_ALIGNMENT) {
      const message = `Tensors are aligned to ${OUTPUT_ALIGNMENT} bytes; general.alignment cannot say ${String(value)}, or no program could read the file.`;
      say('error', 'override-alignment', message, 'Leave it out.');
    } else if (there?.type === 'array') {
      const message = `${key} is a list of values in the source, and ${text} would replace it by one.`;
      say('error', 'override-list', message, 'Lists cannot be changed this way; leave it out.');
    } else if (key === 'general.architecture' && source.tensors.length > 0 && !knowsArchitecture(source, value)) {
      const message = `general.architecture is set to ${quote(String(value))}, and the source has no ${String(value)}.* keys; llama.cpp could not load the result.`;
      say('error', 'override-architecture', message, 'Convert the original model again for that architecture.');
    } else if (there && kindOf(there.type) !== kindOf(type)) {
      const message = `${key} is of type ${there.type} in the source and becomes ${type}; programs that read it may refuse the file.`;
      say('warning', 'override-type', message, `Write ${key}=${there.type === 'string' ? 'str' : there.type}:….`);
    }
    if (keys.has(key)) {
      say('warning', 'override-twice', `${key} is set more than once; the last value counts.`, 'Remove the others.');
    }
    keys.add(key);
    if (/=int:-0*[1-9]/.test(text)) {
      const message = `${text} writes ${String(value)}: int has no sign, as in llama-quantize.`;
      say('warning', 'override-sign', message, `Write ${key}=i32:-${String(value)} for the negative number.`);
    }
  }
  return problems;
}

function knowsArchitecture({ metadata }: PlanSource, name: GgufScalar): boolean {
  if (typeof name !== 'string') return false;
  if (metadataString(metadata, 'general.architecture') === name) return true;
  return metadata.some(({ key }) => key.startsWith(`${name}.`));
}
