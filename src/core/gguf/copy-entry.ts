// Takes a metadata entry over into a version 3 file as bytes, in bounded memory. Entries of little-endian files of version
// 2 and 3 are copied as they are; those of version 1 (32-bit lengths) and of big-endian files are rewritten on the way,
// without ever becoming numbers or strings, so that no bit of a value can change.
import { ByteReader } from '../bytes/byte-reader.js';
import type { ByteSource } from '../bytes/byte-source.js';
import { ByteWriter } from '../bytes/byte-writer.js';
import { QuantsmithError } from '../problem.js';
import { quote } from '../text/printable.js';
import { GGUF_VALUE_TYPES } from './gguf.js';
import type { GgufEncoding, GgufMetadataEntry } from './gguf.js';
import { lengthSize, readLength, valueSize } from './value.js';

/** Pieces copied as they are. */
const RAW_CHUNK = 1 << 20;
/** Pieces that are rewritten: small, because each byte passes through a loop. */
const REWRITE_CHUNK = 1 << 16;

/** Bytes the entry will have in a version 3 file: every 32-bit length of version 1 grows by four. */
export function entryLengthInV3(encoding: GgufEncoding, entry: GgufMetadataEntry): number {
  if (encoding.version !== 1) return entry.byteLength;
  const { type, value } = entry;
  const inValue =
    typeof value === 'object' ? 1 + (value.elementType === 'string' ? value.length : 0) : type === 'string' ? 1 : 0;
  return entry.byteLength + 4 * (1 + inValue);
}

/** The entry's bytes as version 3 has them. Rejects with `gguf/changed` if the file no longer holds the entry. */
export async function* copyEntry(
  source: ByteSource,
  encoding: GgufEncoding,
  entry: GgufMetadataEntry,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  if (encoding.littleEndian && encoding.version !== 1) {
    for (let done = 0; done < entry.byteLength; done += RAW_CHUNK) {
      yield source.read(entry.fileOffset + done, Math.min(RAW_CHUNK, entry.byteLength - done), signal);
    }
    return;
  }
  let written = 0;
  for await (const chunk of new EntryRewriter(source, encoding, entry, signal).chunks()) {
    written += chunk.length;
    yield chunk;
  }
  if (written !== entryLengthInV3(encoding, entry)) throw changed(entry);
}

class EntryRewriter {
  private readonly reader: ByteReader;
  private readonly writer = new ByteWriter(REWRITE_CHUNK * 2);

  constructor(
    source: ByteSource,
    private readonly encoding: GgufEncoding,
    private readonly entry: GgufMetadataEntry,
    signal: AbortSignal | undefined,
  ) {
    this.reader = new ByteReader(source, {
      littleEndian: encoding.littleEndian,
      position: entry.fileOffset,
      ...(signal ? { signal } : {}),
    });
  }

  async *chunks(): AsyncGenerator<Uint8Array> {
    const { entry } = this;
    yield* this.string();
    const type = GGUF_VALUE_TYPES[await this.number()];
    if (type !== entry.type) throw changed(entry);
    if (type === 'string') yield* this.string();
    else if (type === 'array') yield* this.array();
    else yield* this.fixed(1, valueSize(type));
    yield this.writer.takeBytes();
  }

  private async *array(): AsyncGenerator<Uint8Array> {
    const elementType = GGUF_VALUE_TYPES[await this.number()];
    const length = await this.length();
    const { value } = this.entry;
    if (typeof value !== 'object' || value.elementType !== elementType || value.length !== length)
      throw changed(this.entry);
    if (elementType !== 'string') {
      yield* this.fixed(length, valueSize(elementType));
      return;
    }
    for (let i = 0; i < length; i++) {
      // The short strings of a vocabulary stay on this synchronous path.
      const size = lengthSize(this.encoding);
      if (this.reader.has(size)) {
        const bytes = readLength(this.reader, this.encoding);
        if (this.reader.has(bytes)) {
          this.writer.u64(bytes);
          this.writer.raw(this.reader.view8(bytes));
          if (this.writer.length >= REWRITE_CHUNK) yield this.writer.takeBytes();
          continue;
        }
        this.reader.seek(this.reader.position - size);
      }
      yield* this.string();
    }
  }

  private async *string(): AsyncGenerator<Uint8Array> {
    yield* this.raw(await this.length());
  }

  private async *raw(byteLength: number): AsyncGenerator<Uint8Array> {
    for (let left = byteLength; left > 0;) {
      const count = Math.min(left, REWRITE_CHUNK);
      await this.need(count);
      this.writer.raw(this.reader.view8(count));
      left -= count;
      if (this.writer.length >= REWRITE_CHUNK) yield this.writer.takeBytes();
    }
  }

  /** `count` values of `size` bytes, each reversed if the file is big-endian. */
  private async *fixed(count: number, size: number): AsyncGenerator<Uint8Array> {
    if (this.encoding.littleEndian || size === 1) {
      yield* this.raw(count * size);
      return;
    }
    for (let left = count; left > 0;) {
      const now = Math.min(left, REWRITE_CHUNK / size);
      await this.need(now * size);
      const bytes = this.reader.view8(now * size).slice();
      for (let at = 0; at < bytes.length; at += size) bytes.subarray(at, at + size).reverse();
      this.writer.raw(bytes);
      left -= now;
      if (this.writer.length >= REWRITE_CHUNK) yield this.writer.takeBytes();
    }
  }

  private async length(): Promise<number> {
    await this.need(lengthSize(this.encoding));
    const length = readLength(this.reader, this.encoding);
    // A count of elements or bytes is at most the number of bytes left in the entry, or it has changed since.
    if (length > this.entry.fileOffset + this.entry.byteLength - this.reader.position) throw changed(this.entry);
    this.writer.u64(length);
    return length;
  }

  private async number(): Promise<number> {
    await this.need(4);
    const value = this.reader.u32();
    this.writer.u32(value);
    return value;
  }

  private async need(length: number): Promise<void> {
    if (!(await this.reader.ensure(length))) throw changed(this.entry);
  }
}

function changed(entry: GgufMetadataEntry): QuantsmithError {
  const message = `The value of ${quote(entry.key)} is no longer where the header said.`;
  return new QuantsmithError('gguf/changed', message, 'The file changed on disk; open it again.');
}
