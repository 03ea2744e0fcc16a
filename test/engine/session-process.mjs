// A process with a session of the addon alone, for what a test cannot do in its own: end in the middle of a step, be idle,
// share the cores. Prints one JSON value.
//   node session-process.mjs KERNELS.node PROGRAM.json MODE [argument]
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { isMainThread, Worker, workerData } from 'node:worker_threads';

const [addonFile, programFile, mode, argument] = isMainThread ? process.argv.slice(2) : workerData;
const addon = createRequire(import.meta.url)(addonFile);
const { words, weights, model, threads, batch } = JSON.parse(readFileSync(programFile, 'utf8'));
const session = addon.createSession(
  Int32Array.from(words),
  [addon.mapFile(model)],
  Float64Array.from(weights),
  threads,
  -1,
);
const prompt = new Int32Array(batch).fill(7);
const step = (tokens = prompt) => addon.step(session, tokens, undefined, undefined, 0);
const sleep = ms => new Promise(resolve => setTimeout(resolve, ms));
const say = value => process.stdout.write(JSON.stringify(value));

/** Milliseconds of each of `count` steps of 32 tokens, and of processor time for all. */
async function measure(count) {
  const some = prompt.subarray(0, 32);
  const cpu = process.cpuUsage();
  const times = [];
  for (let i = 0; i < count; i++) {
    const start = performance.now();
    await step(some);
    times.push(performance.now() - start);
    addon.truncateSequence(session, 0, 0);
  }
  const { user, system } = process.cpuUsage(cpu);
  times.sort((a, b) => a - b);
  return { median: times[count >> 1], total: times.reduce((a, b) => a + b, 0), cpu: (user + system) / 1000 };
}

const modes = {
  // Nothing is at work and nothing was ended: the process ends.
  leave: () => say('left'),
  // A step that is waited for keeps the process running.
  finish: () => void step().then(() => say('finished')),
  exit: async () => {
    void step();
    await sleep(20);
    say('exiting');
    process.exit(0);
  },
  terminate: async () => {
    const worker = new Worker(fileURLToPath(import.meta.url), {
      workerData: [addonFile, programFile, 'work'],
    });
    await new Promise(resolve => worker.once('message', resolve));
    await sleep(20);
    await worker.terminate();
    say('terminated');
  },
  // What `terminate` terminates: steps without an end.
  work: async () => {
    const { parentPort } = await import('node:worker_threads');
    parentPort.postMessage('working');
    for (;;) {
      await step();
      addon.truncateSequence(session, 0, 0);
    }
  },
  // Ended in the middle of a step: the step is given up, and its promise says so.
  end: async () => {
    const outcome = step().then(
      () => 'done',
      error => error.code,
    );
    addon.endSession(session);
    say(await outcome);
  },
  idle: async () => {
    await step(Int32Array.of(7));
    await sleep(50);
    const cpu = process.cpuUsage();
    await sleep(500);
    const { user, system } = process.cpuUsage(cpu);
    say((user + system) / 1000);
  },
  measure: async () => {
    await measure(5);
    say(await measure(Number(argument)));
  },
};
await modes[mode]();
