// Every view in every theme, checked by axe and taken as a picture into test-results/inspector, to be looked at.
import axe from 'axe-core';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ToInspector } from '../../src/protocol/inspector-protocol.js';
import { InspectorBrowser, THEMES, type InspectorPage, type OpenOptions, type Theme } from './inspector-page.js';
import { answerExample, answerLarge, emptyModel, exampleModel, hostileModel, largeModel } from './models.js';

const pictures = path.resolve(import.meta.dirname, '../../test-results/inspector');

let browser: InspectorBrowser;
beforeAll(async () => {
  mkdirSync(pictures, { recursive: true });
  browser = await InspectorBrowser.launch();
});
afterAll(() => browser.close());

interface View {
  readonly name: string;
  readonly first: () => ToInspector | Promise<ToInspector>;
  readonly options?: OpenOptions;
  /** What to do before the picture. */
  readonly act?: (page: InspectorPage) => Promise<void>;
}

const example = async (): Promise<ToInspector> => ({ type: 'model', model: await exampleModel() });
const large = (): ToInspector => ({ type: 'model', model: largeModel() });
const hostile = (): ToInspector => ({ type: 'model', model: hostileModel() });
const tab = (id: string, detail = false, active = ''): OpenOptions => ({
  state: { tab: id, [id]: { detail, active } },
});

const views: readonly View[] = [
  { name: 'overview', first: example },
  { name: 'overview-large', first: large },
  { name: 'overview-narrow', first: example, options: { width: 420, height: 900 } },
  { name: 'metadata', first: example, options: tab('metadata') },
  {
    name: 'metadata-array',
    first: example,
    options: { ...tab('metadata', true, 'tokenizer.ggml.tokens'), answer: answerExample },
  },
  {
    name: 'metadata-string',
    first: large,
    options: { ...tab('metadata', true, 'tokenizer.chat_template'), answer: answerLarge },
  },
  {
    name: 'metadata-narrow',
    first: large,
    options: { ...tab('metadata', true, 'tokenizer.ggml.tokens'), answer: answerLarge, width: 480, height: 800 },
  },
  {
    name: 'tensors',
    first: example,
    options: tab('tensors'),
    act: async ({ page }) => {
      await page.getByRole('grid').focus();
      await page.keyboard.press('ArrowDown');
    },
  },
  { name: 'tensors-detail', first: large, options: tab('tensors', true, 'blk.0.ffn_down_exps.weight') },
  { name: 'tensors-narrow', first: example, options: { ...tab('tensors'), width: 420, height: 700 } },
  {
    name: 'tensors-filter-error',
    first: example,
    options: { state: { tab: 'tensors', tensors: { query: '/blk.(/', type: '' } } },
  },
  {
    name: 'tensors-forced-colors',
    first: example,
    options: { ...tab('tensors', true, 'blk.0.attn_q.weight'), forcedColors: 'active' },
  },
  { name: 'overview-forced-colors', first: large, options: { forcedColors: 'active' } },
  { name: 'problems', first: hostile, options: tab('problems') },
  { name: 'problems-none', first: example, options: tab('problems') },
  { name: 'hostile-overview', first: hostile },
  { name: 'hostile-metadata', first: hostile, options: tab('metadata', true, 'general.hostile.4') },
  { name: 'hostile-tensors', first: hostile, options: tab('tensors') },
  { name: 'empty', first: () => ({ type: 'model', model: emptyModel() }) },
  { name: 'empty-tensors', first: () => ({ type: 'model', model: emptyModel() }), options: tab('tensors') },
  { name: 'loading', first: () => ({ type: 'loading', path: '/home/ada/models/tinycoder-f16.gguf' }) },
  {
    name: 'failed',
    first: () => ({
      type: 'failed',
      error: {
        code: 'gguf/not-gguf',
        message:
          'Expected "GGUF" in the first 4 bytes of /home/ada/models/readme.gguf, found 0x23 0x20 0x54 0x69: this is not a GGUF file.',
        hint: 'It looks like text. If it was downloaded, the page may have been saved instead of the file.',
      },
    }),
  },
];

async function violations(page: InspectorPage['page'], forcedColors: boolean): Promise<string[]> {
  await page.evaluate(axe.source);
  const result = await page.evaluate(async forced => {
    const { axe } = window as unknown as { axe: { run(context: Document, options: object): Promise<axe.AxeResults> } };
    // Rules about whole documents do not apply to a view inside an editor.
    return axe.run(document, {
      rules: {
        region: { enabled: false },
        // Forced colours are the person's own; axe sees the ones that they replace.
        'color-contrast': { enabled: !forced },
        'landmark-one-main': { enabled: false },
        'page-has-heading-one': { enabled: false },
      },
    });
  }, forcedColors);
  return result.violations.flatMap(({ id, nodes }) =>
    nodes.map(node => `${id}: ${node.target.flat().join(' ')} ${node.failureSummary ?? ''}`),
  );
}

async function check(view: View, theme: Theme): Promise<void> {
  const opened = await browser.open({ theme, first: [await view.first()], ...view.options });
  try {
    await opened.page.locator('qs-inspector-app').waitFor();
    await opened.page.waitForFunction(() => document.fonts.ready.then(() => true));
    await opened.page.waitForTimeout(150);
    await view.act?.(opened);
    await opened.page.screenshot({ path: path.join(pictures, `${view.name}.${theme}.png`) });
    expect(opened.complaints).toEqual([]);
    expect(await violations(opened.page, view.options?.forcedColors === 'active')).toEqual([]);
  } finally {
    await opened.close();
  }
}

describe.each(THEMES)('%s', theme => {
  test.each(views.map(view => [view.name, view] as const))('%s', async (_name, view) => {
    await check(view, theme);
  });
});
