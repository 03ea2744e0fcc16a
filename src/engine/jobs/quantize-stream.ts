// Makes the tensors of a plan. Each thread works at a tensor of its own: it reads a piece, converts, hashes and writes it,
// then the next, so that what it touches stays in its core's cache and reading and writing go through each file in order.
// Only when every tensor has a thread do idle threads help others, with pieces from the end of the tensor that has most left;
// its own thread hashes those once they are written, in order, so that a digest per tensor costs no second look at anything
// else. Nothing but tags and digests comes back here: this thread hands out work and keeps the journal.
//
// The design before had threads hand results back, and one thread hash and write them in plan order: 0.6 ms of hashing per MB,
// 1.6 GB/s however many the threads. For 494 M weights from F16 with 2 threads, processor seconds before and after: Q8_0 1.93
// and 1.62, BF16 2.69 and 2.30. Having the disk begin early took the wait at the end from 0.30 s to 0.04 s (Q8_0, 530 MB).
// Tried and left: tasks of half and twice the size (the first costs messages, the second leaves the core's cache; both within
// 5 %).
import { QuantsmithError } from '../../core/problem.js';
import type { ImportanceEntry } from '../../core/quantize/importance-matrix.js';
import { padded } from '../../core/quantize/output-layout.js';
import type { JobProgress, PlannedTensor } from '../../core/quantize/quantization-plan.js';
import { ProgressMeter } from './quantize-progress.js';
import {
  WriteFailure,
  type Converter,
  type MadeTensor,
  type PartialOutput,
  type QuantizeServices,
  type TaskResult,
} from './quantize-services.js';
import { ImportanceRing } from './importance-ring.js';
import { TensorWork, type Piece } from './tensor-work.js';

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

/** Tasks a thread has at a time: one at work and one waiting. */
export const TASKS_PER_THREAD = 2;

/** Makes all tensors but those that are `done`. */
export async function convertTensors(stream: Stream, done: ReadonlyMap<number, MadeTensor>): Promise<Finished> {
  const { tensors, converter, signal } = stream;
  const total = tensors.reduce((sum, tensor) => sum + tensor.source.byteLength, 0);
  const doneBytes = tensors.reduce((sum, tensor, i) => sum + (done.has(i) ? tensor.source.byteLength : 0), 0);
  const meter = new ProgressMeter(total, doneBytes, stream.services.now);
  const made = new Map(done);
  const makers = new Makers(stream, made, meter);
  await everyThread(converter, signal, thread => makers.next(thread));
  await makers.end();
  return { made: tensors.map((_, i) => made.get(i) ?? { wish: '', source: '', sha256: '' }), meter };
}

/**
 * Keeps every thread busy with what `next` starts for it, until that has nothing more. Rejects with the first failure, or
 * with `cancelled`; what is then under way is nobody's concern any more.
 */
export async function everyThread(
  { threads }: Converter,
  signal: AbortSignal,
  next: (thread: number) => Promise<void> | undefined,
): Promise<void> {
  const aborted = abortion(signal);
  let failed = false;
  const lane = async (thread: number): Promise<void> => {
    const open: Promise<void>[] = [];
    try {
      while (!failed) {
        throwIfCancelled(signal);
        const started = next(thread);
        if (!started) break;
        // Another may fail first; this one's failure is then of no interest.
        started.catch(() => undefined);
        open.push(started);
        if (open.length >= TASKS_PER_THREAD) await open.shift();
      }
      for (const rest of open) await rest;
    } catch (error) {
      failed = true;
      throw error;
    }
  };
  try {
    await Promise.race([Promise.all(Array.from({ length: threads }, (_, thread) => lane(thread))), aborted.promise]);
  } finally {
    aborted.dispose();
  }
}

/** Which tensor each thread works at, and what is known of the tensors in work. */
class Makers {
  /** By thread. */
  readonly #own: (TensorWork | undefined)[] = [];
  readonly #rings: ImportanceRing[] = [];
  /** Begun and with pieces left that no thread has. */
  readonly #begun = new Set<TensorWork>();
  /** The next tensor of the plan to begin with. */
  #nextTensor = 0;
  /** Notes in the journal, one after the other; digests of tensors that threads shared. */
  #finishing: Promise<unknown> = Promise.resolve();
  readonly #shared: Promise<void>[] = [];
  /** Of what no thread's lane waits for. */
  #failure: { readonly error: unknown } | undefined;

  constructor(
    private readonly stream: Stream,
    private readonly made: Map<number, MadeTensor>,
    private readonly meter: ProgressMeter,
  ) {}

