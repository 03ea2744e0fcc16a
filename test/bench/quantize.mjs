// Whole quantizations, ours against llama-quantize: alternating runs of both on the same input, threads and disk, page cache
// warm, medians; the outputs are compared byte by byte, for a benchmark of wrong bytes is worthless.
//   npm run bench:quantize [-- OPTIONS]
//     --models=…           shapes, `1.5b:4` with 4 layers, or paths of GGUF models; default: 0.5b,1.5b,1.5b:2 (an hour)
//     --types=Q4_K_M,…     file types, `Q4_K_M+imatrix` with an importance matrix; `all`: all. Default: those with a goal,
//                          of which those that llama-quantize takes minutes for are measured on shapes with few layers only
//     --threads=N          default: all processors     --runs=5     --backend=auto|native|wasm
//     --peer=PATH          llama-quantize; default: LLAMA_QUANTIZE, then PATH. Without one only ours is measured.
//     --folder=DIR         models and outputs; default: dist/.bench. Models stay there for the next time.
//     --wasm               afterwards one WASM thread against one native AVX2 thread: whole runs, then kernels alone
//     --readme             writes the table into README.md, section Performance
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { loadSources } from './load-sources.mjs';
import { copyLimit, firstDifference, machine, median, run, warm } from './measure.mjs';
import { shapeNamed, writeImatrix, writeModel } from './model.mjs';
import { wasmShare } from './wasm-share.mjs';
import { benchmarkOptions } from './options.mjs';

const root = path.resolve(import.meta.dirname, '../..');

/** At most this share of llama-quantize's time. */
const GOALS = {
  ...of(
    1 / 4,
    'Q4_K_M Q4_K_M+imatrix Q5_K_M Q5_K_M+imatrix Q3_K_M Q3_K_M+imatrix Q2_K Q2_K+imatrix Q6_K IQ4_XS IQ4_NL',
  ),
  ...of(1 / 3, 'IQ2_XS+imatrix IQ3_XXS+imatrix IQ3_S IQ1_M+imatrix'),
  ...of(1 / 1.5, 'Q4_0 Q8_0 BF16'),
};
/**
 * For these a plain copy of the same bytes is the limit, or near; it is measured beside them. The last two are here for the
 * 0.5B shape, whose rows of 896 weights K-quants do not fit: what is written is mostly Q8_0, Q4_0 and Q5_1.
 */
const COPY_LIMITED = ['Q4_0', 'Q8_0', 'BF16', 'Q2_K', 'Q5_K_M'];

const COLUMNS = [
  'model',
  'type',
  'ours s',
  'peer s',
  'ratio',
  'goal',
  'met',
  'ours CPU s',
  'peer CPU s',
  'ours MB',
  'peer MB',
  'copy s',
  'of copy',
  'note',
];

/** llama-quantize takes minutes for these on a whole model. */
const SLOW = /^IQ[1-3]/;

/** One WASM thread must reach this share of one native AVX2 thread. */
const WASM_GOAL = 0.35;

function of(goal, names) {
  return Object.fromEntries(names.split(' ').map(name => [name, goal]));
}

const options = benchmarkOptions(import.meta.filename);
const threads = Number(options.threads ?? os.availableParallelism());
const runs = Number(options.runs ?? 5);
const folder = path.resolve(options.folder ?? path.join(root, 'dist/.bench'));
mkdirSync(folder, { recursive: true });

const { FILE_TYPES, fileTypeByName, ggmlType, loadBackend } = await loadSources();
const peer = findPeer();

console.log(machine());
console.log(`${threads} threads, medians of ${runs} runs, ${folder}`);
if (!peer)
  console.log(
    'peer: none, only ours is measured. Install llama.cpp or name its llama-quantize with --peer or LLAMA_QUANTIZE.',
  );
const rows = [];
let peerName = 'not installed';
for (const name of (options.models ?? '0.5b,1.5b,1.5b:2').split(',')) {
  const model = preparedModel(name);
  if (peer && rows.length === 0) {
    peerName = await peerVersion(model.file);
    console.log(`peer: ${peer.file}, ${peerName}`);
  }
  for (const type of typesWanted(name)) {
    const row = await measured(model, type);
    rows.push(row);
    print(row);
  }
}
if (options.wasm !== undefined) {
  await wasmRuns(preparedModel((options.models ?? '0.5b').split(',')[0]));
  await wasmShare({ loadBackend, ggmlType, directory: path.join(root, 'dist/kernels'), goal: WASM_GOAL });
}
if (options.readme !== undefined) writeReadme();
process.exitCode = rows.some(({ differs }) => differs !== undefined) ? 1 : 0;

