// How the two ends of a process boundary talk, whatever carries the messages. A message is one of five plain objects:
// a request {id, method, params}; its one response {id, result} or {id, error}; a notification {method, params}; and two
// notifications of our own about a request still open: `$/progress` {id, value} and, from the client, `$/cancel` {id}.
// Every request settles: by its response, or, when the transport closes, by an error that says why it closed. Cancelling
// only asks: the answer still comes from the serving end, once it has cleaned up. After dispose() nothing is sent.
import { QuantsmithError, errorData, errorFromData, type ErrorData } from '../core/problem.js';

/** Carries messages in order. Everything sent must survive structured clone. */
export interface Transport {
  send(message: unknown): void;
  /** Called once, before the first message can arrive. */
  onMessage(listener: (message: unknown) => void): void;
  /** The reason is what every open request is rejected with. */
  onClose(listener: (reason: ErrorData) => void): void;
}

/** Request name -> parameters, result and progress value (`never` if it reports none). */
export type RequestTable<T> = { readonly [M in keyof T]: { params: unknown; result: unknown; progress: unknown } };

export interface RequestOptions<Progress> {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((value: Progress) => void) | undefined;
}

/** Where a connection reports what it had to ignore: a malformed message, a response nobody waits for. */
export type ConnectionLog = (message: string) => void;

/** Progress of one request is sent at most every 100 ms: a person sees no more, and a fast job would flood the channel. */
export const PROGRESS_INTERVAL_MS = 100;

interface Pending {
  readonly method: string;
  resolve(result: unknown): void;
  reject(error: Error): void;
  readonly onProgress: ((value: never) => void) | undefined;
  forget(): void;
}

/** The asking end: sends requests, receives responses, progress and notifications. */
export class ConnectionClient<Requests extends RequestTable<Requests>, Notifications> {
  readonly #transport: Transport;
  readonly #log: ConnectionLog;
  readonly #pending = new Map<number, Pending>();
  readonly #listeners = new Map<keyof Notifications, (params: never) => void>();
  #nextId = 1;
  #closed: ErrorData | undefined;

  constructor(transport: Transport, log: ConnectionLog = () => undefined) {
    this.#transport = transport;
    this.#log = log;
    transport.onMessage(message => {
      this.#receive(message);
    });
    transport.onClose(reason => {
      this.#close(reason);
    });
  }

  /** Requests sent and not yet settled. */
  get pendingCount(): number {
    return this.#pending.size;
  }

  /**
   * Asks the other end. Rejects with the other end's coded error, with `cancelled` when the signal fired (once the other
   * end has answered), or with the transport's reason when it closes first.
   */
  request<M extends keyof Requests & string>(
    method: M,
    params: Requests[M]['params'],
    options: RequestOptions<Requests[M]['progress']> = {},
  ): Promise<Requests[M]['result']> {
    const { signal, onProgress } = options;
    if (this.#closed) return Promise.reject(errorFromData(this.#closed));
    if (signal?.aborted) return Promise.reject(cancelled());
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const cancel = (): void => {
        this.#transport.send({ method: '$/cancel', params: { id } });
      };
      this.#pending.set(id, {
        method,
        resolve,
        reject,
        onProgress,
        forget: () => {
          this.#pending.delete(id);
          signal?.removeEventListener('abort', cancel);
        },
      });
      signal?.addEventListener('abort', cancel, { once: true });
      this.#transport.send({ id, method, params });
    });
  }

  /** One listener per notification; a later one replaces the earlier. */
  onNotification<N extends keyof Notifications>(method: N, listener: (params: Notifications[N]) => void): void {
    this.#listeners.set(method, listener);
  }

  /** Rejects what is open and sends nothing more. */
  dispose(reason: ErrorData = { code: 'worker/gone', message: 'The connection was closed.' }): void {
    this.#close(reason);
  }

  #close(reason: ErrorData): void {
    if (this.#closed) return;
    this.#closed = reason;
    for (const pending of [...this.#pending.values()]) {
      pending.forget();
      pending.reject(errorFromData(reason));
    }
  }

  #receive(message: unknown): void {
    if (this.#closed) return;
    if (!isObject(message)) {
      this.#log(`ignored a message that is no object: ${shorten(message)}`);
    } else if (message['method'] === '$/progress') {
      const { id, value } = isObject(message['params']) ? message['params'] : {};
      if (typeof id === 'number') this.#pending.get(id)?.onProgress?.(value as never);
    } else if (typeof message['method'] === 'string') {
      const listener = this.#listeners.get(message['method'] as keyof Notifications);
      if (listener) listener(message['params'] as never);
      else this.#log(`ignored the notification ${message['method']}: nobody listens`);
    } else if (typeof message['id'] === 'number' && ('result' in message || isErrorData(message['error']))) {
      this.#settle(message['id'], message);
    } else {
      this.#log(`ignored a malformed message: ${shorten(message)}`);
    }
  }

  #settle(id: number, message: Record<string, unknown>): void {
    const pending = this.#pending.get(id);
    if (!pending) {
      this.#log(`ignored a response to request ${id}, which is not open`);
      return;
    }
    pending.forget();
    if (isErrorData(message['error'])) pending.reject(errorFromData(message['error']));
    else pending.resolve(message['result']);
  }
}

