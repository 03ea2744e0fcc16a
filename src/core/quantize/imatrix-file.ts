// Reads importance matrix files: GGUF (what llama-imatrix writes) and the legacy .dat, which has no magic and so is what
// everything else is taken for. The file is untrusted: each length is compared with what remains before it is used, and a
// file with any error gives no matrix at all, because quantizing with half of one is worse than not quantizing. All values
// are looked at once, a piece at a time, and none is kept: the source must stay open for as long as the matrix is used.
// Source: llama.cpp common/imatrix-loader.cpp and tools/quantize/quantize.cpp (load_imatrix).
//
//   GGUF     F32 tensors  NAME.in_sum2 [columns, matrices]  sums of squares    NAME.counts [1, matrices]  rows seen
//            other tensors (in_sum, stats …) are not needed here
//   .dat     entries:i32 | per entry  length:i32 name | calls:i32 | values:i32 | f32 × values (means × calls)
//            then, optionally  chunks:i32 | length:i32 dataset
import { ByteReader, decodeUtf8 } from '../bytes/byte-reader.js';
import type { ByteSource } from '../bytes/byte-source.js';
import { ggmlTypeName } from '../ggml/ggml-type.js';
import { metadataArray, metadataNumber, type GgufFile, type GgufTensorInfo } from '../gguf/gguf.js';
import { MAX_TENSORS } from '../gguf/limits.js';
import { readGguf } from '../gguf/read.js';
import { throwFirstError, QuantsmithError, type Problem, type ReadResult } from '../problem.js';
import type { ImportanceEntry, ImportanceMatrix, ImportanceValues } from './importance-matrix.js';

/** Counts are kept in memory, one per slice. A model of 58 layers with 256 experts each has 45,000 of them. */
const MAX_SLICES = 2 ** 22;
/** Entries of a .dat file, as many as a GGUF file may have tensors; the limit keeps a hostile one from filling the memory. */
const MAX_ENTRIES = MAX_TENSORS;
/** Values looked at at a time. */
const PIECE_VALUES = 2 ** 18;
/** Names in .dat files; ggml's own limit is 63 bytes. */
const MAX_NAME_BYTES = 1024;
/** Longest path of a dataset in a .dat file. */
const MAX_DATASET_BYTES = 2 ** 16;
const FLOAT_BYTES = 4;

export interface ReadImatrixOptions {
  /** What to call the file in metadata and messages: as the user named it. Default: the source's name. */
  readonly name?: string;
  readonly signal?: AbortSignal;
  /** How many values to look at, from the first on; those beyond are taken for finite. Default: all. */
  readonly valuesChecked?: number;
}

/** Reads an importance matrix in either format. Rejects only when aborted or when the source does. */
export async function readImatrix(
  source: ByteSource,
  options: ReadImatrixOptions = {},
): Promise<ReadResult<ImportanceMatrix>> {
  const reader = new ImatrixReader(
    source,
    options.name ?? source.name,
    options.signal,
    options.valuesChecked ?? Infinity,
  );
  try {
    return { value: await reader.read(), problems: reader.problems };
  } catch (error) {
    if (!(error instanceof QuantsmithError) || !error.code.startsWith('imatrix/')) throw error;
    const { code, message, hint } = error;
    const problem: Problem = { code, severity: 'error', message, ...(hint === undefined ? {} : { hint }) };
    return { value: undefined, problems: [...reader.problems, problem] };
  }
}

const DAMAGED = 'The copy stopped early or the file is damaged: fetch or compute it again.';

class ImatrixReader {
  readonly problems: Problem[] = [];
  private readonly entries = new Map<string, ImportanceEntry>();
  private slices = 0;

  constructor(
    private readonly source: ByteSource,
    private readonly name: string,
    private readonly signal: AbortSignal | undefined,
    private valuesToCheck: number,
  ) {}

  async read(): Promise<ImportanceMatrix> {
    const magic = this.source.size >= 4 ? await this.source.read(0, 4, this.signal) : new Uint8Array(0);
    return decodeUtf8(magic).text === 'GGUF' ? this.readGgufForm() : this.readLegacy();
  }

  private fail(code: string, message: string, hint?: string): never {
    throw new QuantsmithError(code, `${this.name}: ${message}`, hint);
  }

