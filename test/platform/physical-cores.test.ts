import { availableParallelism, cpus } from 'node:os';
import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { inList, physicalCores } from '../../src/platform/physical-cores.js';

test('lists of processors as Linux writes them', () => {
  const check = (list: string, inside: string): void => {
    const found = Array.from({ length: 12 }, (_, i) => i).filter(i => inList(list, i));
    expect(found.join(' ')).toBe(inside);
  };
  check('0-3,8', '0 1 2 3 8');
  check('5', '5');
  check('0-1,4-5,10-11', '0 1 4 5 10 11');
});

test('physical cores: at least one, no more than there are processors, as many as lscpu counts', context => {
  const cores = physicalCores();
  expect(cores).toBeGreaterThanOrEqual(1);
  expect(cores).toBeLessThanOrEqual(availableParallelism());
  let table: string;
  try {
    table = execFileSync('lscpu', ['-p=CORE,SOCKET'], { encoding: 'utf8' });
  } catch {
    context.skip('there is no lscpu');
    return;
  }
  const listed = new Set(table.split('\n').filter(line => line !== '' && !line.startsWith('#'))).size;
  // Under an affinity mask or a quota there are fewer than the machine has.
  if (availableParallelism() === cpus().length) expect(cores).toBe(listed);
  else expect(cores).toBeLessThanOrEqual(listed);
});
