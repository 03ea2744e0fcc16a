// Feature: recipes as tasks. Every *.quant.yaml of the workspace is a build task that runs the command line program in a
// terminal: the same code as outside the editor. A recipe decides which files are read and written, so tasks exist in
// trusted workspaces only.
import { readFile, stat } from 'node:fs/promises';
import * as path from 'node:path';
import * as vscode from 'vscode';
import { Disposables } from '../disposables.js';
import type { Feature, Services } from '../feature.js';
import { computeSettings } from '../services/settings.js';
import {
  commandLine,
  parseDefinition,
  TASK_TYPE,
  taskName,
  writtenOutput,
  type RecipeTaskDefinition,
} from './recipe-task-definition.js';

const RECIPES = '**/*.quant.{yaml,yml}';

/** More recipes than anyone picks from in a list. */
const MAX_RECIPES = 1000;

export const recipeTasks: Feature = (_context, services) => {
  const owned = new Disposables();
  const provider = new RecipeTaskProvider(services.dist);
  owned.add(vscode.tasks.registerTaskProvider(TASK_TYPE, provider));
  const watcher = owned.add(vscode.workspace.createFileSystemWatcher(RECIPES, false, true, false));
  owned.add(watcher.onDidCreate(() => provider.forget()));
  owned.add(watcher.onDidDelete(() => provider.forget()));
  owned.add(vscode.workspace.onDidChangeWorkspaceFolders(() => provider.forget()));
  // The command line contains the settings.
  owned.add(
    vscode.workspace.onDidChangeConfiguration(event => {
      if (event.affectsConfiguration('quantsmith')) provider.forget();
    }),
  );
  owned.add(
    vscode.commands.registerCommand('quantsmith.runRecipe', (resource?: unknown) =>
      runRecipe(resource, provider, services),
    ),
  );
  return owned;
};

class RecipeTaskProvider implements vscode.TaskProvider {
  private found: Promise<vscode.Task[]> | undefined;

  constructor(private readonly dist: string) {}

  /** The next question looks for recipes again. */
  forget(): void {
    this.found = undefined;
  }

  provideTasks(): Promise<vscode.Task[]> {
    if (!vscode.workspace.isTrusted) return Promise.resolve([]);
    this.found ??= this.detect();
    return this.found;
  }

  /** A task from tasks.json: gets its command line. The definition must stay the object VS Code passed. */
  resolveTask(task: vscode.Task): vscode.Task | undefined {
    const definition = parseDefinition(task.definition);
    const folder = folderOf(task);
    if (!definition || !folder || !vscode.workspace.isTrusted) return undefined;
    return this.task(task.definition, definition, folder);
  }

  /** The task that runs a recipe file, which may lie outside of every folder. */
  taskFor(recipe: vscode.Uri, args: readonly string[]): vscode.Task {
    const folder = vscode.workspace.getWorkspaceFolder(recipe);
    const definition: RecipeTaskDefinition = {
      type: TASK_TYPE,
      recipe: folder ? relativeTo(folder, recipe) : recipe.fsPath,
      ...(args.length > 0 ? { args } : {}),
    };
    return this.task({ ...definition }, definition, folder ?? vscode.TaskScope.Workspace, path.dirname(recipe.fsPath));
  }

  private async detect(): Promise<vscode.Task[]> {
    const recipes = await vscode.workspace.findFiles(RECIPES, '**/node_modules/**', MAX_RECIPES);
    return recipes.sort((a, b) => a.path.localeCompare(b.path)).map(recipe => this.taskFor(recipe, []));
  }

