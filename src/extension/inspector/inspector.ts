// Feature: look into a model. The editor for *.gguf and the commands around it.
import * as path from 'node:path';
import * as vscode from 'vscode';
import { Disposables } from '../disposables.js';
import type { Feature } from '../feature.js';
import { pickModel } from '../pick-model.js';
import { INSPECTOR_VIEW, InspectorEditor } from './inspector-editor.js';

export const inspector: Feature = (_context, services) => {
  const owned = new Disposables();
  const webviewFolder = vscode.Uri.file(path.join(services.dist, 'webview'));
  owned.add(
    vscode.window.registerCustomEditorProvider(INSPECTOR_VIEW, new InspectorEditor(services, webviewFolder), {
      // Long lists are rebuilt from the cached description and the view state in milliseconds; a hidden page costs 50 MB.
      webviewOptions: { retainContextWhenHidden: false, enableFindWidget: false },
      supportsMultipleEditorsPerDocument: true,
    }),
  );
  owned.add(
    vscode.commands.registerCommand('quantsmith.openModel', async (resource?: unknown) => {
      const model = resource instanceof vscode.Uri ? resource : await pickModel('Open Model');
      if (model) await vscode.commands.executeCommand('vscode.openWith', model, INSPECTOR_VIEW);
    }),
  );
  owned.add(
    vscode.commands.registerCommand('quantsmith.reloadModel', () => {
      services.inspectors.active?.document.reload();
    }),
  );
  return owned;
};
