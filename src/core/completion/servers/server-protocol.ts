// What completing code by a server needs to know of the server: where it is asked, in which words, and what its answers mean.
// One file per kind of server implements it, all without I/O; platform/completion-server.ts speaks with them.
import type { ErrorData } from '../../problem.js';
import type { FimFamily } from '../fim-families.js';
import type { CursorText } from '../fim-prompt.js';

export type ServerKind = 'llama-server' | 'ollama' | 'openai';

/** A piece of another file, for servers that take such. */
export interface ContextPiece {
  readonly name: string;
  readonly text: string;
}

/** Of which model a server is asked, and how. */
export interface ServerModel {
  /** As the server calls it; '' for the only one it has. */
  readonly model: string;
  /** Whose tokens are put around prefix and suffix; undefined: the server does that itself. */
  readonly family: FimFamily | undefined;
}

export interface ServerAsk extends CursorText, ServerModel {
  readonly maxTokens: number;
  /** For servers that stop by themselves. */
  readonly budgetMs: number;
  readonly extra: readonly ContextPiece[];
}

export interface ServerCounts {
  /** Tokens of the prompt, those included that were evaluated before. */
  readonly promptTokens?: number;
  readonly reusedTokens?: number;
  readonly generatedTokens?: number;
  readonly promptMs?: number;
}

/** What one event of an answer says. */
export interface ServerEvent {
  /** More of the text. */
  readonly text?: string;
  /** It is the last; why it ended, as a sentence. */
  readonly end?: string;
  readonly counts?: ServerCounts;
  /** The prompt as the server made it. */
  readonly prompt?: string;
}

/** A question that is asked before the first completion, and what to think of its answer. */
export interface Probe {
  /** Relative to the endpoint. */
  readonly path: string;
  /** Sent as JSON; without one it is a GET. */
  readonly body?: JsonObject;
  /** Servers that do not have this path are as good. */
  readonly optional?: true;
  /** The model writes for it, and may be loaded first. */
  readonly isSlow?: true;
  /** What is wrong, if something is. */
  readonly judge?: (answer: JsonObject) => ErrorData | undefined;
}

export type JsonObject = Readonly<Record<string, unknown>>;

export interface ServerProtocol {
  readonly kind: ServerKind;
  /** How it is called in messages. */
  readonly label: string;
  /** Where such servers listen by default; '' if there is no such place. */
  readonly endpoint: string;
  readonly format: 'sse' | 'ndjson';
  completion(ask: ServerAsk): { readonly path: string; readonly body: JsonObject };
  /** The prompt as far as it is known here, for an explanation. */
  promptText(ask: ServerAsk): string;
  /** Undefined if the event says nothing that is understood. */
  readEvent(event: JsonObject): ServerEvent | undefined;
  probes(model: ServerModel): readonly Probe[];
  /** Where it lists its models, relative to the endpoint. */
  readonly modelsPath: string;
  readModels(answer: JsonObject): readonly string[] | undefined;
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function objectAt(value: unknown, key: string): JsonObject | undefined {
  const found = isObject(value) ? value[key] : undefined;
  return isObject(found) ? found : undefined;
}

export function stringAt(value: unknown, key: string): string | undefined {
  const found = isObject(value) ? value[key] : undefined;
  return typeof found === 'string' ? found : undefined;
}

export function numberAt(value: unknown, key: string): number | undefined {
  const found = isObject(value) ? value[key] : undefined;
  return typeof found === 'number' && Number.isFinite(found) ? found : undefined;
}

export function listAt(value: unknown, key: string): readonly unknown[] | undefined {
  const found = isObject(value) ? value[key] : undefined;
  return Array.isArray(found) ? found : undefined;
}

/** Without the keys that have no value. */
export function counts(of: { [key in keyof ServerCounts]: number | undefined }): ServerCounts {
  return Object.fromEntries(Object.entries(of).filter(([, value]) => value !== undefined));
}

/** What a list of models says against a wanted one. */
export function modelMissing(model: string, models: readonly string[] | undefined): ErrorData | undefined {
  if (model === '' || models === undefined) return undefined;
  if (models.includes(model) || models.includes(`${model}:latest`)) return undefined;
  const most = 8;
  const list = models.slice(0, most).join(', ') + (models.length > most ? `, and ${models.length - most} more` : '');
  return {
    code: 'server/no-such-model',
    message: `The server has no model "${model}".`,
    hint: `${list === '' ? 'It has none at all.' : `It has ${list}.`} Set quantsmith.completions.serverModel to one of its models.`,
  };
}
