// Completions as people meet them: the real worker, the completer of the extension, and llama-server beside it.
//   npm run bench:completions [-- OPTIONS]
//     --parts=server,replay,cancel,lookup,quality   default: all
//       server    time to the first text in a file not seen before, at the same place again, and after one typed character,
//                 against llama-server's /infill with the same text, in turn; LLAMA_CPP_BIN is its folder
//       replay    typing, in real time: times to ghost text, where it came from, wasted tokens, processor time
//       cancel    how long the worker computes after a cancellation
//       lookup    guessing from the text itself against generating token by token
//       quality   of the example model by type, on the cases of --cases
//     --model=FILE      a model that can fill in a middle; default: the example model in a larger shape (--shape=0.5b,
//                       --type=Q8_0), which costs what a model of that shape costs and writes what the example writes
//     --threads=N       default: one per physical core     --backend=auto|native|wasm
//     --runs=5          of each question to the servers     --files=6 --seed=1   that are typed in
//     --cases=FILE      lines of JSON with prefix, middle, suffix; default: the example model's held-out cases, if they are there
//     --types=F16,Q8_0,…   for the quality     --folder=DIR   where models are made and stay
import { existsSync, mkdirSync, renameSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { againstServer } from './completions/against-server.mjs';
import { lookup } from './completions/lookup.mjs';
import { quality } from './completions/quality.mjs';
import { quietAfterCancel } from './completions/quiet.mjs';
import { replay } from './completions/replay.mjs';
import { writeGrownModel } from './grown-model.mjs';
import { loadSources } from './load-sources.mjs';
import { machine, median, run, warm } from './measure.mjs';
import { shapeNamed } from './model.mjs';
import { benchmarkOptions } from './options.mjs';

const root = path.resolve(import.meta.dirname, '../..');
const dist = path.join(root, 'dist');
const kernels = path.join(dist, 'kernels');
const example = path.join(root, 'examples/tinycoder-f16.gguf');
const heldOut = path.join(root, '../shared/data/models/tinycoder/val/fim.jsonl');
const QUALITY_TYPES = 'F16,Q8_0,Q6_K,Q5_K_M,Q4_K_M,Q4_0,IQ4_XS,Q3_K_M,Q2_K';
/** What is aimed at. */
const GOALS = { cachedMs: 15, lookup: 1.5, quietMs: 50 };

const options = benchmarkOptions(import.meta.filename);
const parts = (options.parts ?? 'server,replay,cancel,lookup,quality').split(',');
const sources = await loadSources();
const threads = Number(options.threads ?? sources.physicalCores());
const backend = options.backend ?? 'auto';
const folder = path.resolve(options.folder ?? path.join(os.tmpdir(), 'models'));
mkdirSync(folder, { recursive: true });
const needsModel = parts.some(part => part !== 'quality');
const model = { path: needsModel ? await preparedModel() : example, threads, backend };

console.log(`${machine()}\n${threads} threads, ${path.basename(model.path)}`);
const worker = new sources.WorkerClient(path.join(dist, 'worker.js'));
try {
  if (needsModel) {
    warm(model.path);
    const { family, isa, seconds } = await worker.request('completion/load', model);
    console.log(`${family}, ${isa}, loaded and checked in ${seconds.toFixed(1)} s`);
  }
  if (parts.includes('server')) await printServer();
  if (parts.includes('replay')) await printReplay();
  if (parts.includes('cancel')) await printCancel();
} finally {
  worker.dispose();
}
if (parts.includes('lookup')) await printLookup();
if (parts.includes('quality')) await printQuality();

async function printServer() {
  const peer = process.env.LLAMA_CPP_BIN;
  if (!peer || !existsSync(path.join(peer, 'llama-server'))) {
    console.log('\nserver: skipped. LLAMA_CPP_BIN must name the folder of llama-server.');
    return;
  }
  const runs = Number(options.runs ?? 5);
  const { rows, perToken } = await againstServer({ worker, model, peer, threads, runs, environment: {} });
  console.log(`\nTime to the first text, medians of ${runs}, our worker and llama-server in turn`);
  console.table(rows);
  console.log(`a token: ours ${perToken.ours.toFixed(1)} ms, llama-server ${perToken.peer.toFixed(1)} ms`);
}

async function printReplay() {
  const [files, seed] = [Number(options.files ?? 6), Number(options.seed ?? 1)];
  const settings = { maxTokens: 64, budgetMs: 500 };
  const { Completer } = sources;
  const result = await replay({ worker, model, Completer, settings, files, seed });
  const { keys, outcomes, accepted, flights } = result;
  console.log(
    `\nTyping: ${files} files, seed ${seed}, ${keys} keys in ${result.seconds.toFixed(0)} s, ${accepted} taken`,
  );
  const shown = outcomes.filter(({ offer }) => offer);
  console.table(
    ['model', 'joined', 'cache'].map(source => {
      const times = shown.filter(one => one.source === source).map(({ totalMs }) => totalMs);
      const firsts = shown
        .filter(one => one.source === source && source === 'model')
        .map(({ waitedMs, answer }) => waitedMs + answer.waitMs + answer.promptMs);
      return {
        'ghost text from': source,
        shown: times.length,
        'first token p50 ms': milliseconds(firsts, 0.5),
        'first token p95 ms': milliseconds(firsts, 0.95),
        'shown p50 ms': milliseconds(times, 0.5),
        'shown p95 ms': milliseconds(times, 0.95),
      };
    }),
  );
  const tokens = flights.reduce((sum, flight) => sum + flight.tokens, 0);
  const wasted = flights.filter(({ used }) => !used).reduce((sum, flight) => sum + flight.tokens, 0);
  const cached = shown.filter(({ source }) => source === 'cache').length;
  const joined = shown.filter(({ source }) => source === 'joined').length;
  const share = (part, whole) => `${whole === 0 ? 0 : Math.round((100 * part) / whole)} %`;
  console.log(
    [
      `answered from the cache ${share(cached, shown.length)}, by a text still being written ${share(joined, shown.length)}`,
      `asked ${flights.length} times, ${tokens} tokens, of them never shown ${share(wasted, tokens)}`,
      `processor time ${((1000 * result.cpuSeconds) / keys).toFixed(0)} s per 1,000 keys`,
      `out of date when answered, and not shown: ${result.stale}`,
      `goal for what comes from the cache, p50: ${GOALS.cachedMs} ms`,
    ].join('\n'),
  );
}

async function printCancel() {
  const quiet = await quietAfterCancel({ worker, model, runs: 20 });
  const [middle, most] = [median(quiet), Math.max(...quiet)].map(value => value.toFixed(0));
  console.log(`\nQuiet after a cancellation: median ${middle} ms, most ${most} ms (goal ${GOALS.quietMs} ms)`);
}

async function printLookup() {
  const result = await lookup({ sources, model, kernels, cases: 24 });
  console.log(
    `\nGuessing from the text: ${result.plain.toFixed(1)} tokens/s without, ${result.guessed.toFixed(1)} with, ` +
      `ratio ${result.ratio.toFixed(2)} (goal ${GOALS.lookup}); ${result.tokens} tokens in ${result.steps} steps; ` +
      `different texts: ${result.different}`,
  );
}

async function printQuality() {
  const file = options.cases ?? heldOut;
  if (!existsSync(file)) {
    console.log(`\nquality: skipped, no cases (--cases=FILE)`);
    return;
  }
  const types = (options.types ?? QUALITY_TYPES).split(',');
  const models = [];
  for (const type of types) {
    const target = path.join(folder, `tinycoder-${type}.gguf`);
    if (type !== 'F16') await made(target, temporary => quantize(example, temporary, type));
    models.push({ type, path: type === 'F16' ? example : target });
  }
  console.log('\nThe example model on held-out cases');
  console.table(await quality({ sources, models, kernels, threads, file }));
}

async function preparedModel() {
  if (options.model) return path.resolve(options.model);
  const [shape, type] = [options.shape ?? '0.5b', options.type ?? 'Q8_0'];
  const name = wanted => path.join(folder, `example-in-${shape.replace(':', '-')}-${wanted}.gguf`);
  await made(name('F16'), temporary => writeGrownModel(temporary, example, shapeNamed(shape)));
  await made(name(type), temporary => quantize(name('F16'), temporary, type));
  return name(type);
}

/** A file that is made once; it is there under its name only when it is complete. */
async function made(file, make) {
  if (existsSync(file)) return;
  const temporary = `${file}.${process.pid}.gguf`;
  await make(temporary);
  renameSync(temporary, file);
}

function quantize(from, to, type) {
  return run(process.execPath, [path.join(dist, 'cli.js'), 'quantize', from, to, '--type', type]);
}

function milliseconds(values, share) {
  if (values.length === 0) return '';
  const sorted = [...values].sort((a, b) => a - b);
  return Math.round(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]);
}
