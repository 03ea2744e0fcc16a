// A GGUF file in a few lines, written here on its own so that what reads it is checked by something else.
const TYPES = { F32: [0, 4], F16: [1, 2] } as const;

export interface TestTensor {
  readonly name: string;
  readonly ne: readonly number[];
  readonly type?: keyof typeof TYPES;
}

/** Version 3, little endian, alignment 32, zeros as data; architecture `llama` with `block_count` layers. */
export function ggufBytes(tensors: readonly TestTensor[], blockCount = 4): Buffer {
  const string = (text: string): Buffer => Buffer.concat([u64(Buffer.byteLength(text)), Buffer.from(text)]);
  const parts = [Buffer.from('GGUF'), u32(3), u64(tensors.length), u64(2)];
  parts.push(string('general.architecture'), u32(8), string('llama'));
  parts.push(string('llama.block_count'), u32(4), u32(blockCount));
  let offset = 0;
  for (const { name, ne, type = 'F16' } of tensors) {
    const [id, bytes] = TYPES[type];
    parts.push(string(name), u32(ne.length), ...ne.map(u64), u32(id), u64(offset));
    offset += Math.ceil((ne.reduce((product, n) => product * n, 1) * bytes) / 32) * 32;
  }
  const header = Buffer.concat(parts);
  return Buffer.concat([header, Buffer.alloc((32 - (header.length % 32)) % 32), Buffer.alloc(offset)]);
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}
