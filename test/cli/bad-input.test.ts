// Bad input on the built command line: one message with code, place and remedy, and nothing changed on disk.
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  existsSync,
  linkSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { buildGguf } from '../fixtures/gguf/gguf-builder.js';
import { placeText } from '../../src/core/text/place-text.js';
import { cliFile, isBuilt, type ErrorDocument } from './built-cli.js';
import { folder, useFolder, here, file, sha256, bigModel, HEAD, TENSOR, GOOD } from './model-folder.js';

useFolder();

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
    ...(process.platform === 'win32'
      ? []
      : [['output is a pipe', pipe, 1, 'output/not-a-file', /out\.gguf.*pipe/] as const]),
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
      /in\.gguf to be a folder, found a file/,
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
      /^\/.*\/i\.dat|^[A-Z]:.*i\.dat/,
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
      () => [file('in.gguf', `${HEAD}tensor blk.0.ffn_up.weight I32 [256, 2]\n`), 'out.gguf', '-t', 'F16'],
      1,
      'plan/no-kernel',
      /I32/,
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
  function pipe() {
    spawnSync('mkfifo', [path.join(folder, 'out.gguf')]);
    return [file('in.gguf', GOOD), 'out.gguf', '-t', 'Q8_0', '--overwrite'];
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
  const state = () =>
    readdirSync(folder).map(name => {
      const place = path.join(folder, name);
      // Reading a pipe would wait for a writer.
      return [name, statSync(place).isFile() ? sha256(readFileSync(place)) : statSync(place).mode] as const;
    });

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
    // Here alone a remedy is an option, which is named.
    const named = / \((--\S+)\)(?=\.\n)/;
    expect(text.stderr.replace(named, '')).toBe(
      `quantsmith: error: ${error.message} [${error.code}]${placeText(error)}\n  ${error.hint!}\n`,
    );
    if (/\ballow\b/.test(error.hint!)) expect(named.exec(text.stderr)?.[1]).toMatch(/^--(overwrite|allow-requantize)$/);
    expect(text.exit).toBe(exit);
  });

  test('the byte where a file is wrong is in the document', async () => {
    file('cut.gguf', buildGguf(GOOD).bytes.subarray(0, 70));
    file('new.gguf', `version 99\n${GOOD}`);
    const offset = async (...argv: string[]): Promise<number> =>
      (JSON.parse((await here(...argv, '--json')).stdout) as ErrorDocument).error.offset ?? -1;
    const cut = await offset('quantize', 'cut.gguf', 'out.gguf', '-t', 'Q8_0');
    expect(cut).toBeGreaterThan(24);
    expect(cut).toBeLessThanOrEqual(70);
    // The version is the second 32-bit field.
    expect(await offset('quantize', 'new.gguf', 'out.gguf', '-t', 'Q8_0')).toBe(4);
    expect(await offset('inspect', 'new.gguf')).toBe(4);
  });

  test.skipIf(!existsSync('/dev/full'))('a result that cannot be written', () => {
    const model = file('in.gguf', GOOD);
    const full = openSync('/dev/full', 'w');
    for (const argv of [['inspect', model, '--json'], ['inspect', model], ['--help'], ['inspect', 'none', '--json']]) {
      const { status, stderr } = spawnSync(process.execPath, [cliFile, ...argv], {
        cwd: folder,
        encoding: 'utf8',
        stdio: ['ignore', full, 'pipe'],
      });
      expect(stderr).toMatch(
        /^quantsmith: error: The result could not be written\. .*standard output.*\[io\/disk-full\]\n {2}\S/,
      );
      expect(status).toBe(1);
    }
    closeSync(full);
  });

  test('a reader that goes away is no error', () => {
    const model = file('in.gguf', GOOD);
    const command = '"$0" "$@" | true; echo "${PIPESTATUS[0]}"';
    const argv = [process.execPath, cliFile, 'inspect', model, '--json'];
    const { stdout, stderr } = spawnSync('bash', ['-c', command, ...argv], { cwd: folder, encoding: 'utf8' });
    expect([stdout, stderr]).toEqual(['0\n', '']);
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
