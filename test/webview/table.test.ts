import { expect, test } from 'vitest';
import {
  HEADER_ROW,
  moveTo,
  navigate,
  selectAll,
  selectOnly,
  selectRange,
  toggleRow,
  type Selection,
} from '../../webview/model/selection.js';
import { ariaSort, nextOrder, sortRows, type SortValue } from '../../webview/model/sort.js';
import { describePage, nextPage, pageOf, parseIndex, previousPage } from '../../webview/model/paging.js';
import { parseViewState } from '../../webview/model/view-state.js';

function sorted(values: readonly SortValue[], descending: boolean): SortValue[] {
  const rows = values.map((value, index) => ({ value, index }));
  return sortRows(rows, { column: 'value', descending }, row => row.value).map(row => row.value);
}

test('sorting', () => {
  expect(sorted(['blk.10', 'blk.2', 'blk.1', 'Output'], false)).toEqual(['blk.1', 'blk.2', 'blk.10', 'Output']);
  expect(sorted([3, 2n ** 60n, -1, 0.5], false)).toEqual([-1, 0.5, 3, 2n ** 60n]);
  // What has no value comes last in both directions.
  expect(sorted([undefined, 2, NaN, 1], false)).toEqual([1, 2, undefined, NaN]);
  expect(sorted([undefined, 2, NaN, 1], true)).toEqual([2, 1, undefined, NaN]);
});

test('equal rows keep file order in both directions', () => {
  const rows = ['a', 'b', 'c'];
  for (const descending of [false, true]) {
    expect(sortRows(rows, { column: 'x', descending }, () => 1)).toEqual(rows);
  }
  expect(sortRows(rows, undefined, () => 1)).toBe(rows);
});

test('clicks on a header: one direction, the other, file order', () => {
  const first = nextOrder(undefined, 'bytes', true);
  const second = nextOrder(first, 'bytes', true);
  expect([first, second, nextOrder(second, 'bytes', true)]).toEqual([
    { column: 'bytes', descending: true },
    { column: 'bytes', descending: false },
    undefined,
  ]);
  expect(nextOrder(second, 'name', false)).toEqual({ column: 'name', descending: false });
  expect([ariaSort(first, 'bytes'), ariaSort(second, 'bytes'), ariaSort(second, 'name')]).toEqual([
    'descending',
    'ascending',
    'none',
  ]);
});

test.each([
  [0, 'ArrowDown', 1],
  [99, 'ArrowDown', 99],
  [1, 'ArrowUp', 0],
  [0, 'ArrowUp', HEADER_ROW],
  [HEADER_ROW, 'ArrowUp', HEADER_ROW],
  [HEADER_ROW, 'ArrowDown', 0],
  [5, 'PageDown', 25],
  [90, 'PageDown', 99],
  [5, 'PageUp', 0],
  [50, 'Home', 0],
  [50, 'End', 99],
  [50, 'x', undefined],
])('from row %d of 100, %s leads to %s', (active, key, target) => {
  expect(navigate(active, key, 100, 20)).toBe(target);
});

test('no rows: every key leads to the header', () => {
  expect(
    ['ArrowDown', 'ArrowUp', 'PageDown', 'PageUp', 'Home', 'End'].map(key => navigate(HEADER_ROW, key, 0, 20)),
  ).toEqual(Array(6).fill(HEADER_ROW));
});

const show = ({ active, selected }: Selection) => `${active}: ${[...selected].sort((a, b) => a - b).join(' ')}`;

test('selection', () => {
  const start = selectOnly(3);
  expect(show(start)).toBe('3: 3');
  const down = moveTo(moveTo(start, 4, true), 5, true);
  expect(show(down)).toBe('5: 3 4 5');
  expect(show(moveTo(down, 2, true))).toBe('2: 2 3');
  expect(show(moveTo(down, 6, false))).toBe('6: 6');
  expect(show(toggleRow(toggleRow(down, 9), 4))).toBe('4: 3 5 9');
  expect(show(selectAll(start, 5))).toBe('3: 0 1 2 3 4');
  expect(show(selectAll(selectOnly(HEADER_ROW), 0))).toBe('-1: ');
  expect(show(selectOnly(HEADER_ROW))).toBe('-1: ');
  expect(show(selectRange(HEADER_ROW, 1))).toBe('1: 0 1');
});

test('pages of an array', () => {
  const length = 151_936;
  const describe = (index: number) => describePage(pageOf(index, length), length);
  expect([describe(0), describe(99), describe(100), describe(151_935), describe(1e9), describe(-5)]).toEqual([
    '[0..99] of 151,936',
    '[0..99] of 151,936',
    '[100..199] of 151,936',
    '[151,900..151,935] of 151,936',
    '[151,900..151,935] of 151,936',
    '[0..99] of 151,936',
  ]);
  expect(describePage(pageOf(0, 4), 4)).toBe('[0..3], all 4');
  expect(describePage(pageOf(0, 0), 0)).toBe('empty');
  expect([previousPage(pageOf(0, length), length), nextPage(pageOf(151_935, length), length)]).toEqual([
    undefined,
    undefined,
  ]);
  // Every element is on exactly one page.
  let page: ReturnType<typeof nextPage> = pageOf(0, 250);
  const seen: number[] = [];
  while (page) {
    for (let i = 0; i < page.count; i++) seen.push(page.start + i);
    page = nextPage(page, 250);
  }
  expect(seen).toEqual(Array.from({ length: 250 }, (_, i) => i));
});

test.each([
  ['0', { index: 0 }],
  [' 1,234 ', { index: 1234 }],
  ['0x10', { index: 16 }],
  ['-1', { error: 'Type a whole number' }],
  ['1.5', { error: 'Type a whole number' }],
  ['', { error: 'Type a whole number' }],
  ['2000', { error: 'The last index is 1,999' }],
])('index %j', (text, expected) => {
  expect(parseIndex(text, 2000)).toEqual(expected);
});

test('stored view state: what is wrong falls back on its own', () => {
  const empty = { query: '', type: '', order: undefined, active: undefined, detail: false, scroll: 0 };
  const initial = { tab: 'overview', metadata: empty, tensors: empty };
  for (const value of [undefined, null, 7, 'x', [], { tab: 'nope', tensors: 1 }])
    expect(parseViewState(value)).toEqual(initial);
  const tensors = {
    query: 'q',
    type: 'F16',
    order: { column: 'name', descending: true },
    active: 'a',
    detail: true,
    scroll: 12,
  };
  expect(parseViewState({ tab: 'tensors', tensors })).toEqual({ ...initial, tab: 'tensors', tensors });
  expect(parseViewState({ tensors: { ...tensors, scroll: -1, order: { column: 1 } } }).tensors).toEqual({
    ...tensors,
    scroll: 0,
    order: undefined,
  });
});
