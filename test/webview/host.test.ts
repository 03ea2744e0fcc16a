// Every request to the host settles: by its answer, an error, a time-out, or the view being closed.
import { expect, test } from 'vitest';
import type { FromInspector, InspectorRequest } from '../../src/protocol/inspector-protocol.js';
import type { MetadataRow } from '../../src/protocol/worker-protocol.js';
import { InspectorHost, MAX_COPY_LENGTH, REQUEST_TIMEOUT_MS } from '../../webview/host.js';
import { MAX_COPY_ELEMENTS, valueAsJson, valueAsText } from '../../webview/whole-value.js';

interface World {
  readonly host: InspectorHost;
  readonly sent: FromInspector[];
  /** Runs the timers that are due after so many milliseconds. */
  readonly advance: (ms: number) => void;
  readonly timers: Map<number, { due: number; callback: () => void }>;
}

function world(): World {
  const sent: FromInspector[] = [];
  const timers: World['timers'] = new Map();
  let now = 0;
  let handle = 0;
  const host = new InspectorHost(message => sent.push(message), {
    setTimeout: (callback, ms) => {
      timers.set(++handle, { due: now + ms, callback });
      return handle;
    },
    clearTimeout: id => timers.delete(id),
  });
  const advance = (ms: number) => {
    now += ms;
    for (const [id, { due, callback }] of [...timers]) {
      if (due > now) continue;
      timers.delete(id);
      callback();
    }
  };
  return { host, sent, advance, timers };
}

const request: InspectorRequest = { kind: 'string', key: 'k' };
const outcome = (promise: Promise<unknown>) => promise.catch((error: unknown) => (error as { code: string }).code);

test('answers reach their requests in any order, once', async () => {
  const { host, sent, timers } = world();
  const first = host.request(request);
  const second = host.request({ kind: 'array', key: 'a', start: 0, count: 2 });
  expect(sent).toEqual([
    { type: 'request', id: 1, request },
    { type: 'request', id: 2, request: { kind: 'array', key: 'a', start: 0, count: 2 } },
  ]);
  host.settle({ type: 'response', id: 2, result: { kind: 'array', values: [1, 2], length: 2 } });
  host.settle({ type: 'response', id: 1, result: { kind: 'string', value: 'v' } });
  host.settle({ type: 'response', id: 1, result: { kind: 'string', value: 'again' } });
  host.settle({ type: 'response', id: 99, result: { kind: 'string', value: 'nobody' } });
  expect([(await first).value, (await second).values]).toEqual(['v', [1, 2]]);
  expect(timers.size).toBe(0);
});

test('an error of the host, an answer of the wrong kind, silence, the end', async () => {
  const { host, advance, timers } = world();
  const failed = outcome(host.request(request));
  const wrong = outcome(host.request(request));
  host.settle({ type: 'response', id: 1, error: { code: 'worker/gone', message: 'gone' } });
  host.settle({ type: 'response', id: 2, result: { kind: 'array', values: [], length: 0 } });
  const silent = outcome(host.request(request));
  advance(REQUEST_TIMEOUT_MS - 1);
  const waiting = outcome(host.request(request));
  advance(1);
  host.close();
  const late = outcome(host.request(request));
  expect(await Promise.all([failed, wrong, silent, waiting, late])).toEqual([
    'worker/gone',
    'internal',
    'inspector/timeout',
    'inspector/closed',
    'inspector/closed',
  ]);
  expect(timers.size).toBe(0);
});

test('more than the clipboard takes is refused', () => {
  const { host, sent } = world();
  expect(() => {
    host.copy('x'.repeat(MAX_COPY_LENGTH + 1));
  }).toThrow(/16 million/);
  expect(sent).toEqual([]);
});

/** A host that answers from an array of numbers. */
function answering(length: number, lengthOfAnswers = Infinity): World {
  const made = world();
  const { sent } = made;
  sent.push = message => {
    if (message.type === 'request' && message.request.kind === 'array') {
      const { start, count } = message.request;
      const values = Array.from({ length: Math.min(count, length - start, lengthOfAnswers) }, (_, i) => start + i);
      queueMicrotask(() => {
        made.host.settle({ type: 'response', id: message.id, result: { kind: 'array', values, length } });
      });
    }
    return Array.prototype.push.call(sent, message);
  };
  return made;
}

const arrayRow = (length: number): MetadataRow => ({
  key: 'a',
  type: 'array',
  array: { elementType: 'u32', length, head: [0, 1] },
});

test('a whole array is put together from chunks, even short ones', async () => {
  for (const chunk of [Infinity, 7000]) {
    const { host } = answering(25_000, chunk);
    const values = JSON.parse(await valueAsJson(host, arrayRow(25_000))) as number[];
    expect(values.every((value, index) => value === index) && values.length).toBe(25_000);
  }
  expect(await valueAsText(answering(3).host, arrayRow(3))).toBe('0\n1\n2');
});

test('an array that ends early or is too long is an error, not a loop', async () => {
  expect(await outcome(valueAsJson(answering(10_500, 0).host, arrayRow(25_000)))).toBe('inspector/short-answer');
  expect(await outcome(valueAsJson(answering(5).host, arrayRow(MAX_COPY_ELEMENTS + 1)))).toBe('inspector/too-long');
});

test('values that are complete need no request', async () => {
  const { host, sent } = world();
  expect(await valueAsText(host, { key: 'k', type: 'string', value: 'text' })).toBe('text');
  expect(await valueAsJson(host, { key: 'k', type: 'u64', value: '18446744073709551615' })).toBe(
    '18446744073709551615',
  );
  expect(await valueAsJson(host, arrayRow(2))).toBe('[0, 1]');
  expect(sent).toEqual([]);
});
