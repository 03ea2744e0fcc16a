// Walks over a header: the parts that every version and every section of a GGUF file is made of, each checked before it
// is used. A method that returns undefined or false has reported why, and reading must stop. It knows no sections and no
// keys: read.ts does.
import { ByteReader, cutUtf8, decodeUtf8 } from '../bytes/byte-reader.js';
import type { ByteSource } from '../bytes/byte-source.js';
import { quote } from '../text/printable.js';
import { digits } from '../text/quantity.js';
import { GGUF_VALUE_TYPES } from './gguf.js';
import type { GgufArray, GgufInexactName, GgufMetadataEntry, GgufScalar, GgufValueType } from './gguf.js';
import * as limits from './limits.js';
import type { ProblemList } from './problem-list.js';
import { DAMAGED, IMPLAUSIBLE, INVALID_UTF8, TRUNCATED } from './remedies.js';
import { lengthSize, readExactLength, readFixed, readLength, valueSize } from './value.js';

export interface Text {
  readonly text: string;
  readonly valid: boolean;
  /** Of the bytes after the length. */
  readonly fileOffset: number;
  readonly byteLength: number;
  readonly cut: boolean;
}

/** A key or tensor name. */
export interface Name {
  /** What can be shown of it. */
  readonly text: string;
  readonly valid: boolean;
  readonly byteLength: number;
  /** Only if `text` is not exactly the bytes in the file. */
  readonly inexact?: GgufInexactName;
}

export interface ReadGgufOptions {
  readonly signal?: AbortSignal;
  /** First elements kept of each array. */
  readonly arrayHead?: number;
  /** Window of the first read and the largest one, in bytes; see ByteReader. For sources where a request is expensive. */
  readonly firstWindow?: number;
  readonly window?: number;
}

/** What a field belongs to, in words; only made when a problem needs it. */
export type What = () => string;

export class HeaderCursor {
  readonly reader: ByteReader;
  /** Decides the size of lengths and counts. */
  version = 3;

  private readonly arrayHead: number;
  private numbersLeft = limits.MAX_NUMBERS_BYTES;
  private textLeft = limits.MAX_KEPT_TEXT_BYTES;

  constructor(
    private readonly source: ByteSource,
    private readonly problems: ProblemList,
    options: ReadGgufOptions,
  ) {
    this.arrayHead = options.arrayHead ?? limits.DEFAULT_ARRAY_HEAD;
    this.reader = new ByteReader(source, {
      budget: limits.MAX_SCANNED_BYTES,
      ...(options.signal ? { signal: options.signal } : {}),
      ...(options.window === undefined ? {} : { window: options.window }),
      ...(options.firstWindow === undefined ? {} : { firstWindow: options.firstWindow }),
    });
  }

  async readValue(
    type: GgufValueType,
    name: string,
    what: What,
  ): Promise<Pick<GgufMetadataEntry, 'value' | 'cut'> | undefined> {
    if (type === 'array') {
      const value = await this.readArray(name, what);
      return value && { value };
    }
    if (type === 'string') {
      const text = await this.readText(what, limits.MAX_KEPT_STRING_BYTES);
      if (!text) return undefined;
      const { fileOffset, byteLength } = text;
      if (!text.valid) {
        this.problems.add('warning', 'gguf/invalid-utf8', `The value of ${quote(name)} is not valid UTF-8.`, {
          offset: fileOffset,
          subject: name,
          hint: INVALID_UTF8,
        });
      }
      return { value: text.text, ...(text.cut ? { cut: { fileOffset, byteLength } } : {}) };
    }
    if (!(await this.need(valueSize(type), what))) return undefined;
    return { value: readFixed(this.reader, type) };
  }

