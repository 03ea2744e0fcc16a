// Writes GGUF v3 files for benchmarks, and reads them; shares nothing with the product's writer and reader, so that a mistake
// there does not hide itself.
//   "GGUF" | u32 3 | u64 tensors | u64 keys | keys | tensor infos | zeros up to 32
//   key:    text | u32 type | value          text: u64 bytes | bytes          array: u32 type | u64 count | values
//   tensor: text | u32 dimensions | u64 ne[] | u32 type | u64 offset
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';

const VALUE_TYPES = { u32: 4, i32: 5, f32: 6, string: 8, array: 9 };
const TENSOR_TYPES = { F32: { id: 0, bytes: 4 }, F16: { id: 1, bytes: 2 } };

const u32 = value => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};
const u64 = value => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
};
const text = value => Buffer.concat([u64(Buffer.byteLength(value)), Buffer.from(value)]);

export class GgufFile {
  #keys = [];

  string(key, value) {
    this.#add(key, 'string', [text(value)]);
  }

  u32(key, value) {
    this.#add(key, 'u32', [u32(value)]);
  }

  f32(key, value) {
    this.#add(key, 'f32', [Buffer.from(Float32Array.of(value).buffer)]);
  }

  strings(key, values) {
    this.#add(key, 'array', [u32(VALUE_TYPES.string), u64(values.length), ...values.map(text)]);
  }

  i32s(key, values) {
    this.#add(key, 'array', [u32(VALUE_TYPES.i32), u64(values.length), Buffer.from(values.buffer)]);
  }

  /** An entry of another file, as its bytes are. */
  copy({ bytes }) {
    this.#keys.push(bytes);
  }

  /**
   * Writes the file; returns its size in bytes.
   * @param tensors name, ne and type of each
   * @param bytesOf yields the bytes of a tensor
   */
  write(file, tensors, bytesOf) {
    const descriptor = openSync(file, 'w');
    let length = 0;
    const append = bytes => {
      for (let done = 0; done < bytes.length;) done += writeSync(descriptor, bytes, done);
      length += bytes.length;
    };
    try {
      append(this.header(tensors));
      for (const tensor of tensors) {
        for (const bytes of bytesOf(tensor)) append(bytes);
        append(new Uint8Array(-length & 31));
      }
    } finally {
      closeSync(descriptor);
    }
    return length;
  }

  /** `tensors`: name, ne and type of each, in the order in which their bytes follow. */
  header(tensors) {
    const parts = [Buffer.from('GGUF'), u32(3), u64(tensors.length), u64(this.#keys.length), ...this.#keys];
    let offset = 0;
    for (const { name, ne, type } of tensors) {
      const { id, bytes } = TENSOR_TYPES[type];
      parts.push(text(name), u32(ne.length), ...ne.map(u64), u32(id), u64(offset));
      const length = bytes * ne.reduce((product, n) => product * n, 1);
      offset += Math.ceil(length / 32) * 32;
    }
    const header = Buffer.concat(parts);
    return Buffer.concat([header, Buffer.alloc(-header.length & 31)]);
  }

  #add(key, type, parts) {
    this.#keys.push(Buffer.concat([text(key), u32(VALUE_TYPES[type]), ...parts]));
  }
}

/** Bytes of the values of metadata; texts and arrays have other lengths. */
const VALUE_BYTES = { 0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8 };

/**
 * Metadata, a value and the whole entry's bytes by key, and tensors, ne and bytes by name, of a small file with tensors of F32
 * and F16. Values are numbers, texts, or lists of texts; of other types they are undefined.
 */
export function readGguf(file) {
  const bytes = readFileSync(file);
  let at = 8;
  const u32At = () => bytes.readUInt32LE((at += 4) - 4);
  const u64At = () => Number(bytes.readBigUInt64LE((at += 8) - 8));
  const textAt = () => {
    const length = u64At();
    return bytes.toString('utf8', at, (at += length));
  };
  const valueAt = type => {
    if (type === VALUE_TYPES.string) return textAt();
    if (type === VALUE_TYPES.array) {
      const element = u32At();
      return Array.from({ length: u64At() }, () => valueAt(element));
    }
    at += VALUE_BYTES[type];
    if (type === VALUE_TYPES.u32) return bytes.readUInt32LE(at - 4);
    return type === VALUE_TYPES.f32 ? bytes.readFloatLE(at - 4) : undefined;
  };
  const [tensorCount, keyCount] = [u64At(), u64At()];
  const keys = new Map();
  for (let i = 0; i < keyCount; i++) {
    const start = at;
    const key = textAt();
    const value = valueAt(u32At());
    keys.set(key, { value, bytes: bytes.subarray(start, at) });
  }
  const infos = Array.from({ length: tensorCount }, () => {
    const name = textAt();
    const ne = Array.from({ length: u32At() }, u64At);
    return { name, ne, type: u32At(), offset: u64At() };
  });
  const data = Math.ceil(at / 32) * 32;
  const tensors = new Map();
  for (const { name, ne, type, offset } of infos) {
    const size = Object.values(TENSOR_TYPES).find(({ id }) => id === type)?.bytes;
    if (size === undefined) throw new Error(`${file}: expected F32 or F16 in ${name}, found type ${type}`);
    const count = ne.reduce((product, n) => product * n, 1);
    tensors.set(name, { ne, bytes: bytes.subarray(data + offset, data + offset + count * size) });
  }
  return { keys, tensors };
}
