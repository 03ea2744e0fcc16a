// The kinds of servers that can complete; settings, the picker and messages derive from this table.
import { llamaServer } from './llama-server.js';
import { ollama } from './ollama.js';
import { openai } from './openai.js';
import type { ServerKind, ServerProtocol } from './server-protocol.js';

export const SERVERS: readonly ServerProtocol[] = [llamaServer, ollama, openai];

export function serverProtocol(kind: ServerKind): ServerProtocol {
  return SERVERS.find(server => server.kind === kind) ?? llamaServer;
}

export function isServerKind(value: unknown): value is ServerKind {
  return SERVERS.some(({ kind }) => kind === value);
}
