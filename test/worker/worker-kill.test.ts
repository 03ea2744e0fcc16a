// The worker is killed (SIGKILL) at 200 random moments of a job. Whatever the moment: under a final name there is nothing,
// or what was there before, or the complete and correct file; the request fails with worker/gone; the next run to the
// same output comes to the end, and with `resume` goes on. Every finished file equals that of an uninterrupted run.
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { errorData } from '../../src/core/problem.js';
import type { QuantizationReport } from '../../src/core/quantize/quantization-plan.js';
import { WorkerClient } from '../../src/platform/worker-process.js';
import type { QuantizeJob } from '../../src/protocol/worker-protocol.js';
import { weights, writeSmallModel } from '../engine/small-model.js';
import { buildWorker, scratch, type BuiltWorker } from './built-worker.js';

const KILLS = 200;
/** Runs at the same time; starting a process is most of the time this takes. */
const LANES = 3;
const TENSORS = 40;
/** Times that a job is killed before it is left alone. */
const MOST_KILLS = 6;
const SPLIT = { maxShardBytes: 200_000 };

let built: BuiltWorker;
let folder: string;
let remove: () => void;
beforeAll(async () => {
  built = await buildWorker();
  ({ folder, remove } = scratch());
});
afterAll(() => {
  vi.unstubAllEnvs();
  built.remove();
  remove();
});

/** The ways to run that differ in what lies on the disk meanwhile. */
const MODES: Readonly<Record<string, Partial<QuantizeJob>>> = {
  plain: {},
  resume: { resume: true },
  overwrite: { overwrite: true },
  split: SPLIT,
  'split, resume': { ...SPLIT, resume: true },
  'split, overwrite, resume': { ...SPLIT, overwrite: true, resume: true },
  'reuse, resume': { resume: true, reuse: true, overwrite: true },
};

/** Tensors that the journal counts as finished which was begun after that time; -1 without one. */
function finishedIn(lane: string, since: number): number {
  const name = readdirSync(lane).find(file => file.endsWith('-journal'));
  try {
    const journal = path.join(lane, name ?? '');
    if (name === undefined || statSync(journal).mtimeMs < since) return -1;
    return readFileSync(journal, 'latin1').split('\n').length - 2;
  } catch {
    // Gone since: all is done.
    return TENSORS;
  }
}

function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

