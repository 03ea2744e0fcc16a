// Bytes as they come to the JSON objects that are in them: server-sent events, or an object per line.
//
//   SSE      data: {"content":"a"}\n\ndata: {"content":"b"}\n\ndata: [DONE]\n\n      (a comment: ":…", other fields: left out)
//   NDJSON   {"response":"a"}\n{"response":"b"}\n
//
// A character may be cut anywhere between two pieces. Lines and answers have limits, because a server may be anything.
import { QuantsmithError } from '../../problem.js';
import { printable } from '../../text/printable.js';
import { isObject, type JsonObject } from './server-protocol.js';

/** llama-server's last event repeats the prompt and all its settings: some 20 KB. */
const MOST_LINE = 1 << 20;
/** 256 events of the longest completion have 100 KB with llama-server's timings. */
const MOST_ANSWER = 8 << 20;

/** What ends a stream of OpenAI's kind; its end is said before, by `finish_reason`. */
const DONE = '[DONE]';

export class EventLines {
  readonly #format: 'sse' | 'ndjson';
  readonly #decoder = new TextDecoder();
  #line: string[] = [];
  #length = 0;
  #total = 0;
  #data: string[] = [];
  #endsWithReturn = false;

  constructor(format: 'sse' | 'ndjson') {
    this.#format = format;
  }

  /** The objects that these bytes complete. @throws QuantsmithError `server/bad-answer` */
  push(bytes: Uint8Array): JsonObject[] {
    this.#total += bytes.length;
    if (this.#total > MOST_ANSWER) throw badAnswer(`is longer than ${MOST_ANSWER >> 20} MB`);
    return this.#text(this.#decoder.decode(bytes, { stream: true }));
  }

  /** The objects that the end completes. */
  end(): JsonObject[] {
    const last = this.#text(this.#decoder.decode());
    return [...last, ...(this.#line.length > 0 ? this.#take() : []), ...this.#event()];
  }

  #text(text: string): JsonObject[] {
    const found: JsonObject[] = [];
    // \r\n in two pieces is one end of a line.
    const rest = this.#endsWithReturn && text.startsWith('\n') ? text.slice(1) : text;
    if (text !== '') this.#endsWithReturn = text.endsWith('\r');
    const lines = rest.split(/\r\n|\n|\r/);
    for (const [i, line] of lines.entries()) {
      if (line !== '') this.#line.push(line);
      this.#length += line.length;
      if (this.#length > MOST_LINE) throw badAnswer(`has a line of more than ${MOST_LINE >> 20} MB`);
      if (i < lines.length - 1) found.push(...this.#take());
    }
    return found;
  }

  /** The line that is complete. */
  #take(): JsonObject[] {
    const line = this.#line.join('');
    this.#line = [];
    this.#length = 0;
    if (this.#format === 'ndjson') return line.trim() === '' ? [] : [parse(line)];
    if (line === '') return this.#event();
    const [, field, value = ''] = /^(\w*): ?(.*)$/s.exec(line) ?? [];
    if (field === 'data') this.#data.push(value);
    // What older llama-servers call their errors.
    else if (field === 'error') return [{ error: parse(value) }];
    return [];
  }

  #event(): JsonObject[] {
    const data = this.#data.join('\n');
    this.#data = [];
    return data === '' || data === DONE ? [] : [parse(data)];
  }
}

function parse(text: string): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw badAnswer(`has "${printable(text, { limit: 80 })}" where JSON is expected`);
  }
  if (isObject(value)) return value;
  throw badAnswer(`has "${printable(text, { limit: 80 })}" where an object is expected`);
}

export function badAnswer(why: string): QuantsmithError {
  return new QuantsmithError(
    'server/bad-answer',
    `The answer of the server ${why}.`,
    'Check that quantsmith.completions.engine names the kind of server that is at the address.',
  );
}
