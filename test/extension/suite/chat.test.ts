// A model of this machine through the editor's own chat interface, as other extensions use it.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import * as path from 'node:path';
import * as vscode from 'vscode';
import { EXTENSION_ID, exampleModel, extensionApi, scratchFolder } from './editor.js';
import { suite, suiteSetup, suiteTeardown, test } from './mocha.js';

const TEMPLATE = `{% for message in messages %}{{ '<|file_sep|>' + message.role + '\\n' + message.content + '<|endoftext|>' }}{% endfor %}{% if add_generation_prompt %}{{ '<|file_sep|>assistant\\n' }}{% endif %}`;

suite('chat', () => {
  const scratch = scratchFolder();
  const file = path.join(scratch, 'tiny-chat.gguf');
  const settings = () => vscode.workspace.getConfiguration('quantsmith.chat');
  const models = () => vscode.lm.selectChatModels({ vendor: 'quantsmith' });

  suiteSetup(async () => {
    await extensionApi();
    const dist = path.join(vscode.extensions.getExtension(EXTENSION_ID)?.extensionPath ?? '', 'dist');
    const override = `tokenizer.chat_template=str:${TEMPLATE}`;
    const args = ['quantize', exampleModel(), file, '--type', 'F16', '--override-kv', override];
    execFileSync(process.execPath, [path.join(dist, 'cli.js'), ...args], {
      env: { ...process.env, ELECTRON_RUN_AS_NODE: '1' },
    });
  });
  suiteTeardown(async () => {
    await settings().update('models', undefined, vscode.ConfigurationTarget.Global);
  });

  test('a model without a chat template is refused', async () => {
    await vscode.commands.executeCommand('quantsmith.offerToChat', vscode.Uri.file(exampleModel()));
    assert.deepEqual(settings().get('models'), []);
  });

  test('an offered model answers, streams, counts and is cancelled', async () => {
    await vscode.commands.executeCommand('quantsmith.offerToChat', vscode.Uri.file(file));
    assert.deepEqual(settings().get('models'), [file]);
    const [model] = await models();
    assert.ok(model, 'no model is offered');
    assert.equal(model.id, file);
    assert.equal(model.family, 'llama');
    assert.equal(model.maxInputTokens, 256);
    assert.ok((await model.countTokens('def add(a, b):')) > 3);
    const messages = [vscode.LanguageModelChatMessage.User('def add(a, b):\n')];
    assert.ok((await model.countTokens(messages[0] ?? '')) > (await model.countTokens('def add(a, b):\n')));

    const ask = async (token: vscode.CancellationToken) => {
      const response = await model.sendRequest(messages, { modelOptions: { temperature: 0, max_tokens: 100 } }, token);
      let text = '';
      for await (const part of response.text) text += part;
      return text;
    };
    const source = new vscode.CancellationTokenSource();
    const text = await ask(source.token);
    assert.ok(text.length > 0);
    assert.equal(await ask(source.token), text);
    source.cancel();
    await assert.rejects(ask(source.token));
  });

  test('what cannot be answered is said', async () => {
    const [model] = await models();
    assert.ok(model);
    const long = [vscode.LanguageModelChatMessage.User('word '.repeat(600))];
    await assert.rejects(async () => {
      const response = await model.sendRequest(long, {}, new vscode.CancellationTokenSource().token);
      for await (const part of response.text) assert.equal(part, '');
    }, /512 tokens/);
  });
});
