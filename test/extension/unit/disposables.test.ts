// One owner per resource: order of disposal, and what happens to late comers.
import { expect, test } from 'vitest';
import { Disposables } from '../../../src/extension/disposables.js';

test('disposes once, last added first', () => {
  const log: string[] = [];
  const owned = new Disposables();
  owned.onDispose(() => log.push('first'));
  owned.onDispose(() => log.push('second'));
  owned.dispose();
  owned.dispose();
  expect(log).toEqual(['second', 'first']);
  expect(owned.isDisposed).toBe(true);
});

test('disposes at once what is added too late', () => {
  const owned = new Disposables();
  owned.dispose();
  let disposed = 0;
  owned.add({ dispose: () => disposed++ });
  expect(disposed).toBe(1);
});