  /** Starts a piece for a thread; undefined if there is nothing left to start. */
  next(thread: number): Promise<void> | undefined {
    if (this.#failure) throw this.#failure.error;
    const work = this.ownWork(thread);
    const piece = work?.takeFirst();
    if (work && piece) return this.start(thread, work, piece);
    const helped = [...this.#begun].reduce<TensorWork | undefined>(
      (most, other) => (other.left > (most?.left ?? 0) ? other : most),
      undefined,
    );
    const last = helped?.takeLast();
    return helped && last && this.start(thread, helped, last);
  }

  /** Waits for what comes after the last piece: digests, and the journal. */
  async end(): Promise<void> {
    await Promise.all(this.#shared);
    await this.#finishing;
  }

  /** The tensor the thread works at, or the next one that nobody does. */
  private ownWork(thread: number): TensorWork | undefined {
    const own = this.#own[thread];
    if (own && own.left > 0) return own;
    const { tensors } = this.stream;
    this.#own[thread] = undefined;
    while (this.#nextTensor < tensors.length) {
      const index = this.#nextTensor++;
      const tensor = tensors[index];
      if (!tensor || this.made.has(index)) continue;
      const work = new TensorWork(index, tensor, thread, this.stream.littleEndian(tensor));
      if (work.left === 0) {
        this.finish(work, this.stream.services.sha256().digest());
        continue;
      }
      this.#own[thread] = work;
      this.#begun.add(work);
      return work;
    }
    return undefined;
  }

  private async start(thread: number, work: TensorWork, piece: Piece): Promise<void> {
    if (work.left === 0) {
      this.#begun.delete(work);
      // No thread takes pieces any more: those at the end that others took are hashed by the tensor's own.
      if (work.sharedFrom < work.count) this.#shared.push(this.watched(this.hashShared(work)));
    }
    const { converter, position, importance, output } = this.stream;
    const { tensor } = work;
    const { chunk, isLast } = piece;
    const target = { file: tensor.target.shard, position: position(tensor) + chunk.offset };
    const padding = isLast ? padded(tensor.target.byteLength) - tensor.target.byteLength : 0;
    const values = await this.ring(thread).of(importance(tensor), chunk);
    const task = values ? { ...chunk.task, importance: values } : chunk.task;
    const digest = piece.isHashed ? { tensor: work.index, last: isLast } : undefined;
    const result = await this.run(work, converter.run(thread, { kind: 'convert', task, target, padding, digest }));
    if (!result.ok) throw badWeight(tensor, chunk.firstElement, result);
    await output.wrote(target.file, task.byteLength + padding);
    work.complete(piece, result.tag);
    this.meter.add(task.source.byteLength);
    this.stream.progress(this.meter.report('quantize', tensor.name));
    if (result.sha256 !== '') this.finish(work, result.sha256);
  }

  private async hashShared(work: TensorWork): Promise<void> {
    const { converter, position } = this.stream;
    const { tensor, thread } = work;
    // After its own pieces: the one before is the last of them.
    await work.completed(work.sharedFrom - 1);
    for (let i = work.sharedFrom; i < work.count; i++) {
      const { offset, task } = work.chunk(i);
      await work.completed(i);
      const target = { file: tensor.target.shard, position: position(tensor) + offset };
      const digest = { tensor: work.index, last: i === work.count - 1 };
      const { byteLength } = task;
      const hashed = this.run(work, converter.run(thread, { kind: 'hash', target, byteLength, digest }));
      if (digest.last) {
        const result = await hashed;
        if (result.ok) this.finish(work, result.sha256);
      } else void this.watched(hashed);
    }
  }

  private ring(thread: number): ImportanceRing {
    return (this.#rings[thread] ??= new ImportanceRing(TASKS_PER_THREAD, this.stream.signal));
  }

  private async run({ tensor }: TensorWork, result: Promise<TaskResult>): Promise<TaskResult> {
    try {
      return await result;
    } catch (error) {
      throw error instanceof WriteFailure ? await this.stream.output.writeError(tensor.target.shard, error) : error;
    }
  }

  private finish(work: TensorWork, sha256: string): void {
    const { services, wishes, output } = this.stream;
    const source = services.sha256();
    for (const tag of work.tags) source.update(tag);
    const made = { wish: wishes[work.index] ?? '', source: source.digest(), sha256 };
    this.#finishing = this.#finishing.then(async () => {
      await output.finish(work.index, made);
      this.made.set(work.index, made);
    });
    void this.watched(this.#finishing);
  }

  /** The same promise; should it reject, no more pieces are started. */
  private watched<T>(promise: Promise<T>): Promise<T> {
    promise.catch((error: unknown) => {
      this.#failure ??= { error };
    });
    return promise;
  }
}

export function throwIfCancelled(signal: AbortSignal): void {
  if (signal.aborted) throw new QuantsmithError('cancelled', 'Cancelled.');
}

function badWeight(
  tensor: PlannedTensor,
  firstElement: number,
  { code, index }: TaskResult & { ok: false },
): QuantsmithError {
  const element = firstElement + index;
  const columns = tensor.ne[0] ?? 1;
  const place = `element ${element} (row ${Math.floor(element / columns)}, column ${element % columns})`;
  if (code === 'non-finite') {
    return new QuantsmithError(
      'quantize/non-finite',
      `${tensor.name}: expected finite weights, found NaN or infinity at ${place}.`,
      'The model is damaged or was converted wrongly: fetch or convert it again.',
    );
  }
  return new QuantsmithError(
    'quantize/scale-overflow',
    `${tensor.name}: around ${place} the weights are too large for ${tensor.toType}${tensor.toType === 'F16' ? '' : ', whose scales are 16-bit floats'} (at most 65504).`,
    'Choose BF16 or F32 for this tensor with a rule.',
  );
}

/** A promise that rejects with `cancelled` when the signal fires. */
function abortion(signal: AbortSignal): { readonly promise: Promise<never>; dispose(): void } {
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
