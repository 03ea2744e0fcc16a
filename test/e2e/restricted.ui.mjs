// A workspace that is not trusted, and wants code to be sent to a server of its own: nothing is sent anywhere, and when it is
// trusted, to the user's server alone.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { installVsix, startCodeServer } from '../../scripts/code-server.mjs';
import { startCompletingServer } from './completing-server.mjs';
import { launchBrowser, root, Workbench } from './workbench.mjs';

describe('restricted mode', { timeout: 200_000 }, () => {
  const workspace = mkdtempSync(path.join(tmpdir(), 'quantsmith-restricted-'));
  let server, browser, workbench, extensionsDirectory, mine, theirs;

  before(async () => {
    const [newest] = readdirSync(path.join(root, 'out'))
      .filter(name => name.endsWith('.vsix'))
      .map(name => path.join(root, 'out', name))
      .sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs);
    assert.ok(newest, 'no package in out/: run npm run package first');
    [mine, theirs] = await Promise.all([
      startCompletingServer({ text: 'esult += item' }),
      startCompletingServer({ text: 'evil()' }),
    ]);
    mkdirSync(path.join(workspace, '.vscode'));
    const wanted = { engine: 'llama-server', endpoint: theirs.address, serverModel: 'theirs', fimFamily: 'Qwen Coder' };
    const settings = Object.entries(wanted).map(([name, value]) => [`quantsmith.completions.${name}`, value]);
    writeFileSync(path.join(workspace, '.vscode/settings.json'), JSON.stringify(Object.fromEntries(settings)));
    writeFileSync(path.join(workspace, 'total.py'), 'def total(items):\n    for item in items:\n        \n');
    extensionsDirectory = installVsix(newest);
    [server, browser] = await Promise.all([
      startCodeServer({
        extensionsDirectory,
        trust: true,
        settings: {
          'security.workspace.trust.startupPrompt': 'never',
          'workbench.reduceMotion': 'on',
          'quantsmith.completions.engine': 'llama-server',
          'quantsmith.completions.endpoint': mine.address,
        },
      }),
      launchBrowser(),
    ]);
    workbench = await Workbench.open(browser, server, workspace);
  });

  after(async () => {
    await browser?.close();
    await server?.stop();
    await Promise.all([mine?.close(), theirs?.close()]);
    rmSync(workspace, { recursive: true, force: true });
    if (extensionsDirectory) rmSync(extensionsDirectory, { recursive: true, force: true });
  });

  /** Types at the end of the loop, and shows what the status says. */
  const type = async character => {
    const { page } = workbench;
    await workbench.openFile('total.py');
    await page.locator('.editor-instance .view-lines').first().click();
    await page.keyboard.press('Control+Home');
    for (let line = 1; line < 3; line++) await page.keyboard.press('ArrowDown');
    await page.keyboard.press('End');
    await page.keyboard.type(character);
    await page.locator('.statusbar-item', { hasText: 'Completions' }).first().hover();
  };

  test('nothing is sent, and the status says why', async () => {
    await type('r');
    await workbench.page.locator('.monaco-hover:visible', { hasText: 'is not trusted' }).waitFor({ timeout: 30_000 });
    await workbench.screenshot('restricted-completions');
    assert.deepEqual([...mine.requests, ...theirs.requests], []);
  });

  test('when it is trusted the server of the user completes, and the one of the workspace hears nothing', async () => {
    const { page } = workbench;
    await workbench.runCommand('Workspaces: Manage Workspace Trust');
    await page.getByRole('button', { name: 'Trust', exact: true }).first().click();
    await page
      .locator('.statusbar-item', { hasText: 'Restricted Mode' })
      .waitFor({ state: 'detached', timeout: 30_000 });
    await page.keyboard.press('Control+w');
    await workbench.openFile('total.py');
    await page.keyboard.press('Control+z');
    await type('r');
    const ghost = page.locator('.monaco-editor [class*="ghost-text"]');
    await ghost.first().waitFor({ timeout: 30_000 });
    assert.match((await ghost.allInnerTexts()).join('').replaceAll('\u00a0', ' '), /^esult \+= item/);
    await workbench.screenshot('trusted-completions');
    assert.ok(mine.requests.length > 0);
    assert.deepEqual(theirs.requests, []);
  });
});
