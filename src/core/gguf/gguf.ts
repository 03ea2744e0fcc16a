// What a GGUF file is, as data: the header only. Values that are long stay in the file and are addressed by position, so
// that the description of a 100 GB model with a 150,000-token vocabulary is small. Reading is in read.ts, writing in
// write.ts, joining of shards in shards.ts.
import type { ByteSource } from '../bytes/byte-source.js';

/** What reading an entry's value again needs to know of its file. */
export type GgufEncoding = Pick<GgufFile, 'version' | 'littleEndian'>;

/** GGUF value types by their id in the file: 0..12. */
export const GGUF_VALUE_TYPES = [
  'u8',
  'i8',
  'u16',
  'i16',
  'u32',
  'i32',
  'f32',
  'bool',
  'string',
  'array',
  'u64',
  'i64',
  'f64',
] as const;
export type GgufValueType = (typeof GGUF_VALUE_TYPES)[number];
export type GgufElementType = Exclude<GgufValueType, 'array'>;

/** A scalar: 64-bit integers beyond 2^53 are bigint, everything else number. */
export type GgufScalar = number | bigint | boolean | string;

/**
 * An array value. `head` holds the first elements (all of them if `head.length === length`); the rest is read on demand
 * through `readArray` in read.ts.
 */
export interface GgufArray {
  readonly elementType: GgufElementType;
  readonly length: number;
  readonly head: readonly GgufScalar[];
  /** Absolute offset of the first element, and bytes of all elements. */
  readonly fileOffset: number;
  readonly byteLength: number;
  /** For string arrays longer than `head`: absolute offsets of elements 0, stride, 2·stride … */
  readonly index?: { readonly stride: number; readonly offsets: readonly number[] };
}

/**
 * What the file has where the text shown for a name is not exactly its bytes: the name is longer than what is kept (the
 * text ends in `…`), or it is not UTF-8 (U+FFFD stands for what could not be decoded). Written, it would be another name.
 */
export interface GgufInexactName {
  readonly byteLength: number;
  readonly validUtf8: boolean;
  /** The same for two names exactly if their bytes are the same, by length and hash; never equal to a name. */
  readonly identity: string;
}

export interface GgufMetadataEntry {
  readonly key: string;
  /** Only if `key` is not exactly what the file has. */
  readonly inexactKey?: GgufInexactName;
  readonly type: GgufValueType;
  /** A string longer than the limit in limits.ts is only its beginning here, and `cut` says where all of it is. */
  readonly value: GgufScalar | GgufArray;
  readonly cut?: { readonly fileOffset: number; readonly byteLength: number };
  /** Absolute offset of the entry (its key length field), and the bytes of the whole entry. */
  readonly fileOffset: number;
  readonly byteLength: number;
}

export interface GgufTensorInfo {
  readonly name: string;
  /** Only if `name` is not exactly what the file has. */
  readonly inexactName?: GgufInexactName;
  /** ggml order, fastest dimension first; 1 to 4 numbers. */
  readonly ne: readonly number[];
  /** ggml type id as stored; look it up with `ggmlTypeById`, it may be unknown. */
  readonly typeId: number;
  readonly elementCount: number;
  /** Relative to the data section of its shard, as in the file. */
  readonly offset: number;
  /** Absolute in its shard. */
  readonly fileOffset: number;
  /** Bytes of the tensor's data; undefined if the type is unknown or has no such shape. */
  readonly byteLength: number | undefined;
  /** Index into `GgufModel.shards`; 0 for a single file. */
  readonly shard: number;
  /** Absolute offset of the tensor's record in the header. */
  readonly infoOffset: number;
}

/** One GGUF file's header. */
export interface GgufFile {
  readonly version: number;
  readonly littleEndian: boolean;
  readonly metadata: readonly GgufMetadataEntry[];
  readonly tensors: readonly GgufTensorInfo[];
  readonly alignment: number;
  /** Absolute offset of the data section; where reading stopped, if it stopped before (there is a problem then). */
  readonly dataOffset: number;
  readonly fileSize: number;
}

/** A model: one file, or its shards joined. Metadata is that of the first shard. */
export interface GgufModel {
  readonly shards: readonly { readonly source: ByteSource; readonly file: GgufFile }[];
  readonly metadata: readonly GgufMetadataEntry[];
  /** All shards' tensors, in file order. */
  readonly tensors: readonly GgufTensorInfo[];
}

/** The value of a key, or undefined. A key that a bad file has twice counts where it comes first. */
export function metadataEntry(metadata: readonly GgufMetadataEntry[], key: string): GgufMetadataEntry | undefined {
  return metadata.find(entry => entry.key === key);
}

/** A string value by its key; undefined if it is absent, is no string or was cut. */
export function metadataString(metadata: readonly GgufMetadataEntry[], key: string): string | undefined {
  const entry = metadataEntry(metadata, key);
  return typeof entry?.value === 'string' && !entry.cut ? entry.value : undefined;
}

/** An integer or float value by its key; undefined if it is absent, no number or beyond 2^53. */
export function metadataNumber(metadata: readonly GgufMetadataEntry[], key: string): number | undefined {
  const value = metadataEntry(metadata, key)?.value;
  return typeof value === 'number' ? value : undefined;
}

/** An array value by its key. */
export function metadataArray(metadata: readonly GgufMetadataEntry[], key: string): GgufArray | undefined {
  const value = metadataEntry(metadata, key)?.value;
  return typeof value === 'object' ? value : undefined;
}
