// Completing code by a server: asks it by HTTP, reads what it streams, and stops where the local model would: by the same rules
// for a text that is enough, and the same time from the first token. Whatever happens, a request settles: with a text, with a
// coded error, or, at once, with the reason of its cancellation. Redirects are not followed: key and code would go with them.
import { completionLimit } from '../core/completion/completion-limit.js';
import type { CursorText } from '../core/completion/fim-prompt.js';
import type { Endpoint } from '../core/completion/servers/endpoint.js';
import { badAnswer } from '../core/completion/servers/event-lines.js';
import {
  connectionFailure,
  contentTypeFailure,
  statusFailure,
  timeoutFailure,
  type Asked,
} from '../core/completion/servers/server-failure.js';
import {
  isObject,
  type ContextPiece,
  type JsonObject,
  type Probe,
  type ServerAsk,
  type ServerCounts,
  type ServerModel,
  type ServerProtocol,
} from '../core/completion/servers/server-protocol.js';
import { serverWindow } from '../core/completion/servers/server-window.js';
import { errorFromData, QuantsmithError } from '../core/problem.js';
import { EventReader } from './server-events.js';

export interface ServerChoice extends ServerModel {
  readonly protocol: ServerProtocol;
  readonly endpoint: Endpoint;
  /** What the server wants to see before it answers; asked for with every request. */
  readonly key: () => Promise<string | undefined>;
}

export interface ServerRequest extends CursorText {
  readonly multiline: boolean;
  readonly maxTokens: number;
  /** From the first token; what exists then is the answer. */
  readonly budgetMs: number;
  readonly extra?: readonly ContextPiece[];
}

export interface ServerAnswer extends ServerCounts {
  readonly text: string;
  /** Why it ends, as a sentence. */
  readonly stop: string;
  readonly prompt: string;
  readonly waitMs: number;
  /** To the first token, the way to the server included. */
  readonly promptMs: number;
  readonly generateMs: number;
}

export interface ServerContext {
  readonly signal: AbortSignal;
  /** Gets the whole text so far. */
  readonly onText?: (text: string) => void;
}

/** For a list, and for what else is answered without a model. */
const QUICK_MS = 10_000;
/** To the first token: a CPU reads a prompt of 1,300 tokens in 3 to 20 s. */
const FIRST_MS = 60_000;
/** Ollama loads a model with the first request for it. */
const LOAD_MS = 300_000;
/** What is read of an error, and of a list of models. */
const MOST_ERROR = 64 << 10;
const MOST_JSON = 8 << 20;
/** Fewer evaluated tokens say nothing about the speed. */
const MEASURED_TOKENS = 32;

const CONTENT_TYPES = { sse: 'text/event-stream', ndjson: 'application/x-ndjson' } as const;

export class CompletionServer {
  readonly #choice: ServerChoice;
  /** Tokens a second that it read a prompt at. */
  #promptSpeed: number | undefined;

  constructor(choice: ServerChoice) {
    this.#choice = choice;
  }

  /** The models that it lists. */
  async models(signal: AbortSignal): Promise<readonly string[]> {
    const { protocol } = this.#choice;
    const answer = await this.#json({ path: protocol.modelsPath }, QUICK_MS, signal);
    const models = protocol.readModels(answer);
    if (models) return models;
    throw badAnswer('has no list of models');
  }

