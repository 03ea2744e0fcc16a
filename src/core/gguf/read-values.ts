// Reads on demand what the description of a header leaves in the file: pages of long arrays and long strings. A page is
// bounded by its caller's count, by the bytes a single string may have, and by the bytes of all its strings; the values are checked again on the way,
// because the file may have changed since its header was read.
import { ByteReader, cutUtf8, decodeUtf8 } from '../bytes/byte-reader.js';
import type { ByteSource } from '../bytes/byte-source.js';
import { QuantsmithError } from '../problem.js';
import { quote } from '../text/printable.js';
import type { GgufArray, GgufEncoding, GgufMetadataEntry, GgufScalar } from './gguf.js';
import { MAX_STRING_BYTES } from './limits.js';
import { lengthSize, readFixed, readLength, valueSize } from './value.js';

export interface ReadValuesOptions {
  readonly signal?: AbortSignal;
  /** Longer strings are cut to this many bytes, without a mark; 1 GiB, so in effect never, by default. */
  readonly maxStringBytes?: number;
  /** A page of strings ends early when they have so many bytes. It has one string at least. Default: no limit. */
  readonly maxPageBytes?: number;
  /** Told of every string that `maxStringBytes` cut. */
  readonly onCut?: (index: number, byteLength: number) => void;
}

/** Bytes of a long string that are read at a time. A MiB takes 40 MB more memory, as JSON of control characters. */
const PIECE_BYTES = 2 ** 18;

/**
 * Elements `start` to `start + count` of an array entry, clipped to its length and to `maxPageBytes`. Rejects with `gguf/changed` if the file no
 * longer holds what its header said, and with what the source rejects with.
 */
export async function readArray(
  source: ByteSource,
  encoding: GgufEncoding,
  entry: Pick<GgufMetadataEntry, 'key' | 'value'>,
  start: number,
  count: number,
  options: ReadValuesOptions = {},
): Promise<GgufScalar[]> {
  const array = entry.value;
  if (typeof array !== 'object') throw new RangeError(`${entry.key} is no array`);
  const from = Math.min(Math.max(0, Math.trunc(start)), array.length);
  const to = Math.min(from + Math.max(0, Math.trunc(count)), array.length);
  if (to <= array.head.length) return array.head.slice(from, to);
  const reader = new ByteReader(source, {
    littleEndian: encoding.littleEndian,
    ...(options.signal ? { signal: options.signal } : {}),
  });
  if (array.elementType === 'string') return readStrings(reader, encoding, entry.key, array, from, to, options);
  const size = valueSize(array.elementType);
  const values: GgufScalar[] = [];
  if (!reader.seek(array.fileOffset + from * size)) throw changed(entry.key);
  for (let i = from; i < to; i++) {
    if (!reader.has(size) && !(await reader.ensure(size))) throw changed(entry.key);
    values.push(readFixed(reader, array.elementType));
  }
  return values;
}

async function readStrings(
  reader: ByteReader,
  encoding: GgufEncoding,
  key: string,
  array: GgufArray,
  from: number,
  to: number,
  options: ReadValuesOptions,
): Promise<string[]> {
  const size = lengthSize(encoding);
  const limit = Math.min(options.maxStringBytes ?? MAX_STRING_BYTES, MAX_STRING_BYTES);
  const end = array.fileOffset + array.byteLength;
  const { index } = array;
  const slot = index ? Math.floor(from / index.stride) : 0;
  const values: string[] = [];
  let pageBytes = 0;
  if (from === to) return values;
  if (!reader.seek(index?.offsets[slot] ?? array.fileOffset)) throw changed(key);
  for (let i = slot * (index?.stride ?? 0); i < to; i++) {
    if (!reader.has(size) && !(await reader.ensure(size))) throw changed(key);
    const length = readLength(reader, encoding);
    if (reader.position + length > end) throw changed(key);
    if (i < from) {
      reader.skip(length);
      continue;
    }
    const keep = Math.min(length, limit);
    pageBytes += keep;
    if (values.length > 0 && pageBytes > (options.maxPageBytes ?? Infinity)) break;
    if (keep < length) options.onCut?.(i, length);
    if (!reader.has(keep) && !(await reader.ensure(keep))) throw changed(key);
    const bytes = reader.view8(keep);
    values.push(decodeUtf8(keep < length ? cutUtf8(bytes, Math.max(0, keep - 1)) : bytes).text);
    reader.skip(length - keep);
  }
  return values;
}

/**
 * A string entry's text, whole or its first `maxBytes` bytes. The default of 16 MiB is what the protocol promises.
 * Rejects with what the source rejects with.
 */
export async function readString(
  source: ByteSource,
  entry: Pick<GgufMetadataEntry, 'key' | 'value' | 'cut'>,
  options: { readonly signal?: AbortSignal; readonly maxBytes?: number } = {},
): Promise<{ readonly text: string; readonly complete: boolean }> {
  if (typeof entry.value !== 'string') throw new RangeError(`${entry.key} is no string`);
  if (!entry.cut) return { text: entry.value, complete: true };
  const { fileOffset, byteLength } = entry.cut;
  const keep = Math.min(byteLength, options.maxBytes ?? 2 ** 24);
  if (fileOffset + byteLength > source.size) throw changed(entry.key);
  const bytes = await source.read(fileOffset, keep, options.signal);
  const complete = keep === byteLength;
  return { text: decodeUtf8(complete ? bytes : cutUtf8(bytes, keep - 1)).text, complete };
}

/**
 * A string entry's text, whole, in pieces of at most 256 KiB of UTF-8. Rejects with `gguf/changed`, and with what the source
 * rejects with.
 */
export async function* stringPieces(
  source: ByteSource,
  entry: Pick<GgufMetadataEntry, 'key' | 'value' | 'cut'>,
  signal?: AbortSignal,
): AsyncGenerator<string> {
  if (typeof entry.value !== 'string') throw new RangeError(`${entry.key} is no string`);
  if (!entry.cut) {
    yield entry.value;
    return;
  }
  const { fileOffset, byteLength } = entry.cut;
  if (fileOffset + byteLength > source.size) throw changed(entry.key);
  // Keeps what a piece ends with of a character, and gives U+FFFD where decoding the whole text would.
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  for (let at = 0; at < byteLength; at += PIECE_BYTES) {
    const bytes = await source.read(fileOffset + at, Math.min(PIECE_BYTES, byteLength - at), signal);
    yield decoder.decode(bytes, { stream: at + bytes.length < byteLength });
  }
}

function changed(key: string): QuantsmithError {
  const message = `The value of ${quote(key)} is no longer where the header said.`;
  return new QuantsmithError('gguf/changed', message, 'The file changed on disk; open it again.');
}
