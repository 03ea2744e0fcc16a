// The built command line as a process: recipes, doctor, and inspect of a huge file within its time and memory.
import { copyFileSync, openSync, closeSync, ftruncateSync, readdirSync, readFileSync, writeSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { buildGguf } from '../fixtures/gguf/gguf-builder.js';
import { isBuilt, quantsmith, type ErrorDocument } from './built-cli.js';
import { measured } from './measured.js';
import { repository } from './captured-io.js';
import { tinycoder, folder, useFolder, here, file, type ReportDocument, HEAD, GOOD } from './model-folder.js';

useFolder();

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
      memoryBandwidthMeasure: { way: string; threads: number };
      wasm: object;
    };
    expect(found['cpu']).toBeTypeOf('string');
    expect(found['features']).toBeInstanceOf(Array);
    expect(Object.keys(found.kernels['quantize']!)).toContain('Q4_K');
    expect(Object.keys(found.kernels['product']!)).toContain('Q4_K');
    expect(found.wasm).toEqual({
      simd: expect.any(Boolean) as boolean,
      relaxed: expect.any(Boolean) as boolean,
      threads: expect.any(Boolean) as boolean,
      memory64: expect.any(Boolean) as boolean,
      engine: expect.any(Array) as string[],
    });
    // Two-sided: no machine reads slower than 0.2 GB/s; a socket with twelve channels of memory reads 600 GB/s.
    expect(found.memoryBandwidth).toBeGreaterThan(0.2);
    expect(found.memoryBandwidth).toBeLessThan(2000);
    expect(found.memoryBandwidthMeasure.way).toBe(found.backends['native']!.available ? 'read' : 'copy');
    expect(found.memoryBandwidthMeasure.threads).toBeGreaterThanOrEqual(1);
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

  test.skipIf(process.platform === 'win32')(
    'inspect of 60 GB takes under 0.5 s of processor time and 100 MB',
    async () => {
      sparseModel('sparse.gguf');
      for (const options of [[], ['--tensors'], ['--json']]) {
        const runs = [];
        for (let i = 0; i < 5; i++) {
          const run = await measured(['inspect', 'sparse.gguf', ...options], { cwd: folder });
          expect(run.exit, run.stdout.slice(-500)).toBe(0);
          runs.push(run);
        }
        const median = (numbers: readonly number[]) => [...numbers].sort((a, b) => a - b)[2]!;
        const cpu = median(runs.map(({ cpuSeconds }) => cpuSeconds));
        const peak = Math.max(...runs.map(({ peakBytes }) => peakBytes));
        const clock = runs.map(({ seconds }) => seconds.toFixed(2)).join(', ');
        console.log(
          `inspect ${options.join(' ')} of 60 GB: ${cpu.toFixed(2)} s of processor time, ${Math.round(peak / 1e6)} MB; on the clock ${clock} s`,
        );
        expect(cpu).toBeLessThan(0.5);
        expect(peak).toBeLessThan(100e6);
      }
    },
  );
});
