import { expect, test } from 'vitest';
import { placeText } from '../../../src/core/text/place-text.js';

test('a byte position is said once', () => {
  const check = (message: string, offset: number | undefined, expected: string): void => {
    expect(placeText({ message, ...(offset === undefined ? {} : { offset }) })).toBe(expected);
  };
  check('Bad.', undefined, '');
  check('Bad.', 0, ' at byte 0');
  check('Bad.', 1234, ' at byte 1,234');
  check('Bad at byte 1234.', 1234, '');
  check('Bad at byte 1,234, that is.', 1234, '');
  check('Bad at byte 12345.', 1234, ' at byte 1,234');
  check('Bad at byte 1,234,567.', 1234, ' at byte 1,234');
});
