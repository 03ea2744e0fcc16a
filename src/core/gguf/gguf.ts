// What a GGUF file is, as data: the header only. Values that are long stay in the file and are addressed by position, so
// that the description of a 100 GB model with a 150,000-token vocabulary is small. Reading is in read.ts, writing in
// write.ts, joining of shards in shards.ts.
import type { ByteSource } from '../bytes/byte-source.js';

/** GGUF value types by their id in the file: 0..12. */
export const GGUF_VALUE_TYPES = ['u8', 'i8', 'u16', 'i16', 'u32', 'i32', 'f32', 'bool', 'string', 'array', 'u64', 'i64', 'f64'] as const;
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

export interface GgufMetadataEntry {
  readonly key: string;
  readonly type: GgufValueType;
  readonly value: GgufScalar | GgufArray;
  /** Absolute offset of the entry (its key length field), and the bytes of the whole entry. */
  readonly fileOffset: number;
  readonly byteLength: number;
}

export interface GgufTensorInfo {
  readonly name: string;
  /** ggml order, fastest dimension first; 1 to 4 numbers. */
  readonly ne: readonly number[];
  /** ggml type id as stored; look it up with `ggmlTypeById`, it may be unknown. */
  readonly typeId: number;
  readonly elementCount: number;
  /** Relative to the data section of its shard, as in the file. */
  readonly offset: number;
  /** Absolute in its shard. */
  readonly fileOffset: number;
  /** Bytes of the tensor's data; undefined if the type is unknown (see `GgufFile.tensors` order for an upper bound). */
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
  /** Absolute offset of the data section. */
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
