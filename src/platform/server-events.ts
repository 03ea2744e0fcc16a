// What a server streams, event by event: each as its kind of server means it. An answer ends with the event that says so; a
// connection that ends before is a failure.
import { badAnswer, EventLines } from '../core/completion/servers/event-lines.js';
import { brokenOffFailure, eventFailure, type Asked } from '../core/completion/servers/server-failure.js';
import type { JsonObject, ServerEvent } from '../core/completion/servers/server-protocol.js';
import { errorFromData } from '../core/problem.js';

/** An answer that is complete is read to its end for so long, so that the connection can be used again. */
const DRAIN_MS = 1000;

export class EventReader {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  readonly #lines: EventLines;
  readonly #asked: Asked;
  readonly #signal: AbortSignal;
  #waiting: JsonObject[] = [];
  #isOver = false;
  #understood = 0;

  constructor(response: Response, asked: Asked, signal: AbortSignal) {
    this.#reader = (response.body as ReadableStream<Uint8Array> | null)?.getReader();
    this.#lines = new EventLines(asked.protocol.format);
    this.#asked = asked;
    this.#signal = signal;
  }

  /** Rejects if there is no other: the last one says that it is the last. */
  async next(): Promise<ServerEvent> {
    for (;;) {
      const event = this.#waiting.shift();
      if (event === undefined) {
        if (this.#isOver && this.#understood > 0) throw errorFromData(brokenOffFailure(this.#asked));
        if (this.#isOver) throw badAnswer('has no event that is understood');
        await this.#read();
        continue;
      }
      const failure = eventFailure(event, this.#asked);
      if (failure) throw errorFromData(failure);
      const read = this.#asked.protocol.readEvent(event);
      if (!read) continue;
      this.#understood++;
      return read;
    }
  }

  /** Reads what comes after the last event, so that the connection is free for the next request. */
  async drain(stop: AbortController): Promise<void> {
    const timer = setTimeout(() => {
      stop.abort();
    }, DRAIN_MS);
    timer.unref();
    try {
      while (!this.#isOver) await this.#read();
    } catch {
      // The answer is complete; what follows it does not matter.
    } finally {
      clearTimeout(timer);
      stop.abort();
    }
  }

  async #read(): Promise<void> {
    let piece;
    try {
      piece = await this.#reader?.read();
    } catch (error) {
      if (this.#signal.aborted) throw error;
      throw errorFromData(brokenOffFailure(this.#asked));
    }
    this.#isOver = piece === undefined || piece.done;
    this.#waiting.push(
      ...(piece?.value ? this.#lines.push(piece.value) : []),
      ...(this.#isOver ? this.#lines.end() : []),
    );
  }
}
