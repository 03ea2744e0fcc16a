// The recipe language server: a list of features over four services (documents, trees, models, analyses). It speaks the
// language-server protocol over whatever connection it is given and reads files; it never writes one, starts nothing and
// asks nothing of the network.
import { fileURLToPath } from 'node:url';
import {
  DidChangeWatchedFilesNotification,
  type Connection,
  type InitializeParams,
  type InitializeResult,
} from 'vscode-languageserver/node';
import { OPENERS } from '../platform/recipe-facts.js';
import { YamlParser } from '../platform/yaml-parser.js';
import { Analyses } from './analyses.js';
import { BoundFiles } from './bound-files.js';
import { DocumentStore } from './document-store.js';
import type { Feature } from './feature.js';
import { CodeActionFeature } from './features/code-action.js';
import { CompletionFeature } from './features/completion.js';
import { DiagnosticsFeature } from './features/diagnostics.js';
import { DocumentSymbolFeature } from './features/document-symbol.js';
import { HoverFeature } from './features/hover.js';
import { Trees } from './trees.js';

/** Files whose coming and going changes what is said about a recipe. */
const WATCHED = '**/*.{gguf,dat,imatrix}';

/**
 * Serves `connection` until the client says `exit`. `treeSitterFolder` holds the two .wasm files of the YAML parser; if it
 * cannot be loaded, `initialize` is answered with an error that says so.
 */
export function startServer(connection: Connection, treeSitterFolder: string): void {
  const documents = new DocumentStore();
  documents.listen(connection);

  connection.onInitialize(async (params: InitializeParams): Promise<InitializeResult> => {
    const parser = await YamlParser.load(treeSitterFolder);
    const trees = new Trees(documents, parser);
    const models = new BoundFiles(OPENERS.source);
    const matrices = new BoundFiles(OPENERS.imatrix);
    const analyses = new Analyses(documents, trees, { models, matrices }, parser.withTree, firstFolder(params));
    const services = { connection, documents, analyses, models, matrices };
    const diagnostics = new DiagnosticsFeature(services);
    const features: readonly Feature[] = [
      diagnostics,
      new CompletionFeature(services),
      new HoverFeature(services),
      new CodeActionFeature(services),
      new DocumentSymbolFeature(services),
    ];
    for (const feature of features) feature.register();
    connection.onShutdown(() => {
      diagnostics.dispose();
      models.dispose();
      matrices.dispose();
      trees.dispose();
    });
    connection.onDidChangeWatchedFiles(() => {
      void models.refresh();
      void matrices.refresh();
      diagnostics.refreshAll();
    });
    connection.onInitialized(() => {
      if (params.capabilities.workspace?.didChangeWatchedFiles?.dynamicRegistration) {
        void connection.client.register(DidChangeWatchedFilesNotification.type, {
          watchers: [{ globPattern: WATCHED }],
        });
      }
    });
    return {
      capabilities: Object.assign(
        {},
        ...features.map(feature => feature.capabilities),
      ) as InitializeResult['capabilities'],
      serverInfo: { name: 'Quantsmith recipes' },
    };
  });

  connection.listen();
}

function firstFolder({ workspaceFolders }: InitializeParams): string | undefined {
  const uri = workspaceFolders?.[0]?.uri;
  return uri?.startsWith('file:') ? fileURLToPath(uri) : undefined;
}
