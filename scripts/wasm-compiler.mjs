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
      const written = await runClang(['clang++', ...args], { ...workerData.tree, ...files }, {
        stdout: null,
        stderr: bytes => bytes && (words += decoder.decode(bytes)),
      });
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
  const next = () => {
    if (queue.length === 0) return;
    let thread = idle.pop();
    if (!thread && threads.length < limit) {
      thread = new Worker(import.meta.filename, { workerData: { isCompiler: true, tree } });
      threads.push(thread);
    }
    if (!thread) return;
    const { message, resolve, reject } = queue.shift();
    const settle = (error, files) => {
      thread.removeAllListeners();
      if (error) reject(error);
      else resolve(files);
    };
    thread.once('message', ({ files, failure }) => {
      settle(failure === undefined ? undefined : new Error(failure), files);
      idle.push(thread);
      next();
    });
    thread.once('error', error => settle(error));
    thread.once('exit', code => settle(new Error(`the compiler ended with ${code}`)));
    thread.postMessage(message);
  };
  return {
    clang: (args, files = {}) =>
      new Promise((resolve, reject) => {
        queue.push({ message: { args, files }, resolve, reject });
        next();
      }),
    close: () => Promise.all(threads.map(thread => thread.terminate())),
  };
}
