// Writes the header of a GGUF v3 file for benchmarks; shares nothing with the product's writer, so that a mistake there
// does not hide itself.
//   "GGUF" | u32 3 | u64 tensors | u64 keys | keys | tensor infos | zeros up to 32
//   key:    text | u32 type | value          text: u64 bytes | bytes          array: u32 type | u64 count | values
//   tensor: text | u32 dimensions | u64 ne[] | u32 type | u64 offset
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
