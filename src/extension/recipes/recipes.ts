// Feature: the recipe language. Starts the language server (its own process) when the first recipe is open, and writes new
// recipes. The server checks recipes in Restricted Mode too: it reads headers of models and writes nothing.
import { access } from 'node:fs/promises';
import * as path from 'node:path';
import * as vscode from 'vscode';
import { LanguageClient, RevealOutputChannelOn, TransportKind } from 'vscode-languageclient/node';
import { errorData } from '../../core/problem.js';
import { Disposables, type Disposable } from '../disposables.js';
import type { Feature, Services } from '../feature.js';
import { pickModel } from '../pick-model.js';
import { errorLine } from '../services/log.js';
import { newRecipeText, recipePathFor } from './recipe-text.js';

const LANGUAGE = 'quant-recipe';

export const recipes: Feature = (_context, services) => {
  const owned = new Disposables();
  let server: RecipeServer | undefined;
  const startFor = (document: vscode.TextDocument): void => {
    if (server !== undefined || document.languageId !== LANGUAGE) return;
    server = startServer(services);
    owned.add(server);
  };
  owned.add(vscode.workspace.onDidOpenTextDocument(startFor));
  vscode.workspace.textDocuments.forEach(startFor);
  owned.add(
    vscode.commands.registerCommand('quantsmith.restartRecipeServer', async () => {
      // Without an open recipe there is no server to restart; the first recipe starts one.
      await server?.restart();
    }),
  );
  owned.add(
    vscode.commands.registerCommand('quantsmith.newRecipe', (resource?: unknown) => newRecipe(resource, services)),
  );
  return owned;
};

interface RecipeServer extends Disposable {
  /** Ends the server's process, if there is one, and starts another; open recipes are checked anew. */
  restart(): Promise<void>;
}

function startServer(services: Services): RecipeServer {
  const owned = new Disposables();
  // The protocol is traced here when the channel's level is Trace.
  const outputChannel = owned.add(vscode.window.createOutputChannel('Quantsmith Recipes', { log: true }));
  const run = { module: path.join(services.dist, 'server.js'), transport: TransportKind.ipc };
  const client = new LanguageClient(
    'quantsmith.recipes',
    'Quantsmith Recipes',
    { run, debug: { ...run, options: { execArgv: ['--nolazy', '--inspect=6009'] } } },
    {
      documentSelector: [{ language: LANGUAGE }],
      outputChannel,
      revealOutputChannelOn: RevealOutputChannelOn.Never,
      synchronize: {
        // A recipe is checked against its model: the server must know when a model appears, changes or goes.
        fileEvents: [
          owned.add(vscode.workspace.createFileSystemWatcher('**/*.gguf')),
          owned.add(vscode.workspace.createFileSystemWatcher('**/*.{imatrix,dat}')),
        ],
      },
    },
  );
  owned.onDispose(() => {
    // Rejects if the server never started; it is gone then, which is what was wanted.
    client.dispose().catch(() => undefined);
  });
  const startFailed = (error: unknown): void => {
    services.log.error(`The recipe language server did not start: ${errorLine(errorData(error))}`);
    const showLog = 'Show Log';
    void vscode.window
      .showErrorMessage(
        'Recipes are not checked: the recipe language server did not start. Use "Quantsmith: Restart Recipe Server"; if that does not help, report it with the log.',
        showLog,
      )
      .then(pressed => {
        if (pressed === showLog) outputChannel.show();
      });
  };
  client.start().catch(startFailed);
  return {
    restart: () => client.restart().catch(startFailed),
    dispose: () => {
      owned.dispose();
    },
  };
}

/** Opens an unsaved recipe for the clicked, the open, or a chosen model. */
async function newRecipe(resource: unknown, services: Services): Promise<void> {
  const model =
    resource instanceof vscode.Uri
      ? resource
      : (services.inspectors.active?.document.uri ?? (await pickModel('New Recipe: Model')));
  if (model === undefined) return;
  const folder = path.dirname(model.fsPath);
  const target = vscode.Uri.file(await unusedRecipePath(model.fsPath)).with({ scheme: 'untitled' });
  const document = await vscode.workspace.openTextDocument(target);
  const editor = await vscode.window.showTextDocument(document);
  if (document.getText() !== '') return;
  const text = newRecipeText(model.fsPath, 'Q4_K_M', folder);
  await editor.edit(edit => {
    edit.insert(new vscode.Position(0, 0), text);
  });
}

/** `tiny-f16.quant.yaml` beside the model, or `tiny-f16-2.quant.yaml` and so on when that exists. */
async function unusedRecipePath(model: string): Promise<string> {
  for (let number = 1; ; number++) {
    const candidate = recipePathFor(model, number);
    const isFree = await access(candidate).then(
      () => false,
      () => true,
    );
    if (isFree) return candidate;
  }
}
