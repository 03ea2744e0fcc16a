// The built command line as a process: results, exit codes, what is left on disk, signals, pipes, time and memory.
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  linkSync,
  mkdtempSync,
  openSync,
  closeSync,
  ftruncateSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { buildGguf } from '../fixtures/gguf/gguf-builder.js';
import { cliFile, isBuilt, quantsmith, type ErrorDocument } from './built-cli.js';
import { repository } from './captured-io.js';

const tinycoder = path.join(repository, 'examples', 'tinycoder-f16.gguf');

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'quantsmith-cli-'));
});
afterEach(() => {
  chmodSync(folder, 0o755);
  rmSync(folder, { recursive: true });
});

const here = (...argv: string[]) => quantsmith(argv, { cwd: folder });

function file(name: string, content: string | Uint8Array): string {
  writeFileSync(path.join(folder, name), typeof content === 'string' ? buildGguf(content).bytes : content);
  return name;
}

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

interface ReportDocument {
  output: string;
  tensors: { name: string; fromType: string; toType: string; rule: string; byteLength: number; sha256: string }[];
  bitsPerWeight: number;
  byteLength: number;
  seconds: number;
  threads: number;
  backend: string;
  kernels: string;
  files: { path: string; byteLength: number }[];
  problems: { code: string; severity: string }[];
  dryRun: boolean;
}

interface InspectDocument {
  tensors: { name: string; type: string; fileOffset: number; byteLength: number; shard: number }[];
  files: { path: string }[];
  metadata: Record<string, unknown>;
  tensorCount: number;
}

