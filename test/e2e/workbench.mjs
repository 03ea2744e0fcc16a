// Drives the workbench of a real VS Code (code-server) in Chromium. Shared by the integration tests, which run inside the
// extension host, and the UI tests, which click through the packaged extension.
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { chromium } from 'playwright-core';
import { CHROMIUM_FLAGS, ensureChromium } from '../../scripts/chromium.mjs';

export const root = path.resolve(import.meta.dirname, '../..');
export const screenshots = path.join(root, 'test-results/screenshots');

export async function launchBrowser() {
  const { path: executablePath, reason } = await ensureChromium();
  if (!executablePath) throw new Error(reason);
  return chromium.launch({ executablePath, headless: true, args: CHROMIUM_FLAGS });
}

/** The address that opens `folder`; `payload` values that are absolute paths become remote URIs, as the workbench wants them. */
export function workbenchUrl(server, folder, payload = []) {
  const authority = new URL(server.url).host;
  const url = new URL(server.url + '/');
  url.searchParams.set('folder', folder);
  if (payload.length > 0) {
    const remote = value => (value.startsWith('/') ? `vscode-remote://${authority}${value}` : value);
    url.searchParams.set('payload', JSON.stringify(payload.map(([key, value]) => [key, remote(value)])));
  }
  return url.href;
}

/** What a person does in the workbench, by the names a person sees. */
export class Workbench {
  constructor(page) {
    this.page = page;
  }

  /** Opens a folder and waits until the extension shows a sign of life: before that, a .gguf opens in the text editor. */
  static async open(
    browser,
    server,
    folder,
    { signOfLife = 'Quantsmith', viewport = { width: 1400, height: 900 }, colorScheme } = {},
  ) {
    const context = await browser.newContext({
      viewport,
      permissions: ['clipboard-read', 'clipboard-write'],
      ...(colorScheme ? { colorScheme } : {}),
    });
    const page = await context.newPage();
    await page.goto(workbenchUrl(server, folder));
    await page.locator('.statusbar-item', { hasText: signOfLife }).first().waitFor({ timeout: 60_000 });
    return new Workbench(page);
  }

  /** Runs the command whose palette row is exactly `title`; Enter would take the first fuzzy match, which may be another. */
  async runCommand(title) {
    await this.#inPalette('F1', `>${title}`, () => this.quickPickRow(title));
  }

  /** Picks the row whose label is exactly `label`, after filtering by it: rows further down are not in the DOM. */
  async pick(label) {
    await this.quickInput().fill(label);
    await this.quickPickRow(label).first().click();
  }

  /** Rows of the visible quick pick whose label is exactly `label`. Rows of a hidden pick stay in the DOM. */
  quickPickRow(label) {
    return this.page
      .locator('.quick-input-widget:visible .quick-input-list .monaco-list-row')
      .filter({ has: this.page.locator('.label-name').getByText(label, { exact: true }) });
  }

  quickInput() {
    return this.page.locator('.quick-input-widget:visible .quick-input-box input');
  }

  /** Opens a file through Quick Open. */
  async openFile(name) {
    await this.#inPalette('Control+p', name, row => row.filter({ hasText: name }));
    await this.page.locator('.tab', { hasText: name }).first().waitFor();
  }

  /** A webview that is just loading takes the focus, which closes the palette: it is opened again, a few times. */
  async #inPalette(key, text, choose) {
    for (let attempt = 1; ; attempt++) {
      await this.page.keyboard.press(key);
      try {
        await this.quickInput().fill(text, { timeout: 3000 });
        const rows = this.page.locator('.quick-input-widget:visible .quick-input-list .monaco-list-row');
        await choose(rows).first().click({ timeout: 5000 });
        return;
      } catch (error) {
        if (attempt === 4) throw error;
      }
    }
  }

  /** The document inside the visible webview editor: two nested frames. */
  webview() {
    return this.page
      .locator('iframe.webview.ready:visible')
      .contentFrame()
      .locator('iframe#active-frame')
      .contentFrame();
  }

  /** The notification toast with this text. */
  notification(text) {
    return this.page.locator('.notifications-toasts .notification-list-item').filter({ hasText: text });
  }

  async screenshot(name) {
    mkdirSync(screenshots, { recursive: true });
    const file = path.join(screenshots, `${name}.png`);
    await this.page.screenshot({ path: file });
    return file;
  }
}
