// Keeps all threads busy and one hand writing: tasks go out in order until every slot is taken, results are taken back in
// the same order, hashed, written and released. Order costs nothing (tasks are about equally long) and makes a digest per
// tensor possible without reading anything twice. While one result is being written the next is hashed: this hand is what
// limits a machine of many cores, at 0.7 ms of hashing per MB of output, where writing would add half as much again.
import { QuantsmithError } from '../../core/problem.js';
import type { ImportanceEntry } from '../../core/quantize/importance-matrix.js';
import { padded } from '../../core/quantize/output-layout.js';
import type { JobProgress, PlannedTensor } from '../../core/quantize/quantization-plan.js';
import { chunksOf, type Chunk } from './quantize-chunks.js';
import { ProgressMeter } from './quantize-progress.js';
import type {
  ConversionResult,
  Converter,
  IncrementalHash,
  MadeTensor,
  PartialOutput,
  QuantizeServices,
} from './quantize-services.js';

export interface Stream {
  readonly tensors: readonly PlannedTensor[];
  /** Per tensor the digest of all that decides its bytes but its source; see quantize-reuse.ts. */
  readonly wishes: readonly string[];
  readonly littleEndian: (tensor: PlannedTensor) => boolean;
  readonly importance: (tensor: PlannedTensor) => ImportanceEntry | undefined;
  /** Where the tensor begins in its output file. */
  readonly position: (tensor: PlannedTensor) => number;
  readonly converter: Converter;
  readonly output: PartialOutput;
  readonly services: Pick<QuantizeServices, 'sha256' | 'now' | 'method' | 'openEarlier' | 'remember'>;
  readonly signal: AbortSignal;
  readonly progress: (value: JobProgress) => void;
}

export interface Finished {
  /** Each tensor of the plan, in its order. */
  readonly made: readonly MadeTensor[];
  readonly meter: ProgressMeter;
}

interface Open {
  readonly tensor: PlannedTensor;
  readonly chunk: Chunk;
  readonly result: Promise<ConversionResult>;
}

/** Makes all tensors but those that are `done`. */
export async function convertTensors(stream: Stream, done: ReadonlyMap<number, MadeTensor>): Promise<Finished> {
  const { tensors, converter, signal } = stream;
  const aborted = abortion(signal);
  try {
    const made = new Map(done);
    const total = tensors.reduce((sum, tensor) => sum + tensor.source.byteLength, 0);
    const doneBytes = tensors.reduce((sum, tensor, i) => sum + (made.has(i) ? tensor.source.byteLength : 0), 0);
    const meter = new ProgressMeter(total, doneBytes, stream.services.now);
    const open: Open[] = [];
    const writer = new TensorWriter(stream, made, meter);
    const ring = new ImportanceRing(converter.slots, signal);
    const retire = async (): Promise<void> => {
      const next = open.shift();
      if (next) await writer.write(next, await Promise.race([next.result, aborted.promise]));
    };
    for (const [index, tensor] of tensors.entries()) {
      if (made.has(index)) continue;
      const entry = stream.importance(tensor);
      for (const chunk of chunksOf(tensor, stream.littleEndian(tensor))) {
        const importance = await ring.of(entry, chunk);
        while (open.length + writer.writing >= converter.slots) {
          if (writer.writing > 0) await writer.settle(1);
          else await retire();
        }
        const result = converter.convert(importance ? { ...chunk.task, importance } : chunk.task);
        // Another may fail first; this one's failure is then of no interest.
        result.catch(() => undefined);
        open.push({ tensor, chunk, result });
      }
    }
    while (open.length > 0) await retire();
    await writer.end();
    return { made: tensors.map((_, i) => made.get(i) ?? { wish: '', source: '', sha256: '' }), meter };
  } finally {
    aborted.dispose();
  }
}

/**
 * Importance values for one chunk after the other. Neighbours mostly need the same. Threads see them in shared memory, of
 * which there is a ring: a copy per message would be garbage in every thread, 64 MB of it before one is collected. When a
 * place of the ring is taken again, so many chunks have been handed out since that none can be open that used it.
 */
class ImportanceRing {
  readonly #places: { entry: ImportanceEntry; start: number; values: Float32Array }[] = [];
  #last = -1;

  /** `slots`: as many chunks can be open at once. */
  constructor(
    private readonly slots: number,
    private readonly signal: AbortSignal,
  ) {}

  async of(entry: ImportanceEntry | undefined, { importance }: Chunk): Promise<Float32Array | undefined> {
    if (!entry || !importance) return undefined;
    const { start, end } = importance;
    const last = this.#places[this.#last];
    if (last?.entry === entry && last.start === start && last.values.length === end - start) return last.values;
    const read = await entry.values.read(start, end, this.signal);
    this.#last = (this.#last + 1) % (this.slots + 1);
    const room = this.#places[this.#last]?.values.buffer;
    const enough = room !== undefined && room.byteLength >= read.byteLength;
    const values = new Float32Array(enough ? room : new SharedArrayBuffer(read.byteLength), 0, read.length);
    values.set(read);
    this.#places[this.#last] = { entry, start, values };
    return values;
  }
}