/** A model that is made here has its importance matrix beside it; one given by path may have one of that name. */
function preparedModel(name) {
  const own = existsSync(name) && statSync(name).isFile();
  const file = own ? path.resolve(name) : path.join(folder, `${name.replace(':', '-')}.gguf`);
  const imatrix = file.replace(/(\.gguf)?$/, '.imatrix.gguf');
  if (!own && !(existsSync(file) && existsSync(imatrix))) {
    console.log(`writing ${file}`);
    // The matrix comes last: both are there only if both are complete.
    writeModel(file, shapeNamed(name));
    writeImatrix(imatrix, shapeNamed(name));
  }
  warm(file);
  return { name: own ? path.basename(name) : name, file, imatrix: existsSync(imatrix) ? imatrix : undefined };
}

function typesWanted(model) {
  if (options.types === undefined) {
    const isShort = model.includes(':');
    return Object.keys(GOALS).filter(type => SLOW.test(type) === isShort);
  }
  if (options.types !== 'all') return options.types.split(',');
  return FILE_TYPES.filter(({ offered, name }) => offered && name !== 'COPY').flatMap(({ name }) => [
    name,
    `${name}+imatrix`,
  ]);
}

function argumentsOf(model, output, wanted, count, backend) {
  const [name, weighted] = wanted.split('+');
  return [
    path.join(root, 'dist/cli.js'),
    'quantize',
    model.file,
    output,
    '--type',
    fileTypeByName(name).name,
    '--threads',
    String(count),
    '--backend',
    backend,
    '--quiet',
    ...(weighted ? ['--imatrix', model.imatrix] : []),
  ];
}

async function measured(model, wanted) {
  const [name, weighted] = wanted.split('+');
  const type = fileTypeByName(name);
  const row = { model: model.name, type: wanted, goal: GOALS[wanted] };
  if (!type) return { ...row, note: 'no such file type' };
  if (!type.available) {
    return { ...row, note: `no kernels for ${type.types.filter(one => !ggmlType(one).canQuantize).join(', ')}` };
  }
  if (weighted && !model.imatrix) return { ...row, note: 'no importance matrix beside the model' };
  const imatrix = weighted ? ['--imatrix', model.imatrix] : [];
  const [ours, theirs] = ['ours', 'peer'].map(who => path.join(folder, `${who}.gguf`));
  const oursArguments = argumentsOf(model, ours, wanted, threads, options.backend ?? 'auto');
  const results = { ours: [], peer: [], copy: [] };
  try {
    for (let i = 0; i < runs; i++) {
      // Both write a new file: overwriting costs what freeing the old one costs.
      for (const file of [ours, theirs]) rmSync(file, { force: true });
      results.ours.push(await run(process.execPath, oursArguments));
      if (peer) {
        results.peer.push(await run(peer.file, [...imatrix, model.file, theirs, type.name, String(threads)]));
        const differs = firstDifference(ours, theirs);
        if (differs >= 0) return { ...row, differs, note: `WRONG: differs from llama-quantize at byte ${differs}` };
      }
      if (COPY_LIMITED.includes(type.name)) {
        const copied = path.join(folder, 'copy.gguf');
        results.copy.push({ seconds: copyLimit(model.file, copied, statSync(ours).size) });
      }
    }
  } catch (error) {
    // Both refuse what needs importance weights and has none; that is no row to measure.
    return { ...row, note: String(error.message).trim().split('\n').at(-1) };
  } finally {
    for (const file of [ours, theirs]) rmSync(file, { force: true });
  }
  const all = who => results[who].length > 0 && summary(results[who]);
  return { ...row, ours: all('ours'), peer: all('peer'), copy: all('copy') };
}

function summary(results) {
  const of = key => median(results.map(result => result[key]));
  return { seconds: of('seconds'), cpuSeconds: of('cpuSeconds'), megabytes: of('megabytes') };
}

/** One row of the table, in the order of COLUMNS. */
function cellsOf({ model, type, goal, ours, peer: theirs, copy, note }) {
  const number = (value, digits = 2) => (value === undefined || Number.isNaN(value) ? '-' : value.toFixed(digits));
  const ratio = ours && theirs ? ours.seconds / theirs.seconds : undefined;
  const verdict = ratio === undefined || goal === undefined ? '' : ratio <= goal ? 'yes' : 'no';
  return [
    model,
    type,
    number(ours?.seconds),
    number(theirs?.seconds),
    number(ratio),
    number(goal),
    verdict,
    number(ours?.cpuSeconds, 1),
    number(theirs?.cpuSeconds, 1),
    number(ours?.megabytes, 0),
    number(theirs?.megabytes, 0),
    number(copy?.seconds),
    copy ? number(ours.seconds / copy.seconds) : '',
    note ?? '',
  ];
}