  /** Resolves if it has the model and can fill in a middle; rejects with what is wrong. */
  async check(signal: AbortSignal): Promise<void> {
    const { protocol, model, family } = this.#choice;
    for (const probe of protocol.probes({ model, family })) {
      let answer: JsonObject;
      try {
        answer = await this.#json(probe, probe.isSlow ? LOAD_MS : QUICK_MS, signal);
      } catch (error) {
        if (probe.optional && isMissing(error)) continue;
        throw error;
      }
      const wrong = probe.judge?.(answer);
      if (wrong) throw errorFromData(wrong);
    }
    await this.#run(
      { prefix: 'def add(', suffix: '):\n    return a + b\n', multiline: false, maxTokens: 1, budgetMs: LOAD_MS },
      LOAD_MS,
      { signal },
    );
  }

  /** The model's text at a cursor. */
  complete(request: ServerRequest, context: ServerContext): Promise<ServerAnswer> {
    return this.#run(request, FIRST_MS, context);
  }

  async #run(request: ServerRequest, firstMs: number, { signal, onText }: ServerContext): Promise<ServerAnswer> {
    signal.throwIfAborted();
    const { protocol, model, family } = this.#choice;
    const { multiline, maxTokens, budgetMs, extra = [] } = request;
    const window = serverWindow(request, this.#promptSpeed);
    const ask: ServerAsk = { ...window, model, family, maxTokens, budgetMs, extra };
    const { path, body } = protocol.completion(ask);
    const asked = this.#asked(path);
    const limit = completionLimit(request, multiline);
    const stop = new AbortController();
    const cancel = (): void => {
      stop.abort(signal.reason);
    };
    signal.addEventListener('abort', cancel, { once: true });
    let timer = setTimeout(() => {
      stop.abort(errorFromData(timeoutFailure(firstMs / 1000, asked)));
    }, firstMs);
    const start = performance.now();
    let [first, text, prompt]: [number | undefined, string, string] = [undefined, '', protocol.promptText(ask)];
    let counted: ServerCounts = {};
    let why: string | undefined;
    const time = { isUp: false };
    try {
      const response = await this.#open({ path, body }, stop.signal);
      checkContentType(response, CONTENT_TYPES[protocol.format], asked);
      const events = new EventReader(response, asked, stop.signal);
      while (why === undefined) {
        const event = await events.next();
        if (event.prompt !== undefined) prompt = event.prompt;
        counted = { ...counted, ...event.counts };
        if (event.text !== undefined && event.text !== '') {
          if (first === undefined) {
            first = performance.now();
            clearTimeout(timer);
            timer = setTimeout(() => {
              time.isUp = true;
              stop.abort();
            }, budgetMs);
          }
          text += event.text;
          onText?.(text);
          why = limit(text);
        }
        why ??= event.end;
        if (event.end !== undefined) void events.drain(stop);
        else if (why !== undefined) stop.abort();
      }
    } catch (error) {
      // The time that was set, not the one that the server took.
      if (!time.isUp || signal.aborted) {
        stop.abort();
        signal.throwIfAborted();
        throw error;
      }
      why = 'The time was up.';
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', cancel);
    }
    this.#measure(counted);
    const end = performance.now();
    return {
      ...{ text, stop: why, prompt, ...counted, waitMs: 0 },
      ...{ promptMs: (first ?? end) - start, generateMs: end - (first ?? end) },
    };
  }

  #measure({ promptTokens, reusedTokens = 0, promptMs }: ServerCounts): void {
    if (promptTokens === undefined || promptMs === undefined || promptMs <= 0) return;
    const evaluated = promptTokens - reusedTokens;
    if (evaluated >= MEASURED_TOKENS) this.#promptSpeed = (evaluated / promptMs) * 1000;
  }

  /** A question with an answer of one JSON object. */
  async #json(probe: Pick<Probe, 'path' | 'body'>, milliseconds: number, signal: AbortSignal): Promise<JsonObject> {
    const asked = this.#asked(probe.path);
    const stop = new AbortController();
    const cancel = (): void => {
      stop.abort(signal.reason);
    };
    signal.throwIfAborted();
    signal.addEventListener('abort', cancel, { once: true });
    const timer = setTimeout(() => {
      stop.abort(errorFromData(timeoutFailure(milliseconds / 1000, asked)));
    }, milliseconds);
    try {
      const response = await this.#open(probe, stop.signal);
      checkContentType(response, 'application/json', asked);
      const { text, isWhole } = await beginning(response, MOST_JSON);
      if (!isWhole) throw badAnswer(`is longer than ${MOST_JSON >> 20} MB`);
      return parseObject(text);
    } catch (error) {
      if (stop.signal.aborted) throw stop.signal.reason as Error;
      throw failed(error, asked);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', cancel);
      stop.abort();
    }
  }

  /** A response whose status is a success; its body is to be read. */
  async #open({ path, body }: Pick<Probe, 'path' | 'body'>, signal: AbortSignal): Promise<Response> {
    const { endpoint, key } = this.#choice;
    const asked = this.#asked(path);
    const secret = await key();
    signal.throwIfAborted();
    const send = (): Promise<Response> =>
      fetch(`${endpoint.base}/${path}`, {
        method: body ? 'POST' : 'GET',
        headers: {
          accept: '*/*',
          ...(body ? { 'content-type': 'application/json' } : {}),
          ...(secret === undefined ? {} : { authorization: `Bearer ${secret}` }),
        },
        ...(body ? { body: JSON.stringify(body) } : {}),
        redirect: 'manual',
        signal,
      });
    try {
      // A connection that was kept may have been closed by the server in this moment; nothing has been answered then.
      const response = await send().catch((error: unknown) => {
        if (signal.aborted || !RESET.has(codeOf(error))) throw error;
        return send();
      });
      if (response.ok) return response;
      const location = response.headers.get('location');
      throw errorFromData(
        statusFailure(
          {
            status: response.status,
            ...(location === null ? {} : { location }),
            body: (await beginning(response, MOST_ERROR)).text,
          },
          asked,
        ),
      );
    } catch (error) {
      if (signal.aborted) throw signal.reason as Error;
      throw failed(error, asked);
    }
  }

  #asked(path: string): Asked {
    const { protocol, endpoint, model } = this.#choice;
    return { protocol, endpoint, model, path };
  }
}

