// A thread of the quantize job: reads rows of the model, converts them with its own kernels, hashes what comes out and writes
// it where it belongs. Its memory is one piece of the source and one result. What it reads, makes and hashes of one piece is
// in the core's own cache all the while; nothing is handed on but a tag and, at the end of a tensor, its digest. The job
// ends it by terminate(), at any moment.
import { createHash, type Hash } from 'node:crypto';
import { parentPort, workerData } from 'node:worker_threads';
import { ggmlType } from '../core/ggml/ggml-type.js';
import { errorData } from '../core/problem.js';
import { slicesOf, type Slice } from '../engine/jobs/quantize-chunks.js';
import type { KernelBackend } from '../engine/kernel-backend.js';
import { loadBackend } from '../platform/load-backend.js';
import { SourceTag } from '../platform/piece-tag.js';
import type {
  ConversionTask,
  DigestStep,
  FromThread,
  ThreadSettings,
  ThreadTask,
  ToThread,
} from '../protocol/quantize-thread-protocol.js';
import { OtherFile, ThreadFiles, Unwritten } from './thread-files.js';

/** Bytes that are read back and hashed at a time. */
const HASH_BYTES = 1 << 20;
const NO_TAG = new Uint8Array(0);

class QuantizeThread {
  readonly #digests = new Map<number, Hash>();
  readonly #piece = new Buffers();
  readonly #result = new Buffers();
  readonly #types: ReadonlySet<number>;

  constructor(
    private readonly backend: KernelBackend,
    private readonly files: ThreadFiles,
  ) {
    this.#types = new Set(backend.types.map(({ id }) => id));
  }

  answer({ id, task }: ToThread & { kind: 'task' }): FromThread {
    try {
      return this.perform(id, task);
    } catch (error) {
      if (error instanceof Unwritten) return { kind: 'unwritten', id, code: error.code, message: error.message };
      return { kind: 'failed', id, error: errorData(error) };
    }
  }

  private perform(id: number, work: ThreadTask): FromThread {
    if (work.kind === 'hash') return { kind: 'done', id, tag: NO_TAG, sha256: this.hashWritten(work) };
    if (work.kind === 'adopt') return { kind: 'done', id, tag: NO_TAG, sha256: this.adopt(work) };
    const tag = new SourceTag();
    let sha256 = '';
    for (const slice of slicesOf(work.task)) {
      const source = this.#piece.take(slice.source.byteLength);
      this.files.readSource(work.task, slice.source.offset, source);
      tag.update(source);
      if (work.kind === 'tag') continue;
      const made = this.make(work, slice, source);
      if (!made.ok) return { kind: 'bad-weight', id, code: made.code, index: slice.firstElement + made.index };
      ({ sha256 } = made);
    }
    return { kind: 'done', id, tag: tag.digest(), sha256 };
  }

  /** Converts, hashes and writes a piece. */
  private make(
    { task, target, padding, digest }: ThreadTask & { kind: 'convert' },
    { target: { offset, byteLength }, rows }: Slice,
    source: Uint8Array,
  ): (ReturnType<KernelBackend['convertRows']> & { ok: false }) | { readonly ok: true; readonly sha256: string } {
    const isCopy = task.fromType === task.toType;
    const result = isCopy ? source : this.#result.take(byteLength);
    const converted = isCopy ? this.check(task, source) : this.convert(task, rows, source, result);
    if (!converted.ok) return converted;
    const end = offset + byteLength;
    const isEnd = end === task.byteLength;
    const sha256 = digest ? this.hash({ tensor: digest.tensor, last: digest.last && isEnd }, result) : '';
    this.files.write({ file: target.file, position: target.position + offset }, result);
    if (isEnd && padding > 0) {
      this.files.write({ file: target.file, position: target.position + end }, new Uint8Array(padding));
    }
    return { ok: true, sha256 };
  }

  private convert(
    { fromType, toType, columns, importance }: ConversionTask,
    rows: number,
    source: Uint8Array,
    result: Uint8Array,
  ): ReturnType<KernelBackend['convertRows']> {
    const [from, to] = [ggmlType(fromType).id, ggmlType(toType).id];
    return this.backend.convertRows(from, source, to, result, rows, columns, importance);
  }

  /** What is copied must be finite, too. Integers always are. */
  private check({ fromType }: ConversionTask, bytes: Uint8Array): ReturnType<KernelBackend['convertRows']> {
    const { id, blockSize, typeSize, family } = ggmlType(fromType);
    if (family === 'integer') return { ok: true };
    if (fromType === 'F64') {
      const index = new Float64Array(bytes.buffer, bytes.byteOffset, bytes.length / 8).findIndex(
        value => !Number.isFinite(value),
      );
      return index < 0 ? { ok: true } : { ok: false, code: 'non-finite', index };
    }
    if (!this.#types.has(id)) return { ok: true };
    return this.backend.convertRows(id, bytes, id, bytes, bytes.length / typeSize, blockSize);
  }

  /** The bytes that are hashed are the bytes that are written: what the digest says is then true of them. */
  private adopt({ source, target, byteLength, padding }: ThreadTask & { kind: 'adopt' }): string {
    const hash = createHash('sha256');
    const reader = OtherFile.open(source.path);
    try {
      for (let at = 0; at < byteLength; at += HASH_BYTES) {
        const bytes = this.#piece.take(Math.min(HASH_BYTES, byteLength - at));
        if (!reader?.read(source.position + at, bytes)) return '';
        hash.update(bytes);
        this.files.write({ file: target.file, position: target.position + at }, bytes);
      }
    } finally {
      reader?.close();
    }
    const behind = { file: target.file, position: target.position + byteLength };
    if (padding > 0) this.files.write(behind, new Uint8Array(padding));
    return hash.digest('hex');
  }

  private hashWritten({ target: { file, position }, byteLength, digest }: ThreadTask & { kind: 'hash' }): string {
    let sha256 = '';
    for (let at = 0; at < byteLength; at += HASH_BYTES) {
      const bytes = this.#result.take(Math.min(HASH_BYTES, byteLength - at));
      this.files.readTarget({ file, position: position + at }, bytes);
      const isEnd = at + bytes.length === byteLength;
      sha256 = this.hash({ tensor: digest.tensor, last: digest.last && isEnd }, bytes);
    }
    return sha256;
  }

  private hash({ tensor, last }: DigestStep, bytes: Uint8Array): string {
    const hash = this.#digests.get(tensor) ?? createHash('sha256');
    hash.update(bytes);
    if (last) this.#digests.delete(tensor);
    else this.#digests.set(tensor, hash);
    return last ? hash.digest('hex') : '';
  }
}

/** One piece of memory that grows to the largest that was asked for. */
class Buffers {
  #bytes = new Uint8Array(0);

  take(byteLength: number): Uint8Array {
    if (this.#bytes.length < byteLength) this.#bytes = new Uint8Array(byteLength);
    return this.#bytes.subarray(0, byteLength);
  }
}

async function main(): Promise<void> {
  const { files, backend: choice, kernelDirectory } = workerData as ThreadSettings;
  const send = (message: FromThread): void => parentPort?.postMessage(message);
  try {
    const { backend } = await loadBackend(choice, kernelDirectory);
    const threadFiles = new ThreadFiles(files);
    const thread = new QuantizeThread(backend, threadFiles);
    parentPort?.on('message', (message: ToThread) => {
      if (message.kind === 'targets') threadFiles.targets = message.targets;
      else send(thread.answer(message));
    });
    send({ kind: 'ready', backend: backend.kind, isa: backend.isa });
  } catch (error) {
    send({ kind: 'unready', error: errorData(error) });
  }
}

void main();