  private task(
    raw: vscode.TaskDefinition,
    definition: RecipeTaskDefinition,
    scope: vscode.WorkspaceFolder | vscode.TaskScope.Workspace,
    fallbackFolder?: string,
  ): vscode.Task {
    const cwd = typeof scope === 'object' ? scope.uri.fsPath : fallbackFolder;
    const execution = new vscode.ProcessExecution(
      // The editor's own Node: nothing needs to be installed. In desktop VS Code it is Electron, which this variable turns
      // into Node.
      process.execPath,
      [path.join(this.dist, 'cli.js'), ...commandLine(definition, computeSettings())],
      { env: { ELECTRON_RUN_AS_NODE: '1' }, ...(cwd === undefined ? {} : { cwd }) },
    );
    const task = new vscode.Task(raw, scope, taskName(definition), TASK_TYPE, execution, '$quantsmith');
    task.group = vscode.TaskGroup.Build;
    task.detail = 'Quantize as the recipe says';
    task.presentationOptions = { reveal: vscode.TaskRevealKind.Always, clear: true };
    return task;
  }
}

function folderOf(task: vscode.Task): vscode.WorkspaceFolder | undefined {
  if (typeof task.scope === 'object') return task.scope;
  return vscode.workspace.workspaceFolders?.[0];
}

function relativeTo(folder: vscode.WorkspaceFolder, file: vscode.Uri): string {
  return path.relative(folder.uri.fsPath, file.fsPath).replaceAll('\\', '/');
}

/** Runs the clicked, the open, or a chosen recipe; asks before an output is replaced. */
async function runRecipe(
  resource: unknown,
  provider: RecipeTaskProvider,
  services: Services,
): Promise<vscode.TaskExecution | undefined> {
  if (!vscode.workspace.isTrusted) {
    void vscode.window.showWarningMessage(
      'Recipes run only in a trusted workspace, because a recipe decides which files are read and written. Trust the workspace to run it.',
    );
    return undefined;
  }
  const recipe = resource instanceof vscode.Uri ? resource : (activeRecipe() ?? (await pickRecipe()));
  if (recipe === undefined) return undefined;
  const document = vscode.workspace.textDocuments.find(({ uri }) => uri.toString() === recipe.toString());
  if (document?.isUntitled === true || (document?.isDirty === true && !(await document.save()))) {
    void vscode.window.showWarningMessage('Save the recipe first: it is read from disk when it runs.');
    return undefined;
  }
  const replace = await replaceOutput(recipe.fsPath);
  if (replace === undefined) return undefined;
  services.log.info(`Running the recipe ${recipe.fsPath}`);
  return vscode.tasks.executeTask(provider.taskFor(recipe, replace ? ['--overwrite'] : []));
}

function activeRecipe(): vscode.Uri | undefined {
  const document = vscode.window.activeTextEditor?.document;
  return document?.languageId === 'quant-recipe' ? document.uri : undefined;
}

async function pickRecipe(): Promise<vscode.Uri | undefined> {
  const recipes = await vscode.workspace.findFiles(RECIPES, '**/node_modules/**', MAX_RECIPES);
  if (recipes.length === 0) {
    void vscode.window.showInformationMessage(
      'There is no recipe (*.quant.yaml) in this workspace. "Quantsmith: New Recipe for This Model…" writes one.',
    );
    return undefined;
  }
  const items = recipes
    .map(uri => ({ label: vscode.workspace.asRelativePath(uri), uri }))
    .sort((a, b) => a.label.localeCompare(b.label));
  const picked = await vscode.window.showQuickPick(items, { title: 'Run Recipe', placeHolder: 'Which recipe' });
  return picked?.uri;
}

/** False: there is nothing to replace. True: replace it. Undefined: the user does not want that. */
async function replaceOutput(recipe: string): Promise<boolean | undefined> {
  const written = writtenOutput(await readFile(recipe, 'utf8').catch(() => ''));
  if (written === undefined) return false;
  const output = path.resolve(path.dirname(recipe), written);
  const exists = await stat(output).then(
    found => found.isFile(),
    () => false,
  );
  if (!exists) return false;
  const replace = 'Replace';
  const answer = await vscode.window.showWarningMessage(
    `Replace ${path.basename(output)}?`,
    {
      modal: true,
      detail: `${output} exists. It is replaced when the new file is complete; until then it stays as it is.`,
    },
    replace,
  );
  return answer === replace ? true : undefined;
}
