import assert from 'node:assert/strict';
import { copyFileSync, unlinkSync, writeFileSync } from 'node:fs';
import * as path from 'node:path';
import * as vscode from 'vscode';
import { closeEditors, exampleModel, extensionApi, scratchFolder, until } from './editor.js';
import { setup, suite, suiteTeardown, teardown, test } from './mocha.js';

const settings = () => vscode.workspace.getConfiguration('quantsmith.completions');
const set = (name: string, value: unknown) => settings().update(name, value, vscode.ConfigurationTarget.Global);

suite('completions', () => {
  const scratch = scratchFolder();
  setup(async () => {
    // Enough on any machine: what is asked for here shall be shown.
    await set('timeBudget', 20_000);
  });
  teardown(async () => {
    await vscode.commands.executeCommand('notifications.clearAll');
    await closeEditors();
  });
  suiteTeardown(async () => {
    for (const name of ['model', 'timeBudget', 'enabled', 'excludedFiles']) await set(name, undefined);
  });

  /** An editor with a text, the cursor at │. */
  const open = async (name: string, text: string): Promise<vscode.TextEditor> => {
    const [before = '', behind = ''] = text.split('│');
    const file = path.join(scratch, name);
    writeFileSync(file, before + behind);
    const document = await vscode.workspace.openTextDocument(file);
    const editor = await vscode.window.showTextDocument(document);
    const cursor = document.positionAt(before.length);
    editor.selection = new vscode.Selection(cursor, cursor);
    return editor;
  };

  /** What became of the next request for a completion after `act`. */
  const nextOutcome = async (act: () => Thenable<unknown>) => {
    const api = await extensionApi();
    const before = api.completions().last;
    await act();
    return until('a completion, or why there is none', () => {
      const { last } = api.completions();
      return last !== before && last?.outcome;
    });
  };
  const trigger = () => vscode.commands.executeCommand('editor.action.inlineSuggest.trigger');
  const type = (text: string) => vscode.commands.executeCommand('type', { text });
  const use = (file: string) => vscode.commands.executeCommand('quantsmith.useForCompletions', vscode.Uri.file(file));

  const LOOP = 'def total(items):\n    result = 0\n    for item in items:\n        │\n    return result\n';

  test('without a model there are none', async () => {
    const api = await extensionApi();
    assert.equal(api.completions().model.kind, 'none');
    await open('none.py', LOOP);
    await trigger();
    await new Promise(resolve => setTimeout(resolve, 300));
    assert.equal(api.completions().last, undefined);
  });

  test('a file that is no model is refused, and none is chosen', async () => {
    const api = await extensionApi();
    const file = path.join(scratch, 'text.gguf');
    writeFileSync(file, 'no model');
    await use(file);
    assert.equal(api.completions().model.kind, 'none');
    assert.equal(settings().get('model'), '');
  });

  test('the model of the workspace completes: typing brings ghost text, accepting it changes the document', async () => {
    const api = await extensionApi();
    await use(exampleModel());
    const { model } = api.completions();
    assert.equal(model.kind, 'ready', JSON.stringify(model));
    assert.equal(settings().get('model'), exampleModel());

    const editor = await open('loop.py', LOOP);
    const typed = await nextOutcome(() => type('r'));
    assert.ok(typed.offer, JSON.stringify(typed));
    assert.ok(typed.answer && (typed.answer.generatedTokens ?? 0) > 0);
    assert.match(
      typed.answer.prompt,
      /^<\|fim_prefix\|>def total[^]*<\|fim_suffix\|>\n {4}return result\n<\|fim_middle\|>$/,
    );
    const before = editor.document.getText();
    const offset = editor.document.offsetAt(editor.selection.active);
    const { text, replace } = typed.offer;
    // The item is on its way to the editor when the request is answered.
    for (let attempt = 0; attempt < 100 && editor.document.getText() === before; attempt++) {
      await vscode.commands.executeCommand('editor.action.inlineSuggest.commit');
      await new Promise(resolve => setTimeout(resolve, 50));
    }
    assert.equal(editor.document.getText(), before.slice(0, offset) + text + before.slice(offset + replace));
  });

  test('what was accepted is counted, and the statistics are a text that says so', async () => {
    await vscode.commands.executeCommand('quantsmith.showCompletionStatistics');
    await until('a count of what was accepted', () => {
      const shown = vscode.workspace.textDocuments.find(({ uri }) => uri.scheme === 'quantsmith-statistics');
      return /Accepted: +1 /.test(shown?.getText() ?? '');
    });
  });

  test('snoozed, none are offered by themselves; who asks gets one', async () => {
    await open('snoozed.py', LOOP);
    await vscode.commands.executeCommand('quantsmith.snoozeCompletions', 5);
    assert.match((await nextOutcome(() => type('r'))).nothing ?? '', /snoozed until/);
    assert.ok((await nextOutcome(trigger)).source);
    await vscode.commands.executeCommand('quantsmith.snoozeCompletions', 0);
    assert.ok((await nextOutcome(() => type('e'))).source);
  });

  test('typing along with what is shown asks the model nothing', async () => {
    await open('along.py', LOOP.replace('│', 'r│'));
    const { offer, answer } = await nextOutcome(trigger);
    assert.ok(offer && offer.text.length > 1, JSON.stringify(offer));
    const along = await nextOutcome(() => type(offer.text.slice(0, 1)));
    assert.equal(along.source, 'cache');
    assert.equal(along.answer, answer);
    // Of spaces that were typed no more are offered.
    assert.equal(along.offer?.text.trimStart(), offer.text.slice(1).trimStart());
  });

  test('secret-looking and excluded files are not read; a language can be turned off', async () => {
    await open('.env', 'TOKEN=│');
    assert.match((await nextOutcome(trigger)).nothing ?? '', /holds secrets/);
    await set('excludedFiles', ['**/private-*.py']);
    await open('private-a.py', LOOP);
    assert.match((await nextOutcome(trigger)).nothing ?? '', /private-\*\.py/);
    await open('off.py', LOOP);
    await vscode.commands.executeCommand('quantsmith.toggleCompletionsForLanguage');
    assert.match((await nextOutcome(trigger)).nothing ?? '', /turned off here/);
    await vscode.commands.executeCommand('quantsmith.toggleCompletionsForLanguage');
    await open('on.py', LOOP);
    assert.ok((await nextOutcome(trigger)).answer);
  });

  test('the last completion is explained', async () => {
    await open('explained.py', LOOP);
    await nextOutcome(trigger);
    await vscode.commands.executeCommand('quantsmith.explainCompletion');
    const document = vscode.workspace.textDocuments.find(({ uri }) => uri.scheme === 'quantsmith-explanation');
    assert.match(document?.getText() ?? '', /explained\.py:4:9[^]*--- Prompt\n<\|fim_prefix\|>def total/);
  });

  test('a worker that is killed while it writes: nothing is inserted, and the next completion comes', async () => {
    const api = await extensionApi();
    const editor = await open('killed.py', LOOP);
    const { pid } = api.worker();
    assert.ok(pid !== undefined);
    const text = editor.document.getText();
    const asked = nextOutcome(trigger);
    process.kill(pid, 'SIGKILL');
    await asked;
    assert.equal(editor.document.getText(), text);
    await open('after.py', 'import os\n\n\ndef folder(file):\n    │\n\n\nprint(folder("a"))\n');
    const next = await nextOutcome(trigger);
    assert.equal(next.failed, undefined, JSON.stringify(next.failed));
    assert.notEqual(api.worker().pid, pid);
  });

  test('a model that is gone fails once, and completes again when it is back and chosen', async () => {
    const api = await extensionApi();
    const file = path.join(scratch, 'gone.gguf');
    copyFileSync(exampleModel(), file);
    await use(file);
    unlinkSync(file);
    await vscode.commands.executeCommand('quantsmith.restartWorker');
    await open('gone.py', LOOP);
    const outcome = await nextOutcome(trigger);
    assert.match(outcome.failed?.code ?? '', /^io\//, JSON.stringify(outcome));
    assert.equal(api.completions().model.kind, 'failed');
    copyFileSync(exampleModel(), file);
    await use(file);
    await open('back.py', LOOP);
    assert.ok((await nextOutcome(trigger)).answer);
  });

  test('another model while one writes, and 500 characters typed quickly: only what was typed is in the document', async () => {
    const copy = path.join(scratch, 'copy.gguf');
    copyFileSync(exampleModel(), copy);
    const editor = await open('typed.py', '│');
    const switched = use(copy);
    const expected = 'value + other '.repeat(36).slice(0, 500);
    // Faster than anybody: none waits for the one before.
    await Promise.all(Array.from(expected, type));
    await switched;
    assert.equal(editor.document.getText(), expected);
    assert.equal(settings().get('model'), copy);
    await vscode.commands.executeCommand('workbench.action.files.revert');
  });

  test('a file of 5 MB completes like any other', async () => {
    const line = 'value = compute(value, 1)\n';
    // No language: the editor takes 15 s to colour so much.
    await open('large.txt', `${line.repeat(100_000)}value = │\n${line.repeat(100_000)}`);
    const outcome = await nextOutcome(trigger);
    assert.equal(outcome.failed, undefined);
    assert.ok(outcome.totalMs < 10_000, String(outcome.totalMs));
  });

  test('the example comes with the extension', async () => {
    const api = await extensionApi();
    const extension = vscode.extensions.getExtension('quantsmith.quantsmith');
    await use(path.join(extension?.extensionPath ?? '', 'examples', 'tinycoder-f16.gguf'));
    assert.equal(settings().get('model'), 'example');
    assert.equal(api.completions().model.kind, 'ready');
  });
});
