// Whole files: ours against llama-quantize, byte by byte, for random file types and options on given models. Where
// llama-quantize refuses, so must we; left out are the differences that docs/cli.md names. What the recorded cases of test/cli/quantized-files.test.ts do not reach is met here.
//   node test/bench/same-files.mjs --peer=LLAMA_QUANTIZE MODEL… [--count=200] [--seed=N] [--folder=DIR]
// Models are .gguf files; `MODEL.imatrix.gguf` beside one (its name without -f16 or -f32) is its importance matrix.
// After `npm run build`. Ends with 1 if anything differed.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { loadSources } from './load-sources.mjs';
import { firstDifference } from './measure.mjs';

const { FILE_TYPES } = await loadSources();
const cli = path.resolve(import.meta.dirname, '../../dist/cli.js');
const models = process.argv.slice(2).filter(argument => !argument.startsWith('--'));
const options = Object.fromEntries(
  process.argv
    .slice(2)
    .filter(argument => argument.startsWith('--'))
    .map(argument => argument.slice(2).split('=')),
);
const peer = options.peer ?? process.env.LLAMA_QUANTIZE;
if (!peer || !existsSync(peer) || models.length === 0) {
  console.error('usage: node test/bench/same-files.mjs --peer=LLAMA_QUANTIZE MODEL… (--peer must exist)');
  process.exit(2);
}
const seed = Number(options.seed ?? Date.now() % 2 ** 31);
const count = Number(options.count ?? 200);
const folder = mkdtempSync(path.join(path.resolve(options.folder ?? tmpdir()), 'same-files-'));

let state = seed;
const random = below => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return Math.floor((state / 2 ** 32) * below);
};
const pick = list => list[random(list.length)];

const TENSOR_TYPES =
  'Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q2_K Q3_K Q4_K Q5_K Q6_K IQ4_NL IQ4_XS IQ3_S TQ2_0 MXFP4 F16 BF16 F32'.split(' ');
const PATTERNS = [
  'attn_v',
  'ffn_down',
  'blk\\.0\\.',
  'blk\\.[01]\\.attn_(q|k)',
  '^token_embd',
  'ffn_(up|gate).*weight$',
];
const OVERRIDES = ['general.name=str:another', 'test.number=int:-7', 'test.share=float:0.25', 'test.flag=bool:true'];

/** Per option its words for llama-quantize and for us; where those are the same, one list. */
const OPTIONS = [
  () => ['--pure'],
  () => ['--leave-output-tensor'],
  () => ['--output-tensor-type', pick(TENSOR_TYPES)],
  () => ['--token-embedding-type', pick(TENSOR_TYPES)],
  () => ['--prune-layers', pick(['0', '1'])],
  () => ['--override-kv', pick(OVERRIDES)],
];
/** The same for rules, which llama-quantize ignores for file types of floats. */
const RULES = [
  () => {
    const [pattern, type] = [pick(PATTERNS), pick(TENSOR_TYPES)];
    return { theirs: ['--tensor-type', `${pattern}=${type}`], ours: ['--tensor', `/${pattern}/=${type}`] };
  },
  () => {
    const lines = Array.from({ length: 1 + random(3) }, () => `${pick(PATTERNS)}=${pick(TENSOR_TYPES)}`);
    writeFileSync(path.join(folder, 'types.txt'), lines.join('\n'));
    return ['--tensor-type-file', 'types.txt'];
  },
];

function run(command, words) {
  return new Promise(resolve => {
    const child = spawn(command, words, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
    let text = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', data => (text = (text + data).slice(-2000)));
    child.on('close', (code, signal) => resolve({ code: signal ?? code, text }));
  });
}

const tally = { equal: 0, 'both refuse': 0, 'only theirs fails': 0, differ: 0 };
const used = { types: new Set(), options: new Set() };
const types = FILE_TYPES.filter(({ offered, name }) => offered && name !== 'COPY').map(({ name }) => name);
console.log(`seed ${seed}, ${count} runs of each, ${types.length} file types`);
for (let i = 0; i < count; i++) {
  const model = path.resolve(pick(models));
  const matrix = model.replace(/(-f16|-f32)?\.gguf$/, '.imatrix.gguf');
  // Every file type in turn, so that none is left to chance.
  const type = types[i % types.length];
  const isFloat = /^(F32|F16|BF16)$/.test(type);
  const chosen = [...OPTIONS, ...(isFloat ? [] : RULES)].filter(() => random(5) === 0).map(option => option());
  if (existsSync(matrix) && random(2) === 0) {
    chosen.push(['--imatrix', matrix]);
    if (random(3) === 0)
      chosen.push([pick(['--include-weights', '--exclude-weights']), pick(['attn', 'ffn_down', 'blk.1.'])]);
  }
  const theirs = chosen.flatMap(option => (Array.isArray(option) ? option : option.theirs));
  const ours = chosen.flatMap(option => (Array.isArray(option) ? option : option.ours));
  for (const option of theirs) if (option.startsWith('--')) used.options.add(option);
  used.types.add(type);
  const [their, our] = [
    await run(peer, [...theirs, model, 'theirs.gguf', type, '2']),
    await run(process.execPath, [cli, 'quantize', model, 'ours.gguf', '--type', type, ...ours, '--quiet']),
  ];
  const made = readdirSync(folder);
  const line = `${path.basename(model)} ${theirs.join(' ')} ${type}`;
  let verdict = 'equal';
  if (their.code !== 0) verdict = our.code === 0 ? 'only theirs fails' : 'both refuse';
  else if (our.code !== 0 || firstDifference(path.join(folder, 'ours.gguf'), path.join(folder, 'theirs.gguf')) >= 0) {
    verdict = 'differ';
  }
  tally[verdict]++;
  if (our.code !== 0 && made.includes('ours.gguf')) console.log(`LEFT A FILE  ${line}`);
  if (verdict === 'differ' || verdict === 'only theirs fails') {
    console.log(`${verdict.toUpperCase()}  ${line}\n  theirs ${their.code}: ${their.text.trim().split('\n').at(-1)}`);
    console.log(`  ours ${our.code}: ${our.text.trim().split('\n').slice(-3).join(' | ')}`);
  }
  for (const name of ['ours.gguf', 'theirs.gguf']) rmSync(path.join(folder, name), { force: true });
}
rmSync(folder, { recursive: true });
console.log(`${JSON.stringify(tally)}; ${used.types.size} file types, options ${[...used.options].sort().join(' ')}`);
process.exitCode = tally.differ > 0 ? 1 : 0;
