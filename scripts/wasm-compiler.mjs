// clang for WebAssembly is WebAssembly itself and computes on the thread that calls it; here it has threads of its own, as many as
// the machine has processors, so that units are compiled side by side.
//   clang(args, files) -> the files it wrote; rejects with what it said
import os from 'node:os';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

if (!isMainThread && workerData?.isCompiler) {
  const { runClang, Exit } = await import('@yowasp/clang');
  await runClang(null, {}, { fetchProgress: () => undefined }); // loads the compiler without printing progress
  const decoder = new TextDecoder();
  parentPort.on('message', async ({ args, files }) => {
    let words = '';
    try {
      const written = await runClang(
        ['clang++', ...args],
        { ...workerData.tree, ...files },
        {
          stdout: null,
          stderr: bytes => bytes && (words += decoder.decode(bytes)),
        },
      );
      const made = Object.entries(written).filter(([, content]) => content instanceof Uint8Array);
      parentPort.postMessage({ files: Object.fromEntries(made) });
    } catch (error) {
      parentPort.postMessage({ failure: error instanceof Exit ? words.trim() : error.message });
    }
  });
}

/** A compiler over a tree of sources, with up to `most` threads; they start when there is work for them, and end with close(). */
export function wasmCompiler(tree, most) {
  const idle = [];
  const threads = [];
  const queue = [];
  const limit = Math.max(1, Math.min(os.availableParallelism(), most));
  const start = () => {
    const thread = {
      worker: new Worker(import.meta.filename, { workerData: { isCompiler: true, tree } }),
      job: undefined,
    };
    const fail = reason => thread.job?.reject(new Error(reason));
    thread.worker.on('message', ({ files, failure }) => {
      if (failure === undefined) thread.job.resolve(files);
      else fail(failure);
      idle.push(thread);
      next();
    });
    thread.worker.on('error', error => fail(error.message));
    thread.worker.on('exit', code => fail(`the compiler ended with ${code}`));
    threads.push(thread);
    return thread;
  };
  const next = () => {
    if (queue.length === 0) return;
    const thread = idle.pop() ?? (threads.length < limit ? start() : undefined);
    if (!thread) return;
    thread.job = queue.shift();
    thread.worker.postMessage(thread.job.message);
  };
  return {
    clang: (args, files = {}) =>
      new Promise((resolve, reject) => {
        queue.push({ message: { args, files }, resolve, reject });
        next();
      }),
    close: () => Promise.all(threads.map(({ worker }) => worker.terminate())),
  };
}
