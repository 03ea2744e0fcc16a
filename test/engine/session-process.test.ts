// Sessions and the process around them: ending in the middle of a step, being idle, sharing the cores with others.
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { compileProgram } from '../../src/engine/graph/architectures.js';
import { openModel, requireModel } from '../../src/platform/open-model.js';
import { root, scratch, tinycoder } from '../worker/built-worker.js';

const addon = path.join(root, 'dist/kernels/kernels.node');
const script = path.join(root, 'test/engine/session-process.mjs');
const { folder, remove } = scratch();
afterAll(remove);

async function writeProgram(threads: number): Promise<string> {
  const file = path.join(folder, `program-${threads}.json`);
  const model = await openModel(tinycoder);
  const limits = { context: 512, sequences: 1, cells: 512, batch: 512, cacheType: 'f16' } as const;
  const { words, weights } = compileProgram(requireModel(model), new Map(), limits);
  await model.close();
  const table = weights.flatMap(({ tensor, columns, rows, slices }) => {
    return [0, tensor.fileOffset, tensor.byteLength ?? 0, tensor.typeId, columns, rows, slices];
  });
  writeFileSync(file, JSON.stringify({ words: [...words], weights: table, model: tinycoder, threads, batch: 512 }));
  return file;
}

describe.skipIf(process.env['CI'] !== 'true' && !existsSync(addon))('a process with a session', () => {
  let program = '';
  let crowded = '';
  beforeAll(async () => {
    program = await writeProgram(2);
    crowded = await writeProgram(8);
  });

  function run(mode: string, file = program, argument = ''): unknown {
    const child = spawnSync(process.execPath, [script, addon, file, mode, argument], {
      encoding: 'utf8',
      timeout: 60_000,
    });
    expect({ mode, status: child.status, signal: child.signal, stderr: child.stderr }).toEqual({
      mode,
      status: 0,
      signal: null,
      stderr: '',
    });
    return JSON.parse(child.stdout);
  }

  test.each([
    ['leave', 'left'],
    ['finish', 'finished'],
    ['exit', 'exiting'],
    ['terminate', 'terminated'],
    ['end', 'engine/cancelled'],
  ])('%s', (mode, said) => {
    expect(run(mode)).toBe(said);
  });

  test('takes no processor time between steps, with more threads than cores too', () => {
    const idle = [program, crowded].map(file => run('idle', file) as number);
    console.log(`processor time in 500 ms of idleness: ${idle.map(ms => `${ms.toFixed(1)} ms`).join(', ')}`);
    for (const ms of idle) expect(ms).toBeLessThan(25);
  });

  test('is slowed by others at the cores by little more than they take', () => {
    interface Measured {
      readonly median: number;
      readonly total: number;
      readonly cpu: number;
    }
    const quiet = run('measure', program, '40') as Measured;
    const cores = os.availableParallelism();
    const others: ChildProcess[] = Array.from({ length: cores }, () =>
      spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' }),
    );
    let busy: Measured;
    try {
      busy = run('measure', program, '40') as Measured;
    } finally {
      others.forEach(other => other.kill('SIGKILL'));
    }
    const slower = busy.total / quiet.total;
    const moreWork = busy.cpu / quiet.cpu;
    console.log(`${cores} other processes: ${slower.toFixed(2)} times as long, ${moreWork.toFixed(2)} times the work`);
    // One of two gets half a core: twice as long, and again for parts that are waited for. Threads that had to meet at
    // every operation would need a turn of the scheduler (3 ms and more) for each of a step's hundred operations. What
    // others do at the cores besides makes the time uncertain, but not the work: who waits must not spin.
    expect(slower).toBeLessThan(12);
    expect(moreWork).toBeLessThan(2);
  });
});
