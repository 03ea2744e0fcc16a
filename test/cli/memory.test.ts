// Peak memory of the command line: at most 400 MB whatever a model's largest tensor is. The models are as large as they
// say, and sparse: holes read as zeros, at the speed of memory. Peak is the process's own maximum, threads included, of which
// each takes some 15 MB.
import { closeSync, ftruncateSync, openSync, readFileSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import type { QuantizationReport } from '../../src/core/quantize/quantization-plan.js';
import { isBuilt, quantsmith } from './built-cli.js';
import { measured } from './measured.js';
import { file, folder, useFolder } from './model-folder.js';

useFolder();

const LIMIT = 400e6;
/** Every buffer is in use by then; a run that writes more is interrupted. */
const ENOUGH_BYTES = 100e6;

/** `text` as a GGUF whose last tensor ends where its bytes would, without these bytes. */
function sparse(name: string, text: string, dataLength: number): string {
  file(name, `${text}\ndata 0`);
  const size = readFileSync(path.join(folder, name)).length;
  const descriptor = openSync(path.join(folder, name), 'r+');
  ftruncateSync(descriptor, size + dataLength);
  closeSync(descriptor);
  return name;
}

/** Runs to the end, or for a while, and returns the peak in bytes. */
async function peak(argv: readonly string[]): Promise<{ readonly bytes: number; readonly exit: number | null }> {
  const { exit, stderr, peakBytes } = await measured(['quantize', ...argv, '--overwrite', '--quiet'], {
    cwd: folder,
    started: child => {
      const timer = setInterval(() => {
        const facts = statSync(path.join(folder, '.out.gguf.quantsmith-partial'), { throwIfNoEntry: false });
        if ((facts?.blocks ?? 0) * 512 < ENOUGH_BYTES) return;
        clearInterval(timer);
        child.kill('SIGINT');
      }, 20);
      child.on('exit', () => clearInterval(timer));
    },
  });
  if (exit !== 0 && exit !== 130) throw new Error(stderr);
  expect(readdirSync(folder).filter(name => name.includes('partial'))).toEqual([]);
  return { bytes: peakBytes, exit };
}

async function check(runs: readonly (readonly string[])[]): Promise<void> {
  for (const argv of runs) {
    const { bytes, exit } = await peak(argv);
    const end = exit === 0 ? 'to its end' : 'until 100 MB were written';
    console.log(`${argv.join(' ')}: peak ${Math.round(bytes / 1e6)} MB, ran ${end}`);
    expect(bytes, argv.join(' ')).toBeLessThan(LIMIT);
  }
}

const HEAD = 'string general.architecture = "llama"\nu32 llama.block_count = 1';

describe.skipIf(!isBuilt)('peak memory', () => {
  test('is what the report forecasts, and not much less', async () => {
    sparse('in.gguf', `${HEAD}\ntensor blk.0.ffn_up.weight F16 [4096, 4096]`, 2 ** 25);
    for (const threads of [1, 4]) {
      const argv = ['in.gguf', 'out.gguf', '-t', 'Q4_K_M', '--threads', String(threads)];
      const { stdout } = await quantsmith(['quantize', ...argv, '--dry-run', '--json', '--overwrite'], { cwd: folder });
      const { forecast } = JSON.parse(stdout) as QuantizationReport;
      const { bytes, exit } = await peak(argv);
      expect(exit).toBe(0);
      expect(bytes, `peak with ${threads} threads`).toBeLessThanOrEqual(forecast.memory.needed);
      expect(bytes, `peak with ${threads} threads`).toBeGreaterThan(forecast.memory.needed / 2);
    }
  }, 60_000);

  test('of an embedding of 256k rows of 16k weights, 8.6 GB', async () => {
    const [columns, rows] = [2 ** 14, 2 ** 18];
    sparse('in.gguf', `${HEAD}\ntensor token_embd.weight F16 [${columns}, ${rows}]`, 2 * columns * rows);
    const run = ['in.gguf', 'out.gguf', '--token-embedding-type'];
    await check([
      [...run, 'Q4_K', '-t', 'Q4_K_M'],
      [...run, 'Q8_0', '-t', 'Q8_0', '--threads', '16'],
      [...run, 'F32', '-t', 'Q8_0'],
      [...run, 'Q6_K', '-t', 'Q6_K', '--backend', 'wasm'],
      ['in.gguf', 'out.gguf', '-t', 'F16'],
    ]);
  }, 600_000);

  test('of rows of 2^28 weights, without and with an importance matrix of 1 GiB', async () => {
    const columns = 2 ** 28;
    const name = 'blk.0.ffn_up.weight';
    sparse('in.gguf', `${HEAD}\ntensor ${name} F16 [${columns}, 2]`, 4 * columns);
    const metadata =
      'string general.type = "imatrix"\nstring[] imatrix.datasets = ["a"]\nu32 imatrix.chunk_count = 1\nu32 imatrix.chunk_size = 1';
    sparse(
      'm.gguf',
      `${metadata}\ntensor ${name}.in_sum2 F32 [${columns}, 1]\ntensor ${name}.counts F32 [1, 1]`,
      4 * columns + 4,
    );
    const run = ['in.gguf', 'out.gguf', '-t'];
    await check([
      [...run, 'Q4_0'],
      [...run, 'Q4_K_M', '--threads', '16'],
      [...run, 'BF16'],
      [...run, 'Q4_K_M', '--imatrix', 'm.gguf'],
      [...run, 'Q3_K_M', '--imatrix', 'm.gguf', '--threads', '6'],
      [...run, 'Q6_K', '--imatrix', 'm.gguf', '--backend', 'wasm'],
    ]);
  }, 600_000);
});
