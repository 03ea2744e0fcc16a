// Feature: models of this machine in the editor's chat, where the editor has it.
import * as path from 'node:path';
import * as vscode from 'vscode';
import { errorData } from '../../core/problem.js';
import { formatInteger } from '../../core/text/quantity.js';
import { Disposables } from '../disposables.js';
import type { Feature, Services } from '../feature.js';
import { BROWSE, browseForModel, modelItem, workspaceModels } from '../pick-model.js';
import { errorLine } from '../services/log.js';
import { sentence } from '../texts.js';
import { ChatModels, pickedModels } from './chat-models.js';
import { ChatProvider } from './chat-provider.js';

/** As in package.json. */
const VENDOR = 'quantsmith';

export const chat: Feature = (_context, services) => {
  const owned = new Disposables();
  const models = owned.add(new ChatModels(services.worker, services.completions));
  // Editors made from older sources have no chat, or none that takes models.
  const { registerLanguageModelChatProvider: register } = ((vscode as Partial<typeof vscode>).lm ?? {}) as Partial<
    typeof vscode.lm
  >;
  if (register) owned.add(register(VENDOR, new ChatProvider(models, services.worker, services.log)));
  owned.add(
    vscode.commands.registerCommand('quantsmith.offerToChat', async (resource: unknown) => {
      if (!register) {
        void vscode.window.showErrorMessage('This editor has no chat that takes models: VS Code 1.104 or newer has.');
        return;
      }
      const clicked = resource instanceof vscode.Uri ? resource : services.inspectors.active?.document.uri;
      if (clicked) await offer(clicked.fsPath, models, services);
      else await chooseModels(models, services);
    }),
  );
  return owned;
};

async function offer(file: string, models: ChatModels, services: Services): Promise<void> {
  try {
    const { context } = await models.offer(file);
    void vscode.window.showInformationMessage(
      `${path.basename(file)} is offered to chat (${formatInteger(context)} tokens). Choose it in the chat's list of models.`,
    );
  } catch (error) {
    const data = errorData(error);
    services.log.error(errorLine(data));
    void vscode.window.showErrorMessage(`${sentence(data.message)} ${data.hint ?? ''}`.trim());
  }
}

interface Item extends vscode.QuickPickItem {
  /** Undefined opens the file dialog. */
  readonly uri?: vscode.Uri;
}

/** Which of the models of the workspace, and of those offered before, are offered. */
async function chooseModels(models: ChatModels, services: Services): Promise<void> {
  const title = 'Models Offered to Chat';
  const picked = pickedModels();
  const found = await workspaceModels();
  const others = picked.filter(file => found.every(uri => uri.fsPath !== file)).map(file => vscode.Uri.file(file));
  const items: Item[] = (await Promise.all([...found, ...others].map(modelItem))).map(item => ({
    ...item,
    picked: picked.includes(item.uri.fsPath),
  }));
  const chosen = await vscode.window.showQuickPick([...items, { ...BROWSE }], {
    ...{
      title,
      canPickMany: true,
      placeHolder: 'They must have a chat template; the model that completes is offered, too',
    },
  });
  if (!chosen) return;
  const files = chosen.flatMap(({ uri }) => uri?.fsPath ?? []);
  await models.pick(picked.filter(file => files.includes(file)));
  const browsed = chosen.length > files.length ? await browseForModel(title) : undefined;
  for (const file of [...files, ...(browsed ? [browsed.fsPath] : [])]) {
    if (!picked.includes(file)) await offer(file, models, services);
  }
}