  private async readArray(name: string, what: What): Promise<GgufArray | undefined> {
    const { reader } = this;
    const size = lengthSize(this);
    if (!(await this.need(4 + size, what))) return undefined;
    const typeOffset = reader.position;
    const typeId = reader.u32();
    const length = readLength(reader, this);
    const elementType = GGUF_VALUE_TYPES[typeId];
    if (elementType === undefined || elementType === 'array') {
      const message =
        elementType === 'array'
          ? `Key ${quote(name)} is an array of arrays, which llama.cpp does not read either; reading stops here.`
          : `The elements of array ${quote(name)} have value type ${typeId}; the types 0 to 12 are known. Their length is therefore unknown, and reading stops here.`;
      const code = elementType === 'array' ? 'gguf/nested-array' : 'gguf/unknown-value-type';
      this.fail(code, message, typeOffset, DAMAGED, name);
      return undefined;
    }
    const fileOffset = reader.position;
    const elementSize = elementType === 'string' ? size : valueSize(elementType);
    if (length * elementSize > reader.remaining) {
      const message = `Array ${quote(name)} announces ${this.lengthJustRead()} elements of ${elementSize} or more bytes, but ${reader.remaining} bytes remain in the file.`;
      this.fail('gguf/length-beyond-file', message, typeOffset + 4, TRUNCATED, name);
      return undefined;
    }
    if (length > limits.MAX_ARRAY_ELEMENTS) {
      const message = `Array ${quote(name)} announces ${digits(length)} elements; llama.cpp and Quantsmith read at most ${limits.MAX_ARRAY_ELEMENTS}.`;
      this.fail('gguf/array-too-long', message, typeOffset + 4, IMPLAUSIBLE, name);
      return undefined;
    }
    if (elementType === 'string') return this.readStrings(length, what);
    if (length * elementSize > this.numbersLeft) {
      const before = limits.MAX_NUMBERS_BYTES - this.numbersLeft;
      const message =
        `Array ${quote(name)} announces ${digits(length)} elements of ${elementSize} bytes; expected at most ` +
        `${limits.MAX_NUMBERS_BYTES} bytes in all arrays of numbers${before === 0 ? '' : `, of which those before have ${before}`}. Reading stops here.`;
      this.fail('gguf/array-too-large', message, typeOffset + 4, IMPLAUSIBLE, name);
      return undefined;
    }
    this.numbersLeft -= length * elementSize;
    const head: GgufScalar[] = [];
    const wanted = this.textLeft > 0 ? Math.min(length, this.arrayHead) : 0;
    if (!(await this.need(wanted * elementSize, what))) return undefined;
    for (let i = 0; i < wanted; i++) head.push(readFixed(reader, elementType));
    // What an element costs in memory: 8 bytes as a number, more as a bigint.
    this.textLeft -= wanted * 16;
    reader.skip((length - wanted) * elementSize);
    return { elementType, length, head, fileOffset, byteLength: length * elementSize };
  }

  /** Walks over the strings of an array: the lengths have to be read, the texts behind the head are jumped over. */
  private async readStrings(length: number, what: What): Promise<GgufArray | undefined> {
    const { reader } = this;
    const size = lengthSize(this);
    const fileOffset = reader.position;
    const head: string[] = [];
    const offsets: number[] = [];
    let inHead = true;
    for (let i = 0; i < length; i++) {
      if (i % limits.STRING_INDEX_STRIDE === 0) offsets.push(reader.position);
      if (!inHead) {
        const stretch = Math.min(length - i, limits.STRING_INDEX_STRIDE - (i % limits.STRING_INDEX_STRIDE));
        const skipped = reader.skipTexts(stretch, size, limits.MAX_STRING_BYTES);
        if (skipped > 0) {
          i += skipped - 1;
          continue;
        }
      }
      if (!reader.has(size) && !(await this.need(size, what))) return undefined;
      const bytes = readLength(reader, this);
      if (bytes > reader.remaining || bytes > limits.MAX_STRING_BYTES) {
        this.badStringLength(bytes, () => `string ${i + 1} of ${length} in ${what()}`);
        return undefined;
      }
      // The head ends at the first string that would have to be cut, so that what it holds is exact.
      inHead &&= i < this.arrayHead && this.textLeft > 0 && bytes <= limits.STRING_PREVIEW_BYTES;
      if (inHead) {
        if (!reader.has(bytes) && !(await this.need(bytes, what))) return undefined;
        head.push(decodeUtf8(reader.view8(bytes)).text);
        this.textLeft -= bytes + 16;
      } else reader.skip(bytes);
    }
    const array = {
      elementType: 'string' as const,
      length,
      head,
      fileOffset,
      byteLength: reader.position - fileOffset,
    };
    return head.length === length ? array : { ...array, index: { stride: limits.STRING_INDEX_STRIDE, offsets } };
  }

