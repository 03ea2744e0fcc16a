// Writes small GGUF files for tests, of either byte order, with nothing shared with the product's own writer.
import { writeFileSync } from 'node:fs';

export interface SmallTensor {
  readonly name: string;
  /** ggml order. */
  readonly ne: readonly number[];
  readonly type: 'F32' | 'F16' | 'BF16' | 'Q8_0';
  /** Values of F32; bit patterns of 16-bit types; bytes of Q8_0. */
  readonly data: Float32Array | Uint16Array | Uint8Array;
}

const TYPE_IDS = { F32: 0, F16: 1, Q8_0: 8, BF16: 30 };

class Bytes {
  readonly parts: Buffer[] = [];
  length = 0;
  constructor(private readonly little: boolean) {}
  add(bytes: Buffer): void {
    this.parts.push(bytes);
    this.length += bytes.length;
  }
  u32(value: number): void {
    const b = Buffer.alloc(4);
    if (this.little) b.writeUInt32LE(value);
    else b.writeUInt32BE(value);
    this.add(b);
  }
  u64(value: number): void {
    const b = Buffer.alloc(8);
    if (this.little) b.writeBigUInt64LE(BigInt(value));
    else b.writeBigUInt64BE(BigInt(value));
    this.add(b);
  }
  text(value: string): void {
    this.u64(Buffer.byteLength(value));
    this.add(Buffer.from(value));
  }
  pad(): void {
    this.add(Buffer.alloc((32 - (this.length % 32)) % 32));
  }
}

export function writeSmallModel(path: string, tensors: readonly SmallTensor[], little = true): void {
  const out = new Bytes(little);
  out.add(Buffer.from('GGUF'));
  out.u32(3);
  out.u64(tensors.length);
  const numbers = { 'llama.block_count': 1, 'llama.attention.head_count': 1 };
  out.u64(1 + Object.keys(numbers).length);
  out.text('general.architecture');
  out.u32(8);
  out.text('llama');
  for (const [key, value] of Object.entries(numbers)) {
    out.text(key);
    out.u32(4);
    out.u32(value);
  }
  let offset = 0;
  for (const { name, ne, type, data } of tensors) {
    out.text(name);
    out.u32(ne.length);
    for (const n of ne) out.u64(n);
    out.u32(TYPE_IDS[type]);
    out.u64(offset);
    offset += Math.ceil(data.byteLength / 32) * 32;
  }
  out.pad();
  for (const { data } of tensors) {
    const bytes = Buffer.from(Buffer.from(data.buffer, data.byteOffset, data.byteLength));
    if (!little && data.BYTES_PER_ELEMENT === 4) bytes.swap32();
    if (!little && data.BYTES_PER_ELEMENT === 2) bytes.swap16();
    out.add(bytes);
    out.pad();
  }
  writeFileSync(path, Buffer.concat(out.parts));
}

/** Normal-like values from a seed; the same on every machine. */
export function weights(count: number, seed: number): Float32Array {
  let state = seed >>> 0 || 1;
  const next = (): number => {
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state / 2 ** 32;
  };
  const values = new Float32Array(count);
  for (let i = 0; i < count; i++) values[i] = (next() + next() + next() - 1.5) * 0.1;
  return values;
}

/** Upper halves of float32 values: bfloat16 without rounding. */
export function bfloat16(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  return new Uint16Array(bits.length).map((_, i) => (bits[i] ?? 0) >>> 16);
}
