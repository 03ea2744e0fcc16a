// Many short byte strings in one buffer: the texts of a vocabulary. Tokens are bytes, not text (half of a character is a
// token), and 150,000 of them cost 2 MB this way instead of 20. A string that lies in a larger buffer is named by its start
// and end everywhere here, so that looking it up allocates nothing.

/** Strings one behind the other: string i is `bytes[offsets[i]] … bytes[offsets[i + 1]]`. */
export interface ByteStrings {
  readonly bytes: Uint8Array;
  /** One more than there are strings. */
  readonly offsets: Uint32Array;
}

export function stringCount(strings: ByteStrings): number {
  return Math.max(0, strings.offsets.length - 1);
}

export function stringAt({ bytes, offsets }: ByteStrings, index: number): Uint8Array {
  return bytes.subarray(offsets[index] ?? 0, offsets[index + 1] ?? 0);
}

/** Packs strings; text becomes UTF-8. */
export function packStrings(strings: readonly (string | Uint8Array)[]): ByteStrings {
  const encoder = new TextEncoder();
  const parts = strings.map(text => (typeof text === 'string' ? encoder.encode(text) : text));
  const offsets = new Uint32Array(parts.length + 1);
  parts.forEach((part, i) => (offsets[i + 1] = (offsets[i] ?? 0) + part.length));
  const bytes = new Uint8Array(offsets[parts.length] ?? 0);
  parts.forEach((part, i) => bytes.set(part, offsets[i]));
  return { bytes, offsets };
}

/** Bytes appended one after the other; the buffer doubles when it is full. */
export class ByteBuffer {
  bytes: Uint8Array;
  length = 0;

  constructor(capacity = 64) {
    this.bytes = new Uint8Array(capacity);
  }

  push(byte: number): void {
    this.reserve(1);
    this.bytes[this.length++] = byte;
  }

  append(source: Uint8Array, start = 0, end = source.length): void {
    this.reserve(end - start);
    if (end - start > 32) this.bytes.set(source.subarray(start, end), this.length);
    else for (let i = start, to = this.length; i < end; i++) this.bytes[to++] = source[i] as number;
    this.length += end - start;
  }

  view(): Uint8Array {
    return this.bytes.subarray(0, this.length);
  }

  private reserve(count: number): void {
    if (this.length + count <= this.bytes.length) return;
    const larger = new Uint8Array(Math.max(this.bytes.length * 2, this.length + count));
    larger.set(this.bytes);
    this.bytes = larger;
  }
}

/** Integers appended one after the other. */
export class IntBuffer {
  values = new Int32Array(256);
  length = 0;

  push(value: number): void {
    if (this.length === this.values.length) {
      const larger = new Int32Array(this.length * 2);
      larger.set(this.values);
      this.values = larger;
    }
    this.values[this.length++] = value;
  }

  view(): Int32Array {
    return this.values.subarray(0, this.length);
  }
}

const FNV_BASIS = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/** FNV-1a over bytes, mixed once more: vocabularies are full of strings that differ in their last byte only. */
export function hashBytes(bytes: Uint8Array, start: number, end: number): number {
  let hash = FNV_BASIS;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ (bytes[i] as number), FNV_PRIME);
  return mixHash(hash);
}

export function mixHash(hash: number): number {
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return (hash ^ (hash >>> 13)) >>> 0;
}

/**
 * Byte strings with numbers, both ways: the number of a string and the string of a number. Numbers below `first` are given
 * by the caller (token ids); `intern` gives the ones from there on. Open addressing, at most half full.
 */
export class StringTable {
  private slots: Int32Array;
  private used = 0;
  private readonly pool: ByteBuffer;
  /** Start and end in the pool by number. */
  private readonly bounds = new IntBuffer();
  private next: number;

  constructor(first: number, expectedBytes: number) {
    this.next = first;
    let capacity = 1024;
    while (capacity < first * 2) capacity *= 2;
    this.slots = new Int32Array(capacity);
    this.pool = new ByteBuffer(Math.max(64, expectedBytes));
    for (let i = 0; i < first * 2; i++) this.bounds.push(0);
  }

  /** How many numbers there are, given ones and interned ones. */
  get size(): number {
    return this.next;
  }

  /** The number of `bytes[start … end)`, or -1. */
  find(bytes: Uint8Array, start: number, end: number): number {
    return (this.slots[this.slotOf(bytes, start, end)] as number) - 1;
  }

  /** Calls `visit` for every string of the table that `bytes[start … end)` starts with, the shortest first; O(end - start). */
  prefixes(bytes: Uint8Array, start: number, end: number, visit: (id: number, end: number) => void): void {
    let hash = FNV_BASIS;
    for (let at = start; at < end; at++) {
      hash = Math.imul(hash ^ (bytes[at] as number), FNV_PRIME);
      const entry = this.slots[this.probe(mixHash(hash), bytes, start, at + 1)] as number;
      if (entry > 0) visit(entry - 1, at + 1);
    }
  }

  /** Gives a string the number `id`; the string's former number if it had one, else -1. The latest one counts. */
  assign(bytes: Uint8Array, start: number, end: number, id: number): number {
    const slot = this.slotOf(bytes, start, end);
    const before = (this.slots[slot] as number) - 1;
    this.bounds.values[id * 2] = this.pool.length;
    this.pool.append(bytes, start, end);
    this.bounds.values[id * 2 + 1] = this.pool.length;
    this.slots[slot] = id + 1;
    if (before < 0) this.used++;
    if (this.used * 2 > this.slots.length) this.grow();
    return before;
  }

  /** The number of a string; a new one if it has none yet. A right `guess` saves the look-up. */
  intern(bytes: Uint8Array, start: number, end: number, guess = -1): number {
    if (guess >= 0 && guess < this.next && this.isText(guess, bytes, start, end)) return guess;
    const found = this.find(bytes, start, end);
    if (found >= 0) return found;
    const id = this.next++;
    this.bounds.push(0);
    this.bounds.push(0);
    this.assign(bytes, start, end, id);
    return id;
  }

  /** The string of a number; empty if it has none. */
  text(id: number): Uint8Array {
    return this.pool.bytes.subarray(this.bounds.values[id * 2] ?? 0, this.bounds.values[id * 2 + 1] ?? 0);
  }

  private slotOf(bytes: Uint8Array, start: number, end: number): number {
    return this.probe(hashBytes(bytes, start, end), bytes, start, end);
  }

  /** Where a string of this hash is, or would be. */
  private probe(hash: number, bytes: Uint8Array, start: number, end: number): number {
    const mask = this.slots.length - 1;
    const { slots } = this;
    let slot = hash & mask;
    for (let entry = slots[slot] as number; entry !== 0; entry = slots[slot] as number) {
      if (this.isText(entry - 1, bytes, start, end)) return slot;
      slot = (slot + 1) & mask;
    }
    return slot;
  }

  private isText(id: number, bytes: Uint8Array, start: number, end: number): boolean {
    const pool = this.pool.bytes;
    const from = this.bounds.values[id * 2] as number;
    if ((this.bounds.values[id * 2 + 1] as number) - from !== end - start) return false;
    for (let i = start; i < end; i++) if (pool[from + i - start] !== bytes[i]) return false;
    return true;
  }

  private grow(): void {
    const old = this.slots;
    this.slots = new Int32Array(old.length * 2);
    for (const entry of old) {
      if (entry === 0) continue;
      const from = this.bounds.values[entry * 2 - 2] as number;
      const to = this.bounds.values[entry * 2 - 1] as number;
      this.slots[this.slotOf(this.pool.bytes, from, to)] = entry;
    }
  }
}
