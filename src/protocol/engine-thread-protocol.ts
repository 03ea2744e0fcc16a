// Every message between a session of the executor as WebAssembly and its threads (engine/executors/wasm-threads.ts,
// wasm-thread.ts). A thread is started once, says that it is ready, and lives until it is terminated. Thread 0 makes the
// steps it is asked for, one at a time; the others say nothing any more, because they meet thread 0 in shared memory.

export interface EngineThreadStart {
  readonly kind: 'start';
  /** A WebAssembly.Module. */
  readonly module: object;
  /** The WebAssembly.Memory that all threads share. */
  readonly memory: object;
  /** The session's address. */
  readonly session: number;
  readonly thread: number;
  /** End of the stack that is this thread's own; it grows down. */
  readonly stackEnd: number;
}

export interface EngineStep {
  readonly kind: 'step';
  /** Of session_step. */
  readonly integers: readonly number[];
}

export type ToEngineThread = EngineThreadStart | EngineStep;

export type FromEngineThread =
  | { readonly kind: 'ready' }
  | { readonly kind: 'stepped'; readonly status: number }
  | { readonly kind: 'failed'; readonly message: string };
