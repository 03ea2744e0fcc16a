// What crosses the border of the inspector's webview, and the page itself.
import { describe, expect, test } from 'vitest';
import { inspectorHtml } from '../../../src/extension/inspector/inspector-html.js';
import {
  MAX_ARRAY_PAGE,
  parseFromInspector,
  sendableModel,
  sendableScalar,
  takeMessage,
} from '../../../src/extension/inspector/inspector-messages.js';
import { QuantsmithError } from '../../../src/core/problem.js';
import type { ModelDescription } from '../../../src/protocol/worker-protocol.js';

describe('messages from the webview', () => {
  test.each([
    { type: 'ready' },
    { type: 'shown', view: 'model' },
    { type: 'shown', view: 'failed' },
    { type: 'command', command: 'quantize' },
    { type: 'copy', text: 'a\nb' },
    { type: 'request', id: 1, request: { kind: 'string', key: 'k' } },
    { type: 'request', id: 2, request: { kind: 'array', key: 'k', start: 0, count: 100 } },
  ])('%j is understood', message => {
    expect(parseFromInspector(message)).toEqual(message);
  });

  test('keeps nothing that was not asked for', () => {
    expect(parseFromInspector({ type: 'ready', extra: 1 })).toEqual({ type: 'ready' });
  });

  test.each([
    undefined,
    null,
    'ready',
    [],
    {},
    { type: 'shown', view: 'other' },
    { type: 'command', command: 'workbench.action.terminal.new' },
    { type: 'command', command: 'toString' },
    { type: 'copy', text: 7 },
    { type: 'request', id: 'x', request: { kind: 'string', key: 'k' } },
    { type: 'request', id: 1, request: { kind: 'string' } },
    { type: 'request', id: 1, request: { kind: 'array', key: 'k', start: -1, count: 1 } },
    { type: 'request', id: 1, request: { kind: 'array', key: 'k', start: 0.5, count: 1 } },
    { type: 'request', id: 1, request: { kind: 'array', key: 'k', start: 0, count: MAX_ARRAY_PAGE + 1 } },
    { type: 'request', id: 1, request: { kind: 'file', key: '/etc/passwd' } },
  ])('%j is dropped', message => {
    expect(parseFromInspector(message)).toBeUndefined();
  });
});

describe('a message of the webview', () => {
  /** What happened because of it, in order. */
  async function check(message: unknown, failure?: Error): Promise<string[]> {
    const events: string[] = [];
    await takeMessage(message, {
      record: ({ type }) => events.push(`recorded ${type}`),
      receive: ({ type }) => {
        events.push(`received ${type}`);
        return failure ? Promise.reject(failure) : Promise.resolve();
      },
      log: { warn: text => events.push(`warn: ${text}`), error: text => events.push(`error: ${text}`) },
    });
    return events;
  }

  test('is recorded, then done', async () => {
    expect(await check({ type: 'ready' })).toEqual(['recorded ready', 'received ready']);
  });

  test('of an unknown shape is dropped and said', async () => {
    expect(await check({ type: 'eval', text: 'x' })).toEqual([
      'warn: The inspector view sent a message of an unknown shape; it was dropped.',
    ]);
  });

  test('that cannot be done is said with what it was, why, and what to do', async () => {
    const busy = new QuantsmithError('job/busy', 'A job is running.', 'Cancel it first.');
    expect((await check({ type: 'command', command: 'quantize' }, busy)).at(-1)).toBe(
      `error: The inspector's command "quantize" failed: A job is running. Cancel it first. [job/busy]`,
    );
    const denied = new Error('Write permission denied.');
    expect((await check({ type: 'copy', text: 'x' }, denied)).at(-1)).toMatch(
      /^error: The inspector's copy failed: .*Write permission denied\..* \[/,
    );
  });
});

describe('messages to the webview survive JSON', () => {
  test.each([
    [2n ** 64n - 1n, '18446744073709551615'],
    [NaN, 'NaN'],
    [-Infinity, '-Infinity'],
    [-0, '-0'],
    [1.5, 1.5],
    [false, false],
    ['<b>', '<b>'],
  ])('%s', (value, expected) => {
    expect(JSON.parse(JSON.stringify(sendableScalar(value)))).toBe(expected);
  });

  test('in a whole description', () => {
    const model = {
      metadata: [
        { key: 'a', type: 'u64', value: 2n ** 60n },
        { key: 'b', type: 'array', array: { elementType: 'f32', length: 2, head: [NaN, 1] } },
        { key: 'c', type: 'string', value: 'text', fullLength: 99 },
      ],
    } as unknown as ModelDescription;
    expect(JSON.parse(JSON.stringify(sendableModel(model)))).toEqual({
      metadata: [
        { key: 'a', type: 'u64', value: '1152921504606846976' },
        { key: 'b', type: 'array', array: { elementType: 'f32', length: 2, head: ['NaN', 1] } },
        { key: 'c', type: 'string', value: 'text', fullLength: 99 },
      ],
    });
  });
});

describe('page', () => {
  const html = inspectorHtml({
    cspSource: 'https://view',
    script: 'https://view/i.js',
    style: 'https://view/i.css',
    icons: 'https://view/c.css',
    nonce: 'N0NCE',
  });

  test('allows nothing but its own script and styles', () => {
    const policy = /Content-Security-Policy" content="([^"]*)"/.exec(html)?.[1];
    expect(policy).toBe(
      "default-src 'none'; script-src 'nonce-N0NCE'; style-src https://view; font-src https://view; img-src https://view; base-uri 'none'; form-action 'none'",
    );
    expect(html).not.toMatch(/unsafe|<script(?![^>]*nonce=)|\son\w+=|<style|style=/);
  });

  test('has a language, a title, and one script, which carries the nonce', () => {
    expect(html).toContain('<html lang="en">');
    expect(html).toContain('<title>Model Inspector</title>');
    expect(html.match(/<script[^>]*>/g)).toEqual(['<script type="module" src="https://view/i.js" nonce="N0NCE">']);
  });
});
