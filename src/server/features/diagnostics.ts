// textDocument/publishDiagnostics: pushed a moment after the last change, at once after opening, and again when a bound
// model or a file of the recipe changes. What the text alone says never waits for a slow drive.
import type { ServerCapabilities } from 'vscode-languageserver/node';
import type { TextDocument } from 'vscode-languageserver-textdocument';
import type { RecipeDiagnostic } from '../../core/recipe/recipe.js';
import { DocumentStore } from '../document-store.js';
import { logError, toLspDiagnostic, type Feature, type Services } from '../feature.js';

/** Long enough not to mark every half-typed word, short enough to feel immediate. */
const DEBOUNCE_MS = 150;
/** How long to wait for the files before telling what is known without them. */
const FACTS_PATIENCE_MS = 300;

export class DiagnosticsFeature implements Feature {
  readonly capabilities: ServerCapabilities = {
    textDocumentSync: { openClose: true, change: DocumentStore.syncKind },
  };
  readonly #timers = new Map<string, NodeJS.Timeout>();
  #isDisposed = false;

  constructor(private readonly services: Services) {}

  register(): void {
    const { connection, documents, models, matrices, analyses } = this.services;
    documents.onOpen(document => this.#schedule(document.uri, 0));
    documents.onChange(({ document }) => this.#schedule(document.uri, DEBOUNCE_MS));
    documents.onClose(uri => {
      clearTimeout(this.#timers.get(uri));
      this.#timers.delete(uri);
      void connection.sendDiagnostics({ uri, diagnostics: [] });
    });
    const onChange = (changed: string): void => {
      for (const document of documents.all()) {
        const paths = [analyses.sourcePath(document), analyses.imatrixPath(document)];
        if (paths.includes(changed)) this.#schedule(document.uri, 0);
      }
    };
    models.onChange(onChange);
    matrices.onChange(onChange);
  }

  dispose(): void {
    this.#isDisposed = true;
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
  }

  /** Looks at every open recipe again: files around them changed. */
  refreshAll(): void {
    for (const { uri } of this.services.documents.all()) this.#schedule(uri, DEBOUNCE_MS);
  }

  #schedule(uri: string, delay: number): void {
    if (this.#isDisposed) return;
    clearTimeout(this.#timers.get(uri));
    const run = (): void => {
      this.#timers.delete(uri);
      this.#publish(uri).catch((error: unknown) => logError(this.services.connection, 'diagnostics', error));
    };
    this.#timers.set(uri, setTimeout(run, delay));
  }

  async #publish(uri: string): Promise<void> {
    const { documents, analyses } = this.services;
    const document = documents.get(uri);
    if (!document) return;
    const { version } = document;
    const complete = analyses.diagnostics(document);
    const early = setTimeout(
      () => this.#send(document, version, analyses.textDiagnostics(document)),
      FACTS_PATIENCE_MS,
    );
    try {
      const diagnostics = await complete;
      this.#send(document, version, diagnostics);
    } finally {
      clearTimeout(early);
    }
  }

  /** Nothing is sent about a text that is no longer there. */
  #send(document: TextDocument, version: number, diagnostics: readonly RecipeDiagnostic[]): void {
    const { connection, documents } = this.services;
    if (this.#isDisposed || documents.get(document.uri) !== document || document.version !== version) return;
    void connection.sendDiagnostics({ uri: document.uri, version, diagnostics: diagnostics.map(toLspDiagnostic) });
  }
}
