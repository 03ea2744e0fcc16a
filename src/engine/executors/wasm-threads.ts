// The threads of a session as WebAssembly. Thread 0 makes the steps, so that the thread that asks for them is never blocked;
// the others help it. They have nothing that is worth an orderly end: whenever the session ends or one of them dies, all are
// terminated, wherever they are, and their memory goes with them.
import type { EngineThreadStart, FromEngineThread, ToEngineThread } from '../../protocol/engine-thread-protocol.js';
import { QuantsmithError } from '../../core/problem.js';

/** A thread of the platform that answers with engineThread(). */
export interface EngineThread {
  post(message: ToEngineThread): void;
  /** Whether the process must not end while it lives. */
  hold(isHeld: boolean): void;
  /** Ends it in the middle of whatever it does; resolves when it is gone. */
  terminate(): Promise<void>;
}

/** @param onDeath called once if it ends unasked, with the reason; also when it cannot be started */
export type StartEngineThread = (
  onMessage: (message: FromEngineThread) => void,
  onDeath: (reason: string) => void,
) => EngineThread;

interface Waiting {
  readonly resolve: (status: number) => void;
  readonly reject: (error: Error) => void;
}

export class WasmThreads {
  readonly #threads: EngineThread[] = [];
  #waiting: Waiting | undefined;
  #missing: number;
  #failure: Error | undefined;
  #isEnded = false;

  private constructor(count: number) {
    this.#missing = count;
  }

  /** @throws QuantsmithError `engine/thread-failed`: one cannot be started; then none is left */
  static async start(
    startThread: StartEngineThread,
    starts: readonly Omit<EngineThreadStart, 'kind'>[],
  ): Promise<WasmThreads> {
    const team = new WasmThreads(starts.length);
    const ready = new Promise<number>((resolve, reject) => {
      team.#waiting = { resolve, reject };
    });
    try {
      for (const start of starts) {
        const thread = startThread(
          message => {
            team.#receive(message);
          },
          reason => {
            team.#fail(reason);
          },
        );
        team.#threads.push(thread);
        thread.post({ kind: 'start', ...start });
      }
      await ready;
    } catch (error) {
      team.#fail(error instanceof Error ? error.message : String(error));
      await ready.catch(() => undefined);
      await team.end();
      throw team.#failure ?? error;
    }
    team.#hold(false);
    return team;
  }

  /** Makes a step; resolves to its status. */
  async step(integers: readonly number[]): Promise<number> {
    if (this.#failure) throw this.#failure;
    this.#hold(true);
    try {
      return await new Promise((resolve, reject) => {
        this.#waiting = { resolve, reject };
        this.#threads[0]?.post({ kind: 'step', integers });
      });
    } finally {
      this.#hold(false);
    }
  }

  /** Terminates all. */
  async end(): Promise<void> {
    this.#isEnded = true;
    await Promise.all(this.#threads.map(thread => thread.terminate()));
  }

  #hold(isHeld: boolean): void {
    for (const thread of this.#threads) thread.hold(isHeld);
  }

  #receive(message: FromEngineThread): void {
    if (message.kind === 'failed') this.#fail(message.message);
    else if (message.kind === 'stepped') this.#waiting?.resolve(message.status);
    else if (--this.#missing === 0) this.#waiting?.resolve(0);
  }

  /** The others may wait for the one that died, forever: none can be used any more. */
  #fail(reason: string): void {
    if (this.#failure || this.#isEnded) return;
    this.#failure = new QuantsmithError(
      'engine/thread-failed',
      `A thread of the engine ended: ${reason.replace(/\.$/, '')}.`,
      'Open the model again; with less memory in use if memory was short.',
    );
    this.#waiting?.reject(this.#failure);
    void this.end();
  }
}