  private async readGgufForm(): Promise<ImportanceMatrix> {
    const { value: file, problems } = await readGguf(this.source, this.signal ? { signal: this.signal } : {});
    try {
      throwFirstError(problems);
    } catch (error) {
      if (error instanceof QuantsmithError) this.fail('imatrix/bad-gguf', error.message, error.hint ?? DAMAGED);
      throw error;
    }
    if (!file) this.fail('imatrix/bad-gguf', 'expected a GGUF file of a known version.', DAMAGED);
    const pairs = pairTensors(file);
    if (pairs.size === 0) {
      this.fail(
        'imatrix/not-imatrix',
        'expected tensors named *.in_sum2 and *.counts, found none; this GGUF is no importance matrix.',
        'Importance matrices are made by llama-imatrix.',
      );
    }
    for (const [name, { sums, counts }] of pairs) {
      this.entries.set(name, await this.ggufEntry(file, name, sums, counts));
    }
    const datasets = metadataArray(file.metadata, 'imatrix.datasets');
    const chunkCount = metadataNumber(file.metadata, 'imatrix.chunk_count');
    if (!datasets || chunkCount === undefined || metadataNumber(file.metadata, 'imatrix.chunk_size') === undefined) {
      this.problems.push({
        code: 'imatrix/missing-metadata',
        severity: 'warning',
        message: `${this.name}: expected imatrix.datasets, imatrix.chunk_count and imatrix.chunk_size, found not all of them; llama-quantize would refuse the file.`,
      });
    }
    return {
      name: this.name,
      format: 'gguf',
      entries: this.entries,
      datasets: datasets?.head.filter(item => typeof item === 'string') ?? [],
      chunkCount,
    };
  }

  /** Mean squares of one weight: `in_sum2 / counts` per slice. */
  private async ggufEntry(
    file: GgufFile,
    name: string,
    sums: GgufTensorInfo | undefined,
    counts: GgufTensorInfo | undefined,
  ): Promise<ImportanceEntry> {
    if (!sums || !counts) {
      const [has, lacks] = sums ? ['in_sum2', 'counts'] : ['counts', 'in_sum2'];
      return this.fail('imatrix/incomplete', `${name} has ${has} but no ${lacks}.`, DAMAGED);
    }
    for (const tensor of [sums, counts]) {
      const type = ggmlTypeName(tensor.typeId);
      if (type !== 'F32') this.fail('imatrix/not-f32', `expected F32 for ${tensor.name}, found ${type}.`);
    }
    const slices = counts.elementCount;
    if (slices === 0 || sums.elementCount % slices !== 0) {
      this.fail(
        'imatrix/bad-shape',
        `${name}: ${sums.elementCount} sums do not divide into ${slices} slices, one per count.`,
        DAMAGED,
      );
    }
    this.slices += slices;
    if (this.slices > MAX_SLICES) {
      this.fail('imatrix/too-large', `expected at most ${MAX_SLICES} slices, found more, at ${name}.`);
    }
    const { littleEndian } = file;
    const totals = new StoredFloats(this.source, sums.fileOffset, sums.elementCount, littleEndian);
    await this.check(totals, name);
    const stored = new StoredFloats(this.source, counts.fileOffset, slices, littleEndian);
    await this.check(stored, name);
    const rows = (await stored.read(0, slices, this.signal)).map(Math.round);
    return { values: new Means(totals, rows), unseenSlices: rows.filter(row => !(row > 0)).length };
  }

  private async readLegacy(): Promise<ImportanceMatrix> {
    const reader = new ByteReader(this.source, this.signal ? { signal: this.signal } : {});
    const mostEntries = Math.min(MAX_ENTRIES, this.source.size / 16);
    const count = await this.legacyNumber(reader, 'the number of entries', 1, mostEntries);
    for (let i = 0; i < count; i++) {
      const where = `entry ${i + 1} of ${count}`;
      const length = await this.legacyNumber(reader, `the length of the name of ${where}`, 1, MAX_NAME_BYTES);
      const name = await this.legacyText(reader, length, `the name of ${where}`);
      const calls = await this.legacyNumber(reader, `the calls of ${name}`, -(2 ** 31), 2 ** 31);
      const most = (reader.remaining - FLOAT_BYTES) / FLOAT_BYTES;
      const length32 = await this.legacyNumber(reader, `the number of values of ${name}`, 1, most);
      const stored = new StoredFloats(this.source, reader.position, length32, true);
      await this.check(stored, name);
      reader.skip(length32 * FLOAT_BYTES);
      const values = calls > 0 ? new Means(stored, Float32Array.of(calls)) : stored;
      this.entries.set(name, { values, unseenSlices: 0 });
    }
    const chunkCount =
      reader.remaining >= 4 ? await this.legacyNumber(reader, 'chunks', -(2 ** 31), 2 ** 31) : undefined;
    return {
      name: this.name,
      format: 'legacy',
      entries: this.entries,
      datasets: await this.legacyDataset(reader),
      chunkCount,
    };
  }

  private async legacyDataset(reader: ByteReader): Promise<readonly string[]> {
    if (reader.remaining < 4) return [];
    const length = await this.legacyNumber(reader, 'the length of the dataset', 0, MAX_DATASET_BYTES);
    return length > 0 ? [await this.legacyText(reader, length, 'the dataset')] : [];
  }

