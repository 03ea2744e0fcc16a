// What is found out about the files a recipe names: on real files of every awkward kind.
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { checkRecipe } from '../../src/core/recipe/check-recipe.js';
import { recipeToJob } from '../../src/core/recipe/recipe-job.js';
import { gatherRecipeFacts, resolveRecipePath } from '../../src/platform/recipe-facts.js';
import { yamlParser } from '../core/recipe/yaml.js';
import { ggufBytes } from './gguf.js';

const parser = await yamlParser();
let folder: string;
const at = (name: string): string => path.join(folder, name);

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'quantsmith-facts-'));
  const model = ggufBytes([{ name: 'token_embd.weight', ne: [256, 8] }]);
  await writeFile(at('model.gguf'), model);
  await writeFile(at('cut.gguf'), model.subarray(0, 60));
  await writeFile(at('empty.gguf'), '');
  await writeFile(at('hostile.gguf'), Buffer.concat([model.subarray(0, 8), Buffer.alloc(16, 0x7f)]));
  // 60 GB that take no room: a header is all that is read.
  await writeFile(at('huge.gguf'), model);
  await truncate(at('huge.gguf'), 60e9);
  await mkdir(at('folder.gguf'));
  await symlink(at('model.gguf'), at('link.gguf'));
  const layer = (columns: number) => [
    { name: 'blk.0.ffn_up.weight.in_sum2', ne: [columns, 1], type: 'F32' as const },
    { name: 'blk.0.ffn_up.weight.counts', ne: [1, 1], type: 'F32' as const },
  ];
  await writeFile(at('layer.gguf'), ggufBytes([{ name: 'blk.0.ffn_up.weight', ne: [256, 8] }], 1));
  await writeFile(at('good.imatrix.gguf'), ggufBytes(layer(256)));
  await writeFile(at('other.imatrix.gguf'), ggufBytes(layer(512)));
  await writeFile(at('text.dat'), 'not a matrix, but text that is long enough');
  await writeFile(at('empty.dat'), '');
  // As many entries as the file could hold, which no matrix has.
  await writeFile(at('entries.dat'), Buffer.from(new Int32Array([2 ** 16 + 1]).buffer));
  await truncate(at('entries.dat'), 60e9);
  if (process.platform !== 'win32') execFileSync('mkfifo', [at('pipe.gguf')]);
});

afterAll(() => rm(folder, { recursive: true, force: true }));

/** `severity code` of everything said about the files of a recipe. */
async function check(source: string, output = 'out.gguf'): Promise<string[]> {
  const { draft } = parser.parseRecipeText(`recipe: 1\nsource: ${source}\noutput: ${output}\ntype: Q8_0\n`);
  const facts = await gatherRecipeFacts(draft, at('a.quant.yaml'));
  return checkRecipe(draft, facts).map(({ severity, code }) => `${severity} ${code}`);
}

test.each([
  ['model.gguf', 'out.gguf', []],
  ['./model.gguf', 'no/such/out.gguf', ['info recipe/output-folder']],
  ['model.gguf', './model.gguf', ['error recipe/output-is-source']],
  ['model.gguf', 'link.gguf', ['error recipe/output-is-source']],
  ['model.gguf', 'cut.gguf', ['hint recipe/output-exists']],
  ['nothing.gguf', 'out.gguf', ['error recipe/source-missing']],
  ['folder.gguf', 'out.gguf', ['error recipe/source-folder']],
  ['empty.gguf', 'out.gguf', ['error gguf/not-gguf']],
  ['hostile.gguf', 'out.gguf', ['error gguf/count-beyond-file']],
  ['https://example.com/model.gguf', 'out.gguf', ['error recipe/source-url']],
  ['huge.gguf', 'out.gguf', []],
])('%s to %s', async (source, output, expected) => {
  expect(await check(source, output)).toEqual(expected);
});

/** The same of a recipe with a matrix, and where it is said. */
async function checkMatrix(imatrix: string, more = ''): Promise<string[]> {
  const text = `recipe: 1\nsource: layer.gguf\noutput: out.gguf\ntype: Q4_K_M\nimatrix: ${imatrix}\n${more}`;
  const { draft } = parser.parseRecipeText(text);
  const facts = await gatherRecipeFacts(draft, at('a.quant.yaml'));
  return checkRecipe(draft, facts).map(({ severity, code, range }) => `${severity} ${code} ${range.start.line}`);
}

