// Typing along with a completion, as text: what was written at one cursor, and whether it goes on at another.
import { describe, expect, test } from 'vitest';
import { CompletionCache, typedBetween } from '../../../src/core/completion/completion-cache.js';
import { Debounce } from '../../../src/core/completion/debounce.js';

const cursor = (document: string) => {
  const [prefix = '', suffix = ''] = document.split('│');
  return { prefix, suffix };
};

/** The rest of `text`, written at the first cursor, at the second; undefined if it says nothing there. */
function rest(first: string, text: string, second: string, options: { multiline?: boolean; wanted?: boolean } = {}) {
  const { multiline, wanted } = { multiline: false, wanted: false, ...options };
  const cache = new CompletionCache();
  cache.add({ ...cursor(first), multiline, text });
  return cache.find(cursor(second), wanted)?.rest;
}

describe('a completion goes on', () => {
  test.each([
    ['x = │', 'foo(a)', 'x = fo│', 'o(a)'],
    ['x = │', 'foo(a)', 'x = │', 'foo(a)'],
    ['x = │', 'foo(a)', 'x = foo(a)│', undefined],
    ['x = │', 'foo(a)\n', 'x = foo(a)│', undefined],
    ['x = │', 'foo(a)', 'x = fa│', undefined],
    ['x = f│', 'oo(a)', 'x = │', undefined],
    ['x = │', 'foo(a)', 'x = foo(│)', 'a)'],
    ['x = │', 'foo(a)', 'x = foo(a)│', undefined],
    ['x = foo(│)', 'a) + 1', 'x = foo(a)│', ' + 1'],
    ['x = │\nend', 'f([1])', 'x = f([│])\nend', '1])'],
    ['x = │\nend', 'f(a)', 'x = f(│)\nEND', undefined],
    ['x = │', '"abc"', 'x = "a│"', 'bc"'],
    ['x = │\nabc', 'f([1])', 'x = f([│])\na', '1])'],
    ['x = f(│)\na', '1) + 2', 'x = f(1)│\nab', ' + 2'],
    ['x = │\nabc', 'f([1])', 'x = f([│])', undefined],
    ['y│', 'ou', 'x│', undefined],
    ['a│b', 'x', 'a│c', undefined],
    ['a│', '', 'a│', ''],
  ])('%s %j, now %s', (first, text, second, expected) => {
    expect(rest(first, text, second)).toBe(expected);
  });

  test('one line says nothing about several, but several have a first', () => {
    expect(rest('f(│', 'a', 'f(│', { multiline: false, wanted: true })).toBeUndefined();
    expect(rest('f(│', 'a\nb', 'f(│', { multiline: true, wanted: false })).toBe('a\nb');
    expect(rest('f(│', 'ab', 'f(a│', { multiline: false, wanted: true })).toBe('b');
  });

  test('the newest with the fewest typed characters counts', () => {
    const cache = new CompletionCache();
    cache.add({ ...cursor('│'), multiline: false, text: 'abcd' });
    cache.add({ ...cursor('ab│'), multiline: false, text: 'cx' });
    expect(cache.find(cursor('abc│'), false)).toMatchObject({ typed: 'c', rest: 'x' });
    expect(cache.find(cursor('a│'), false)).toMatchObject({ typed: 'a', rest: 'bcd' });
  });

  test('the one that was not used for longest goes first', () => {
    const cache = new CompletionCache();
    for (let i = 0; i < 250; i++) {
      cache.add({ prefix: `${String(i)}:`, suffix: '', multiline: false, text: 'x' });
      cache.find({ prefix: '0:', suffix: '' }, false);
    }
    cache.add({ prefix: 'new', suffix: '', multiline: false, text: 'x' });
    expect(cache.size).toBe(250);
    expect(cache.find({ prefix: '0:', suffix: '' }, false)).toBeDefined();
    expect(cache.find({ prefix: '1:', suffix: '' }, false)).toBeUndefined();
    cache.add({ prefix: 'new', suffix: '', multiline: false, text: 'y' });
    expect(cache.size).toBe(250);
    cache.clear();
    expect(cache.find({ prefix: '0:', suffix: '' }, false)).toBeUndefined();
  });

  test('another text before the cursor is another place, however long it is the same', () => {
    const long = 'x'.repeat(20_000);
    expect(typedBetween({ prefix: `a${long}`, suffix: '' }, { prefix: `b${long}y`, suffix: '' })).toBeUndefined();
    expect(typedBetween({ prefix: `a${long}`, suffix: '' }, { prefix: `a${long}y`, suffix: '' })).toBe('y');
    expect(typedBetween({ prefix: '', suffix: '' }, { prefix: 'z'.repeat(500), suffix: '' })).toBeUndefined();
  });
});

describe('waiting after a keystroke', () => {
  const typing = (gap: number, answerMs: number): Debounce => {
    const debounce = new Debounce();
    for (let i = 0; i < 50; i++) {
      debounce.typed(i * gap);
      debounce.answered(answerMs);
    }
    return debounce;
  };

  test('longer than the usual gap for a slow model, hardly for a fast one', () => {
    expect(typing(120, 800).delay('foo')).toBe(180);
    expect(typing(120, 12).delay('foo')).toBeLessThanOrEqual(10);
  });

  test('shorter where people stop to think, and never too long', () => {
    expect(typing(120, 800).delay('foo(')).toBe(90);
    expect(typing(120, 800).delay('')).toBe(90);
    expect(typing(550, 800).delay('foo')).toBe(300);
  });

  test('a pause is no slow typing', () => {
    const debounce = typing(120, 800);
    debounce.typed(1e6);
    debounce.typed(2e6);
    expect(debounce.delay('foo')).toBe(180);
  });
});
