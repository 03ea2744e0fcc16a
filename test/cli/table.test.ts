import { expect, test } from 'vitest';
import { table } from '../../src/cli/table.js';

test('a table is aligned and has no trailing blanks', () => {
  const text = table(
    [{ title: 'type' }, { title: 'n', align: 'right' }, { title: 'rule' }],
    [
      ['Q4_K', '12', 'mixture'],
      ['F32', '1234', ''],
    ],
  );
  expect(text).toBe('type     n  rule\nQ4_K    12  mixture\nF32   1234\n');
});
