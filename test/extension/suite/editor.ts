// What every suite needs of the editor: the extension's API, the workspace, a scratch folder, and waiting.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import * as path from 'node:path';
import * as vscode from 'vscode';
import type { QuantsmithApi } from '../../../src/extension/extension.js';
import { suiteTeardown } from './mocha.js';

export const EXTENSION_ID = 'quantsmith.quantsmith';

export async function extensionApi(): Promise<QuantsmithApi> {
  const extension = vscode.extensions.getExtension<QuantsmithApi>(EXTENSION_ID);
  assert.ok(extension, `${EXTENSION_ID} is not installed`);
  return extension.activate();
}

/** The opened folder: a copy of examples/. */
export function workspaceFile(name: string): string {
  const [folder] = vscode.workspace.workspaceFolders ?? [];
  assert.ok(folder, 'the tests run with a folder open');
  return path.join(folder.uri.fsPath, name);
}

export const exampleModel = (): string => workspaceFile('tinycoder-f16.gguf');

/** A folder outside of the workspace that is removed after the suite. */
export function scratchFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'quantsmith-suite-'));
  suiteTeardown(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  return folder;
}

/** Waits until `probe` gives something other than undefined or false, and returns it. */
export async function until<T>(what: string, probe: () => T | undefined | false, limitMs = 30_000): Promise<T> {
  const end = Date.now() + limitMs;
  for (;;) {
    const found = probe();
    if (found !== undefined && found !== false) return found;
    if (Date.now() > end) throw new Error(`${what}: not within ${limitMs / 1000} s`);
    await new Promise(resolve => setTimeout(resolve, 20));
  }
}

export async function closeEditors(): Promise<void> {
  await vscode.commands.executeCommand('workbench.action.closeAllEditors');
}
