// Writes GGUF version 3 headers, little endian, byte for byte as llama.cpp does. The length of a header is known before
// its first byte, so that a job can place tensors before it writes anything. Entries taken over from another file are
// copied as bytes, in pieces: a vocabulary of 150,000 tokens never becomes strings. Tensor data is the caller's to write.
//
//   "GGUF" | 3:u32 | tensorCount:u64 | metadataCount:u64
//   metadata     keyLength:u64 key | type:u32 | value
//   tensor infos nameLength:u64 name | nDims:u32 | ne[nDims]:u64 | type:u32 | offset:u64
//   zeros to a multiple of the alignment; the data section begins here
import { ByteWriter } from '../bytes/byte-writer.js';
import type { ByteSource } from '../bytes/byte-source.js';
import { copyEntry, entryLengthInV3 } from './copy-entry.js';
import { GGUF_VALUE_TYPES } from './gguf.js';
import type { GgufElementType, GgufEncoding, GgufMetadataEntry, GgufModel, GgufScalar } from './gguf.js';
import { DEFAULT_ALIGNMENT } from './limits.js';
import { SPLIT_KEYS } from './shards.js';

/** An entry of another file, taken over unchanged. */
export interface CopiedEntry {
  readonly kind: 'copy';
  readonly source: ByteSource;
  readonly encoding: GgufEncoding;
  readonly entry: GgufMetadataEntry;
}

/** A new entry. */
export type NewEntry =
  | { readonly kind: 'scalar'; readonly key: string; readonly type: GgufElementType; readonly value: GgufScalar }
  | {
      readonly kind: 'array';
      readonly key: string;
      readonly elementType: GgufElementType;
      readonly values: readonly GgufScalar[];
    };

export type OutputEntry = CopiedEntry | NewEntry;

export interface TensorToWrite {
  readonly name: string;
  /** ggml order. Trailing ones are dropped in the file, as ggml does. */
  readonly ne: readonly number[];
  readonly typeId: number;
  readonly byteLength: number;
}

/** A header ready to be written. */
export interface GgufHeader {
  /** Bytes of the header with its padding: where the data section begins. */
  readonly byteLength: number;
  /** In the order given: each right behind the one before, padded to the alignment. Relative to the data section. */
  readonly tensorOffsets: readonly number[];
  /** Bytes of the data section; the last tensor is padded too. */
  readonly dataLength: number;
  /**
   * The header's bytes in pieces of at most about a mebibyte; together exactly `byteLength`. Rejects with `gguf/changed`
   * if a file that entries are copied from no longer holds them, and with what its source rejects with.
   */
  chunks(signal?: AbortSignal): AsyncIterable<Uint8Array>;
}

/**
 * Lays out a header. Throws RangeError for what would make an invalid file: an alignment that contradicts an entry
 * `general.alignment`, or a name twice.
 */
export function layOutHeader(
  metadata: readonly OutputEntry[],
  tensors: readonly TensorToWrite[],
  alignment = DEFAULT_ALIGNMENT,
): GgufHeader {
  const pad = (length: number): number => Math.ceil(length / alignment) * alignment;
  checkNames(metadata, tensors, alignment);
  const start = new ByteWriter();
  start.text('GGUF');
  start.u32(3);
  start.u64(tensors.length);
  start.u64(metadata.length);
  const parts = metadata.map(entry => (entry.kind === 'copy' ? entry : encodeEntry(entry)));

  const infos = new ByteWriter(tensors.length * 96);
  const tensorOffsets: number[] = [];
  let dataLength = 0;
  for (const { name, ne, typeId, byteLength } of tensors) {
    let dimensions = ne.length;
    while (dimensions > 1 && ne[dimensions - 1] === 1) dimensions--;
    writeString(infos, name);
    infos.u32(dimensions);
    for (const n of ne.slice(0, dimensions)) infos.u64(n);
    infos.u32(typeId);
    infos.u64(dataLength);
    tensorOffsets.push(dataLength);
    dataLength += pad(byteLength);
  }
  const entryLength = (part: CopiedEntry | Uint8Array): number =>
    part instanceof Uint8Array ? part.length : entryLengthInV3(part.encoding, part.entry);
  const unpadded = parts.reduce((sum, part) => sum + entryLength(part), start.length + infos.length);
  const byteLength = pad(unpadded);

  async function* chunks(signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    yield start.toBytes();
    for (const part of parts) {
      if (part instanceof Uint8Array) yield part;
      else yield* copyEntry(part.source, part.encoding, part.entry, signal);
    }
    yield infos.toBytes();
    yield new Uint8Array(byteLength - unpadded);
  }
  return { byteLength, tensorOffsets, dataLength, chunks };
}

