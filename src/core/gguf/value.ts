// Values of GGUF metadata: how many bytes each has and how one is read. All lengths are checked against what remains of
// the file and against limits.ts before they are used.
//
//   string   length:u64 (u32 in version 1) | bytes
//   array    elementType:u32 | count:u64 (u32 in version 1) | elements
//   bool     one byte
import type { ByteReader } from '../bytes/byte-reader.js';
import type { GgufElementType, GgufEncoding, GgufScalar } from './gguf.js';

type FixedType = Exclude<GgufElementType, 'string'>;

const SIZES: Readonly<Record<FixedType, number>> = {
  u8: 1,
  i8: 1,
  u16: 2,
  i16: 2,
  u32: 4,
  i32: 4,
  f32: 4,
  bool: 1,
  u64: 8,
  i64: 8,
  f64: 8,
};

/** Bytes of a value with a fixed size. */
export function valueSize(type: FixedType): number {
  return SIZES[type];
}

/** Bytes of a length or count field. */
export function lengthSize(encoding: Pick<GgufEncoding, 'version'>): 4 | 8 {
  return encoding.version === 1 ? 4 : 8;
}

/** Reads a length or count whose bytes have been ensured. */
export function readLength(reader: ByteReader, encoding: Pick<GgufEncoding, 'version'>): number {
  return encoding.version === 1 ? reader.u32() : reader.length64();
}

/** Like `readLength`, with every digit: a bigint beyond 2^53, for messages. */
export function readExactLength(reader: ByteReader, encoding: Pick<GgufEncoding, 'version'>): number | bigint {
  return encoding.version === 1 ? reader.u32() : reader.u64();
}

/** Reads a value of fixed size whose bytes have been ensured. */
export function readFixed(reader: ByteReader, type: FixedType): Exclude<GgufScalar, string> {
  switch (type) {
    case 'u8':
      return reader.u8();
    case 'i8':
      return reader.i8();
    case 'u16':
      return reader.u16();
    case 'i16':
      return reader.i16();
    case 'u32':
      return reader.u32();
    case 'i32':
      return reader.i32();
    case 'f32':
      return reader.f32();
    case 'bool':
      return reader.u8() !== 0;
    case 'u64':
      return reader.u64();
    case 'i64':
      return reader.i64();
    case 'f64':
      return reader.f64();
  }
}
