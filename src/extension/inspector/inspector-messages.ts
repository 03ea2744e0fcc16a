// Messages between host and webview, checked and made fit for travel. The webview shows names and texts from files nobody
// trusts, so what comes back is checked like input: a message of another shape is dropped. Towards the webview everything
// becomes JSON: scalars that JSON cannot carry are sent as text.
import { errorData } from '../../core/problem.js';
import type { GgufScalar } from '../../core/gguf/gguf.js';
import type { FromInspector, InspectorRequest } from '../../protocol/inspector-protocol.js';
import { errorLine } from '../services/log.js';
import type { MetadataRow, ModelDescription } from '../../protocol/worker-protocol.js';

const COMMANDS = ['quantize', 'reload', 'openAsText', 'showLog'] as const;

/** Elements of an array that one request may ask for: a page, not a vocabulary. */
export const MAX_ARRAY_PAGE = 10_000;

/** Longest text the webview may put on the clipboard, UTF-16: a whole metadata string. */
const MAX_COPY = 16 * 1024 * 1024;

export function parseFromInspector(message: unknown): FromInspector | undefined {
  if (!isRecord(message)) return undefined;
  const { type, id, view, text } = message;
  switch (type) {
    case 'ready':
      return { type };
    case 'shown':
      return view === 'model' || view === 'failed' ? { type, view } : undefined;
    case 'command': {
      const command = COMMANDS.find(name => name === message['command']);
      return command && { type, command };
    }
    case 'copy':
      return typeof text === 'string' && text.length <= MAX_COPY ? { type, text } : undefined;
    case 'request': {
      const request = parseRequest(message['request']);
      return request && Number.isSafeInteger(id) ? { type, id: id as number, request } : undefined;
    }
    default:
      return undefined;
  }
}

/** Who is told about messages of a webview. */
export interface MessageSink {
  /** Of a message of a known shape, before anything is done about it. */
  readonly record: (message: FromInspector) => void;
  /** Does what the message asks for. */
  readonly receive: (message: FromInspector) => Promise<void>;
  readonly log: { warn(text: string): void; error(text: string): void };
}

/** Takes one message of a webview. Never rejects: what cannot be done is logged, and the next message is taken. */
export async function takeMessage(raw: unknown, { record, receive, log }: MessageSink): Promise<void> {
  const message = parseFromInspector(raw);
  if (message === undefined) {
    log.warn('The inspector view sent a message of an unknown shape; it was dropped.');
    return;
  }
  record(message);
  try {
    await receive(message);
  } catch (error) {
    const what = message.type === 'command' ? `${message.type} "${message.command}"` : message.type;
    log.error(`The inspector's ${what} failed: ${errorLine(errorData(error))}`);
  }
}

function parseRequest(request: unknown): InspectorRequest | undefined {
  if (!isRecord(request) || typeof request['key'] !== 'string') return undefined;
  const { kind, key, start, count } = request;
  if (kind === 'string') return { kind, key };
  if (kind !== 'array' || !isIndex(start) || !isIndex(count) || count > MAX_ARRAY_PAGE) return undefined;
  return { kind, key, start, count };
}

/** The description with every scalar in a form that survives JSON. */
export function sendableModel(model: ModelDescription): ModelDescription {
  return { ...model, metadata: model.metadata.map(sendableRow) };
}

function sendableRow(row: MetadataRow): MetadataRow {
  return {
    ...row,
    ...(row.value === undefined ? {} : { value: sendableScalar(row.value) }),
    ...(row.array === undefined ? {} : { array: { ...row.array, head: row.array.head.map(sendableScalar) } }),
  };
}

/** 64-bit integers beyond 2^53 in decimal; NaN, infinities and negative zero, which JSON would make null or 0, by name. */
export function sendableScalar(value: GgufScalar): GgufScalar {
  if (typeof value === 'bigint') return value.toString();
  if (typeof value !== 'number') return value;
  if (Object.is(value, -0)) return '-0';
  return Number.isFinite(value) ? value : String(value);
}

function isIndex(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
