// Which files belong to an opened model: `file`, the opened file, the files that were read.
import { expect, test } from 'vitest';
import { belongsToModel } from '../../../src/extension/inspector/model-files.js';

const SHARD = '/m/big-00001-of-00003.gguf';

test.each([
  ['the file itself', '/m/tiny.gguf', '/m/tiny.gguf', [], true],
  ['another model', '/m/other.gguf', '/m/tiny.gguf', [], false],
  ['a shard that was read', '/m/big-00002-of-00003.gguf', SHARD, ['/m/big-00002-of-00003.gguf'], true],
  ['a shard that was missing', '/m/big-00003-of-00003.gguf', SHARD, ['/m/big-00002-of-00003.gguf'], true],
  ['the first shard, opened by a later one', SHARD, '/m/big-00003-of-00003.gguf', [], true],
  ['a shard of another count', '/m/big-00002-of-00004.gguf', SHARD, [], false],
  ['a shard of another model', '/m/bigger-00002-of-00003.gguf', SHARD, [], false],
  ['a shard in another folder', '/n/big-00002-of-00003.gguf', SHARD, [], false],
  ['a number beyond the count', '/m/big-00004-of-00003.gguf', SHARD, [], false],
  ['the merged model', '/m/big.gguf', SHARD, [], false],
  ['a shard, for a model in one file', SHARD, '/m/big.gguf', [], false],
  ['two models in one file each', '/m/a.gguf', '/m/b.gguf', [], false],
])('%s', (_what, file, opened, known, expected) => {
  expect(belongsToModel(file, opened, known)).toBe(expected);
});
