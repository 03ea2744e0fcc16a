// Completing by a server, in the real editor, with a server of this test on loopback.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import * as path from 'node:path';
import * as vscode from 'vscode';
import { json, playServer, sse, stream, type Play, type PlayedServer } from '../../platform/played-server.js';
import { closeEditors, extensionApi, scratchFolder, until } from './editor.js';
import { setup, suite, suiteTeardown, teardown, test } from './mocha.js';

const settings = () => vscode.workspace.getConfiguration('quantsmith.completions');
const set = (name: string, value: unknown) => settings().update(name, value, vscode.ConfigurationTarget.Global);

suite('completions by a server', () => {
  const scratch = scratchFolder();
  let server: PlayedServer;
  let infill: Play;
  const good = stream('text/event-stream', sse({ content: '+= item', stop: false }, { content: '', stop: true }));

  setup(async () => {
    infill = good;
    server = await playServer({ 'POST /infill': (response, received) => infill(response, received) });
    await set('endpoint', server.address);
    await set('engine', 'llama-server');
  });
  teardown(async () => {
    await closeEditors();
    await server.close();
  });
  suiteTeardown(async () => {
    for (const name of ['engine', 'endpoint']) await set(name, undefined);
  });

  const TEXT = 'def total(items):\n    result = 0\n    for item in items:\n        result │\n    return result\n';

  const open = async (name: string): Promise<vscode.TextEditor> => {
    const [before = '', behind = ''] = TEXT.split('│');
    const file = path.join(scratch, name);
    writeFileSync(file, before + behind);
    const editor = await vscode.window.showTextDocument(await vscode.workspace.openTextDocument(file));
    const cursor = editor.document.positionAt(before.length);
    editor.selection = new vscode.Selection(cursor, cursor);
    return editor;
  };

  /** What becomes of a request for a completion. */
  const ask = async () => {
    const api = await extensionApi();
    const before = api.completions().last;
    await vscode.commands.executeCommand('editor.action.inlineSuggest.trigger');
    return until('a completion, or why there is none', () => {
      const { last } = api.completions();
      return last !== before && last?.outcome;
    });
  };

  test('its text is shown and accepted; it got the text around the cursor and no key', async () => {
    const editor = await open('server.py');
    const outcome = await ask();
    assert.equal(outcome.offer?.text, '+= item', JSON.stringify(outcome));
    // The last is for what follows the shown text.
    const at = (end: string) => server.received.findLast(({ body }) => String(body['input_prefix']).endsWith(end));
    const { body, authorization } = at('result ') ?? {};
    assert.match(String(body?.['input_prefix']), /^def total[^]*result $/);
    await until('the question in advance', () => at('result += item') !== undefined);
    assert.equal(body?.['input_suffix'], '\n    return result\n');
    assert.equal(authorization, undefined);
    for (let attempt = 0; attempt < 100 && !editor.document.getText().includes('+= item'); attempt++) {
      await vscode.commands.executeCommand('editor.action.inlineSuggest.commit');
      await new Promise(resolve => setTimeout(resolve, 50));
    }
    assert.equal(editor.document.getText(), TEXT.replace('│', '+= item'));
  });

  test('why nothing appeared: unauthorized; with the next chance it is asked again by itself', async () => {
    infill = json({ error: { message: 'Invalid API Key', code: 401 } }, 401);
    await open('unauthorized.py');
    const refused = await ask();
    assert.equal(refused.failed?.code, 'server/unauthorized', JSON.stringify(refused));
    const api = await extensionApi();
    assert.equal(api.completions().model.kind, 'failed');
    infill = good;
    for (let attempt = 0; attempt < 40 && api.completions().model.kind !== 'ready'; attempt++) {
      await new Promise(resolve => setTimeout(resolve, 500));
      // In the same place the editor does not ask again.
      await open(`again-${attempt}.py`);
      await ask();
    }
    assert.equal(api.completions().model.kind, 'ready');
  });

  test('why nothing appeared: no server, and a server that is none', async () => {
    await server.close();
    await open('unreachable.py');
    assert.equal((await ask()).failed?.code, 'server/unreachable');
    await set('endpoint', 'ftp://nowhere');
    await open('nowhere.py');
    assert.equal((await ask()).failed?.code, 'server/bad-endpoint');
  });

  test('a workspace cannot send code elsewhere', async () => {
    for (const [name, value] of [
      ['engine', 'openai'],
      ['endpoint', 'http://127.0.0.1:1'],
      ['serverModel', 'other'],
      ['fimFamily', 'Qwen Coder'],
    ]) {
      await assert.rejects(
        async () => settings().update(name ?? '', value, vscode.ConfigurationTarget.Workspace),
        `${name ?? ''} can be set by a workspace`,
      );
    }
  });

  test('the explanation says which server it was', async () => {
    await open('explained-server.py');
    await ask();
    await vscode.commands.executeCommand('quantsmith.explainCompletion');
    const expected = `Text around the cursor is sent to the llama-server at ${server.address}`;
    // The document of an earlier explanation may still be there.
    await until('the explanation of this completion', () => {
      const document = vscode.workspace.textDocuments.find(({ uri }) => uri.scheme === 'quantsmith-explanation');
      return document?.getText().includes(expected);
    });
  });

  test('back to a model of this machine', async () => {
    await set('engine', 'local');
    const api = await extensionApi();
    await until('no server', () => !JSON.stringify(api.completions().model).includes('llama-server'));
  });
});
