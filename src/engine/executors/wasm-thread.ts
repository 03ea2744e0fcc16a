// One thread of a session as WebAssembly: an instance of its own over the session's memory, with a stack of its own.
// Absent on purpose: how a thread is started and how messages reach it (platform/engine-threads.ts and worker/engine-thread.ts).
import type { EngineThreadStart, FromEngineThread, ToEngineThread } from '../../protocol/engine-thread-protocol.js';
import { instantiate, type ThreadExports } from './wasm-module.js';

/** Answers the messages of one session; `post` sends to it. */
export function engineThread(post: (message: FromEngineThread) => void): (message: ToEngineThread) => void {
  let exports: ThreadExports | undefined;
  const start = async ({ module, memory, session, thread, stackEnd }: EngineThreadStart): Promise<void> => {
    exports = (await instantiate(module, memory)) as ThreadExports;
    const { __stack_pointer: stack } = exports;
    stack.value = typeof stack.value === 'bigint' ? BigInt(stackEnd) : stackEnd;
    post({ kind: 'ready' });
    if (thread !== 0) exports.session_help(session, thread);
  };
  const fail = (error: unknown): void => {
    post({ kind: 'failed', message: error instanceof Error ? error.message : String(error) });
  };
  return message => {
    if (message.kind === 'start') {
      start(message).catch(fail);
      return;
    }
    try {
      if (!exports) throw new Error('a step before the start');
      post({ kind: 'stepped', status: exports.session_step(...message.integers) });
    } catch (error) {
      fail(error);
    }
  };
}
