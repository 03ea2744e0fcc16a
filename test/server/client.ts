// A language client as small as it gets: enough to talk to the recipe server as an editor does, over any pair of streams.
import { fileURLToPath } from 'node:url';
import {
  createMessageConnection,
  StreamMessageReader,
  StreamMessageWriter,
  type CodeAction,
  type CompletionItem,
  type Diagnostic,
  type DocumentSymbol,
  type Hover,
  type InitializeResult,
  type MessageConnection,
  type Position,
  type PublishDiagnosticsParams,
  type Range,
} from 'vscode-languageserver/node';

const PATIENCE_MS = 20_000;

export class TestClient {
  readonly published: PublishDiagnosticsParams[] = [];
  readonly logged: string[] = [];
  readonly #connection: MessageConnection;
  readonly #versions = new Map<string, number>();
  #wake: () => void = () => undefined;

  constructor(fromServer: NodeJS.ReadableStream, toServer: NodeJS.WritableStream) {
    this.#connection = createMessageConnection(new StreamMessageReader(fromServer), new StreamMessageWriter(toServer));
    this.#connection.onNotification('textDocument/publishDiagnostics', (params: PublishDiagnosticsParams) => {
      this.published.push(params);
      this.#wake();
    });
    this.#connection.onNotification('window/logMessage', ({ message }: { message: string }) => {
      this.logged.push(message);
    });
    this.#connection.onRequest('client/registerCapability', () => null);
    this.#connection.listen();
  }

  async initialize(): Promise<InitializeResult> {
    const capabilities = { workspace: { didChangeWatchedFiles: { dynamicRegistration: true } } };
    const result = await this.request<InitializeResult>('initialize', { processId: null, rootUri: null, capabilities });
    await this.notify('initialized', {});
    return result;
  }

  request<R>(method: string, params: unknown): Promise<R> {
    return this.#connection.sendRequest(method, params);
  }

  notify(method: string, params: unknown): Promise<void> {
    return this.#connection.sendNotification(method, params);
  }

  async open(uri: string, text: string): Promise<void> {
    this.#versions.set(uri, 1);
    await this.notify('textDocument/didOpen', { textDocument: { uri, languageId: 'quant-recipe', version: 1, text } });
  }

  /** Replaces ranges one after the other; without a range, everything. */
  async change(uri: string, ...contentChanges: readonly { range?: Range; text: string }[]): Promise<void> {
    const version = (this.#versions.get(uri) ?? 0) + 1;
    this.#versions.set(uri, version);
    await this.notify('textDocument/didChange', { textDocument: { uri, version }, contentChanges });
  }

  /** The diagnostics last published for the newest version, once `enough` holds. */
  async diagnostics(
    uri: string,
    enough: (diagnostics: readonly Diagnostic[]) => boolean = () => true,
  ): Promise<readonly Diagnostic[]> {
    const deadline = Date.now() + PATIENCE_MS;
    for (;;) {
      const last = this.published.findLast(params => params.uri === uri);
      if (last?.version === this.#versions.get(uri) && enough(last?.diagnostics ?? [])) return last?.diagnostics ?? [];
      const left = deadline - Date.now();
      if (left <= 0) throw new Error(`no such diagnostics of ${fileURLToPath(uri)}; last: ${JSON.stringify(last)}`);
      await new Promise<void>(resolve => {
        const timer = setTimeout(resolve, left);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  completion(uri: string, position: Position): Promise<CompletionItem[]> {
    return this.request('textDocument/completion', { textDocument: { uri }, position });
  }

  hover(uri: string, position: Position): Promise<Hover | null> {
    return this.request('textDocument/hover', { textDocument: { uri }, position });
  }

  codeActions(uri: string, range: Range): Promise<CodeAction[]> {
    return this.request('textDocument/codeAction', { textDocument: { uri }, range, context: { diagnostics: [] } });
  }

  symbols(uri: string): Promise<DocumentSymbol[]> {
    return this.request('textDocument/documentSymbol', { textDocument: { uri } });
  }

  async stop(exit: boolean): Promise<void> {
    await this.request('shutdown', undefined);
    // A server of its own process ends by this; one in this process would end the tests.
    if (exit) await this.notify('exit', undefined);
    this.#connection.dispose();
  }
}