describe.skipIf(!isBuilt)('quantize', () => {
  test('JSON has every key of the contract, and its digests are those of the bytes in the file', async () => {
    const { exit, stdout, stderr } = await here('quantize', tinycoder, 'out.gguf', '--type', 'Q4_K_M', '--json');
    expect(exit, stderr).toBe(0);
    const report = JSON.parse(stdout) as ReportDocument;
    expect(Object.keys(report).sort()).toEqual(
      'backend bitsPerWeight byteLength dryRun files kernels output problems seconds tensors threads'.split(' '),
    );
    expect(report.output).toBe(path.join(folder, 'out.gguf'));
    const bytes = readFileSync(report.output);
    expect(report.byteLength).toBe(bytes.length);
    expect(report.files).toEqual([{ path: report.output, byteLength: bytes.length }]);
    expect(['native', 'wasm']).toContain(report.backend);
    const inspected = JSON.parse((await here('inspect', 'out.gguf', '--json')).stdout) as InspectDocument;
    expect(report.tensors.map(({ name, toType, byteLength }) => ({ name, type: toType, byteLength }))).toEqual(
      inspected.tensors.map(({ name, type, byteLength }) => ({ name, type, byteLength })),
    );
    inspected.tensors.forEach(({ fileOffset, byteLength }, i) => {
      expect(report.tensors[i]!.sha256).toBe(sha256(bytes.subarray(fileOffset, fileOffset + byteLength)));
    });
    expect(readdirSync(folder)).toEqual(['out.gguf']);
  });

  test('native, WebAssembly and any number of threads write the same file', async () => {
    const variants = [
      ['--threads', '1'],
      ['--threads', '3'],
      ['--backend', 'wasm'],
    ];
    const digests: string[] = [];
    for (const variant of variants) {
      const { exit, stdout } = await here(
        ...['quantize', tinycoder, 'out.gguf', '-t', 'Q5_K_S', '--overwrite', '--json', ...variant],
      );
      expect(exit).toBe(0);
      const report = JSON.parse(stdout) as ReportDocument;
      if (variant[0] === '--threads') expect(report.threads).toBe(Number(variant[1]));
      else expect(report.backend).toBe('wasm');
      digests.push(sha256(readFileSync(path.join(folder, 'out.gguf'))));
    }
    expect(new Set(digests).size).toBe(1);
  });

  test('text has the table, the file, time, backend and kernels', async () => {
    const { exit, stdout, stderr } = await here('quantize', tinycoder, 'out.gguf', '--type', 'Q8_0');
    expect(exit).toBe(0);
    expect(stderr).toBe('');
    expect(stdout).toMatch(/^type {3}tensors {5}size {2}bits\/weight\nQ8_0 /);
    expect(stdout).toMatch(/\ntotal +47 /);
    expect(stdout).toMatch(
      /\/out\.gguf {2}\d\d?\.\d\d? MB \([\d,]+ bytes\)\n[\d.]+ s, \w+ backend, \w+ kernels, \d+ threads?\n$/,
    );
  });

  test('a dry run shows the plan, writes nothing, and predicts the size exactly', async () => {
    const argv = ['quantize', tinycoder, 'out.gguf', '--type', 'Q4_K_M', '--tensor', 'token_embd.weight=Q8_0'];
    const dry = await here(...argv, '--dry-run', '--json');
    expect(dry.exit).toBe(0);
    expect(readdirSync(folder)).toEqual([]);
    const text = await here(...argv, '--dry-run');
    expect(text.stdout).toContain('token_embd.weight         F16   Q8_0  1.11 MB  --tensor token_embd.weight=Q8_0\n');
    expect(text.stdout).toContain('Dry run: nothing was written.');
    const real = await here(...argv, '--json');
    const [planned, done] = [JSON.parse(dry.stdout) as ReportDocument, JSON.parse(real.stdout) as ReportDocument];
    expect(planned.byteLength).toBe(done.byteLength);
    expect(planned.tensors).toEqual(done.tensors.map(tensor => ({ ...tensor, sha256: '' })));
  });

  test('a dry run says by its exit code that the run would fail, and still shows the plan', async () => {
    file('out.gguf', 'u32 a = 1');
    const { exit, stdout } = await here('quantize', tinycoder, 'out.gguf', '--type', 'Q8_0', '--dry-run', '--json');
    expect(exit).toBe(1);
    const report = JSON.parse(stdout) as ReportDocument;
    expect(report.tensors).toHaveLength(47);
    expect(report.problems).toMatchObject([{ code: 'output/exists', severity: 'error' }]);
  });

  test('a split output is a model that can be inspected and quantized again', async () => {
    const split = await here('quantize', tinycoder, 'part.gguf', '-t', 'F16', '--max-shard-size', '4M', '--json');
    expect(split.exit, split.stdout).toBe(0);
    const { files } = JSON.parse(split.stdout) as ReportDocument;
    expect(files.length).toBeGreaterThan(1);
    expect(readdirSync(folder)).toEqual(files.map(({ path: name }) => path.basename(name)));
    const inspected = JSON.parse((await here('inspect', files[1]!.path, '--json')).stdout) as InspectDocument;
    expect(inspected.tensorCount).toBe(47);
    const kept = await here('quantize', files[0]!.path, 'kept.gguf', '-t', 'Q4_0', '--keep-split', '--json');
    expect((JSON.parse(kept.stdout) as ReportDocument).files).toHaveLength(files.length);
    const whole = await here('quantize', tinycoder, 'whole.gguf', '-t', 'Q4_0', '--json');
    const joined = await here('quantize', files[0]!.path, 'joined.gguf', '-t', 'Q4_0', '--json');
    expect((JSON.parse(joined.stdout) as ReportDocument).tensors).toEqual(
      (JSON.parse(whole.stdout) as ReportDocument).tensors,
    );
  });

  test('progress goes to stderr once a second, never to stdout', async () => {
    file('big.gguf', bigModel(64));
    const { exit, stdout, stderr } = await here(
      ...['quantize', 'big.gguf', 'out.gguf', '-t', 'Q6_K', '--backend', 'wasm', '--threads', '1', '--json'],
    );
    expect(exit).toBe(0);
    const { seconds } = JSON.parse(stdout) as ReportDocument;
    const lines = stderr.split('\n').filter(line => line !== '');
    expect(lines.length).toBeLessThanOrEqual(Math.ceil(seconds));
    if (seconds > 2.5) expect(lines.length).toBeGreaterThan(0);
    for (const line of lines) expect(line).toMatch(/^quantize {2}\d+\.\d % {2}.* of 67\.1 MB {2}.*\/s/);
  });
});

