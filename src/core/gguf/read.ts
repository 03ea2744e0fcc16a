// Reads the header of a GGUF file: metadata and tensor infos, never tensor data. It accepts versions 1 to 3 in both byte
// orders, keeps long arrays and strings in the file, and returns everything it read before a fault together with the
// problems. Whatever the file claims, memory and bytes read stay within limits.ts. It does not decide what a model is:
// that is core/model.
//
//   magic "GGUF" | version:u32 | tensorCount | metadataCount            counts are u64, in version 1 u32
//   metadata     key:string | type:u32 | value                          value.ts
//   tensor infos name:string | nDims:u32 | ne[nDims] | type:u32 | offset:u64     ne is u64, in version 1 u32
//   zeros up to a multiple of general.alignment (32 if absent)
//   data         offset is relative to here
import type { ByteReader } from '../bytes/byte-reader.js';
import type { ByteSource } from '../bytes/byte-source.js';
import { QuantsmithError, type ReadResult } from '../problem.js';
import { quote } from '../text/printable.js';
import { digits } from '../text/quantity.js';
import { checkLayout } from './check-layout.js';
import { GGUF_VALUE_TYPES, metadataEntry } from './gguf.js';
import type { GgufFile, GgufMetadataEntry, GgufTensorInfo } from './gguf.js';
import { HeaderCursor } from './header-cursor.js';
import type { Name, ReadGgufOptions } from './header-cursor.js';
import { identify } from './identify.js';
import * as limits from './limits.js';
import { ProblemList } from './problem-list.js';
import { DAMAGED, IMPLAUSIBLE, INVALID_UTF8, REFUSED, TRUNCATED } from './remedies.js';
import { tensorSize } from './tensor-size.js';
import { lengthSize, readExactLength } from './value.js';

export type { ReadGgufOptions } from './header-cursor.js';

/**
 * Reads the header of `source`. `value` is undefined only if the file is no GGUF of a known version; otherwise it holds
 * what was read up to the first fault that made going on impossible. Rejects only when aborted or on a programming error.
 */
export async function readGguf(source: ByteSource, options: ReadGgufOptions = {}): Promise<ReadResult<GgufFile>> {
  const problems = new ProblemList();
  const header = new HeaderReader(source, problems, options);
  try {
    await header.read();
  } catch (error) {
    if (options.signal?.aborted || !(error instanceof QuantsmithError)) throw error;
    const hint = error.hint === undefined ? {} : { hint: error.hint };
    problems.add('error', error.code, error.message, { offset: header.position, ...hint });
  }
  return { value: header.file, problems: problems.toArray() };
}

/** "GGUF", in this order whatever the byte order of the file. */
const MAGIC = [0x47, 0x47, 0x55, 0x46];

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

class HeaderReader {
  file: Mutable<GgufFile> | undefined;

  private readonly reader: ByteReader;
  private readonly metadata: GgufMetadataEntry[] = [];
  private readonly tensors: Mutable<GgufTensorInfo>[] = [];
  private readonly cursor: HeaderCursor;
  /** Data offsets beyond 2^53 by the place of their info, for messages: in `tensors` they are rounded. */
  private readonly exactOffsets = new Map<number, bigint>();

  constructor(
    private readonly source: ByteSource,
    private readonly problems: ProblemList,
    options: ReadGgufOptions,
  ) {
    this.cursor = new HeaderCursor(source, problems, options);
    this.reader = this.cursor.reader;
  }

  get position(): number {
    return this.reader.position;
  }

  async read(): Promise<void> {
    let complete = false;
    try {
      if (!(await this.readVersion())) return;
      const counts = await this.readCounts();
      complete =
        counts !== undefined && (await this.readMetadata(counts.metadata)) && (await this.readTensors(counts.tensors));
    } finally {
      this.finish(complete);
    }
  }

  // ---------------------------------------------------------------------------------------------- the fixed beginning

  private async readVersion(): Promise<boolean> {
    const { reader, problems, source } = this;
    const headLength = Math.min(64, source.size);
    await reader.ensure(headLength);
    const head = reader.view8(headLength).slice();
    reader.seek(0);
    if (headLength < 4 || !MAGIC.every((byte, i) => head[i] === byte)) {
      const { code, what, hint } = identify(head, source.size);
      problems.add('error', code, `Not a GGUF file: expected the four bytes "GGUF", but this is ${what}.`, {
        hint,
        offset: 0,
      });
      return false;
    }
    if (headLength < 8) {
      this.cursor.ended(8 - headLength, () => 'the version');
      return false;
    }
    reader.skip(4);
    const little = reader.u32();
    const swapped = swap32(little);
    const isVersion = (value: number): boolean => value >= 1 && value <= 3;
    if (!isVersion(little) && !isVersion(swapped)) {
      // A big-endian file of a later version has its number in the upper bytes.
      const found = (little & 0xffff) === 0 && little !== 0 ? `${swapped} (big-endian)` : String(little);
      problems.add('error', 'gguf/unsupported-version', `GGUF version 1, 2 or 3 expected, found ${found}.`, {
        offset: 4,
        hint:
          little === 0
            ? 'The header is damaged or was never finished: fetch the file again.'
            : 'If the file comes from newer tools, update Quantsmith; otherwise it is damaged.',
      });
      return false;
    }
    const version = isVersion(little) ? little : swapped;
    this.cursor.version = version;
    reader.littleEndian = isVersion(little);
    this.file = {
      version,
      littleEndian: reader.littleEndian,
      metadata: this.metadata,
      tensors: this.tensors,
      alignment: limits.DEFAULT_ALIGNMENT,
      dataOffset: reader.position,
      fileSize: source.size,
    };
    if (version === 1) {
      problems.add('info', 'gguf/old-version', 'GGUF version 1: llama.cpp no longer reads it.', {
        offset: 4,
        hint: 'Quantizing or copying the model with Quantsmith writes version 3.',
      });
    }
    if (!reader.littleEndian) {
      problems.add(
        'info',
        'gguf/big-endian',
        'The file is big-endian: llama.cpp reads it on big-endian machines only.',
        {
          offset: 4,
        },
      );
    }
    return true;
  }

