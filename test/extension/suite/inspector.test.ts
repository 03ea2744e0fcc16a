import assert from 'node:assert/strict';
import { copyFileSync, unlinkSync, writeFileSync } from 'node:fs';
import * as path from 'node:path';
import * as vscode from 'vscode';
import { closeEditors, exampleModel, extensionApi, scratchFolder, until } from './editor.js';
import { suite, teardown, test } from './mocha.js';

suite('inspector', () => {
  const scratch = scratchFolder();
  teardown(closeEditors);

  const open = async (file: string, state: string) => {
    const api = await extensionApi();
    const uri = vscode.Uri.file(file);
    await vscode.commands.executeCommand('vscode.open', uri);
    return {
      uri,
      /** The document and its webview, once it is in `state` and the page shows it. */
      shown: (expected: string) =>
        until(`${path.basename(file)} shown as ${expected}`, () => {
          const found = api.inspectors().find(inspector => inspector.uri === uri.toString());
          return found?.state === expected && found.received.at(-1) === `shown ${expected}` && found;
        }),
      first: await until(`${path.basename(file)} is ${state}`, () =>
        api.inspectors().find(inspector => inspector.uri === uri.toString() && inspector.state === state),
      ),
    };
  };

  test('opens a model; its page runs and shows it', async () => {
    const { first, shown } = await open(exampleModel(), 'model');
    assert.ok(first.tensorCount !== undefined && first.tensorCount > 10);
    const { received } = await shown('model');
    assert.equal(received[0], 'ready');
  });

  test('shows what is wrong with a file that is no model', async () => {
    const file = path.join(scratch, 'text.gguf');
    writeFileSync(file, 'This is not a model.\n');
    const { first, shown } = await open(file, 'failed');
    assert.match(first.errorCode ?? '', /^gguf\//);
    await shown('failed');
  });

  test('shows what is wrong with an empty file', async () => {
    const file = path.join(scratch, 'empty.gguf');
    writeFileSync(file, '');
    const { first, shown } = await open(file, 'failed');
    assert.match(first.errorCode ?? '', /^(gguf|io)\//);
    await shown('failed');
  });

  test('follows the file on disk: damaged, replaced, deleted', async () => {
    const file = path.join(scratch, 'changing.gguf');
    copyFileSync(exampleModel(), file);
    const { shown } = await open(file, 'model');
    await shown('model');
    writeFileSync(file, 'Something else has been written here.\n');
    await shown('failed');
    copyFileSync(exampleModel(), file);
    await shown('model');
    unlinkSync(file);
    const gone = await shown('failed');
    assert.match(gone.errorCode ?? '', /^io\//);
  });

  test('one document in two editors: both pages show it', async () => {
    const api = await extensionApi();
    const { uri, shown } = await open(exampleModel(), 'model');
    await shown('model');
    await vscode.commands.executeCommand('vscode.openWith', uri, 'quantsmith.inspector', vscode.ViewColumn.Beside);
    await until('two pages', () => {
      const pages = api.inspectors().filter(inspector => inspector.uri === uri.toString());
      return pages.length === 2 && pages.every(page => page.received.includes('shown model'));
    });
  });

  test('a closed editor is forgotten', async () => {
    const api = await extensionApi();
    await open(exampleModel(), 'model');
    await closeEditors();
    await until('no inspectors', () => api.inspectors().length === 0);
  });
});