export interface HandlerContext<Progress> {
  /** Fires when the client cancels and when the connection closes. */
  readonly signal: AbortSignal;
  /** Throttled here, see PROGRESS_INTERVAL_MS: call it as often as is convenient. */
  readonly progress: (value: Progress) => void;
}

export type Handlers<Requests extends RequestTable<Requests>> = {
  readonly [M in keyof Requests]: (
    params: Requests[M]['params'],
    context: HandlerContext<Requests[M]['progress']>,
  ) => Promise<Requests[M]['result']> | Requests[M]['result'];
};

/** The serving end: answers every request exactly once, sends progress and notifications. */
export class ConnectionServer<Requests extends RequestTable<Requests>, Notifications> {
  readonly #transport: Transport;
  readonly #log: ConnectionLog;
  readonly #clock: () => number;
  readonly #open = new Map<number, AbortController>();
  #handlers: Handlers<Requests> | undefined;
  #closed = false;

  /** `clock` gives milliseconds and decides what is throttled. */
  constructor(
    transport: Transport,
    handlers: Handlers<Requests>,
    log: ConnectionLog = () => undefined,
    clock: () => number = Date.now,
  ) {
    this.#transport = transport;
    this.#handlers = handlers;
    this.#log = log;
    this.#clock = clock;
    transport.onMessage(message => {
      this.#receive(message);
    });
    transport.onClose(() => {
      this.dispose();
    });
  }

  /** Requests being worked on. */
  get openCount(): number {
    return this.#open.size;
  }

  notify<N extends keyof Notifications & string>(method: N, params: Notifications[N]): void {
    if (!this.#closed) this.#transport.send({ method, params });
  }

  /** Cancels what is being worked on; its answers are not sent. */
  dispose(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const controller of this.#open.values()) controller.abort(cancelled());
    this.#handlers = undefined;
  }

  #receive(message: unknown): void {
    if (this.#closed) return;
    const { id, method, params } = isObject(message) ? message : {};
    if (method === '$/cancel' && isObject(params) && typeof params['id'] === 'number') {
      // An id that is not open is the normal race of a cancel with its answer.
      this.#open.get(params['id'])?.abort(cancelled());
    } else if (typeof id === 'number' && typeof method === 'string') {
      if (this.#open.has(id)) this.#log(`ignored a second request with the id ${id} (${method})`);
      else void this.#serve(id, method, params);
    } else {
      this.#log(`ignored a malformed message: ${shorten(message)}`);
    }
  }

  async #serve(id: number, method: string, params: unknown): Promise<void> {
    const controller = new AbortController();
    this.#open.set(id, controller);
    const answer = await this.#answer(id, method, params, controller);
    this.#open.delete(id);
    if (this.#closed) return;
    try {
      this.#transport.send({ id, ...answer });
    } catch (error) {
      // A result that does not survive structured clone: still an answer.
      const message = `The result of ${method} could not be sent: ${errorData(error).message}`;
      this.#transport.send({ id, error: { code: 'internal', message } satisfies ErrorData });
    }
  }

  async #answer(
    id: number,
    method: string,
    params: unknown,
    controller: AbortController,
  ): Promise<{ result: unknown } | { error: ErrorData }> {
    if (!this.#handlers || !Object.hasOwn(this.#handlers, method)) {
      const message = `This end does not know the request ${method}.`;
      return {
        error: {
          code: 'protocol/unknown-method',
          message,
          hint: 'The two ends are from different versions: reload the window.',
        },
      };
    }
    let last = -Infinity;
    const progress = (value: unknown): void => {
      if (this.#closed || !this.#open.has(id) || this.#clock() - last < PROGRESS_INTERVAL_MS) return;
      last = this.#clock();
      this.#transport.send({ method: '$/progress', params: { id, value } });
    };
    try {
      const handler = this.#handlers[method as keyof Requests];
      return { result: (await handler(params, { signal: controller.signal, progress })) ?? null };
    } catch (error) {
      return { error: errorData(error) };
    }
  }
}

/** What a request that was cancelled is rejected with. */
export function cancelled(): QuantsmithError {
  return new QuantsmithError('cancelled', 'Cancelled.');
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isErrorData(value: unknown): value is ErrorData {
  return isObject(value) && typeof value['code'] === 'string' && typeof value['message'] === 'string';
}

/** A message for a log line: its type, or the first 200 characters of its JSON. */
function shorten(message: unknown): string {
  try {
    return JSON.stringify(message, (_key, value: unknown) => (typeof value === 'bigint' ? String(value) : value)).slice(
      0,
      200,
    );
  } catch {
    return typeof message;
  }
}