  private async readCounts(): Promise<{ tensors: number; metadata: number } | undefined> {
    const size = lengthSize(this.cursor);
    if (!(await this.cursor.need(2 * size, () => 'the numbers of tensors and metadata entries'))) return undefined;
    const tensors = readExactLength(this.reader, this.cursor);
    const metadata = readExactLength(this.reader, this.cursor);
    const offset = this.reader.position - 2 * size;
    // The smallest entry: an empty key and a one-byte value. The smallest tensor info: no name and no dimension.
    if (!this.countFits('metadata entries', metadata, size + 5, limits.MAX_METADATA_ENTRIES, offset + size))
      return undefined;
    // A wrong number of tensors does not keep the metadata from being read.
    const tensorsFit = this.countFits('tensors', tensors, size + 16, limits.MAX_TENSORS, offset);
    return { metadata: Number(metadata), tensors: tensorsFit ? Number(tensors) : -1 };
  }

  private countFits(what: string, count: number | bigint, least: number, limit: number, offset: number): boolean {
    const fits = Math.floor(this.reader.remaining / least);
    if (count > fits) {
      const message = `The header announces ${digits(count)} ${what}, but the ${this.reader.remaining} bytes after it have room for ${fits} at most.`;
      this.problems.add('error', 'gguf/count-beyond-file', message, { offset, hint: TRUNCATED });
      return false;
    }
    if (count > limit) {
      const message = `The header announces ${digits(count)} ${what}; at most ${limit} are read.`;
      this.problems.add('error', 'gguf/count-too-large', message, { offset, hint: IMPLAUSIBLE });
      return false;
    }
    return true;
  }

  // ---------------------------------------------------------------------------------------------------------- metadata

  private async readMetadata(count: number): Promise<boolean> {
    const seen = new Map<string, number>();
    for (let i = 0; i < count; i++) {
      const offset = this.reader.position;
      const key = await this.cursor.readName(() => `the key of metadata entry ${i + 1} of ${count}`);
      if (!key) return false;
      const name = key.text;
      this.checkKey(key, i, offset, seen);
      const what = (): string => `the value of ${quote(name)}`;
      if (!(await this.cursor.need(4, what))) return false;
      const typeId = this.reader.u32();
      const type = GGUF_VALUE_TYPES[typeId];
      if (type === undefined) {
        const message = `Key ${quote(name)} has value type ${typeId}; the types 0 to 12 are known. Its length is therefore unknown, and reading stops here.`;
        this.cursor.fail('gguf/unknown-value-type', message, this.reader.position - 4, DAMAGED, name);
        return false;
      }
      const value = await this.cursor.readValue(type, name, what);
      if (!value) return false;
      const byteLength = this.reader.position - offset;
      const inexact = key.inexact && { inexactKey: key.inexact };
      this.metadata.push({ key: name, ...inexact, type, ...value, fileOffset: offset, byteLength });
    }
    return this.readAlignment();
  }

  private checkKey(key: Name, index: number, offset: number, seen: Map<string, number>): void {
    const { problems } = this;
    const name = key.text;
    const identity = key.inexact?.identity ?? name;
    if (key.byteLength === 0) {
      problems.add('error', 'gguf/empty-key', `Metadata entry ${index + 1} has an empty key.`, {
        offset,
        hint: REFUSED,
      });
    } else if (key.byteLength > limits.MAX_KEY_BYTES) {
      problems.add(
        'warning',
        'gguf/long-key',
        `A key has ${key.byteLength} bytes; the format allows ${limits.MAX_KEY_BYTES}.`,
        { offset },
      );
    }
    if (!key.valid)
      problems.add('warning', 'gguf/invalid-utf8', `Key ${quote(name)} is not valid UTF-8.`, {
        offset,
        subject: name,
        hint: INVALID_UTF8,
      });
    const first = seen.get(identity);
    if (first !== undefined) {
      problems.add(
        'error',
        'gguf/duplicate-key',
        `Key ${quote(name)} occurs twice, at byte ${first} and at byte ${offset}.`,
        {
          offset,
          subject: name,
          hint: 'llama.cpp refuses the file; remove one of the two entries.',
        },
      );
    } else seen.set(identity, offset);
  }