/** Hashes and writes what comes, tensor after tensor in plan order. */
class TensorWriter {
  #index = -1;
  #hash: IncrementalHash | undefined;
  #source: IncrementalHash | undefined;
  /** Writes not known to have ended, oldest first; each releases its slot. */
  readonly #writing: Promise<void>[] = [];

  constructor(
    private readonly stream: Stream,
    private readonly made: Map<number, MadeTensor>,
    private readonly meter: ProgressMeter,
  ) {}

  get writing(): number {
    return this.#writing.length;
  }

  /** Waits for the `count` oldest writes; rejects if one failed. */
  async settle(count: number): Promise<void> {
    for (const write of this.#writing.splice(0, count)) await write;
  }

  async write({ tensor, chunk }: Open, result: ConversionResult): Promise<void> {
    const { stream } = this;
    if (!result.ok) throw badWeight(tensor, chunk, result);
    while (stream.tensors[this.#index] !== tensor) await this.advance();
    const { shard } = tensor.target;
    const write = stream.output.write(shard, stream.position(tensor) + chunk.offset, result.bytes).then(result.release);
    // It is awaited by settle(), unless something else fails before.
    write.catch(() => undefined);
    this.#writing.push(write);
    this.#hash?.update(result.bytes);
    this.#source?.update(result.tag);
    throwIfCancelled(stream.signal);
    this.meter.add(chunk.task.source.byteLength);
    stream.progress(this.meter.report('quantize', tensor.name));
  }

  async end(): Promise<void> {
    while (this.#index < this.stream.tensors.length) await this.advance();
  }

  /** Completes the current tensor and goes to the next that is not finished. Tensors without bytes pass here too. */
  private async advance(): Promise<void> {
    const { tensors, wishes, output, services } = this.stream;
    const tensor = tensors[this.#index];
    if (tensor && this.#hash && this.#source) {
      await padTensor(this.stream, tensor);
      await this.settle(this.writing);
      const wish = wishes[this.#index] ?? '';
      const made = { wish, source: this.#source.digest(), sha256: this.#hash.digest() };
      this.made.set(this.#index, made);
      await output.finish(this.#index, made);
    }
    this.#index++;
    const isNext = this.#index < tensors.length && !this.made.has(this.#index);
    this.#hash = isNext ? services.sha256() : undefined;
    this.#source = isNext ? services.sha256() : undefined;
  }
}

/** Zeros up to the alignment, behind the last tensor too. */
export async function padTensor(
  { output, position }: Pick<Stream, 'output' | 'position'>,
  tensor: PlannedTensor,
): Promise<void> {
  const { byteLength, shard } = tensor.target;
  const rest = padded(byteLength) - byteLength;
  if (rest > 0) await output.write(shard, position(tensor) + byteLength, new Uint8Array(rest));
}

export function throwIfCancelled(signal: AbortSignal): void {
  if (signal.aborted) throw new QuantsmithError('cancelled', 'Cancelled.');
}

function badWeight(
  tensor: PlannedTensor,
  chunk: Chunk,
  { code, index }: ConversionResult & { ok: false },
): QuantsmithError {
  const element = chunk.firstElement + index;
  const columns = tensor.ne[0] ?? 1;
  const place = `element ${element} (row ${Math.floor(element / columns)}, column ${element % columns})`;
  if (code === 'non-finite') {
    return new QuantsmithError(
      'quantize/non-finite',
      `${tensor.name}: ${place} is NaN or infinite; ${tensor.toType} cannot hold that.`,
      'The model is damaged or was converted wrongly: fetch or convert it again, or keep this tensor in its type with a rule.',
    );
  }
  return new QuantsmithError(
    'quantize/scale-overflow',
    `${tensor.name}: around ${place} the weights are too large for ${tensor.toType}, whose scales are 16-bit floats (at most 65504).`,
    'Choose BF16 or F32 for this tensor with a rule.',
  );
}

/** A promise that rejects with `cancelled` when the signal fires. */
export function abortion(signal: AbortSignal): { readonly promise: Promise<never>; dispose(): void } {
  let abort = (): void => undefined;
  const promise = new Promise<never>((_, reject) => {
    abort = () => {
      reject(new QuantsmithError('cancelled', 'Cancelled.'));
    };
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
  });
  promise.catch(() => undefined);
  return {
    promise,
    dispose: () => {
      signal.removeEventListener('abort', abort);
    },
  };
}
