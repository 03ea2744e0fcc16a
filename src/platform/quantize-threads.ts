// The threads of a quantize job: worker_threads that each have their own kernels, their own handles on the model and on the
// output. Every thread has one task at work and one waiting, so that it never idles for a message. A thread that dies fails
// what is open, at once and for good; close() ends threads in the middle of a task (a native kernel finishes its piece
// first, some milliseconds, which nobody waits for: what such a thread may still write goes to the temporary file it has
// open, at the place where those bytes belong).
import path from 'node:path';
import { Worker } from 'node:worker_threads';
import { QuantsmithError, errorFromData } from '../core/problem.js';
import {
  WriteFailure,
  type Converter,
  type ConverterRequest,
  type TaskResult,
} from '../engine/jobs/quantize-services.js';
import type {
  FromThread,
  TargetFile,
  ThreadSettings,
  ThreadTask,
  ToThread,
} from '../protocol/quantize-thread-protocol.js';
import { TOO_MANY_FILES, tooManyFiles } from './file-source.js';

/** More threads than this are a mistake; each costs some 10 MB. */
const MAX_THREADS = 256;

interface Open {
  readonly resolve: (result: TaskResult) => void;
  readonly reject: (error: Error) => void;
}

interface Thread {
  readonly worker: Worker;
  readonly open: Map<number, Open>;
}

export class QuantizeThreads implements Converter {
  private nextId = 1;
  private failure: Error | undefined;

  private constructor(
    private readonly members: readonly Thread[],
    readonly backend: 'native' | 'wasm',
    readonly isa: string,
  ) {
    for (const thread of members) {
      thread.worker.on('message', (message: FromThread) => {
        this.receive(thread, message);
      });
      this.onDeath(thread.worker);
    }
  }

  /**
   * `directory` has `quantize-thread.js` and the folder `kernels`. Rejects with `kernel/…` if the kernels do not load, and
   * `quantize/thread-failed` if a thread does not start.
   */
  static async start(directory: string, request: ConverterRequest): Promise<QuantizeThreads> {
    const settings: ThreadSettings = {
      files: request.files,
      backend: request.backend,
      kernelDirectory: path.join(directory, 'kernels'),
    };
    const count = Math.max(1, Math.min(MAX_THREADS, request.threads));
    const workers: Worker[] = [];
    try {
      for (let i = 0; i < count; i++) {
        workers.push(
          new Worker(path.join(directory, 'quantize-thread.js'), {
            name: `quantize ${i + 1}`,
            workerData: settings,
            execArgv: [],
          }),
        );
      }
      const kernels = await Promise.all(workers.map(ready));
      const [first] = kernels;
      if (!first) throw new RangeError('no threads');
      const members = workers.map(worker => ({ worker, open: new Map<number, Open>() }));
      return new QuantizeThreads(members, first.backend, first.isa);
    } catch (error) {
      for (const worker of workers) void worker.terminate();
      throw error;
    }
  }

  get threads(): number {
    return this.members.length;
  }

  writeTo(targets: readonly TargetFile[]): void {
    for (const { worker } of this.members) worker.postMessage({ kind: 'targets', targets } satisfies ToThread);
  }

  run(thread: number, task: ThreadTask): Promise<TaskResult> {
    if (this.failure) return Promise.reject(this.failure);
    const member = this.members[thread];
    if (!member) return Promise.reject(new RangeError(`there is no thread ${thread}`));
    const id = this.nextId++;
    return new Promise((resolve, reject) => {
      member.open.set(id, { resolve, reject });
      member.worker.postMessage({ kind: 'task', id, task } satisfies ToThread);
    });
  }

  close(): void {
    this.fail(new QuantsmithError('cancelled', 'The threads were stopped.'));
  }

  private receive(thread: Thread, message: FromThread): void {
    if (message.kind === 'ready' || message.kind === 'unready') return;
    const open = thread.open.get(message.id);
    thread.open.delete(message.id);
    if (!open || this.failure) return;
    if (message.kind === 'done') open.resolve({ ok: true, tag: message.tag, sha256: message.sha256 });
    else if (message.kind === 'bad-weight') open.resolve({ ok: false, code: message.code, index: message.index });
    else if (message.kind === 'unwritten') open.reject(new WriteFailure(message.code, message.message));
    else open.reject(errorFromData(message.error));
  }

  private onDeath(worker: Worker): void {
    worker.on('error', (error: Error) => {
      this.fail(threadFailed(error.message));
    });
    worker.on('messageerror', (error: Error) => {
      this.fail(threadFailed(error.message));
    });
    worker.on('exit', code => {
      this.fail(threadFailed(`it ended with code ${code}`));
    });
  }

  private fail(error: Error): void {
    if (this.failure) return;
    this.failure = error;
    for (const { worker, open } of this.members) {
      void worker.terminate();
      for (const { reject } of open.values()) reject(error);
      open.clear();
    }
  }
}

function threadFailed(reason: string): QuantsmithError {
  if (TOO_MANY_FILES.test(reason)) return tooManyFiles(`A thread of the run stopped: ${reason}.`);
  return new QuantsmithError(
    'quantize/thread-failed',
    `A thread of the run stopped: ${reason}.`,
    'Run again; if it happens again, choose the WebAssembly backend or fewer threads.',
  );
}

/** Resolves when the thread has its kernels. */
function ready(worker: Worker): Promise<{ readonly backend: 'native' | 'wasm'; readonly isa: string }> {
  return new Promise((resolve, reject) => {
    const settle = (act: () => void): void => {
      worker.off('message', onMessage).off('error', onError).off('exit', onExit);
      act();
    };
    const onMessage = (message: FromThread): void => {
      settle(() => {
        if (message.kind === 'ready') resolve(message);
        else reject(message.kind === 'unready' ? errorFromData(message.error) : threadFailed('it spoke too early'));
      });
    };
    const onError = (error: Error): void => {
      settle(() => {
        reject(threadFailed(error.message));
      });
    };
    const onExit = (code: number): void => {
      settle(() => {
        reject(threadFailed(`it ended with code ${code}`));
      });
    };
    worker.on('message', onMessage).on('error', onError).on('exit', onExit);
  });
}