/** Reads a body up to a number of bytes, and gives the rest up. */
async function beginning(
  { body }: Response,
  most: number,
): Promise<{ readonly text: string; readonly isWhole: boolean }> {
  const reader = (body as ReadableStream<Uint8Array> | null)?.getReader();
  const pieces: Uint8Array[] = [];
  let length = 0;
  while (reader) {
    const { done, value } = await reader.read();
    if (done) break;
    pieces.push(value);
    length += value.length;
    if (length <= most) continue;
    await reader.cancel();
    break;
  }
  return { text: new TextDecoder().decode(Buffer.concat(pieces).subarray(0, most)), isWhole: length <= most };
}

function parseObject(text: string): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  if (isObject(value)) return value;
  throw badAnswer('is no JSON object');
}

function checkContentType(response: Response, expected: string, asked: Asked): void {
  const found = response.headers.get('content-type');
  if (found?.split(';')[0]?.trim().toLowerCase() === expected) return;
  void response.body?.cancel();
  throw errorFromData(contentTypeFailure(found, expected, asked));
}

const RESET: ReadonlySet<string> = new Set(['ECONNRESET', 'UND_ERR_SOCKET', 'EPIPE']);

/** What went wrong under an error of fetch, which says nothing itself. */
function causeOf(error: unknown): unknown {
  let cause = error;
  while (cause instanceof Error && cause.cause !== undefined) cause = cause.cause;
  // Of `localhost`, which is two addresses, both were tried.
  return cause instanceof AggregateError ? (cause.errors[0] as unknown) : cause;
}

function codeOf(error: unknown): string {
  const cause = causeOf(error);
  return cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? cause.code : '';
}

/** A failure of the connection as an error of ours; errors of ours as they are. */
function failed(error: unknown, asked: Asked): unknown {
  if (error instanceof QuantsmithError || !(error instanceof Error)) return error;
  const cause = causeOf(error);
  return errorFromData(connectionFailure(codeOf(error), cause instanceof Error ? cause.message : '', asked));
}

function isMissing(error: unknown): boolean {
  return error instanceof QuantsmithError && error.code === 'server/not-found';
}
