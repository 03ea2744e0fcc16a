// Threads of the engine as WebAssembly, in Node: worker_threads that run engine-thread.js (worker/engine-thread.ts).
import { Worker } from 'node:worker_threads';
import type { StartEngineThread } from '../engine/executors/wasm-threads.js';
import type { FromEngineThread } from '../protocol/engine-thread-protocol.js';

/** @param file path of engine-thread.js */
export function engineThreads(file: string): StartEngineThread {
  return (onMessage, onDeath) => {
    const worker = new Worker(file, { name: 'engine', execArgv: [] });
    let isOver = false;
    const over = (reason: string): void => {
      if (isOver) return;
      isOver = true;
      onDeath(reason);
    };
    worker.on('message', (message: FromEngineThread) => {
      onMessage(message);
    });
    worker.on('error', error => {
      over(error instanceof Error ? error.message : String(error));
    });
    worker.on('exit', code => {
      over(`exit code ${code}`);
    });
    return {
      post: message => {
        worker.postMessage(message);
      },
      hold: isHeld => {
        if (isHeld) worker.ref();
        else worker.unref();
      },
      terminate: async () => {
        isOver = true;
        await worker.terminate();
      },
    };
  };
}
