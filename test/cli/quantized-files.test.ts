// The command line against llama-quantize 0.7.0: every case of quantized-files.json that the file types here can express.
// The golden data and the generator of the models are a suite beside the repository; without them, or without Python and
// numpy to make the models, the cases are skipped and say so.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fileTypeByName } from '../../src/core/ggml/file-type.js';
import { isBuilt, ourOptions, quantsmith } from './built-cli.js';
import { repository } from './captured-io.js';

const suite = path.join(repository, '..', 'shared');
const goldenFile = path.join(suite, 'data/golden/files/quantized-files.json');
const generator = path.join(suite, 'tools/mkmodel/mkmodel.py');
const models = path.join(repository, 'out', 'test-models');

const hasPython = spawnSync('python3', ['-c', 'import numpy']).status === 0;
const ready = isBuilt && existsSync(goldenFile) && existsSync(generator) && hasPython;

interface Case {
  /** What llama-quantize ended with; where it is not 0 it wanted an importance matrix and nothing else is recorded. */
  readonly rc: number;
  readonly size: number;
  readonly sha256: string;
  readonly ftype?: string;
  readonly args?: readonly string[];
  /** What llama-quantize adds to the metadata. */
  readonly kv: Readonly<Record<string, unknown>>;
  /** name, type, offset, bytes, first 16 digits of the sha256. */
  readonly tensors: readonly (readonly [string, string, number, number, string])[];
}

/** What to run for a case, or undefined if a type or option of it does not exist here. */
function commandOf(name: string, { ftype, args = [] }: Case) {
  const [model = '', second = '', third = ''] = name.split('/');
  const type = ftype ?? second;
  const options = ourOptions(args);
  if (!fileTypeByName(type)?.available || !options) return undefined;
  const imatrix = third === 'imatrix' ? `${model}.imatrix.gguf` : undefined;
  const source = model.endsWith('-f32src') ? model.replace('-f32src', '-f32') : `${model}-f16`;
  return { name, source: `${source}.gguf`, type, options, imatrix };
}

const golden = ready ? (JSON.parse(readFileSync(goldenFile, 'utf8')) as { cases: Record<string, Case> }).cases : {};
const commands = Object.entries(golden).flatMap(([name, expected]) => {
  const command = commandOf(name, expected);
  return command ? [{ ...command, expected }] : [];
});

describe.skipIf(!ready)('llama-quantize, tensor for tensor', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'quantsmith-golden-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  beforeAll(() => {
    if (!existsSync(path.join(models, 'tiny-qwen3-f32.gguf'))) {
      mkdirSync(models, { recursive: true });
      const made = spawnSync('python3', [generator, 'all', models], { encoding: 'utf8' });
      expect(made.status, made.stderr).toBe(0);
    }
    // The output names the importance matrix as it was given, so it is given by its bare name, as in the golden runs.
    for (const model of ['micro-llama', 'micro-qwen2']) {
      copyFileSync(
        path.join(suite, `data/golden/imatrix/${model}.imatrix.gguf`),
        path.join(folder, `${model}.imatrix.gguf`),
      );
    }
  });

  test('the suite covers what it should', () => {
    expect(commands.length).toBeGreaterThanOrEqual(120);
    expect(commands.filter(({ imatrix }) => imatrix !== undefined).length).toBeGreaterThanOrEqual(36);
    expect(commands.filter(({ name }) => name.includes('/opt/')).map(({ name }) => name)).toEqual([
      'micro-llama/opt/pure-q4k',
      'micro-llama/opt/leave-output',
      'micro-llama/opt/tok-embd-q8',
      'micro-llama/opt/out-q5k',
      'micro-llama/opt/tensor-type',
      'micro-llama/opt/prune0',
      'micro-llama/opt/override',
    ]);
  });

  test.each(commands)('$name', async ({ source, type, options, imatrix, expected }) => {
    const argv = [
      'quantize',
      path.join(models, source),
      'out.gguf',
      '--overwrite',
      '--json',
      '--type',
      type,
      ...options,
    ];
    const { exit, stdout, stderr } = await quantsmith(imatrix === undefined ? argv : [...argv, '--imatrix', imatrix], {
      cwd: folder,
    });
    if (expected.rc !== 0) {
      expect(exit).toBe(1);
      expect(stdout).toContain('plan/imatrix-required');
      return;
    }
    expect(exit, stdout + stderr).toBe(0);
    const report = JSON.parse(stdout) as {
      byteLength: number;
      tensors: { name: string; toType: string; byteLength: number; sha256: string }[];
    };
    expect(
      report.tensors.map(tensor => [tensor.name, tensor.toType, tensor.byteLength, tensor.sha256.slice(0, 16)]),
    ).toEqual(expected.tensors.map(([name, toType, , byteLength, sha256]) => [name, toType, byteLength, sha256]));
    // Not only the tensors: the header too, so the whole file. (With a matrix the golden runs' header has the folder it was
    // in, which the suite does not tell; there the metadata is compared.)
    expect(report.byteLength).toBe(expected.size);
    const bytes = readFileSync(path.join(folder, 'out.gguf'));
    if (imatrix === undefined) {
      expect(createHash('sha256').update(bytes).digest('hex')).toBe(expected.sha256);
      return;
    }
    const inspected = await quantsmith(['inspect', 'out.gguf', '--json'], { cwd: folder });
    expect((JSON.parse(inspected.stdout) as { metadata: object }).metadata).toMatchObject(expected.kv);
  });
});