/** A model of one F32 matrix with the given number of MiB. */
function bigModel(mebibytes: number): string {
  return `string general.architecture = "llama"\nu32 llama.block_count = 1\ntensor blk.0.ffn_up.weight F32 [4096, ${mebibytes * 64}]\ndata 0\ntrailing ${mebibytes * 2 ** 20}`;
}

const HEAD = 'string general.architecture = "llama"\nu32 llama.block_count = 1\n';
const TENSOR = 'tensor blk.0.ffn_up.weight F32 [256, 2]\n';
const GOOD = `${HEAD}${TENSOR}`;

/** A good model whose weight `index` is the given float32 bits. */
function modelWithWeight(index: number, bits: number): Uint8Array {
  const { bytes, dataOffset } = buildGguf(`${GOOD}data 0\ntrailing 2048`);
  new DataView(bytes.buffer).setUint32(dataOffset + 4 * index, bits, true);
  return bytes;
}

/**
 * Every bad input gives one message with code, place and remedy, and leaves the folder as it was. `prepare` makes the
 * files and returns the arguments after `quantize`.
 */
describe.skipIf(!isBuilt)('bad input', () => {
  const model = (content: string | Uint8Array) => () => [file('in.gguf', content), 'out.gguf', '-t', 'Q8_0'];
  const cases: readonly (readonly [string, () => readonly string[], number, string, RegExp])[] = [
    ['no GGUF', model(new TextEncoder().encode('# Model card\n, a text of some length\n')), 1, 'gguf/', /GGUF/],
    ['an empty file', model(new Uint8Array(0)), 1, 'gguf/', /empty|0 bytes/],
    ['old GGML', model(new TextEncoder().encode(`lmgg${'\u0001\0\0\0'.repeat(8)}`)), 1, 'gguf/', /GGML/i],
    ['version 0', model(`version 0\n${GOOD}`), 1, 'gguf/', /version/i],
    ['version 99', model(`version 99\n${GOOD}`), 1, 'gguf/', /99/],
    ['cut in the header', model(buildGguf(GOOD).bytes.subarray(0, 70)), 1, 'gguf/', /byte/],
    ['cut in the data', model(buildGguf(GOOD).bytes.subarray(0, 400)), 1, 'gguf/', /byte/],
    ['a key twice', model(`${HEAD}${HEAD}${TENSOR}`), 1, 'gguf/duplicate-key', /general\.architecture/],
    ['a tensor twice', model(`${GOOD}${TENSOR}`), 1, 'gguf/duplicate-tensor', /ffn_up/],
    ['alignment 0', model(`${HEAD}u32 general.alignment = 0\n${TENSOR}`), 1, 'gguf/', /alignment/],
    ['alignment 48', model(`${HEAD}u32 general.alignment = 48\n${TENSOR}`), 1, 'gguf/', /alignment/],
    ['overlapping tensors', model(`${GOOD}tensor b.weight F32 [256, 2] @64\ndata 4096`), 1, 'gguf/', /b\.weight/],
    [
      'an offset beyond the file',
      model(`${HEAD}tensor a.weight F32 [256, 2] @99999968\ndata 64`),
      1,
      'gguf/',
      /a\.weight/,
    ],
    [
      '10^9 elements claimed',
      model(`${HEAD}string[] a = ["x"] !1000000000\n${TENSOR}`),
      1,
      'gguf/',
      /1.?000.?000.?000/,
    ],
    [
      'a NaN weight',
      model(modelWithWeight(300, 0x7fc00000)),
      1,
      'quantize/non-finite',
      /blk\.0\.ffn_up\.weight.*\b(300|row 1)/s,
    ],
    ['an infinite weight', model(modelWithWeight(7, 0x7f800000)), 1, 'quantize/non-finite', /blk\.0\.ffn_up\.weight/],
    [
      'a weight too large for a scale',
      model(modelWithWeight(7, 0x7f000000)),
      1,
      'quantize/scale-overflow',
      /blk\.0\.ffn_up/,
    ],
    [
      'output is the input',
      () => [file('in.gguf', GOOD), 'in.gguf', '-t', 'Q8_0', '--overwrite'],
      1,
      'output/is-source',
      /in\.gguf/,
    ],
    ['output links to the input', symbolicLink, 1, 'output/is-source', /out\.gguf/],
    ['output is another name of the input', hardLink, 1, 'output/is-source', /out\.gguf/],
    [
      'output exists',
      () => [file('in.gguf', GOOD), file('out.gguf', 'x = 1'), '-t', 'Q8_0'],
      1,
      'output/exists',
      /out\.gguf/,
    ],
    ['output is a folder', () => [file('in.gguf', GOOD), '.', '-t', 'Q8_0'], 1, 'output/is-folder', /folder/],
    [
      'no such folder',
      () => [file('in.gguf', GOOD), 'no/out.gguf', '-t', 'Q8_0'],
      1,
      'output/no-folder',
      /no does not exist/,
    ],
    [
      'a file as folder',
      () => [file('in.gguf', GOOD), 'in.gguf/out.gguf', '-t', 'Q8_0'],
      1,
      'output/no-folder',
      /in\.gguf/,
    ],
    ['no such source', () => ['none.gguf', 'out.gguf', '-t', 'Q8_0'], 1, 'io/not-found', /none\.gguf does not exist/],
    ['a folder as source', () => ['.', 'out.gguf', '-t', 'Q8_0'], 1, 'source/unsupported', /folder/],
    [
      'safetensors',
      () => [file('m.safetensors', GOOD), 'out.gguf', '-t', 'Q8_0'],
      1,
      'source/unsupported',
      /safetensors/,
    ],
    [
      'no such matrix',
      () => [file('in.gguf', GOOD), 'out.gguf', '-t', 'Q8_0', '--imatrix', 'i.dat'],
      1,
      'io/not-found',
      /i\.dat/,
    ],
    ['a matrix that is none', badMatrix, 1, 'imatrix/', /i\.gguf/],
    [
      'an unknown type',
      () => [file('in.gguf', GOOD), 'out.gguf', '-t', 'Q4_K_X'],
      2,
      'plan/unknown-file-type',
      /Q4_K_X/,
    ],
    [
      'an unknown tensor type',
      () => ['in.gguf', 'o', '-t', 'Q8_0', '--tensor', 'a=Q9_K'],
      2,
      'plan/unknown-type',
      /Q9_K/,
    ],
    [
      'an unknown fallback',
      () => ['in.gguf', 'o', '-t', 'Q8_0', '--on-fallback', 'maybe'],
      2,
      'plan/unknown-type',
      /maybe/,
    ],
    [
      'a type without kernels',
      () => [file('in.gguf', GOOD), 'out.gguf', '-t', 'IQ4_XS'],
      1,
      'plan/no-kernel',
      /IQ4_XS/,
    ],
    ['quantized already', quantizedSource, 1, 'plan/requantize', /Q8_0/],
    ['a shape that does not fit', wrongShape, 1, 'plan/shape-mismatch', /blk\.0\.ffn_up\.weight/],
  ];

  function symbolicLink() {
    file('in.gguf', GOOD);
    symlinkSync('in.gguf', path.join(folder, 'out.gguf'));
    return ['in.gguf', 'out.gguf', '-t', 'Q8_0', '--overwrite'];
  }
  function hardLink() {
    file('in.gguf', GOOD);
    linkSync(path.join(folder, 'in.gguf'), path.join(folder, 'out.gguf'));
    return ['in.gguf', 'out.gguf', '-t', 'Q8_0', '--overwrite'];
  }
  function badMatrix() {
    file('in.gguf', GOOD);
    return [
      'in.gguf',
      'out.gguf',
      '-t',
      'Q4_K_M',
      '--imatrix',
      file('i.gguf', new TextEncoder().encode('not a matrix')),
    ];
  }
  function quantizedSource() {
    const source = `${HEAD}tensor blk.0.ffn_up.weight Q8_0 [256, 2]\n`;
    return [file('in.gguf', source), 'out.gguf', '-t', 'Q4_K_M'];
  }
  function wrongShape() {
    const source = `${HEAD}tensor blk.0.ffn_up.weight F32 [96, 2]\n`;
    return [file('in.gguf', source), 'out.gguf', '-t', 'Q4_K_M', '--on-fallback', 'error'];
  }

  /** Names and contents of everything in the folder. */
  const state = () => readdirSync(folder).map(name => [name, sha256(readFileSync(path.join(folder, name)))] as const);

  async function refused(argv: readonly string[], exit: number, code: string, message: RegExp) {
    const before = state();
    const json = await here('quantize', ...argv, '--json');
    const { error, ...rest } = JSON.parse(json.stdout) as ErrorDocument;
    expect(rest).toEqual({});
    expect(error.code.startsWith(code), `${error.code}: ${error.message}`).toBe(true);
    expect(json.exit, error.message).toBe(exit);
    expect(error.message).toMatch(message);
    expect(error.hint, error.message).toBeTruthy();
    expect(error.message + (error.hint ?? '')).not.toMatch(/\bE[A-Z]{3,}\b: |undefined|at .*\.js:\d/);
    expect(json.stderr).toBe('');
    expect(state()).toEqual(before);
    return error;
  }

  test.each(cases)('%s', async (_name, prepare, exit, code, message) => {
    const argv = prepare();
    const error = await refused(argv, exit, code, message);
    const text = await here('quantize', ...argv);
    expect(text.stdout).toBe('');
    expect(text.stderr).toBe(`quantsmith: error: ${error.message} [${error.code}]\n  ${error.hint!}\n`);
    expect(text.exit).toBe(exit);
  });

  // Root may write anywhere; without its capabilities it is refused like everybody else.
  const powerless = process.getuid?.() === 0 ? ['setpriv', '--bounding-set=-all', '--inh-caps=-all'] : [];
  const canBeRefused =
    process.platform !== 'win32' &&
    (powerless.length === 0 || spawnSync(powerless[0]!, [...powerless.slice(1), 'true']).status === 0);
  test.skipIf(!canBeRefused)('a folder that cannot be written to', () => {
    file('in.gguf', GOOD);
    chmodSync(folder, 0o555);
    const [program = '', ...argv] = [
      ...powerless,
      ...[process.execPath, cliFile, 'quantize', 'in.gguf', 'out.gguf', '-t', 'Q8_0', '--json'],
    ];
    const { status, stdout } = spawnSync(program, argv, { cwd: folder, encoding: 'utf8' });
    expect(status).toBe(1);
    const { error } = JSON.parse(stdout) as ErrorDocument;
    expect(error).toMatchObject({ code: 'output/not-writable', message: expect.stringContaining(folder) as string });
    expect(error.hint).toBeTruthy();
    expect(readdirSync(folder)).toEqual(['in.gguf']);
  });

  test.skipIf(process.platform !== 'linux')('a file system that refuses new files', async () => {
    file('in.gguf', GOOD);
    // The kernel's own file systems refuse everybody, root included.
    await refused(['in.gguf', '/proc/out.gguf', '-t', 'Q8_0'], 1, '', /\/proc/);
  });

  test.skipIf(process.platform === 'win32')('no room for the output', () => {
    file('in.gguf', bigModel(8));
    // A limit on the size of files fails at the same place as a full disk does, and needs no disk.
    const command = 'ulimit -f 512; exec "$0" "$@"';
    const { status, stdout } = spawnSync(
      'bash',
      ['-c', command, process.execPath, cliFile, 'quantize', 'in.gguf', 'out.gguf', '-t', 'Q8_0', '--json'],
      { cwd: folder, encoding: 'utf8' },
    );
    expect(status).toBe(1);
    const { error } = JSON.parse(stdout) as ErrorDocument;
    expect(error.code).toBe('io/file-too-large');
    expect(error.hint).toBeTruthy();
    expect(readdirSync(folder)).toEqual(['in.gguf']);
  });
});