test(`killed at ${KILLS} random moments of jobs that resume, replace, split and reuse`, async () => {
  const seed = Number(process.env['SEED'] ?? Date.now() % 2 ** 31);
  console.log(`seed ${seed} (SEED=${seed} repeats it)`);
  vi.stubEnv('QUANTSMITH_CACHE_DIR', path.join(folder, 'cache'));
  const source = path.join(folder, 'in.gguf');
  const tensors = Array.from({ length: TENSORS }, (_, i) => {
    return { name: `blk.${i}.ffn_up.weight`, ne: [512, 64], type: 'F32', data: weights(512 * 64, i) } as const;
  });
  writeSmallModel(source, tensors);
  const job = (lane: string, more: Partial<QuantizeJob>): QuantizeJob => ({
    source,
    output: path.join(lane, 'out.gguf'),
    options: { fileType: 'Q4_K_S', rules: [], pure: true, allowRequantize: false, onFallback: 'promote' },
    threads: 1,
    backend: 'wasm',
    overwrite: false,
    dryRun: false,
    resume: false,
    reuse: false,
    keepSplit: false,
    ...more,
  });

  // What uninterrupted runs write, by file name, and a donor of half of the tensors for those that reuse.
  const reference = new Map<string, Buffer>();
  const client = new WorkerClient(path.join(built.dist, 'worker.js'), {});
  const whole = path.join(folder, 'whole');
  mkdirSync(whole);
  for (const mode of [{}, SPLIT]) await client.request('quantize/run', job(whole, mode));
  for (const name of readdirSync(whole)) reference.set(name, readFileSync(path.join(whole, name)));
  expect(reference.size).toBeGreaterThan(3);
  const donor = { rules: [{ kind: 'regex', pattern: 'blk.\\d\\.', type: 'Q8_0', label: '' }] } as const;
  const options = { ...job(whole, {}).options, ...donor };
  await client.request('quantize/run', job(whole, { output: path.join(whole, 'donor.gguf'), options, reuse: true }));
  client.dispose();

  const left = { kills: KILLS };
  const counts: Record<string, number> = {};
  const count = (what: string): void => {
    counts[what] = (counts[what] ?? 0) + 1;
  };
  /** Checks all that has a final name; true if there is something. */
  const checkFinal = (lane: string, context: string, old?: string): boolean => {
    const names = readdirSync(lane).filter(name => !name.startsWith('.'));
    for (const name of names) {
      const bytes = readFileSync(path.join(lane, name));
      const isRight = reference.get(name)?.equals(bytes) ?? false;
      expect(isRight || bytes.toString('latin1') === old, `${context}: ${name}`).toBe(true);
    }
    return names.length > 0;
  };

  const run = async (number: number): Promise<void> => {
    const random = randomFrom(seed + number);
    for (let chain = 0; left.kills > 0; chain++) {
      const lane = path.join(folder, `${number}-${chain}`);
      mkdirSync(lane);
      const [mode = '', more] = Object.entries(MODES)[Math.floor(random() * 7)] ?? [];
      const old = more?.overwrite ? `old ${chain}` : undefined;
      const files = more?.maxShardBytes ? [...reference.keys()].filter(name => name.includes('-of-')) : ['out.gguf'];
      if (old !== undefined) for (const name of files) writeFileSync(path.join(lane, name), old);
      // Killed again and again until it comes to its end, at the latest when it was killed often enough.
      for (let attempt = 0; ; attempt++) {
        const context = `seed ${seed}, ${mode}, chain ${number}-${chain}, attempt ${attempt}`;
        const worker = new WorkerClient(path.join(built.dist, 'worker.js'), {});
        // What the disk shows tells how far the job is: any number of finished tensors is as likely to be its last, some
        // milliseconds later. Some do not even get to begin, some are all but done.
        const since = Date.now();
        const last = Math.floor(random() * (TENSORS + 2)) - 1;
        const delay = last < 0 ? random() * 300 : random() * 6;
        let blow: NodeJS.Timeout | undefined;
        const watch = setInterval(() => {
          if (blow || attempt >= MOST_KILLS || finishedIn(lane, since) < last) return;
          blow = setTimeout(() => worker.pid !== undefined && process.kill(worker.pid, 'SIGKILL'), delay);
        }, 1);
        const outcome: QuantizationReport | string = await worker
          .request('quantize/run', job(lane, more ?? {}))
          .catch((error: unknown) => errorData(error).code);
        clearInterval(watch);
        clearTimeout(blow);
        if (typeof outcome === 'string') {
          if (outcome === 'output/exists') {
            // Killed between the last name and the end: all of it is there, and another run has nothing to do.
            expect(checkFinal(lane, context, old), context).toBe(true);
            for (const name of readdirSync(lane)) if (!name.startsWith('.')) rmSync(path.join(lane, name));
            worker.dispose();
            continue;
          }
          expect(outcome, context).toBe('worker/gone');
          left.kills--;
          const hasFinal = checkFinal(lane, context, old);
          const hidden = readdirSync(lane).filter(name => name.startsWith('.'));
          const hasNew = hasFinal && files.every(name => existsSync(path.join(lane, name)) && old === undefined);
          count(`killed leaving ${hasNew ? 'complete files' : hidden.length > 0 ? 'temporary files' : 'nothing'}`);
          worker.dispose();
          continue;
        }
        worker.dispose();
        checkFinal(lane, context);
        // Nothing of what was killed before is left.
        expect(readdirSync(lane).sort(), context).toEqual([...files].sort());
        expect(outcome.origins.computed + outcome.origins.reused + outcome.origins.resumed).toBe(tensors.length);
        if (outcome.origins.resumed > 0) count('went on with finished tensors');
        if (outcome.origins.reused > 0) count('took tensors over');
        count('came to the end');
        break;
      }
      rmSync(lane, { recursive: true });
    }
  };
  const began = performance.now();
  await Promise.all(Array.from({ length: LANES }, (_, i) => run(i)));
  console.log(`${KILLS} kills in ${((performance.now() - began) / 1000).toFixed(0)} s: ${JSON.stringify(counts)}`);
  expect(counts['killed leaving temporary files']).toBeGreaterThan(20);
  expect(counts['went on with finished tensors']).toBeGreaterThan(5);
}, 300_000);