  private readAlignment(): boolean {
    const entry = metadataEntry(this.metadata, 'general.alignment');
    if (!entry || !this.file) return true;
    const { type, value, fileOffset: offset } = entry;
    const hint = `${REFUSED} 32 is assumed in what follows.`;
    const details = { offset, hint, subject: entry.key };
    if (type !== 'u32' || typeof value !== 'number') {
      this.problems.add(
        'error',
        'gguf/alignment-type',
        `general.alignment must be of type u32, found ${type}.`,
        details,
      );
    } else if (value === 0 || (value & (value - 1)) !== 0) {
      this.problems.add(
        'error',
        'gguf/alignment',
        `general.alignment must be a power of two, found ${value}.`,
        details,
      );
    } else this.file.alignment = value;
    return true;
  }

  // ------------------------------------------------------------------------------------------------------ tensor infos

  private async readTensors(count: number): Promise<boolean> {
    const seen = new Map<string, number>();
    for (let i = 0; i < count; i++) {
      const infoOffset = this.reader.position;
      const read = await this.cursor.readName(() => `the name of tensor ${i + 1} of ${count}`);
      if (!read) return false;
      const name = read.text;
      this.checkName(read, infoOffset, seen);
      const what = (): string => `the info of tensor ${quote(name)}`;
      if (!(await this.cursor.need(4, what))) return false;
      const dimensions = this.reader.u32();
      if (dimensions > limits.MAX_DIMENSIONS) {
        const message = `Tensor ${quote(name)} has ${dimensions} dimensions; ggml has at most ${limits.MAX_DIMENSIONS}. Reading stops here.`;
        this.cursor.fail('gguf/dimensions', message, this.reader.position - 4, DAMAGED, name);
        return false;
      }
      const size = lengthSize(this.cursor);
      if (!(await this.cursor.need(dimensions * size + 12, what))) return false;
      const shape: (number | bigint)[] = [];
      for (let d = 0; d < dimensions; d++) shape.push(readExactLength(this.reader, this.cursor));
      if (dimensions === 0) shape.push(1);
      const typeId = this.reader.u32();
      const exactOffset = this.reader.u64();
      const offset = Number(exactOffset);
      if (typeof exactOffset === 'bigint') this.exactOffsets.set(infoOffset, exactOffset);
      const ne = shape.map(Number);
      const { elementCount, byteLength } = tensorSize(name, shape, typeId, infoOffset, this.problems);
      this.tensors.push({
        name,
        ...(read.inexact && { inexactName: read.inexact }),
        ne,
        typeId,
        elementCount,
        offset,
        fileOffset: offset,
        byteLength,
        shard: 0,
        infoOffset,
      });
    }
    return count >= 0;
  }

  private checkName(read: Name, offset: number, seen: Map<string, number>): void {
    const name = read.text;
    const identity = read.inexact?.identity ?? name;
    const details = { offset, subject: name };
    if (read.byteLength === 0 && !seen.has(identity)) {
      this.problems.add('warning', 'gguf/empty-name', 'A tensor has an empty name.', { offset, hint: DAMAGED });
    } else if (read.byteLength > limits.MAX_TENSOR_NAME_BYTES) {
      this.problems.add(
        'warning',
        'gguf/long-name',
        `The name of tensor ${quote(name)} has ${read.byteLength} bytes; ggml allows ${limits.MAX_TENSOR_NAME_BYTES}.`,
        { ...details, hint: REFUSED },
      );
    }
    if (!read.valid)
      this.problems.add('warning', 'gguf/invalid-utf8', `The tensor name ${quote(name)} is not valid UTF-8.`, {
        ...details,
        hint: INVALID_UTF8,
      });
    const first = seen.get(identity);
    if (first !== undefined) {
      this.problems.add(
        'error',
        'gguf/duplicate-tensor',
        `Tensor ${quote(name)} occurs twice, at byte ${first} and at byte ${offset}.`,
        {
          ...details,
          hint: `Which one is meant cannot be known. ${REFUSED}`,
        },
      );
    } else seen.set(identity, offset);
  }

  private finish(complete: boolean): void {
    const { file, reader } = this;
    if (!file) return;
    const end = reader.position;
    // Without tensors there is no data section, and nothing to align.
    file.dataOffset = this.tensors.length === 0 ? end : Math.ceil(end / file.alignment) * file.alignment;
    for (const tensor of this.tensors) tensor.fileOffset = file.dataOffset + tensor.offset;
    if (complete) checkLayout(file, this.exactOffsets, this.problems);
  }
}

function swap32(value: number): number {
  return (((value & 0xff) << 24) | ((value & 0xff00) << 8) | ((value >>> 8) & 0xff00) | (value >>> 24)) >>> 0;
}