  /** A string of which at most `limit` bytes, or a preview, are kept. */
  async readText(what: What, limit: number): Promise<Text | undefined> {
    const { reader } = this;
    const size = lengthSize(this);
    if (!reader.has(size) && !(await this.need(size, what))) return undefined;
    const byteLength = readLength(reader, this);
    if (byteLength > reader.remaining || byteLength > limits.MAX_STRING_BYTES) {
      this.badStringLength(byteLength, what);
      return undefined;
    }
    const fileOffset = reader.position;
    let keep = byteLength > limit ? Math.min(limit, limits.STRING_PREVIEW_BYTES) : byteLength;
    if (keep > this.textLeft) keep = Math.min(keep, limits.TEXT_CUT_BYTES);
    this.textLeft -= keep;
    if (!reader.has(keep) && !(await this.need(keep, what))) return undefined;
    const cut = keep < byteLength;
    const kept = reader.view8(keep);
    const { text, valid } = decodeUtf8(cut ? cutUtf8(kept, Math.max(0, keep - 1)) : kept);
    reader.skip(byteLength - keep);
    return { text, valid, fileOffset, byteLength, cut };
  }

  /** A key or a tensor name: shown as text, told from others by its bytes. */
  async readName(what: What): Promise<Name | undefined> {
    const { reader } = this;
    const read = await this.readText(what, limits.MAX_KEPT_NAME_BYTES);
    if (!read) return undefined;
    const { byteLength, valid, cut, fileOffset } = read;
    if (!cut && valid) return { text: read.text, valid, byteLength };
    const text = cut ? `${read.text}…` : read.text;
    const end = reader.position;
    let bytes = `at ${fileOffset}`;
    if (byteLength <= limits.MAX_COMPARED_NAME_BYTES) {
      reader.seek(fileOffset);
      if (!(await this.need(byteLength, what))) return undefined;
      bytes = hash(reader.view8(byteLength));
    }
    reader.seek(end);
    // No text from a file contains a lone surrogate, so that no name can pass for such an identity.
    const identity = `\ud800${byteLength} ${bytes}`;
    return { text, valid, byteLength, inexact: { byteLength, validUtf8: valid, identity } };
  }

  /** All digits of the length before the position, which is rounded beyond 2^53 when it is read as a number. */
  private lengthJustRead(): string {
    this.reader.seek(this.reader.position - lengthSize(this));
    return digits(readExactLength(this.reader, this));
  }

  private badStringLength(length: number, what: What): void {
    const { reader } = this;
    const offset = reader.position - lengthSize(this);
    const found = this.lengthJustRead();
    if (length > reader.remaining) {
      const message = `The length of ${what()} is ${found} bytes, but ${reader.remaining} bytes remain in the file.`;
      this.fail('gguf/length-beyond-file', message, offset, TRUNCATED);
    } else {
      const message = `The length of ${what()} is ${found} bytes; llama.cpp and Quantsmith read at most ${limits.MAX_STRING_BYTES}.`;
      this.fail('gguf/string-too-long', message, offset, 'The header is most likely damaged.');
    }
  }

  // ---------------------------------------------------------------------------------------------------------- problems

  async need(length: number, what: What): Promise<boolean> {
    if (await this.reader.ensure(length)) return true;
    this.ended(length, what);
    return false;
  }

  ended(length: number, what: What): void {
    const { position, remaining, overBudget } = this.reader;
    if (overBudget) {
      const message = `The header is longer than the ${limits.MAX_SCANNED_BYTES} bytes that are looked at; reading stops in ${what()}.`;
      this.fail(
        'gguf/header-too-long',
        message,
        position,
        'No known model has such a header: it is most likely damaged.',
      );
    } else {
      const message = `The file ends at byte ${this.source.size} inside ${what()}: ${length} bytes expected at byte ${position}, ${remaining} found.`;
      this.fail('gguf/truncated', message, position, TRUNCATED);
    }
  }

  fail(code: string, message: string, offset: number, hint: string, subject?: string): void {
    this.problems.add('error', code, message, { offset, hint, ...(subject === undefined ? {} : { subject }) });
  }
}

/**
 * 64 bits of two multiplicative hashes, in hexadecimal: enough to tell the names of one file apart by chance. A file made
 * to collide only gets a wrong report of a duplicate.
 */
function hash(bytes: Uint8Array): string {
  let a = 0xdeadbeef;
  let b = 0x41c6ce57;
  for (const byte of bytes) {
    a = Math.imul(a ^ byte, 0x9e3779b1);
    b = Math.imul(b ^ byte, 0x5f356495);
    // Carries the upper bits, which a product alone never brings down.
    a ^= b >>> 15;
    b ^= a >>> 13;
  }
  return `${(a >>> 0).toString(16)}-${(b >>> 0).toString(16)}`;
}
