// Damaged models, opened as the product opens them and run for two steps, in a process of their own: whatever is wrong with
// a file, there are logits or an error with a code, never a crash and never an error of JavaScript.
//   QUANTSMITH_FUZZ_CASES=100000 QUANTSMITH_FUZZ_SEED=7 npx vitest run test/engine/loader-fuzz.test.ts      a longer run
import { spawn } from 'node:child_process';
import path from 'node:path';
import { build } from 'esbuild';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { root, scratch } from '../worker/built-worker.js';

const CASES = Number(process.env['QUANTSMITH_FUZZ_CASES'] ?? 400);
const SEED = Number(process.env['QUANTSMITH_FUZZ_SEED'] ?? Math.floor(Date.now() / 1000) % 1_000_000);
/** A process dies with what it does wrong, so a long run is many of them. */
const CASES_PER_PROCESS = 200;
/** Many times what the slowest takes. */
const CASE_MILLISECONDS = 30_000;

const { folder, remove } = scratch();
afterAll(remove);
const program = path.join(folder, 'run-damaged.mjs');

beforeAll(async () => {
  await build({
    entryPoints: [path.join(root, 'test/engine/damage/run-damaged.ts')],
    outfile: program,
    bundle: true,
    platform: 'node',
    format: 'esm',
    logLevel: 'error',
  });
});

interface Ended {
  readonly lines: readonly string[];
  /** What it died of; undefined when it ended by itself. */
  readonly died?: string;
}

function runCases(first: number, count: number): Promise<Ended> {
  return new Promise(resolve => {
    const kernels = path.join(root, 'dist/kernels');
    const child = spawn(process.execPath, [program, folder, kernels, String(first), String(count)]);
    let output = '';
    let errors = '';
    let patience = setTimeout(() => child.kill('SIGKILL'), CASE_MILLISECONDS);
    child.stdout.on('data', data => {
      output += String(data);
      clearTimeout(patience);
      patience = setTimeout(() => child.kill('SIGKILL'), CASE_MILLISECONDS);
    });
    child.stderr.on('data', data => (errors = (errors + String(data)).slice(-2000)));
    child.on('close', (code, signal) => {
      clearTimeout(patience);
      const lines = output.split('\n').filter(line => line !== '');
      resolve(code === 0 ? { lines } : { lines, died: `${signal ?? code}: ${errors}` });
    });
  });
}

test(
  `${CASES} damaged models from seed ${SEED}: logits or an error with a code`,
  async () => {
    const outcomes = new Map<string, number>();
    const faults: string[] = [];
    for (let done = 0; done < CASES;) {
      const { lines, died } = await runCases(SEED + done, Math.min(CASES_PER_PROCESS, CASES - done));
      for (let i = 0; i + 1 < lines.length; i += 2) {
        const [what = '', outcome = ''] = [lines[i], lines[i + 1]];
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
        if (outcome.startsWith('wrong') || (what.includes('whole') && outcome !== 'ok'))
          faults.push(`${what}: ${outcome}`);
      }
      if (died !== undefined) faults.push(`${lines.at(-1) ?? 'before the first'}: ${died}`);
      done += died === undefined ? lines.length / 2 : Math.ceil(lines.length / 2);
      if (lines.length === 0) break;
    }
    console.log(`seed ${SEED}: ${JSON.stringify(Object.fromEntries([...outcomes].sort(([, a], [, b]) => b - a)))}`);
    expect(faults).toEqual([]);
    expect([...outcomes.values()].reduce((a, b) => a + b, 0)).toBe(CASES);
    // The damage is neither so great that nothing gets as far as the executor, nor so small that nothing is refused.
    expect((outcomes.get('ok') ?? 0) / CASES).toBeGreaterThan(1 / 32);
    expect([...outcomes.keys()].filter(outcome => outcome.startsWith('engine/')).length).toBeGreaterThan(3);
  },
  CASES * CASE_MILLISECONDS,
);