describe.skipIf(!isBuilt || process.platform === 'win32')('signals', () => {
  const argv = ['quantize', 'in.gguf', 'out.gguf', '-t', 'Q4_K_M', '--threads', '1', '--backend', 'wasm'];

  test.each(['SIGINT', 'SIGTERM'] as const)('%s stops the job, removes its files and exits with 130', async signal => {
    file('in.gguf', bigModel(256));
    let asked = 0;
    const { exit, stdout } = await quantsmith([...argv, '--json'], {
      cwd: folder,
      started: child => {
        // As soon as something lies beside the input, the job is at work.
        const timer = setInterval(() => {
          if (readdirSync(folder).length < 2) return;
          clearInterval(timer);
          asked = performance.now();
          child.kill(signal);
        }, 5);
      },
    });
    expect(asked).toBeGreaterThan(0);
    // The job stops within 0.2 s; the rest is for the process to end on a busy machine.
    expect(performance.now() - asked).toBeLessThan(2000);
    expect(exit).toBe(130);
    expect((JSON.parse(stdout) as ErrorDocument).error.code).toBe('cancelled');
    expect(readdirSync(folder)).toEqual(['in.gguf']);
  });

  test('an interrupted run with --resume goes on where it stopped and gives the same file', async () => {
    const layers = Array.from({ length: 24 }, (_, i) => `tensor blk.${i}.ffn_up.weight F32 [4096, 256]`).join('\n');
    file(
      'in.gguf',
      `string general.architecture = "llama"\nu32 llama.block_count = 24\n${layers}\ndata 0\ntrailing ${24 * 2 ** 22}`,
    );
    const journal = path.join(folder, '.out.gguf.quantsmith-journal');
    const journalSize = () => statSync(journal, { throwIfNoEntry: false })?.size ?? 0;
    const interrupted = await quantsmith([...argv, '--resume'], {
      cwd: folder,
      started: child => {
        // Once the journal has grown twice, some tensors are finished and some are not.
        const sizes = new Set<number>();
        const timer = setInterval(() => {
          sizes.add(journalSize());
          if (sizes.size < 4) return;
          clearInterval(timer);
          child.kill('SIGINT');
        }, 2);
        child.on('exit', () => clearInterval(timer));
      },
    });
    expect(interrupted.exit).toBe(130);
    expect(interrupted.stderr).toContain(
      'Interrupted; nothing was written under the final name. [cancelled]\n  The same command',
    );
    expect(readdirSync(folder)).not.toContain('out.gguf');
    const resumed = await here(...argv, '--resume', '--json');
    expect(resumed.exit, resumed.stdout).toBe(0);
    const fresh = await here(...argv.map(word => (word === 'out.gguf' ? 'fresh.gguf' : word)), '--json');
    expect(fresh.exit).toBe(0);
    expect(sha256(readFileSync(path.join(folder, 'out.gguf')))).toBe(
      sha256(readFileSync(path.join(folder, 'fresh.gguf'))),
    );
    expect(readdirSync(folder)).toEqual(['fresh.gguf', 'in.gguf', 'out.gguf']);
  });

  test('a reader that goes away is no error', () => {
    const tokens = JSON.stringify(Array.from({ length: 100_000 }, (_, i) => `token ${i}`));
    file('in.gguf', `string[] tokens = ${tokens}`);
    const command = '"$0" "$@" | head -c 100; exit "${PIPESTATUS[0]}"';
    const { status, stdout, stderr } = spawnSync(
      'bash',
      ['-c', command, process.execPath, cliFile, 'inspect', 'in.gguf', '--metadata', 'tokens'],
      { cwd: folder, encoding: 'utf8' },
    );
    expect(stderr).toBe('');
    expect(stdout).toHaveLength(100);
    expect(status).toBe(0);
  });
});

