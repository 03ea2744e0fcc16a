// The built command line as a process: results, exit codes, what is left on disk, signals, pipes.
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import type { QuantizationReport } from '../../src/core/quantize/quantization-plan.js';
import { cliFile, isBuilt, quantsmith, type ErrorDocument } from './built-cli.js';
import {
  tinycoder,
  folder,
  useFolder,
  here,
  file,
  sha256,
  type ReportDocument,
  type InspectDocument,
  bigModel,
} from './model-folder.js';

useFolder();

describe.skipIf(!isBuilt)('quantize', () => {
  test('JSON has every key of the contract, and its digests are those of the bytes in the file', async () => {
    const { exit, stdout, stderr } = await here('quantize', tinycoder, 'out.gguf', '--type', 'Q4_K_M', '--json');
    expect(exit, stderr).toBe(0);
    const report = JSON.parse(stdout) as ReportDocument;
    expect(Object.keys(report).sort()).toEqual(
      'backend bitsPerWeight byteLength dryRun files forecast kernels origins output problems seconds tensors threads'.split(
        ' ',
      ),
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

describe.skipIf(!isBuilt || process.platform === 'win32')('limits', () => {
  // Node opens some 20 files of its own, and every thread two or three: 40 last for the program but not for 16 threads.
  test('too many open files is said with what to do, and leaves nothing', () => {
    const argv = [cliFile, 'quantize', tinycoder, 'out.gguf', '-t', 'Q8_0', '--threads', '16', '--json'];
    const limited = ['-c', 'ulimit -n 40 && exec "$0" "$@"', process.execPath, ...argv];
    const { status, stdout, stderr } = spawnSync('sh', limited, { cwd: folder, encoding: 'utf8' });
    expect(status, stderr).toBe(1);
    expect((JSON.parse(stdout) as ErrorDocument).error).toMatchObject({
      code: 'io/too-many-files',
      hint: expect.stringContaining('ulimit -n') as string,
    });
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe.skipIf(!isBuilt || process.platform === 'win32')('signals', () => {
  const argv = ['quantize', 'in.gguf', 'out.gguf', '-t', 'Q4_K_M', '--threads', '1', '--backend', 'wasm'];

  test.each(['SIGINT', 'SIGTERM'] as const)('%s stops the job, removes its files and exits with 130', async signal => {
    file('in.gguf', bigModel(256));
    const { exit, stdout } = await quantsmith([...argv, '--json'], {
      cwd: folder,
      held: { file: '.out.gguf.quantsmith-partial', writes: 0, act: child => void child.kill(signal) },
    });
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
    const interrupted = await quantsmith([...argv, '--resume'], {
      cwd: folder,
      // Two tensors are finished then, and most are not begun.
      held: { file: '.out.gguf.quantsmith-journal', writes: 2, act: child => void child.kill('SIGINT') },
    });
    expect(interrupted.exit).toBe(130);
    expect(interrupted.stderr).toContain(
      'Interrupted; nothing was written under the final name. [cancelled]\n  The same command',
    );
    expect(readdirSync(folder)).not.toContain('out.gguf');
    const resumed = await here(...argv, '--resume', '--json');
    expect(resumed.exit, resumed.stdout).toBe(0);
    const { origins } = JSON.parse(resumed.stdout) as QuantizationReport;
    expect(origins.resumed).toBeGreaterThanOrEqual(2);
    expect(origins.computed).toBeGreaterThan(0);
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
