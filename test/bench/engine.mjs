// Running models, ours against llama.cpp: alternating runs on the same model, threads and machine, medians, with the read
// bandwidth of the memory measured in the same runs (`quantsmith bench` does, between its repetitions).
//   npm run bench:engine [-- OPTIONS]
//     --models=0.5b,1.5b   shapes, `0.5b:4` with 4 layers; or the path of a GGUF model, which is then not quantized
//     --types=Q4_K_M,…     default: those with a goal     --threads=N   default: one per physical core
//     --prompt=512 --generate=128   tokens     --runs=5   alternating runs of each     --backend=auto|native|wasm
//     --isa=avx2           ours with this instruction set instead of the best
//     --folder=DIR         where models are made and stay; default: `models` in the folder for temporary files
//     --quick              0.5b with 6 layers, three types, short texts, 2 runs: does the benchmark work?
//     --readme             writes the table into README.md
// LLAMA_CPP_BIN is the folder of llama-bench and llama-completion; without it nothing is measured. REF_VARIANT names the
// instruction set that a build of llama.cpp with several is to use; default: what suits this processor, or --isa.
//
// The peer runs with its best settings: flash attention as it chooses, weights repacked. How each row is measured:
//   generation, prompt   `quantsmith bench -r 1` and `llama-bench -r 1`: both warm up, then time tokens one by one from an
//                        empty text, and a prompt, without loading
//   first token          whole processes, from start to end: `quantsmith generate -n 1` and `llama-completion -n 1
//                        --no-warmup`, a prompt of one word, page cache warm
//   memory               the most that is resident during `bench` with the whole prompt, without the mapped model's pages
import { existsSync, mkdirSync, readFileSync, realpathSync, renameSync, statSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { loadSources } from './load-sources.mjs';
import { busySeconds, machine, median, run, warm } from './measure.mjs';
import { shapeNamed, writeModel } from './model.mjs';
import { benchmarkOptions } from './options.mjs';

const root = path.resolve(import.meta.dirname, '../..');
const cli = path.join(root, 'dist/cli.js');

/** What is aimed at: generation as ours / peer and as a share of the read bandwidth. */
const GENERATION_GOALS = {
  ...of({ ratio: 1.4, share: 0.85 }, 'Q4_K_M Q5_K_M Q3_K_M Q6_K IQ4_XS'),
  ...of({ ratio: 1, share: 0.9 }, 'Q4_0 Q8_0 F16'),
};
/** Prompt, ours / peer, by the instruction set that both use. */
const PROMPT_GOALS = { sapphirerapids: 2.5, haswell: 1.25 };
/** Ours / peer, at most. */
const FIRST_TOKEN_GOAL = 0.5;
const MEMORY_GOAL = 1;

/** More than this share of all processors in others' hands: waiting threads of llama.cpp spin, and its numbers collapse. */
const DISTURBED = 0.05;

const COLUMNS = [
  'model',
  'type',
  'what',
  'ours',
  'llama.cpp',
  'ratio',
  'goal',
  'met',
  'GB/s',
  'of memory',
  'goal',
  'met',
];

function of(goal, names) {
  return Object.fromEntries(names.split(' ').map(name => [name, goal]));
}

const options = benchmarkOptions(import.meta.filename);
const peer = process.env.LLAMA_CPP_BIN;
if (!peer) {
  console.log('bench:engine: skipped. LLAMA_CPP_BIN must name the folder of llama-bench and llama-completion.');
  process.exit(0);
}
for (const name of ['llama-bench', 'llama-completion']) {
  if (!existsSync(path.join(peer, name))) throw new Error(`LLAMA_CPP_BIN=${peer} has no ${name}`);
}
const { physicalCores, residentBytesIn } = await loadSources();

const quick = options.quick !== undefined;
const threads = Number(options.threads ?? physicalCores());
const runs = Number(options.runs ?? (quick ? 2 : 5));
const prompt = Number(options.prompt ?? (quick ? 64 : 512));
const generate = Number(options.generate ?? (quick ? 16 : 128));
const models = (options.models ?? (quick ? '0.5b:6' : '0.5b,1.5b')).split(',');
const types = (options.types ?? (quick ? 'Q4_K_M,Q8_0,F16' : Object.keys(GENERATION_GOALS).join())).split(',');
const folder = path.resolve(options.folder ?? path.join(os.tmpdir(), 'models'));
mkdirSync(folder, { recursive: true });

const variant = process.env.REF_VARIANT ?? variantFor(options.isa);
const oursEnvironment = options.isa ? { QUANTSMITH_ISA: options.isa } : {};
const peerEnvironment = { REF_VARIANT: variant };

console.log(machine());
console.log(
  `${threads} threads, prompt ${prompt}, generation ${generate}, medians of ${runs} alternating runs, ${folder}; llama.cpp: ${variant}`,
);
const rows = [];
const used = { ours: new Set(), peer: new Set(), bandwidth: [], others: [] };
for (const name of models) {
  for (const type of typesOf(name)) {
    const file = await preparedModel(name, type);
    warm(file);
    const model = { name: path.basename(name), type, file };
    for (const row of [...(await speeds(model)), await firstToken(model), await memory(model)]) {
      rows.push(row);
      print(row);
    }
  }
}
const facts = summary();
console.log(`\n${facts.join('\n')}`);
if (options.readme !== undefined) writeReadme();

function typesOf(name) {
  return isFile(name) ? ['as it is'] : types;
}

function isFile(name) {
  return existsSync(name) && statSync(name).isFile();
}

/** The instruction set of llama.cpp's build that has what this processor, or what `--isa` allows ours. */
function variantFor(isa) {
  if (isa === 'avx2') return 'haswell';
  if (isa === 'avx512') return 'skylakex';
  if (isa === 'sse2' || isa === 'ref') return 'x64';
  let flags = '';
  try {
    flags = /^flags\s*:(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ?? '';
  } catch {
    // Not Linux: llama.cpp chooses.
  }
  if (/\bamx_int8\b/.test(flags)) return 'sapphirerapids';
  return /\bavx512_vnni\b/.test(flags) ? 'icelake' : 'haswell';
}

/** A model that is made here once; it is there under its name only when it is complete. */
async function preparedModel(name, type) {
  if (isFile(name)) return path.resolve(name);
  const made = wanted => path.join(folder, `${name.replace(':', '-')}-${wanted}.gguf`);
  if (!existsSync(made('F16'))) {
    console.log(`writing ${made('F16')}`);
    writeModel(`${made('F16')}.${process.pid}`, shapeNamed(name));
    renameSync(`${made('F16')}.${process.pid}`, made('F16'));
  }
  if (!existsSync(made(type))) await run(process.execPath, [cli, 'quantize', made('F16'), made(type), '--type', type]);
  return made(type);
}

function oursBench(file, ...more) {
  const backend = ['--backend', options.backend ?? 'auto', '--threads', String(threads)];
  return [cli, 'bench', file, ...backend, '--json', '-r', '1', ...more];
}

function peerBench(file, ...more) {
  return ['-m', file, '-t', String(threads), '-fa', 'auto', '-o', 'json', '-r', '1', ...more];
}

async function speeds({ name, type, file }) {
  const lengths = ['-p', String(prompt), '-n', String(generate)];
  const [ours, theirs] = [[], []];
  for (let i = 0; i < runs; i++) {
    const [mine, alone] = await undisturbed(() => run(process.execPath, oursBench(file, ...lengths), oursEnvironment));
    const result = JSON.parse(mine.output);
    ours.push(result);
    used.ours.add(`${result.backend} (${result.kernels})`);
    used.bandwidth.push(result.readGigabytesPerSecond ?? NaN);
    used.others.push(alone);
    const peerRun = await run(path.join(peer, 'llama-bench'), peerBench(file, ...lengths), peerEnvironment);
    const tests = JSON.parse(peerRun.output);
    theirs.push({
      prompt: tests.find(({ n_prompt }) => n_prompt === prompt)?.avg_ts,
      generate: tests.find(({ n_gen }) => n_gen === generate)?.avg_ts,
    });
    used.peer.add(`build ${tests[0]?.build_number}, ${tests[0]?.cpu_info}`);
  }
  const all = (list, key) => median(list.map(item => item[key] ?? NaN));
  const goal = GENERATION_GOALS[type];
  const generation = compared('generation', 'tokens/s', all(ours, 'generateTokensPerSecond'), all(theirs, 'generate'));
  const promptRow = compared('prompt', 'tokens/s', all(ours, 'promptTokensPerSecond'), all(theirs, 'prompt'));
  return [
    {
      ...{ model: name, type, ...generation, goal: goal?.ratio, atLeast: true },
      gigabytes: all(ours, 'gigabytesPerSecond'),
      share: all(ours, 'readShare'),
      shareGoal: goal?.share,
    },
    { model: name, type, ...promptRow, goal: PROMPT_GOALS[variant], atLeast: true },
  ];
}

async function firstToken({ name, type, file }) {
  const [ours, theirs] = [[], []];
  const common = ['-n', '1', '-p', 'Hello'];
  for (let i = 0; i < runs; i++) {
    const backend = ['--backend', options.backend ?? 'auto', '--threads', String(threads)];
    ours.push(await run(process.execPath, [cli, 'generate', file, ...common, ...backend], oursEnvironment));
    const plain = ['--no-warmup', '-no-cnv', '-c', '512', '-t', String(threads)];
    theirs.push(await run(path.join(peer, 'llama-completion'), ['-m', file, ...common, ...plain], peerEnvironment));
  }
  const seconds = list => median(list.map(result => result.seconds));
  const row = compared('first token', 's', seconds(ours), seconds(theirs));
  return { model: name, type, ...row, goal: FIRST_TOKEN_GOAL, atLeast: false };
}

async function memory({ name, type, file }) {
  // Without generation our bench measures no memory bandwidth, for which it would need memory.
  const lengths = ['-p', String(prompt), '-n', '0'];
  const beside = smaps => residentBytesIn(smaps, [realpathSync(file)]);
  const mine = await run(process.execPath, oursBench(file, ...lengths), oursEnvironment, beside);
  const theirs = await run(path.join(peer, 'llama-bench'), peerBench(file, ...lengths), peerEnvironment, beside);
  const row = compared('memory', 'MB', mine.residentMegabytes, theirs.residentMegabytes);
  return { model: name, type, ...row, goal: MEMORY_GOAL, atLeast: false };
}

/** The result of a run, and the share of all processors that others had meanwhile. */
async function undisturbed(work) {
  const before = busySeconds();
  const result = await work();
  const others = busySeconds() - before - result.cpuSeconds;
  return [result, Math.max(0, others) / (result.seconds * os.availableParallelism())];
}

function compared(what, unit, ours, theirs) {
  return { what, unit, ours, peer: theirs, ratio: ours / theirs };
}

/** One row of the table, in the order of COLUMNS. */
function cellsOf({ model, type, what, unit, ours, peer: theirs, ratio, goal, atLeast, gigabytes, share, shareGoal }) {
  const number = (value, digits = 2) => (value === undefined || Number.isNaN(value) ? '' : value.toFixed(digits));
  const digits = unit === 'MB' ? 0 : unit === 's' ? 2 : 1;
  const limit = value => (value === undefined ? '' : `${atLeast ? '≥' : '≤'} ${value}`);
  const verdict = (value, wanted) =>
    value === undefined || wanted === undefined || Number.isNaN(value)
      ? ''
      : (atLeast ? value >= wanted : value <= wanted)
        ? 'yes'
        : 'no';
  return [
    ...[model, type, what],
    `${number(ours, digits)} ${unit}`,
    `${number(theirs, digits)} ${unit}`,
    ...[number(ratio), limit(goal), verdict(ratio, goal)],
    ...[number(gigabytes, 1), number(share), limit(shareGoal), verdict(share, shareGoal)],
  ];
}

function print(row) {
  const widths = [8, 8, 12, 16, 16, 6, 7, 4, 6, 10, 7, 4];
  const line = cells => cells.map((cell, i) => (i < 3 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join(' ');
  if (rows.length === 1) console.log(line(COLUMNS));
  console.log(line(cellsOf(row)));
}

/** How many rows reach their goals, and what the numbers are worth. */
function summary() {
  const lines = [];
  for (const what of ['generation', 'prompt', 'first token', 'memory']) {
    const judged = rows.filter(row => row.what === what && row.goal !== undefined && !Number.isNaN(row.ratio));
    const met = judged.filter(row => cellsOf(row)[7] === 'yes' && cellsOf(row)[11] !== 'no');
    const ratios = judged.map(({ ratio }) => ratio);
    const range = `ratios ${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)}`;
    if (judged.length > 0) lines.push(`${what}: ${met.length} of ${judged.length} reach their goals, ${range}`);
  }
  lines.push(`read bandwidth: ${median(used.bandwidth).toFixed(1)} GB/s with ${threads} threads (median of all runs)`);
  const others = median(used.others);
  if (others > DISTURBED)
    lines.push(
      `NOT QUIET: other processes had ${(100 * others).toFixed(0)} % of the processors (median). llama.cpp's threads spin ` +
        'while they wait and fall behind on a busy machine: these ratios flatter ours.',
    );
  return lines;
}

/** Replaces what stands between the marks. */
function writeReadme() {
  const file = path.join(root, 'README.md');
  const text = readFileSync(file, 'utf8');
  const [begin, end] = ['<!-- npm run bench:engine -- --readme -->', '<!-- end of bench:engine -->'];
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`${file} has no ${begin} … ${end}`);
  const line = cells => `| ${cells.join(' | ')} |`;
  const rule = COLUMNS.map(name => (/^(model|type|what|met)$/.test(name) ? '---' : '--:'));
  const table = [COLUMNS, rule, ...rows.map(cellsOf)].map(line).join('\n');
  const version = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')).version;
  const where = [
    `${machine()}. Quantsmith ${version}: ${[...used.ours].join(', ')}. llama.cpp: ${[...used.peer].join(', ')}, ${variant}.`,
    `${threads} threads, prompt ${prompt}, generation ${generate}, medians of ${runs} alternating runs.`,
  ].join(' ');
  const list = facts.map(fact => `- ${fact}`).join('\n');
  writeFileSync(file, `${text.slice(0, from)}${begin}\n\n${table}\n\n${list}\n\n${where}\n\n${text.slice(to)}`);
  console.log(`written into ${file}; npm run format puts the columns in line`);
}