describe.skipIf(!isBuilt)('recipes', () => {
  const recipe = (text: string) => file('model.quant.yaml', new TextEncoder().encode(text));
  const good = 'recipe: 1\nsource: in.gguf\noutput: out.gguf\ntype: Q8_0\n';

  test('run makes the output next to the recipe, whatever the current folder is', async () => {
    copyFileSync(tinycoder, path.join(folder, 'in.gguf'));
    recipe(`${good}rules:\n  - tensors: token_embd.weight\n    type: Q6_K\n`);
    const { exit, stdout, stderr } = await quantsmith(['run', path.join(folder, 'model.quant.yaml'), '--json']);
    expect(exit, stderr).toBe(0);
    const document = JSON.parse(stdout) as { outputs: ReportDocument[] };
    expect(document).toMatchObject({ evaluation: null, gates: [], record: null });
    expect(document.outputs).toHaveLength(1);
    const [report] = document.outputs;
    expect(report!.output).toBe(path.join(folder, 'out.gguf'));
    expect(report!.tensors.find(({ name }) => name === 'token_embd.weight')).toMatchObject({
      toType: 'Q6_K',
      rule: 'rule 1: token_embd.weight',
    });
    // The same wishes on the command line give the same file.
    const direct = await here(
      ...['quantize', 'in.gguf', 'direct.gguf', '-t', 'Q8_0', '--tensor', 'token_embd.weight=Q6_K', '--json'],
    );
    expect((JSON.parse(direct.stdout) as ReportDocument).tensors.map(tensor => tensor.sha256)).toEqual(
      report!.tensors.map(tensor => tensor.sha256),
    );
  });

  test('run with a dry run and --only', async () => {
    copyFileSync(tinycoder, path.join(folder, 'in.gguf'));
    recipe(good);
    const dry = await here('run', 'model.quant.yaml', '--dry-run', '--only', 'out.gguf');
    expect(dry.exit).toBe(0);
    expect(dry.stdout).toContain('Dry run: nothing was written.');
    expect(readdirSync(folder)).toEqual(['in.gguf', 'model.quant.yaml']);
    const other = await here('run', 'model.quant.yaml', '--only', 'other.gguf', '--json');
    expect(other.exit).toBe(2);
    expect((JSON.parse(other.stdout) as ErrorDocument).error.code).toBe('usage/no-such-output');
  });

  const wrong = 'recipe: 1\nsource: in.gguf\noutput: out.gguf\ntype: Q4_K_X\nruls: []\n';

  test('check gives the diagnostics with ranges, and exits with 2', async () => {
    file('in.gguf', GOOD);
    recipe(wrong);
    const json = await here('check', 'model.quant.yaml', '--json');
    expect(json.exit).toBe(2);
    const { diagnostics } = JSON.parse(json.stdout) as {
      diagnostics: { code: string; severity: string; message: string; range: object }[];
    };
    expect(diagnostics.map(({ code, severity, range }) => ({ code, severity, range }))).toEqual([
      {
        code: 'recipe/unknown-type',
        severity: 'error',
        range: { start: { line: 3, character: 6 }, end: { line: 3, character: 12 } },
      },
      {
        code: 'recipe/unknown-key',
        severity: 'error',
        range: { start: { line: 4, character: 0 }, end: { line: 4, character: 4 } },
      },
    ]);
    const good = recipe('recipe: 1\nsource: in.gguf\noutput: out.gguf\ntype: Q8_0\n');
    const clean = await here('check', good, '--json');
    expect(clean.exit).toBe(0);
    expect(JSON.parse(clean.stdout)).toMatchObject({ diagnostics: [] });
  });

  test('the problem matcher of the manifest reads what run and check print', async () => {
    file('in.gguf', GOOD);
    recipe(wrong);
    const manifest = JSON.parse(readFileSync(path.join(repository, 'package.json'), 'utf8')) as {
      contributes: { problemPatterns: { name: string; regexp: string }[] };
    };
    const { regexp } = manifest.contributes.problemPatterns.find(({ name }) => name === 'quantsmith')!;
    for (const [command, stream] of [
      ['check', 'stdout'],
      ['run', 'stderr'],
    ] as const) {
      const finished = await here(command, 'model.quant.yaml');
      expect(finished.exit).toBe(2);
      const lines = finished[stream].split('\n').filter(line => line.includes('.quant.yaml:'));
      expect(lines.map(line => new RegExp(regexp).exec(line)?.slice(1, 5))).toEqual([
        [path.join(folder, 'model.quant.yaml'), '4', '7', 'error'],
        [path.join(folder, 'model.quant.yaml'), '5', '1', 'error'],
      ]);
    }
    const json = await here('run', 'model.quant.yaml', '--json');
    expect(json.exit).toBe(2);
    expect((JSON.parse(json.stdout) as ErrorDocument).error.code).toBe('recipe/invalid');
    expect(readdirSync(folder)).toEqual(['in.gguf', 'model.quant.yaml']);
  });

  test.each([
    ['none.quant.yaml', 1, 'io/not-found'],
    ['.', 1, 'io/is-directory'],
    ['in.gguf', 2, 'recipe/not-text'],
  ])('%s is no recipe', async (name, exit, code) => {
    file('in.gguf', GOOD);
    for (const command of ['check', 'run']) {
      const finished = await here(command, name, '--json');
      expect((JSON.parse(finished.stdout) as ErrorDocument).error.code).toBe(code);
      expect(finished.exit).toBe(exit);
    }
  });
});

