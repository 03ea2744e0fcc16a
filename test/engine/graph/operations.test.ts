// The numbers of operations are shared with the executor in C++.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { OPERATIONS, PROGRAM_MAGIC, PROGRAM_VERSION } from '../../../src/engine/graph/operations.js';

const kernels = path.resolve(import.meta.dirname, '../../../kernels');

test('operations and operands are those of kernels/exec/operations.inc, in its order', () => {
  const text = readFileSync(path.join(kernels, 'exec/operations.inc'), 'utf8');
  const lines = [...text.matchAll(/^OPERATION\((\w+),\s*"(\w+)"\)/gm)].map(([, name, operands]) => [name, operands]);
  expect(lines.length).toBeGreaterThan(10);
  expect(OPERATIONS.map(row => [...row])).toEqual(lines);
});

test('magic and version are those of kernels/include/executor.h', () => {
  const text = readFileSync(path.join(kernels, 'include/executor.h'), 'utf8');
  expect(Number(/#define QS_PROGRAM_MAGIC\s+(\S+)/.exec(text)?.[1])).toBe(PROGRAM_MAGIC);
  expect(Number(/#define QS_PROGRAM_VERSION\s+(\S+)/.exec(text)?.[1])).toBe(PROGRAM_VERSION);
});
