// Asks which model is meant: a list of the .gguf files in the workspace with their sizes, and the file dialog for others.
import { stat } from 'node:fs/promises';
import * as path from 'node:path';
import * as vscode from 'vscode';
import { formatBytes } from '../core/text/quantity.js';
import { expandFolder, findModels, LATER_SHARD } from '../platform/find-models.js';

interface ModelItem extends vscode.QuickPickItem {
  /** Undefined opens the file dialog. */
  readonly uri?: vscode.Uri;
}

/** A workspace with more models than this is browsed faster in the dialog. */
const MAX_LISTED = 500;

/** The model to work on, or undefined when the user changed their mind. */
export async function pickModel(title: string): Promise<vscode.Uri | undefined> {
  const picked = await vscode.window.showQuickPick(listModels(), {
    title,
    placeHolder: 'A model of this workspace, or any other',
    matchOnDescription: true,
  });
  if (!picked) return undefined;
  return picked.uri ?? browseForModel(title);
}

async function listModels(): Promise<ModelItem[]> {
  const models = await workspaceModels();
  return [...(await Promise.all(models.map(modelItem))), { ...BROWSE }];
}

export const BROWSE = { label: 'Browse…', iconPath: new vscode.ThemeIcon('folder-opened'), alwaysShow: true };

/** The models of the workspace, by path. */
export async function workspaceModels(): Promise<vscode.Uri[]> {
  const found = await vscode.workspace.findFiles('**/*.gguf', undefined, MAX_LISTED);
  return found.filter(uri => !LATER_SHARD.test(uri.path)).sort((a, b) => a.path.localeCompare(b.path));
}

/** The models of the folders in the settings; what cannot be read is not there. */
export async function configuredModels(signal: AbortSignal): Promise<vscode.Uri[]> {
  const setting = vscode.workspace.getConfiguration('quantsmith').get<unknown>('modelFolders');
  const folders = (Array.isArray(setting) ? setting : [])
    .filter(folder => typeof folder === 'string')
    .flatMap(folder => expandFolder(folder) ?? []);
  return (await findModels(folders, signal)).map(file => vscode.Uri.file(file));
}

/** A model in a list: name, size and folder. */
export async function modelItem(uri: vscode.Uri): Promise<vscode.QuickPickItem & { readonly uri: vscode.Uri }> {
  const folder = path.dirname(vscode.workspace.asRelativePath(uri));
  const size = await stat(uri.fsPath).then(
    ({ size }) => formatBytes(size),
    () => '',
  );
  return {
    label: path.basename(uri.fsPath),
    description: [size, folder === '.' ? '' : folder].filter(Boolean).join(' · '),
    uri,
  };
}

export async function browseForModel(title: string): Promise<vscode.Uri | undefined> {
  const chosen = await vscode.window.showOpenDialog({
    title,
    openLabel: 'Choose',
    canSelectMany: false,
    filters: { 'GGUF models': ['gguf'] },
  });
  return chosen?.[0];
}