describe.skipIf(!isBuilt)('doctor', () => {
  test('JSON has every key of the contract', async () => {
    const { exit, stdout, stderr } = await here('doctor', '--json');
    expect(stderr).toBe('');
    expect(exit).toBe(0);
    const found = JSON.parse(stdout) as Record<string, unknown> & {
      kernels: Record<string, Record<string, string>>;
      backends: Record<string, { available: boolean; reason?: string }>;
      memoryBandwidth: number;
      wasm: object;
    };
    expect(found['cpu']).toBeTypeOf('string');
    expect(found['features']).toBeInstanceOf(Array);
    expect(Object.keys(found.kernels['quantize']!)).toContain('Q4_K');
    expect(found.wasm).toEqual({
      simd: expect.any(Boolean) as boolean,
      relaxed: expect.any(Boolean) as boolean,
      threads: expect.any(Boolean) as boolean,
    });
    // Two-sided: no machine copies slower than 0.2 GB/s or, with one thread, faster than 200.
    expect(found.memoryBandwidth).toBeGreaterThan(0.2);
    expect(found.memoryBandwidth).toBeLessThan(200);
    expect(found.backends['wasm']!.available).toBe(true);
    if (!found.backends['native']!.available) expect(found.backends['native']!.reason).toBeTruthy();
  });

  test('text names processor, memory, kernels and what is used', async () => {
    const { exit, stdout } = await here('doctor');
    expect(exit).toBe(0);
    for (const line of [
      'processor ',
      'memory bandwidth ',
      'native kernels ',
      'WebAssembly kernels ',
      'used by default ',
      'Q4_K ',
    ]) {
      expect(stdout).toContain(`\n${line}`.slice(line === 'processor ' ? 1 : 0));
    }
  });
});

