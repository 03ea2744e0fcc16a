// Clicks through the packaged extension in a real VS Code, as a person would: open the model, quantize it from the palette to
// the end, run a recipe as a task, see a diagnostic. Screenshots go to test-results/screenshots; look at them.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import path from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { installVsix, startCodeServer } from '../../scripts/code-server.mjs';
import { startCompletingServer } from './completing-server.mjs';
import { launchBrowser, root, Workbench } from './workbench.mjs';

const BROKEN_RECIPE = `recipe: 1
source: tinycoder-f16.gguf
output: out/broken.gguf
type: Q4_K_X
ruls: []
`;

const TO_COMPLETE = `def total(items):
    result = 0
    for item in items:
        
    return result
`;

const inspect = file =>
  JSON.parse(
    execFileSync(process.execPath, [path.join(root, 'dist/cli.js'), 'inspect', file, '--json'], {
      encoding: 'utf8',
      maxBuffer: 1 << 28,
    }),
  );

/** Waits until `condition` is true. */
async function until(condition, what, limit = 60_000) {
  const end = Date.now() + limit;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`${what} did not happen within ${limit / 1000} s`);
    await new Promise(resolve => setTimeout(resolve, 100));
  }
}

describe('packaged extension', { timeout: 300_000 }, () => {
  const temporary = mkdtempSync(path.join(tmpdir(), 'quantsmith-'));
  const workspace = path.join(temporary, 'models');
  let server, browser, workbench, extensionsDirectory;

  before(async () => {
    const vsix = readdirSync(path.join(root, 'out')).filter(name => name.endsWith('.vsix'));
    assert.ok(vsix.length > 0, 'no package in out/: run npm run package first');
    const newest = vsix
      .map(name => path.join(root, 'out', name))
      .sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs)[0];
    mkdirSync(workspace);
    for (const file of ['tinycoder-f16.gguf', 'tinycoder.quant.yaml', 'complete-me.py']) {
      cpSync(path.join(root, 'examples', file), path.join(workspace, file));
    }
    writeFileSync(path.join(workspace, 'broken.quant.yaml'), BROKEN_RECIPE);
    writeFileSync(path.join(workspace, 'typed.quant.yaml'), '');
    writeFileSync(path.join(workspace, 'not-a-model.gguf'), 'This is not a model.\n');
    for (const name of ['total.py', 'served.py']) writeFileSync(path.join(workspace, name), TO_COMPLETE);
    extensionsDirectory = installVsix(newest);
    [server, browser] = await Promise.all([
      startCodeServer({
        extensionsDirectory,
        settings: {
          'workbench.colorTheme': 'Default Dark Modern',
          'terminal.integrated.gpuAcceleration': 'off', // otherwise its text is pixels on a canvas
          'workbench.reduceMotion': 'on', // otherwise screenshots catch toasts half faded in
        },
      }),
      launchBrowser(),
    ]);
    workbench = await Workbench.open(browser, server, workspace);
  });

  afterEach(async context => {
    if (workbench) await workbench.screenshot(`after ${context.name}`.replaceAll(/[^\w-]+/g, '-'));
  });

  after(async () => {
    await browser?.close();
    await server?.stop();
    rmSync(temporary, { recursive: true, force: true });
    if (extensionsDirectory) rmSync(extensionsDirectory, { recursive: true, force: true });
  });

  test('opens a model in the inspector', async () => {
    await workbench.openFile('tinycoder-f16.gguf');
    const inspector = workbench.webview();
    await inspector.getByRole('tab', { name: /Tensors/ }).waitFor({ timeout: 30_000 });
    await workbench.screenshot('inspector-overview');
    await inspector.getByRole('tab', { name: /Tensors/ }).click();
    await inspector.getByText('blk.0.attn_k.weight').first().waitFor();
    await workbench.screenshot('inspector-tensors');
    await inspector.getByRole('tab', { name: /Metadata/ }).click();
    await inspector.getByText('general.architecture').first().waitFor();
    await workbench.screenshot('inspector-metadata');
  });

  test('says what is wrong with a file that is no model', async () => {
    await workbench.openFile('not-a-model.gguf');
    await workbench
      .webview()
      .getByText(/not a GGUF/i)
      .first()
      .waitFor({ timeout: 30_000 });
    await workbench.screenshot('inspector-not-a-model');
  });

  test('quantizes from the palette to the end', async () => {
    await workbench.openFile('tinycoder-f16.gguf');
    await workbench.runCommand('Quantsmith: Quantize Model…');
    await workbench.quickPickRow('Q4_K_M').first().waitFor({ timeout: 30_000 });
    await workbench.screenshot('quantize-pick-type');
    await workbench.quickPickRow('Q4_K_M').first().click();
    await until(
      async () => (await workbench.quickInput().inputValue()).endsWith('.gguf'),
      'the proposal of an output name',
    );
    const output = path.join(workspace, path.basename(await workbench.quickInput().inputValue()));
    await workbench.screenshot('quantize-output');
    await workbench.page.keyboard.press('Enter');
    const done = workbench
      .notification(/Q4_K_M/)
      .filter({ has: workbench.page.getByRole('button', { name: 'Open', exact: true }) });
    await done.first().waitFor({ timeout: 60_000 });
    await workbench.screenshot('quantize-done');
    const model = inspect(output);
    assert.equal(model.fileType, 'Q4_K_M');
    assert.deepEqual(model.problems, []);
    await done.first().getByRole('button', { name: 'Open', exact: true }).click();
    await workbench.page.locator('.tab.active', { hasText: path.basename(output) }).waitFor();
    await workbench.webview().getByText('Q4_K_M').first().waitFor({ timeout: 30_000 });
  });

  test('asks whether to go on with a run that was interrupted', async () => {
    const { page } = workbench;
    const output = path.join(workspace, 'tinycoder-Q8_0.gguf');
    const left = ['journal', 'partial'].map(kind => path.join(workspace, `.tinycoder-Q8_0.gguf.quantsmith-${kind}`));
    // No process has this number.
    const owner = { pid: 2 ** 30, host: hostname() };
    writeFileSync(left[0], JSON.stringify({ quantsmith: 1, fingerprint: '', owner, partials: [] }));
    writeFileSync(left[1], 'x');
    await workbench.openFile('tinycoder-f16.gguf');
    await workbench.runCommand('Quantsmith: Quantize Model…');
    await workbench.quickPickRow('Q4_K_M').first().waitFor({ timeout: 30_000 });
    await workbench.quickInput().fill('Q8_0');
    await workbench.quickPickRow('Q8_0').first().click();
    await until(
      async () => (await workbench.quickInput().inputValue()) === output,
      'the proposal of the output that is left unfinished',
    );
    await page.keyboard.press('Enter');
    const dialog = page.locator('.monaco-dialog-box', { hasText: 'Go on with tinycoder-Q8_0.gguf?' });
    await dialog.waitFor({ timeout: 30_000 });
    await workbench.screenshot('quantize-go-on');
    await dialog.getByRole('button', { name: 'Go On' }).click();
    await until(() => existsSync(output), 'the output');
    assert.deepEqual(inspect(output).problems, []);
    await until(() => left.every(file => !existsSync(file)), 'the end of the temporary files');
  });

  test('offers to quantize a model in the menu of the explorer', async () => {
    const { page } = workbench;
    await page
      .locator('.explorer-folders-view .monaco-list-row', { hasText: 'tinycoder-f16.gguf' })
      .click({ button: 'right' });
    const entry = page.locator('.monaco-menu .action-item', { hasText: 'Quantize Model…' });
    await entry.first().waitFor({ timeout: 30_000 });
    await workbench.screenshot('explorer-menu');
    await entry.first().click();
    await workbench.quickPickRow('Q4_K_M').first().waitFor({ timeout: 30_000 });
    assert.match(
      await page.locator('.quick-input-widget:visible .quick-input-title').innerText(),
      /tinycoder-f16\.gguf/,
    );
    await page.keyboard.press('Escape');
  });

  test('completes code with the model that was clicked: ghost text, Tab, and it is in the file', async () => {
    const { page } = workbench;
    const { keyboard } = page;
    await page
      .locator('.explorer-folders-view .monaco-list-row', { hasText: 'tinycoder-f16.gguf' })
      .click({ button: 'right' });
    const entry = page.locator('.monaco-menu .action-item', { hasText: 'Use This Model for Completions' });
    await entry.first().waitFor({ timeout: 30_000 });
    // A menu that has just opened takes no click.
    await workbench.screenshot('completions-menu');
    await entry.first().click();
    await workbench
      .notification(/completes now/)
      .first()
      .waitFor({ timeout: 30_000 });
    await workbench.screenshot('completions-model-chosen');
    await workbench.openFile('total.py');
    await page.locator('.editor-instance .view-lines').first().click();
    await keyboard.press('Control+Home');
    for (let line = 1; line < 4; line++) await keyboard.press('ArrowDown');
    await keyboard.press('End');
    await keyboard.type('r');
    const ghost = page.locator('.monaco-editor [class*="ghost-text"]');
    await ghost.first().waitFor({ timeout: 30_000 });
    const shown = (await ghost.allInnerTexts()).join('').replaceAll('\u00a0', ' ');
    await workbench.screenshot('completions-ghost-text');
    // Nothing is in the file that was not accepted.
    const file = path.join(workspace, 'total.py');
    await keyboard.press('Control+s');
    const typed = TO_COMPLETE.replace('        \n', '        r\n');
    await until(() => readFileSync(file, 'utf8') === typed, 'saving what was typed, and no more');
    await ghost.first().waitFor({ timeout: 30_000 });
    await keyboard.press('Tab');
    await keyboard.press('Control+s');
    await until(() => readFileSync(file, 'utf8') !== typed, 'saving what was accepted');
    const [before, after] = typed.split('        r\n');
    const saved = readFileSync(file, 'utf8');
    assert.ok(saved.startsWith(`${before}        r${shown.trimEnd().split('\n')[0]}`), saved);
    assert.ok(saved.endsWith(after), saved);
    await workbench.runCommand('Quantsmith: Explain Last Completion');
    await page.locator('.tab', { hasText: 'Last Completion.txt' }).waitFor({ timeout: 30_000 });
    await workbench.screenshot('completions-explained');
    await workbench.runCommand('View: Close All Editors');
  });

  test('lists models for completions with what they can do', async () => {
    const { page } = workbench;
    // With a model open, the command means that one.
    await workbench.runCommand('View: Close All Editors');
    await workbench.runCommand('Quantsmith: Use This Model for Completions');
    const row = text => page.locator('.quick-input-widget:visible .monaco-list-row', { hasText: text });
    await row('tinycoder-f16.gguf').filter({ hasText: 'fills in (Qwen Coder)' }).first().waitFor({ timeout: 30_000 });
    await row('not-a-model.gguf').filter({ hasText: 'not a GGUF' }).first().waitFor({ timeout: 30_000 });
    await row('Example model').filter({ hasText: 'fills in' }).first().waitFor({ timeout: 30_000 });
    await workbench.screenshot('completions-pick-model');
    await page.keyboard.press('Escape');
  });

  test('completes code by a server that wants a key: asked for, checked, ghost text', async () => {
    const { page } = workbench;
    const { keyboard } = page;
    const completing = await startCompletingServer({ key: 'open-sesame', text: 'esult += item' });
    try {
      await workbench.runCommand('View: Close All Editors');
      await workbench.runCommand('Quantsmith: Use a Server for Completions…');
      await workbench.quickPickRow('llama-server').first().waitFor({ timeout: 30_000 });
      await workbench.screenshot('server-kind');
      await workbench.quickPickRow('llama-server').first().click();
      await until(async () => (await workbench.quickInput().inputValue()).startsWith('http'), 'the proposed address');
      await workbench.quickInput().fill('http://10.0.0.7:8080');
      await page.locator('.quick-input-message', { hasText: 'without encryption' }).waitFor({ timeout: 30_000 });
      await workbench.screenshot('server-address-warning');
      await workbench.quickInput().fill(completing.address);
      await keyboard.press('Enter');
      await page.locator('.quick-input-message', { hasText: 'secret storage' }).waitFor({ timeout: 30_000 });
      await workbench.quickInput().fill('open-sesame');
      await workbench.screenshot('server-key');
      await keyboard.press('Enter');
      await workbench
        .notification(/llama-server at 127\.0\.0\.1:\d+ completes now/)
        .first()
        .waitFor({ timeout: 30_000 });
      await workbench.screenshot('server-chosen');
      await workbench.openFile('served.py');
      await page.locator('.editor-instance .view-lines').first().click();
      await keyboard.press('Control+Home');
      for (let line = 1; line < 4; line++) await keyboard.press('ArrowDown');
      await keyboard.press('End');
      await keyboard.type('r');
      const ghost = page.locator('.monaco-editor [class*="ghost-text"]');
      await ghost.first().waitFor({ timeout: 30_000 });
      assert.match((await ghost.allInnerTexts()).join('').replaceAll('\u00a0', ' '), /^esult \+= item/);
      await page.locator('.statusbar-item', { hasText: 'Completions' }).first().hover();
      await page.locator('.monaco-hover:visible', { hasText: 'Ready: llama-server at' }).waitFor({ timeout: 30_000 });
      await workbench.screenshot('server-ghost-text');
      // The key was never sent before it was entered, and with everything after that.
      const keys = completing.requests.map(({ key }) => key);
      assert.ok(keys.lastIndexOf(undefined) < keys.indexOf('Bearer open-sesame'), keys.join(', '));
      await workbench.runCommand('Quantsmith: Explain Last Completion');
      await page.locator('.tab', { hasText: 'Last Completion.txt' }).waitFor({ timeout: 30_000 });
      await workbench.screenshot('server-explained');
      await completing.close();
      // Another place: nothing of before goes on there.
      await workbench.runCommand('View: Close All Editors');
      await workbench.openFile('served.py');
      await page.locator('.editor-instance .view-lines').first().click();
      await keyboard.press('Control+End');
      await keyboard.type('x');
      await page
        .locator('.statusbar-item.warning-kind', { hasText: 'Completions' })
        .first()
        .waitFor({ timeout: 30_000 });
      await page.locator('.statusbar-item', { hasText: 'Completions' }).first().hover();
      await page.locator('.monaco-hover:visible', { hasText: 'nothing listens there' }).waitFor({ timeout: 30_000 });
      await workbench.screenshot('server-unreachable');
      await workbench.runCommand('File: Revert File');
      await workbench.runCommand('View: Close All Editors');
    } finally {
      await completing.close();
    }
  });

  test('shows diagnostics of a recipe', async () => {
    await workbench.openFile('broken.quant.yaml');
    await workbench.page.locator('.squiggly-error').first().waitFor({ timeout: 30_000 });
    await workbench.runCommand('Problems: Focus on Problems View');
    const problems = workbench.page.locator('.markers-panel');
    await problems
      .getByText(/Q4_K_X/)
      .first()
      .waitFor({ timeout: 30_000 });
    await problems.getByText(/ruls/).first().waitFor();
  });

  test('lets a recipe be typed: Enter after a finished value starts a new line', async () => {
    await workbench.openFile('typed.quant.yaml');
    const { keyboard } = workbench.page;
    await workbench.page.locator('.editor-instance .view-lines').first().click();
    const lines = ['recipe: 1', 'source: tinycoder-f16.gguf', 'type: Q5_K_M', 'fallback: error', '# end'];
    for (const [i, line] of lines.entries()) {
      await keyboard.type(line, { delay: 60 });
      // Time for the suggestions to come up: it is them that Enter must not accept.
      await new Promise(resolve => setTimeout(resolve, 700));
      if (i < lines.length - 1) await keyboard.press('Enter');
    }
    await keyboard.press('Control+s');
    const typed = path.join(workspace, 'typed.quant.yaml');
    await until(() => readFileSync(typed, 'utf8').includes('# end'), 'saving');
    assert.deepEqual(readFileSync(typed, 'utf8').trimEnd().split('\n'), lines);
  });

  test('runs a recipe as a task', async () => {
    await workbench.runCommand('Tasks: Run Task');
    await workbench.page
      .locator('.quick-input-widget:visible .monaco-list-row')
      .filter({ hasText: 'quantsmith' })
      .first()
      .click();
    const recipe = workbench.page
      .locator('.quick-input-widget:visible .monaco-list-row')
      .filter({ hasText: 'tinycoder.quant.yaml' });
    await recipe.first().waitFor({ timeout: 30_000 });
    await workbench.screenshot('task-pick');
    await recipe.first().click();
    const output = path.join(workspace, 'out/tinycoder-Q4_K_M.gguf');
    // VS Code may ask how to scan the task's output; the task's own problem matcher should make that unnecessary.
    const scan = workbench.page
      .locator('.quick-input-widget:visible .monaco-list-row')
      .filter({ hasText: 'Continue without scanning' });
    await until(async () => {
      if (await scan.count()) await scan.first().click();
      return existsSync(output);
    }, 'the output of the recipe');
    assert.equal(inspect(output).tensors.find(({ name }) => name === 'token_embd.weight').type, 'Q8_0');
    await until(
      async () => /Q8_0/.test(await workbench.page.locator('.terminal .xterm-rows').first().innerText()),
      'the summary in the terminal',
    );
  });

  for (const [name, theme] of [
    ['light', 'Light Modern'],
    ['high-contrast', 'Dark High Contrast'],
  ]) {
    test(`is readable in the ${name} theme`, async () => {
      await workbench.runCommand('View: Close All Editors');
      await workbench.runCommand('Preferences: Color Theme');
      await workbench.pick(theme);
      await workbench.openFile('tinycoder-f16.gguf');
      await workbench
        .webview()
        .getByRole('tab', { name: /Overview/ })
        .waitFor({ timeout: 30_000 });
      await workbench.screenshot(`inspector-${name}`);
    });
  }
});
