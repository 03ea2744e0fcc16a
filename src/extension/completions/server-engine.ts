// A server as what completes. Nothing is sent before the first completion is asked for, nor in a workspace that is not trusted.
import * as vscode from 'vscode';
import { isLoopback, parseEndpoint, type Endpoint } from '../../core/completion/servers/endpoint.js';
import { fimFamilyByName } from '../../core/completion/servers/fim-text.js';
import type { ServerKind, ServerProtocol } from '../../core/completion/servers/server-protocol.js';
import { serverProtocol } from '../../core/completion/servers/server-table.js';
import { QuantsmithError } from '../../core/problem.js';
import { CompletionServer } from '../../platform/completion-server.js';
import type {
  CompletionEngine,
  EngineAnswer,
  EngineContext,
  EngineRequest,
  ServerFacts,
  ServerPlace,
} from './completion-engine.js';
import type { ServerKeys } from './server-keys.js';

/** The server of the settings. */
export interface ServerSettings {
  readonly kind: ServerKind;
  /** '' for where such servers are by default. */
  readonly endpoint: string;
  readonly model: string;
  /** Of the table of families; '' if the server makes the prompt. */
  readonly fimFamily: string;
}

/** A server that was not there is tried again with the first completion after this. */
const RETRY_MS = 3000;
/** It has time for others only, or lost one answer; the next may be good. */
const PASSING: ReadonlySet<string> = new Set(['server/busy', 'server/timeout', 'server/broken-off', 'server/refused']);

export class ServerEngine implements CompletionEngine<ServerFacts> {
  readonly id: string;
  readonly name: string;
  readonly server: ServerPlace;
  readonly retryMs = RETRY_MS;
  readonly #settings: ServerSettings;
  readonly #protocol: ServerProtocol;
  /** Or why there is none: the address is none. */
  readonly #endpoint: Endpoint | QuantsmithError;
  readonly #client: CompletionServer | QuantsmithError;

  constructor(settings: ServerSettings, keys: ServerKeys) {
    const { kind, endpoint: address, model, fimFamily } = settings;
    this.#settings = settings;
    this.#protocol = serverProtocol(kind);
    const { label } = this.#protocol;
    const endpoint = endpointOf(address, this.#protocol);
    this.#endpoint = endpoint;
    this.#client = endpoint instanceof QuantsmithError ? endpoint : clientOf(endpoint, settings, keys);
    this.server =
      endpoint instanceof QuantsmithError
        ? { host: 'an address that is none', isClear: false }
        : { host: endpoint.host, isClear: endpoint.isClear, isLocal: isLoopback(new URL(endpoint.base).hostname) };
    const base = endpoint instanceof QuantsmithError ? address : endpoint.base;
    const details = [label, model === '' ? '' : `model ${model}`, fimFamily === '' ? '' : `prompt of ${fimFamily}`];
    this.id = `${base} (${details.filter(text => text !== '').join(', ')})`;
    this.name = `${label} at ${this.server.host}`;
  }

  async load(): Promise<ServerFacts> {
    const start = performance.now();
    const endpoint = this.#endpoint;
    if (endpoint instanceof QuantsmithError) throw endpoint;
    const { signal } = new AbortController();
    await this.#ready().check(signal);
    const { model, fimFamily } = this.#settings;
    return {
      ...{ server: this.#protocol.label, base: endpoint.base, model },
      family: fimFamily === '' ? undefined : fimFamily,
      seconds: (performance.now() - start) / 1000,
    };
  }

  async complete(request: EngineRequest, { signal, onProgress }: EngineContext): Promise<EngineAnswer> {
    // Text of other files leaves this machine for nobody: the settings promise servers what stands around the cursor.
    const extra = this.server.isLocal === true ? request.files?.pieces : undefined;
    return this.#ready().complete({ ...request, ...(extra ? { extra } : {}) }, { signal, onText: onProgress });
  }

  isLost(code: string): boolean {
    return code.startsWith('server/') && !PASSING.has(code);
  }

  #ready(): CompletionServer {
    assertTrusted(this.name);
    if (this.#client instanceof QuantsmithError) throw this.#client;
    return this.#client;
  }
}

/** Lists the models of a server. */
export async function serverModels(
  settings: ServerSettings,
  keys: ServerKeys,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const endpoint = parseEndpoint(settings.endpoint, serverProtocol(settings.kind));
  return clientOf(endpoint, settings, keys).models(signal);
}

function clientOf(endpoint: Endpoint, settings: ServerSettings, keys: ServerKeys): CompletionServer {
  const { kind, model, fimFamily } = settings;
  return new CompletionServer({
    ...{ protocol: serverProtocol(kind), endpoint, model, family: fimFamilyByName(fimFamily) },
    key: () => keys.get(endpoint.origin),
  });
}

function endpointOf(text: string, protocol: ServerProtocol): Endpoint | QuantsmithError {
  try {
    return parseEndpoint(text, protocol);
  } catch (error) {
    if (error instanceof QuantsmithError) return error;
    throw error;
  }
}

function assertTrusted(name: string): void {
  if (vscode.workspace.isTrusted) return;
  throw new QuantsmithError(
    'server/untrusted',
    `This workspace is not trusted: none of its text is sent to ${name}.`,
    'Trust the workspace, or use a model of this machine.',
  );
}
