// Little-endian bytes into memory that grows: headers, records, test files. Everything written by this product is little
// endian, as llama.cpp requires, so there is no choice of byte order. Positions and alignment count from the first byte.

const encoder = new TextEncoder();

export class ByteWriter {
  private bytes: Uint8Array<ArrayBuffer>;
  private view: DataView<ArrayBuffer>;
  private used = 0;

  constructor(capacity = 256) {
    this.bytes = new Uint8Array(capacity);
    this.view = new DataView(this.bytes.buffer);
  }

  get length(): number {
    return this.used;
  }

  /** Makes room and returns where it is. May replace `bytes` and `view`: call it before touching them. */
  private grow(length: number): number {
    const at = this.used;
    this.used += length;
    if (this.used > this.bytes.length) {
      const grown = new Uint8Array(Math.max(this.used, this.bytes.length * 2));
      grown.set(this.bytes.subarray(0, at));
      this.bytes = grown;
      this.view = new DataView(grown.buffer);
    }
    return at;
  }

  u8(value: number): void {
    const at = this.grow(1);
    this.view.setUint8(at, value);
  }
  i8(value: number): void {
    const at = this.grow(1);
    this.view.setInt8(at, value);
  }
  u16(value: number): void {
    const at = this.grow(2);
    this.view.setUint16(at, value, true);
  }
  i16(value: number): void {
    const at = this.grow(2);
    this.view.setInt16(at, value, true);
  }
  u32(value: number): void {
    const at = this.grow(4);
    this.view.setUint32(at, value, true);
  }
  i32(value: number): void {
    const at = this.grow(4);
    this.view.setInt32(at, value, true);
  }
  f32(value: number): void {
    const at = this.grow(4);
    this.view.setFloat32(at, value, true);
  }
  f64(value: number): void {
    const at = this.grow(8);
    this.view.setFloat64(at, value, true);
  }
  u64(value: number | bigint): void {
    const at = this.grow(8);
    this.view.setBigUint64(at, BigInt(value), true);
  }
  i64(value: number | bigint): void {
    const at = this.grow(8);
    this.view.setBigInt64(at, BigInt(value), true);
  }
  raw(bytes: Uint8Array): void {
    const at = this.grow(bytes.length);
    this.bytes.set(bytes, at);
  }
  /** UTF-8 bytes of a text, without a length. */
  text(text: string): void {
    this.raw(encoder.encode(text));
  }
  /** Zeros up to the next multiple of `alignment`. */
  pad(alignment: number): void {
    this.grow((alignment - (this.used % alignment)) % alignment);
  }

  /** A copy of what has been written. */
  toBytes(): Uint8Array<ArrayBuffer> {
    return this.bytes.slice(0, this.used);
  }

  /** What has been written, and a fresh start with an empty writer. */
  takeBytes(): Uint8Array<ArrayBuffer> {
    const taken = this.toBytes();
    // Reused memory must be zero again: `pad` relies on it.
    this.bytes.fill(0, 0, this.used);
    this.used = 0;
    return taken;
  }
}
