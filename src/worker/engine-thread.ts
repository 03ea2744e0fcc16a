// A thread of the engine as WebAssembly, in Node (platform/engine-threads.ts starts it).
import { parentPort } from 'node:worker_threads';
import { engineThread } from '../engine/executors/wasm-thread.js';
import type { ToEngineThread } from '../protocol/engine-thread-protocol.js';

const port = parentPort;
if (!port) throw new Error('engine-thread.js is started by the engine, not by hand');
const answer = engineThread(message => {
  port.postMessage(message);
});
port.on('message', (message: ToEngineThread) => {
  answer(message);
});
