import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import * as vscode from 'vscode';
import { closeEditors, exampleModel, workspaceFile, until } from './editor.js';
import { suite, suiteTeardown, teardown, test } from './mocha.js';

const BROKEN = `recipe: 1
source: tinycoder-f16.gguf
output: broken.gguf
type: Q4_K_X
`;

suite('recipes', () => {
  teardown(closeEditors);
  const uri = (): vscode.Uri => vscode.Uri.file(workspaceFile('broken.quant.yaml'));
  suiteTeardown(() => vscode.workspace.fs.delete(uri()));

  const openBroken = async (): Promise<vscode.TextDocument> => {
    writeFileSync(uri().fsPath, BROKEN);
    const document = await vscode.workspace.openTextDocument(uri());
    await vscode.window.showTextDocument(document);
    return document;
  };

  test('a recipe has its language, and the server marks what is wrong until it is right', async () => {
    const document = await openBroken();
    assert.equal(document.languageId, 'quant-recipe');
    const [diagnostic] = await until('a diagnostic', () => {
      const found = vscode.languages.getDiagnostics(uri());
      return found.length > 0 && found;
    });
    assert.ok(diagnostic);
    assert.match(diagnostic.message, /Q4_K_X/);
    assert.equal(document.getText(diagnostic.range), 'Q4_K_X');

    const edit = new vscode.WorkspaceEdit();
    edit.replace(uri(), diagnostic.range, 'Q4_K_M');
    await vscode.workspace.applyEdit(edit);
    await until('no diagnostic', () => vscode.languages.getDiagnostics(uri()).length === 0);
    await document.save();
  });

  test('the server can be restarted, and checks open recipes anew', async () => {
    await openBroken();
    const count = (): number => vscode.languages.getDiagnostics(uri()).length;
    await until('a diagnostic', () => count() > 0);
    // The server that goes takes its diagnostics with it; those seen afterwards are the new one's.
    let wentAway = false;
    const watching = vscode.languages.onDidChangeDiagnostics(() => (wentAway ||= count() === 0));
    await vscode.commands.executeCommand('quantsmith.restartRecipeServer');
    await until('a diagnostic of the new server', () => wentAway && count() > 0);
    watching.dispose();
  });

  test('completes types', async () => {
    const document = await openBroken();
    const line = document.lineAt(3);
    const list = await vscode.commands.executeCommand<vscode.CompletionList>(
      'vscode.executeCompletionItemProvider',
      uri(),
      line.range.end.translate(0, -'Q4_K_X'.length),
    );
    const labels = list.items.map(({ label }) => (typeof label === 'string' ? label : label.label));
    assert.ok(labels.includes('Q4_K_M') && labels.includes('Q8_0'), labels.join(' '));
  });

  test('writes a new recipe for a model', async () => {
    await vscode.commands.executeCommand('quantsmith.newRecipe', vscode.Uri.file(exampleModel()));
    const document = vscode.window.activeTextEditor?.document;
    assert.ok(document?.isUntitled);
    assert.equal(document.languageId, 'quant-recipe');
    assert.match(document.getText(), /^source: tinycoder-f16\.gguf$/m);
    assert.match(document.getText(), /^output: tinycoder-Q4_K_M\.gguf$/m);
    // The new recipe has no mistakes of its own.
    await new Promise(resolve => setTimeout(resolve, 1000));
    assert.deepEqual(
      vscode.languages
        .getDiagnostics(document.uri)
        .filter(({ severity }) => severity === vscode.DiagnosticSeverity.Error),
      [],
    );
    await vscode.commands.executeCommand('workbench.action.revertAndCloseActiveEditor');
  });
});
