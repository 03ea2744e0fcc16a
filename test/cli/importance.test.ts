// What the command line says of an importance matrix and its options before anything is written, in this process.
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { repository, runCaptured } from './captured-io.js';

const folder = mkdtempSync(path.join(tmpdir(), 'quantsmith-importance-'));
copyFileSync(path.join(repository, 'examples/tinycoder-f16.gguf'), path.join(folder, 'model.gguf'));
copyFileSync(path.join(repository, 'test/golden/options/tinycoder.imatrix.dat'), path.join(folder, 'm.dat'));
afterAll(() => rmSync(folder, { recursive: true }));

/** `severity code` of what a dry run says. */
async function dryRun(...options: string[]): Promise<string[]> {
  const argv = ['quantize', 'model.gguf', 'out.gguf', '--type', 'Q4_K_M', '--dry-run', '--json', '--quiet', ...options];
  const { exit, stdout, stderr } = await runCaptured(argv, { cwd: folder });
  expect(exit, stderr).toBe(0);
  const { problems } = JSON.parse(stdout) as {
    problems: readonly { severity: string; code: string; message: string }[];
  };
  return problems
    .filter(({ code }) => /weights|output-type|imatrix/.test(code))
    .map(({ severity, code, message }) => `${severity} ${code}: ${/"[^"]*"/.exec(message)?.[0] ?? ''}`);
}

test.each([
  [['--imatrix', 'm.dat'], []],
  [['--include-weights', 'attn'], ['warning plan/include-weights-unused: "attn"']],
  [['--exclude-weights', 'ffn'], ['warning plan/exclude-weights-unused: "ffn"']],
  [['--imatrix', 'm.dat', '--exclude-weights', 'atn'], ['warning plan/exclude-weights-unused: "atn"']],
  [['--imatrix', 'm.dat', '--exclude-weights', 'attn_k'], ['info plan/imatrix-entry-left-out: ']],
  [['--output-tensor-type', 'Q8_0'], ['info plan/output-type-tied: ']],
  [['--output-tensor-type', 'Q8_0', '--pure'], ['warning plan/output-type-tied: ']],
])('quantize %j', async (options, expected) => {
  expect(await dryRun(...options)).toEqual(expected);
});

test.each(['check', 'run'])('%s refuses a recipe whose matrix is a model, and starts nothing', async command => {
  const recipe = path.join(folder, 'a.quant.yaml');
  writeFileSync(recipe, 'recipe: 1\nsource: model.gguf\noutput: out.gguf\ntype: Q4_K_M\nimatrix: model.gguf\n');
  const { exit, stdout, stderr } = await runCaptured([command, 'a.quant.yaml'], { cwd: folder });
  expect(exit).toBe(2);
  expect(stdout + stderr).toContain('a.quant.yaml:5:10');
  expect(stdout + stderr).toContain('imatrix/not-imatrix');
});

test('check accepts the matrix of the model', async () => {
  const recipe = path.join(folder, 'b.quant.yaml');
  writeFileSync(recipe, 'recipe: 1\nsource: model.gguf\noutput: out.gguf\ntype: Q4_K_M\nimatrix: m.dat\n');
  const { exit, stderr } = await runCaptured(['check', 'b.quant.yaml'], { cwd: folder });
  expect(`${exit} ${stderr}`).toBe('0 0 errors, 0 warnings\n');
});
