// Asks which model shall complete: those of the workspace and the example, each with its size, type, and whether it has the tokens
// for filling in a middle. The worker reads their headers one after another while the list is shown already.
import * as path from 'node:path';
import * as vscode from 'vscode';
import { errorData } from '../../core/problem.js';
import { printable } from '../../core/text/printable.js';
import { formatBytes, formatCount } from '../../core/text/quantity.js';
import type { CompletionSupport } from '../../protocol/worker-protocol.js';
import { Disposables } from '../disposables.js';
import { BROWSE, browseForModel, configuredModels, modelItem, workspaceModels } from '../pick-model.js';
import type { WorkerService } from '../services/worker.js';

interface CompletionModelItem extends vscode.QuickPickItem {
  /** Undefined opens the file dialog. */
  readonly uri?: vscode.Uri;
  readonly isServer?: true;
}

const SERVER: CompletionModelItem = {
  iconPath: new vscode.ThemeIcon('server'),
  label: 'Use a Server…',
  description: 'llama-server, Ollama, or one that speaks as OpenAI does (vLLM, LM Studio)',
  alwaysShow: true,
  isServer: true,
};

const TITLE = 'Use a Model for Completions';

/** Undefined when the user changed their mind; `server` if no model of this machine shall complete. */
export async function pickCompletionModel(
  worker: WorkerService,
  example: string,
  current: string | undefined,
): Promise<vscode.Uri | 'server' | undefined> {
  const owned = new Disposables();
  const reading = new AbortController();
  owned.onDispose(() => {
    reading.abort();
  });
  const pick = owned.add(vscode.window.createQuickPick<CompletionModelItem>());
  pick.title = TITLE;
  pick.placeholder = 'A model of this workspace, the example, or any other; it must be trained for filling in a middle';
  pick.matchOnDescription = true;
  pick.matchOnDetail = true;
  pick.busy = true;
  try {
    const picked = new Promise<CompletionModelItem | undefined>(resolve => {
      owned.add(
        pick.onDidAccept(() => {
          resolve(pick.selectedItems[0]);
        }),
      );
      owned.add(
        pick.onDidHide(() => {
          resolve(undefined);
        }),
      );
    });
    pick.show();
    void list(pick, worker, example, current, reading.signal);
    const item = await picked;
    if (!item) return undefined;
    pick.hide();
    if (item.isServer) return 'server';
    return item.uri ?? (await browseForModel(TITLE));
  } finally {
    owned.dispose();
  }
}

async function list(
  pick: vscode.QuickPick<CompletionModelItem>,
  worker: WorkerService,
  example: string,
  current: string | undefined,
  signal: AbortSignal,
): Promise<void> {
  const [inWorkspace, inFolders] = await Promise.all([workspaceModels(), configuredModels(signal).catch(() => [])]);
  const byPath = new Map([...inWorkspace, ...inFolders].map(uri => [uri.fsPath, uri]));
  const found = await Promise.all([...byPath.values()].map(modelItem));
  const items: (CompletionModelItem & { readonly uri: vscode.Uri })[] = [
    ...found,
    {
      label: 'Example model',
      description: 'comes with Quantsmith: tinycoder, 5 M parameters, shows how completions feel and writes weak code',
      uri: vscode.Uri.file(example),
    },
  ];
  const show = (): void => {
    if (signal.aborted) return;
    const active = pick.activeItems[0]?.uri?.fsPath ?? current;
    pick.keepScrollPosition = true;
    pick.items = [...items, { ...BROWSE }, SERVER];
    const isActive = (item: CompletionModelItem): boolean => item.uri?.fsPath === active;
    if (active !== undefined) pick.activeItems = pick.items.filter(isActive);
  };
  show();
  for (const [i, item] of items.entries()) {
    const file = item.uri.fsPath;
    const detail = await worker
      .request('completion/support', { path: file }, { signal })
      .then(supportText, (error: unknown) => `$(circle-slash) ${errorData(error).message.replace(`${file}: `, '')}`);
    if (signal.aborted) return;
    items[i] = { ...item, detail: file === current ? `$(check) in use · ${detail}` : detail };
    show();
  }
  pick.busy = false;
}

/** One line of what a header says. */
export function supportText(support: CompletionSupport): string {
  const { fileType, parameterCount, family, reason } = support;
  const fits =
    family === undefined ? `$(circle-slash) ${printable(reason ?? '', { limit: 200 })}` : `fills in (${family})`;
  const memory = family === undefined ? [] : [memoryText(support)];
  return [fileType ?? 'unknown type', `${formatCount(parameterCount)} parameters`, fits, ...memory].join(' · ');
}

/** Whether it fits: its file, and what the context takes beside it, against what is free now. */
function memoryText({ byteLength, workBytes, freeBytes }: CompletionSupport): string {
  const needed = byteLength + (workBytes ?? 0);
  const about = `${formatBytes(needed)} of memory`;
  return needed <= freeBytes ? `fits: ${about}` : `$(warning) needs ${about}, ${formatBytes(freeBytes)} are free`;
}

/** How a model is called in messages. */
export function modelName(file: string, example: string): string {
  return file === example ? 'The example model' : path.basename(file);
}
