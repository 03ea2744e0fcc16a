// Where in a file something is wrong, in words.
import { formatInteger } from './quantity.js';

/** ` at byte 1,234`, unless the message says that already; empty if no place is known. */
export function placeText({ message, offset }: { readonly message: string; readonly offset?: number }): string {
  if (offset === undefined) return '';
  const place = `at byte ${formatInteger(offset)}`;
  const said = [place, `at byte ${offset}`].some(words => new RegExp(`${words}(?![\\d,]*\\d)`).test(message));
  return said ? '' : ` ${place}`;
}