describe.skipIf(!isBuilt)('size', () => {
  /** 60 GB of 2,000 F16 tensors, of which only the header takes space. */
  function sparseModel(name: string): void {
    const [tensors, rows] = [2000, 3662];
    const lines = Array.from(
      { length: tensors },
      (_, i) => `tensor blk.${Math.floor(i / 25)}.t${i % 25}.weight F16 [4096, ${rows}] @${i * rows * 8192}`,
    );
    const { bytes, dataOffset } = buildGguf(`${HEAD}${lines.join('\n')}\ndata 0`);
    const handle = openSync(path.join(folder, name), 'w');
    writeSync(handle, bytes.subarray(0, dataOffset));
    ftruncateSync(handle, dataOffset + tensors * rows * 8192);
    closeSync(handle);
  }

  test.skipIf(process.platform === 'win32')('inspect of 60 GB takes under 0.5 s and 100 MB', async () => {
    sparseModel('sparse.gguf');
    // Peak memory of the process, told by itself when it exits.
    const hook = path.join(folder, 'peak.cjs');
    writeFileSync(
      hook,
      `process.on('exit', () => require('fs').writeFileSync(process.env.PEAK_FILE, String(process.resourceUsage().maxRSS)));`,
    );
    const peakFile = path.join(folder, 'peak.txt');
    for (const options of [[], ['--tensors'], ['--json']]) {
      let best = Infinity;
      // The best of five: the claim is about the program, not about what else the machine is doing.
      for (let i = 0; i < 5; i++) {
        const { exit, stdout, seconds } = await quantsmith(['inspect', 'sparse.gguf', ...options], {
          cwd: folder,
          env: { NODE_OPTIONS: `--require=${hook}`, PEAK_FILE: peakFile },
        });
        expect(exit, stdout.slice(-500)).toBe(0);
        best = Math.min(best, seconds);
      }
      expect(best).toBeLessThan(0.5);
      expect(Number(readFileSync(peakFile, 'utf8')) / 1024).toBeLessThan(100);
    }
  });
});