/** What to change in a model's metadata on the way into a new file. */
export interface MetadataEdit {
  /** Keys not to copy; the keys of a split model are never copied. */
  readonly removed?: readonly string[];
  /** Set in this order, behind everything copied: a key that the source has moves to the end, as in llama-quantize. */
  readonly set: readonly { readonly key: string; readonly type: GgufElementType; readonly value: GgufScalar }[];
}

/**
 * The metadata of an output file made from `model`: its entries in order, edited. `general.alignment` is left out if it is
 * not the alignment written, which llama-quantize keeps although it then contradicts the offsets.
 */
export function outputMetadata(model: GgufModel, edit: MetadataEdit, alignment = DEFAULT_ALIGNMENT): OutputEntry[] {
  const dropped = new Set([...SPLIT_KEYS, ...(edit.removed ?? []), ...edit.set.map(({ key }) => key)]);
  const first = model.shards[0];
  const copied: OutputEntry[] = [];
  for (const entry of first ? model.metadata : []) {
    const otherAlignment = entry.key === 'general.alignment' && entry.value !== alignment;
    if (first && !dropped.has(entry.key) && !otherAlignment) {
      copied.push({ kind: 'copy', source: first.source, encoding: first.file, entry });
    }
  }
  // A key set twice counts the last time, at its last place.
  const set = edit.set.filter(({ key }, i) => edit.set.findLastIndex(other => other.key === key) === i);
  return [...copied, ...set.map(item => ({ kind: 'scalar' as const, ...item }))];
}

function checkNames(metadata: readonly OutputEntry[], tensors: readonly TensorToWrite[], alignment: number): void {
  const keys = new Set<string>();
  for (const item of metadata) {
    const key = item.kind === 'copy' ? item.entry.key : item.key;
    // Copied keys are copied as bytes: those that only look the same are different.
    const identity = (item.kind === 'copy' ? item.entry.inexactKey?.identity : undefined) ?? key;
    if (keys.has(identity)) throw new RangeError(`key ${key} twice`);
    keys.add(identity);
    const value = item.kind === 'copy' ? item.entry.value : item.kind === 'scalar' ? item.value : undefined;
    if (key === 'general.alignment' && value !== alignment) {
      throw new RangeError(`general.alignment does not say ${alignment}`);
    }
  }
  const names = new Set(tensors.map(({ name }) => name));
  if (names.size !== tensors.length) throw new RangeError('tensor name twice');
}

function encodeEntry(entry: NewEntry): Uint8Array {
  const writer = new ByteWriter();
  writeString(writer, entry.key);
  if (entry.kind === 'array') {
    writer.u32(GGUF_VALUE_TYPES.indexOf('array'));
    writer.u32(GGUF_VALUE_TYPES.indexOf(entry.elementType));
    writer.u64(entry.values.length);
    for (const value of entry.values) writeValue(writer, entry.elementType, value);
  } else {
    writer.u32(GGUF_VALUE_TYPES.indexOf(entry.type));
    writeValue(writer, entry.type, entry.value);
  }
  return writer.toBytes();
}

function writeString(writer: ByteWriter, text: string): void {
  const bytes = new TextEncoder().encode(text);
  writer.u64(bytes.length);
  writer.raw(bytes);
}

function writeValue(writer: ByteWriter, type: GgufElementType, value: GgufScalar): void {
  switch (type) {
    case 'string':
      writeString(writer, String(value));
      break;
    case 'bool':
      writer.u8(value === true ? 1 : 0);
      break;
    case 'u8':
      writer.u8(Number(value));
      break;
    case 'i8':
      writer.i8(Number(value));
      break;
    case 'u16':
      writer.u16(Number(value));
      break;
    case 'i16':
      writer.i16(Number(value));
      break;
    case 'u32':
      writer.u32(Number(value));
      break;
    case 'i32':
      writer.i32(Number(value));
      break;
    case 'f32':
      writer.f32(Number(value));
      break;
    case 'f64':
      writer.f64(Number(value));
      break;
    case 'u64':
      writer.u64(typeof value === 'bigint' ? value : Number(value));
      break;
    case 'i64':
      writer.i64(typeof value === 'bigint' ? value : Number(value));
      break;
  }
}