test.each([
  ['good.imatrix.gguf', ['warning imatrix/missing-metadata 4', 'warning plan/imatrix-unseen 4']],
  ['other.imatrix.gguf', ['warning imatrix/missing-metadata 4', 'error plan/imatrix-size 4']],
  ['layer.gguf', ['error imatrix/not-imatrix 4']],
  ['cut.gguf', ['error imatrix/bad-gguf 4']],
  ['text.dat', ['error imatrix/not-imatrix 4']],
  ['empty.dat', ['error imatrix/truncated 4']],
  ['entries.dat', ['error imatrix/not-imatrix 4']],
  ['folder.gguf', ['error io/is-directory 4']],
  ['nothing.dat', ['error recipe/imatrix-missing 4']],
])('the matrix %s', async (imatrix, expected) => {
  expect(await checkMatrix(imatrix)).toEqual(expected);
});

test('weights chosen of a matrix', async () => {
  const more = 'exclude_weights: ffn\ninclude_weights: attn_q\n';
  expect(await checkMatrix('good.imatrix.gguf', more)).toEqual([
    'warning imatrix/missing-metadata 4',
    'warning plan/include-weights-unused 6',
    'warning plan/no-weights-left 4',
  ]);
});

test.skipIf(process.platform === 'win32')('a pipe for a matrix does not hang', async () => {
  expect(await checkMatrix('pipe.gguf')).toEqual(['error io/not-a-file 4']);
});

test('a file that ends in its header is unusable, or its problem is an error', async () => {
  expect((await check('cut.gguf')).filter(line => line.startsWith('error')).length).toBeGreaterThan(0);
});

test.skipIf(process.platform === 'win32')('a named pipe does not hang', async () => {
  expect(await check('pipe.gguf')).toEqual(['error io/not-a-file']);
});

test('a recipe as a job: paths from its folder, everything else as written', () => {
  const { recipe } = parser.parseRecipeText(
    'recipe: 1\nsource: ../m.gguf\noutput: /out/b.gguf\ntype: q4_k_m\nimatrix: i.gguf\nfallback: q8_0\nrules:\n  - {tensors: /a|b/, type: q6_k}\n',
  );
  if (!recipe) throw new Error('not a recipe');
  expect(recipeToJob(recipe, written => resolveRecipePath('/home/r/a.quant.yaml', written))).toEqual({
    source: '/home/m.gguf',
    output: '/out/b.gguf',
    imatrix: '/home/r/i.gguf',
    imatrixName: 'i.gguf',
    keepSplit: false,
    options: {
      fileType: 'Q4_K_M',
      rules: [{ kind: 'regex', pattern: 'a|b', type: 'Q6_K', label: 'rule 1: /a|b/' }],
      pure: false,
      allowRequantize: false,
      onFallback: 'Q8_0',
    },
  });
});

test('a recipe as a job: every option of the command line', () => {
  const { recipe, diagnostics } = parser.parseRecipeText(`recipe: 1
source: m.gguf
output: b.gguf
type: Q4_K_M
include_weights: ffn
exclude_weights: [attn_k, 'blk.0.']
pure: true
output_tensor_type: q8_0
token_embedding_type: F16
leave_output_tensor: false
allow_requantize: true
prune_layers: [7..8, 3]
metadata:
  general.name: str:a name
  llama.context_length: int:8192
max_shard_size: 2GiB
`);
  expect(diagnostics).toEqual([]);
  if (!recipe) throw new Error('not a recipe');
  expect(recipeToJob(recipe, written => written)).toEqual({
    source: 'm.gguf',
    output: 'b.gguf',
    includeWeights: ['ffn'],
    excludeWeights: ['attn_k', 'blk.0.'],
    keepSplit: false,
    maxShardBytes: 2 * 1024 ** 3,
    options: {
      fileType: 'Q4_K_M',
      rules: [],
      pure: true,
      allowRequantize: true,
      onFallback: 'promote',
      outputTensorType: 'Q8_0',
      tokenEmbeddingType: 'F16',
      leaveOutputTensor: false,
      pruneLayers: [3, 7, 8],
      metadata: [
        { key: 'general.name', type: 'string', value: 'a name', text: 'general.name=str:a name' },
        { key: 'llama.context_length', type: 'u32', value: 8192, text: 'llama.context_length=int:8192' },
      ],
    },
  });
});
