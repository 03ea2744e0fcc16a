// A thread of the engine in a browser: a Web Worker (in Node: src/worker/engine-thread.ts).
import { engineThread } from '../../../src/engine/executors/wasm-thread.ts';

const answer = engineThread(message => postMessage(message));
addEventListener('message', ({ data }) => answer(data));
