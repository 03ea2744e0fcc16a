// The example model through the command line, against what llama-quantize 0.7.0 makes of it: every tensor, the whole file.
import { createHash } from 'node:crypto';
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isBuilt, ourOptions, quantsmith } from './built-cli.js';
import { repository } from './captured-io.js';

const golden = path.join(repository, 'test', 'golden', 'tinycoder');

interface Golden {
  readonly case: string;
  readonly source: string;
  readonly type: string;
  readonly options: readonly string[];
  readonly byteLength: number;
  readonly sha256: string;
  /** name, type, bytes, sha256. */
  readonly tensors: readonly (readonly [string, string, number, string])[];
}

const cases = readdirSync(golden)
  .filter(name => name.endsWith('.json'))
  .map(name => JSON.parse(readFileSync(path.join(golden, name), 'utf8')) as Golden);

describe.skipIf(!isBuilt)('the example model, byte for byte as llama-quantize', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'quantsmith-tinycoder-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  beforeAll(async () => {
    copyFileSync(path.join(repository, 'examples', 'tinycoder-f16.gguf'), path.join(folder, 'tinycoder-f16.gguf'));
    // Named without a folder, as in the golden runs: the output's metadata has the name as it was given.
    copyFileSync(path.join(golden, 'tinycoder.imatrix.gguf'), path.join(folder, 'tinycoder.imatrix.gguf'));
    const argv = ['quantize', 'tinycoder-f16.gguf', 'tinycoder-q8_0.gguf', '--type', 'Q8_0'];
    expect((await quantsmith(argv, { cwd: folder })).exit).toBe(0);
  });

  test('there is a case for every file type that can be written here', () => {
    const types = new Set(cases.map(({ type }) => type));
    expect(types.size).toBe(13);
    expect(cases.filter(({ options }) => options.includes('--imatrix')).length).toBeGreaterThanOrEqual(4);
  });

  test.each(cases)('$case', async ({ source, type, options, byteLength, sha256, tensors }) => {
    const ours = ourOptions(options);
    if (!ours) throw new Error(`no counterpart for ${options.join(' ')}`);
    const argv = ['quantize', source, 'out.gguf', '--overwrite', '--json', '--type', type, ...ours];
    const { exit, stdout, stderr } = await quantsmith(argv, { cwd: folder });
    expect(exit, stdout + stderr).toBe(0);
    const report = JSON.parse(stdout) as {
      byteLength: number;
      tensors: { name: string; toType: string; byteLength: number; sha256: string }[];
    };
    expect(report.tensors.map(tensor => [tensor.name, tensor.toType, tensor.byteLength, tensor.sha256])).toEqual(
      tensors,
    );
    expect(report.byteLength).toBe(byteLength);
    const bytes = readFileSync(path.join(folder, 'out.gguf'));
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(sha256);
  });
});
