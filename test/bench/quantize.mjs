// Whole quantizations, ours against llama-quantize: alternating runs of both on the same input, threads and disk, page cache
// warm, medians; the outputs are compared byte by byte, for a benchmark of wrong bytes is worthless.
//   npm run bench:quantize [-- OPTIONS]
//     --models=0.5b,1.5b   shapes, `1.5b:4` with 4 layers; or the path of a GGUF model
//     --types=Q4_K_M,…     file types, `Q4_K_M+imatrix` with an importance matrix; default: those with a goal; `all`: all
//     --threads=N          default: all processors     --runs=5     --backend=auto|native|wasm
//     --peer=PATH          llama-quantize; default: LLAMA_QUANTIZE, then PATH. Without one only ours is measured.
//     --folder=DIR         models and outputs; default: dist/.bench. Models stay there for the next time.
//     --wasm               afterwards one WASM thread against one native AVX2 thread, per ggml type
//     --markdown           the table as Markdown
import { existsSync, mkdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { loadSources } from './load-sources.mjs';
import { copyLimit, firstDifference, machine, median, run, warm } from './measure.mjs';
import { shapeNamed, writeImatrix, writeModel } from './model.mjs';
import { wasmShare } from './wasm-share.mjs';

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
/** For these a plain copy of the same bytes is the limit; it is measured beside them. */
const COPY_LIMITED = ['Q4_0', 'Q8_0', 'BF16'];

function of(goal, names) {
  return Object.fromEntries(names.split(' ').map(name => [name, goal]));
}

const options = Object.fromEntries(
  process.argv.slice(2).map(argument => {
    const [key, value = ''] = argument.replace(/^--/, '').split('=');
    return [key, value];
  }),
);
if (options.help !== undefined) {
  const text = readFileSync(import.meta.filename, 'utf8').split('\nimport ')[0];
  console.log(text.replaceAll(/^\/\/ ?/gm, ''));
  process.exit(0);
}
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
for (const name of (options.models ?? '0.5b,1.5b').split(',')) {
  const model = preparedModel(name);
  if (peer && rows.length === 0) console.log(`peer: ${peer.file}, ${await peerVersion(model.file)}`);
  for (const type of typesWanted()) {
    const row = await measured(model, type);
    rows.push(row);
    print(row);
  }
}
if (options.wasm !== undefined) await wasmShare({ loadBackend, ggmlType, directory: path.join(root, 'dist/kernels') });
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

function typesWanted() {
  if (options.types === undefined) return Object.keys(GOALS);
  if (options.types !== 'all') return options.types.split(',');
  return FILE_TYPES.filter(({ offered, name }) => offered && name !== 'COPY').flatMap(({ name }) => [
    name,
    `${name}+imatrix`,
  ]);
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
  const oursArguments = [
    path.join(root, 'dist/cli.js'),
    'quantize',
    model.file,
    ours,
    '--type',
    type.name,
    '--no-reuse',
  ];
  oursArguments.push('--threads', String(threads), '--backend', options.backend ?? 'auto', '--quiet', ...imatrix);
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

function print({ model, type, goal, ours, peer: theirs, copy, note }) {
  const number = (value, digits = 2) => (value === undefined || Number.isNaN(value) ? '-' : value.toFixed(digits));
  const ratio = ours && theirs ? ours.seconds / theirs.seconds : undefined;
  const verdict = ratio === undefined || goal === undefined ? '' : ratio <= goal ? 'yes' : 'no';
  const cells = {
    model,
    type,
    'ours s': number(ours?.seconds),
    'peer s': number(theirs?.seconds),
    ratio: number(ratio),
    goal: number(goal),
    met: verdict,
    'ours CPU s': number(ours?.cpuSeconds),
    'peer CPU s': number(theirs?.cpuSeconds),
    'ours MB': number(ours?.megabytes, 0),
    'peer MB': number(theirs?.megabytes, 0),
    'copy s': number(copy?.seconds),
    'of copy': copy ? number(ours.seconds / copy.seconds) : '',
    note: note ?? '',
  };
  const keys = Object.keys(cells);
  const markdown = options.markdown !== undefined;
  const line = values => (markdown ? `| ${values.join(' | ')} |` : values.map(aligned).join('  ').trimEnd());
  if (rows.length === 1) {
    console.log(line(keys));
    if (markdown) console.log(line(keys.map(key => (/s$|ratio|goal|MB|copy/.test(key) ? '--:' : '---'))));
  }
  console.log(line(Object.values(cells)));
}

function aligned(value, column) {
  if (column === 0) return value.padEnd(8);
  return column === 1 ? value.padEnd(15) : value.padStart(8);
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
