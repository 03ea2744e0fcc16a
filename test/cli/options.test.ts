// Whole files with options against llama-quantize 0.7.0: layers left out, metadata set, the output matrix left alone, types
// from a file, parts of an importance matrix, shards kept. Not one byte may differ.
import { createHash } from 'node:crypto';
import { copyFileSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { shardName } from '../../src/core/gguf/shards.js';
import { fileTypeByName } from '../../src/core/ggml/file-type.js';
import { isBuilt, ourOptions, quantsmith } from './built-cli.js';
import { repository } from './captured-io.js';

type Digests = readonly (readonly [byteLength: number, sha256: string])[];

const golden = JSON.parse(readFileSync(path.join(repository, 'test/golden/options/options.json'), 'utf8')) as {
  readonly shards: Digests;
  readonly cases: readonly { readonly type: string; readonly args: readonly string[]; readonly files: Digests }[];
};
const folder = mkdtempSync(path.join(tmpdir(), 'quantsmith-options-'));
afterAll(() => rmSync(folder, { recursive: true }));

function digests(prefix: string): Digests {
  return readdirSync(folder)
    .filter(name => name.startsWith(prefix))
    .sort()
    .map(name => path.join(folder, name))
    .map(file => [statSync(file).size, createHash('sha256').update(readFileSync(file)).digest('hex')]);
}

async function run(source: string, output: string, ...options: string[]): Promise<void> {
  const { exit, stderr } = await quantsmith(['quantize', source, output, '--quiet', ...options], { cwd: folder });
  expect(exit, stderr).toBe(0);
}

describe.skipIf(!isBuilt)('llama-quantize with options, byte for byte', () => {
  beforeAll(async () => {
    copyFileSync(path.join(repository, 'examples/tinycoder-f16.gguf'), path.join(folder, 'model.gguf'));
    for (const file of ['options/tinycoder.imatrix.dat', 'options/types.txt', 'tinycoder/tinycoder.imatrix.gguf'])
      copyFileSync(path.join(repository, 'test/golden', file), path.join(folder, path.basename(file)));
    await run('model.gguf', 'split.gguf', '--type', 'COPY', '--max-shard-size', '3500000');
    expect(digests('split-')).toEqual(golden.shards);
  });

  test.each(golden.cases.map(item => [`${item.type} ${item.args.join(' ')}`, item] as const))(
    '%s',
    async (_, { type, args, files }) => {
      // A type joins as soon as it can be written here.
      if (!fileTypeByName(type)?.available) return;
      const source = args.includes('--keep-split') ? shardName('split', 1, golden.shards.length) : 'model.gguf';
      await run(source, 'out.gguf', '--type', type, '--overwrite', ...(ourOptions(args) ?? []));
      expect(digests('out')).toEqual(files);
      for (const name of readdirSync(folder)) if (name.startsWith('out')) rmSync(path.join(folder, name));
    },
  );
});
