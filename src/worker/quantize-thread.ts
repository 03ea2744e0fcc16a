// A thread of the quantize job: reads rows from the model, converts them with its own kernels, hands the bytes back. It
// holds one piece of the source and nothing else; it writes no file. The job ends it by terminate(), at any moment.
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { ggmlType } from '../core/ggml/ggml-type.js';
import { QuantsmithError, errorData } from '../core/problem.js';
import type { KernelBackend } from '../engine/kernel-backend.js';
import { ioError } from '../platform/file-source.js';
import { loadBackend } from '../platform/load-backend.js';
import { pieceTag } from '../platform/piece-tag.js';
import { sourceChanged } from '../platform/source-files.js';
import type {
  ConversionTask,
  FileIdentity,
  FromThread,
  ThreadSettings,
  ToThread,
} from '../protocol/quantize-thread-protocol.js';

class QuantizeThread {
  readonly #descriptors = new Map<number, number>();
  #piece = new Uint8Array(0);

  constructor(
    private readonly backend: KernelBackend,
    private readonly files: readonly FileIdentity[],
  ) {}

  answer({ id, task, memory }: ToThread): FromThread {
    try {
      const target = new Uint8Array(memory, 0, task.byteLength);
      if (task.fromType === task.toType && !task.tagOnly) {
        this.read(task, target);
        return { kind: 'done', id, memory, tag: pieceTag(target) };
      }
      const { byteLength } = task.source;
      if (this.#piece.length < byteLength) this.#piece = new Uint8Array(byteLength);
      const source = this.#piece.subarray(0, byteLength);
      this.read(task, source);
      const tag = pieceTag(source);
      if (task.tagOnly) return { kind: 'done', id, memory, tag };
      const { fromType, toType, rows, columns, importance } = task;
      const [from, to] = [ggmlType(fromType).id, ggmlType(toType).id];
      const result = this.backend.convertRows(from, source, to, target, rows, columns, importance);
      return result.ok
        ? { kind: 'done', id, memory, tag }
        : { kind: 'bad-weight', id, memory, code: result.code, index: result.index };
    } catch (error) {
      return { kind: 'failed', id, memory, error: errorData(error) };
    }
  }

  private read({ source: { shard, fileOffset, byteLength }, swap }: ConversionTask, target: Uint8Array): void {
    const file = this.files[shard];
    if (!file) throw new RangeError(`there is no source file ${shard}`);
    const descriptor = this.open(shard, file);
    for (let done = 0; done < byteLength;) {
      let count: number;
      try {
        count = readSync(descriptor, target, done, byteLength - done, fileOffset + done);
      } catch (error) {
        throw ioError(error, file.path);
      }
      if (count === 0) {
        throw new QuantsmithError(
          'io/truncated',
          `${file.path} had ${file.size} bytes when the run began and now ends at byte ${fileOffset + done}.`,
          'Another program is changing the file; run again when it is done.',
        );
      }
      done += count;
    }
    const numbers = Buffer.from(target.buffer, target.byteOffset, byteLength);
    if (swap === 2) numbers.swap16();
    else if (swap === 4) numbers.swap32();
    else if (swap === 8) numbers.swap64();
  }

  private open(shard: number, file: FileIdentity): number {
    const opened = this.#descriptors.get(shard);
    if (opened !== undefined) return opened;
    let descriptor: number;
    try {
      descriptor = openSync(file.path, 'r');
    } catch (error) {
      throw ioError(error, file.path);
    }
    const { size, mtimeMs } = fstatSync(descriptor);
    if (size !== file.size || mtimeMs !== file.modified) {
      closeSync(descriptor);
      throw sourceChanged(file.path);
    }
    this.#descriptors.set(shard, descriptor);
    return descriptor;
  }
}

async function main(): Promise<void> {
  const { files, backend: choice, kernelDirectory } = workerData as ThreadSettings;
  const send = (message: FromThread, transfer: ArrayBuffer[] = []): void => parentPort?.postMessage(message, transfer);
  try {
    const { backend } = await loadBackend(choice, kernelDirectory);
    const thread = new QuantizeThread(backend, files);
    parentPort?.on('message', (message: ToThread) => {
      const answer = thread.answer(message);
      send(answer, 'memory' in answer ? [answer.memory] : []);
    });
    send({ kind: 'ready', backend: backend.kind, isa: backend.isa });
  } catch (error) {
    send({ kind: 'unready', error: errorData(error) });
  }
}

void main();