  /** An i32 in a range, which for a file of another kind is where it shows. */
  private async legacyNumber(reader: ByteReader, what: string, least: number, most: number): Promise<number> {
    const offset = reader.position;
    if (!(await reader.ensure(4)))
      this.fail('imatrix/truncated', `ends at byte ${this.source.size}, before ${what}.`, DAMAGED);
    const value = reader.i32();
    if (value >= least && value <= most) return value;
    return offset === 0
      ? this.fail(
          'imatrix/not-imatrix',
          `expected a GGUF or a legacy importance matrix, found a file that begins with neither (${value} entries in ${this.source.size} bytes).`,
          'Importance matrices are made by llama-imatrix.',
        )
      : this.fail(
          'imatrix/out-of-range',
          `expected ${what} to be from ${least} to ${Math.floor(most)}, found ${value} at byte ${offset}.`,
          DAMAGED,
        );
  }

  private async legacyText(reader: ByteReader, length: number, what: string): Promise<string> {
    if (!(await reader.ensure(length))) this.fail('imatrix/truncated', `ends inside ${what}.`, DAMAGED);
    const { text, valid } = decodeUtf8(reader.view8(length));
    if (!valid) this.fail('imatrix/bad-text', `expected ${what} to be UTF-8.`, DAMAGED);
    return text.replace(/\0.*$/s, '');
  }

  /** All within the file and finite; negative ones are told of. */
  private async check(values: StoredFloats, name: string): Promise<void> {
    if (values.end > this.source.size) {
      this.fail(
        'imatrix/truncated',
        `the values of ${name} end at byte ${values.end}, the file at ${this.source.size}.`,
        DAMAGED,
      );
    }
    let warned = false;
    const looked = Math.min(values.length, this.valuesToCheck);
    this.valuesToCheck -= looked;
    for (let start = 0; start < looked; start += PIECE_VALUES) {
      const piece = await values.read(start, Math.min(looked, start + PIECE_VALUES), this.signal);
      for (const [i, value] of piece.entries()) {
        if (value >= 0 && value < Infinity) continue;
        const found = `found ${value} at index ${start + i} of ${name}`;
        if (!Number.isFinite(value)) {
          this.fail(
            'imatrix/not-finite',
            `expected finite values, ${found}.`,
            'Compute the matrix again; a model that overflows in F16 gives such values.',
          );
        }
        if (warned) continue;
        warned = true;
        const message = `${this.name}: a mean of squares cannot be negative, ${found}.`;
        this.problems.push({ code: 'imatrix/negative', severity: 'warning', message, subject: name });
      }
    }
  }
}

/** Float32 values in a file, of either byte order. */
class StoredFloats implements ImportanceValues {
  constructor(
    private readonly source: ByteSource,
    private readonly offset: number,
    readonly length: number,
    private readonly littleEndian: boolean,
  ) {}

  /** The byte behind the last value. */
  get end(): number {
    return this.offset + this.length * FLOAT_BYTES;
  }

  async read(start: number, end: number, signal?: AbortSignal): Promise<Float32Array> {
    const bytes = await this.source.read(this.offset + start * FLOAT_BYTES, (end - start) * FLOAT_BYTES, signal);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const values = new Float32Array(end - start);
    for (let i = 0; i < values.length; i++) values[i] = view.getFloat32(i * FLOAT_BYTES, this.littleEndian);
    return values;
  }
}

/** Sums over the rows that were seen, per slice; ones for a slice that never was, as llama-quantize has it. */
class Means implements ImportanceValues {
  constructor(
    private readonly sums: ImportanceValues,
    /** One per slice. */
    private readonly counts: Float32Array,
  ) {}

  get length(): number {
    return this.sums.length;
  }

  async read(start: number, end: number, signal?: AbortSignal): Promise<Float32Array> {
    const values = await this.sums.read(start, end, signal);
    const columns = this.length / this.counts.length;
    for (let from = start; from < end;) {
      const slice = Math.floor(from / columns);
      const to = Math.min(end, (slice + 1) * columns);
      const count = this.counts[slice] ?? 0;
      const part = values.subarray(from - start, to - start);
      // A float32 quotient as in llama-quantize: dividing in double first and rounding when stored gives the same bits.
      if (count > 0) for (let i = 0; i < part.length; i++) part[i] = (part[i] ?? 0) / count;
      else part.fill(1);
      from = to;
    }
    return values;
  }
}

/** The sums and counts of each weight, sorted by name as llama.cpp keeps them. */
function pairTensors(file: GgufFile): ReadonlyMap<string, { sums?: GgufTensorInfo; counts?: GgufTensorInfo }> {
  const pairs = new Map<string, { sums?: GgufTensorInfo; counts?: GgufTensorInfo }>();
  for (const tensor of file.tensors) {
    const match = /^(.+)\.(in_sum2|counts)$/s.exec(tensor.name);
    if (!match?.[1]) continue;
    const pair = pairs.get(match[1]) ?? {};
    if (match[2] === 'counts') pair.counts = tensor;
    else pair.sums = tensor;
    pairs.set(match[1], pair);
  }
  return pairs;
}