function print(row) {
  const aligned = (value, column) =>
    column === 0 ? value.padEnd(8) : column === 1 ? value.padEnd(16) : value.padStart(7);
  const line = values => values.map(aligned).join('  ').trimEnd();
  if (rows.length === 1) console.log(line(COLUMNS));
  console.log(line(cellsOf(row)));
}

/** Whole runs: reading, hashing and writing are the same for both. */
async function wasmRuns(model) {
  console.log(`\none thread, ${model.name}: whole runs`);
  console.log('type              native AVX2 s    WASM s    share   goal');
  for (const wanted of typesWanted(model.name)) {
    const type = fileTypeByName(wanted.split('+')[0]);
    if (!type?.available || (wanted.includes('+') && !model.imatrix)) continue;
    const seconds = { native: [], wasm: [] };
    const outputs = ['native', 'wasm'].map(backend => path.join(folder, `${backend}.gguf`));
    try {
      for (let i = 0; i < runs; i++) {
        for (const [which, backend] of ['native', 'wasm'].entries()) {
          rmSync(outputs[which], { force: true });
          const command = argumentsOf(model, outputs[which], wanted, 1, backend);
          const environment = backend === 'native' ? { QUANTSMITH_ISA: 'avx2' } : {};
          seconds[backend].push((await run(process.execPath, command, environment)).seconds);
        }
        if (firstDifference(...outputs) >= 0) throw new Error('WASM and native give different files');
      }
      const [native, wasm] = [median(seconds.native), median(seconds.wasm)];
      const cells = [native.toFixed(2), wasm.toFixed(2), (native / wasm).toFixed(2)].map(cell => cell.padStart(8));
      console.log(`${wanted.padEnd(22)} ${cells.join('  ')}   ${native / wasm >= WASM_GOAL ? 'yes' : 'no'}`);
    } catch (error) {
      console.log(`${wanted.padEnd(22)} ${String(error.message).trim().split('\n').at(-1)}`);
    } finally {
      for (const file of outputs) rmSync(file, { force: true });
    }
  }
}

/** Replaces what stands between the marks. */
function writeReadme() {
  const file = path.join(root, 'README.md');
  const text = readFileSync(file, 'utf8');
  const [begin, end] = ['<!-- npm run bench:quantize -- --readme -->', '<!-- end -->'];
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`${file} has no ${begin} … ${end}`);
  // What failed its goal or could not run is in the table too; only the empty last column is not.
  const noted = rows.some(({ note }) => note !== undefined);
  const columns = noted ? COLUMNS : COLUMNS.slice(0, -1);
  const line = cells => `| ${cells.slice(0, columns.length).join(' | ')} |`;
  const rule = columns.map(name => (/^(model|type|met|note)$/.test(name) ? '---' : '--:'));
  const table = [columns, rule, ...rows.map(cellsOf)].map(line).join('\n');
  const versions = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')).version;
  const where = `${machine()}. Quantsmith ${versions}, llama-quantize ${peerName}. ${threads} threads, medians of ${runs} alternating runs.`;
  writeFileSync(file, `${text.slice(0, from)}${begin}\n\n${table}\n\n${where}\n\n${text.slice(to)}`);
  console.log(`written into ${file}; npm run format puts the columns in line`);
}

function findPeer() {
  const named = options.peer ?? process.env.LLAMA_QUANTIZE;
  const folders = (process.env.PATH ?? '').split(path.delimiter);
  const executable = process.platform === 'win32' ? 'llama-quantize.exe' : 'llama-quantize';
  const file = named ?? folders.map(one => path.join(one, executable)).find(one => existsSync(one));
  if (file === undefined) return undefined;
  if (!existsSync(file)) throw new Error(`there is no ${file}`);
  return { file };
}

/** What it says of itself when it starts: it has no other way to tell its version. */
async function peerVersion(model) {
  const { words } = await run(peer.file, ['--dry-run', model, path.join(folder, 'peer.gguf'), 'Q8_0']);
  return /version: (.*)/.exec(words)?.[1] ?? 'version not told';
}
