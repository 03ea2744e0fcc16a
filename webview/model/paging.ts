// Pages of a long array: arithmetic only. Positions are element indices, 0-based, as in the file and as ids of tokens.
import { formatInteger } from '../../src/core/text/quantity.js';

/** Elements per page: what fits a few screens, and a message of a few kilobytes. */
export const PAGE_SIZE = 100;

export interface Page {
  readonly start: number;
  readonly count: number;
}

/** The page that holds element `index`, clamped to the array. */
export function pageOf(index: number, length: number, pageSize = PAGE_SIZE): Page {
  const inside = Math.max(0, Math.min(Math.trunc(index), length - 1));
  const start = Math.floor(inside / pageSize) * pageSize;
  return { start, count: Math.max(0, Math.min(pageSize, length - start)) };
}

export function nextPage(page: Page, length: number, pageSize = PAGE_SIZE): Page | undefined {
  const start = page.start + pageSize;
  return start < length ? pageOf(start, length, pageSize) : undefined;
}

export function previousPage(page: Page, length: number, pageSize = PAGE_SIZE): Page | undefined {
  return page.start > 0 ? pageOf(page.start - 1, length, pageSize) : undefined;
}

/** `[0..99] of 151,936`; `[0..3]` of 4 is the whole array: `[0..3], all 4`. */
export function describePage(page: Page, length: number): string {
  if (length === 0) return 'empty';
  const range = `[${formatInteger(page.start)}..${formatInteger(page.start + page.count - 1)}]`;
  return page.count === length ? `${range}, all ${formatInteger(length)}` : `${range} of ${formatInteger(length)}`;
}

/** The index a person typed: digits with optional separators, or hexadecimal; a message when it is none or outside. */
export function parseIndex(text: string, length: number): { index: number } | { error: string } {
  const digits = text.trim().replace(/[\s,_']/gu, '');
  const index = /^(\d+|0x[\da-f]+)$/iu.test(digits) ? Number(digits) : NaN;
  if (Number.isNaN(index)) return { error: 'Type a whole number' };
  if (index >= length) return { error: `The last index is ${formatInteger(length - 1)}` };
  return { index };
}
