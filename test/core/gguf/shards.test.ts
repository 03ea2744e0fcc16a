// Models in several files: joined whichever file is opened; what is missing or out of place is named.
import { expect, test } from 'vitest';
import type { ByteSource } from '../../../src/core/bytes/byte-source.js';
import { MemorySource } from '../../fixtures/gguf/memory-source.js';
import { parseShardName, readModel, shardName } from '../../../src/core/gguf/shards.js';
import { QuantsmithError } from '../../../src/core/problem.js';
import { buildGguf } from '../../fixtures/gguf/gguf-builder.js';
import { problemText } from './world.js';

function shard(no: number, count: number, total: number, rest: string): string {
  return `u16 split.no = ${no}\nu16 split.count = ${count}\ni32 split.tensors.count = ${total}\n${rest}`;
}

const GOOD: Record<string, string> = {
  'm-00001-of-00003.gguf': shard(0, 3, 3, 'string general.architecture = "llama"'),
  'm-00002-of-00003.gguf': shard(1, 3, 3, 'tensor a F32 [4]\ntensor b F32 [4]'),
  'm-00003-of-00003.gguf': shard(2, 3, 3, 'tensor c F32 [4]'),
};

async function check(files: Record<string, string>, path: string): Promise<string> {
  const open = (name: string): Promise<ByteSource> => {
    const world = files[name];
    if (world === undefined) return Promise.reject(new QuantsmithError('io/not-found', `${name} does not exist.`));
    return Promise.resolve(new MemorySource(buildGguf(world).bytes, name));
  };
  const { value, problems } = await readModel(open, path);
  const tensors =
    value?.tensors.map(tensor => `${tensor.name}@${value.shards[tensor.shard]?.source.name ?? '?'}`) ?? [];
  return [...tensors, problemText(problems)].filter(Boolean).join('\n');
}

const JOINED = 'a@m-00002-of-00003.gguf\nb@m-00002-of-00003.gguf\nc@m-00003-of-00003.gguf';

test.each(Object.keys(GOOD))('opened by %s', async path => {
  expect(await check(GOOD, path)).toBe(JOINED);
});

test('a missing file is named, the rest is there', async () => {
  const { 'm-00002-of-00003.gguf': _missing, ...files } = GOOD;
  expect(await check(files, 'm-00001-of-00003.gguf')).toBe(
    'c@m-00003-of-00003.gguf\ngguf/shard-missing: File 2 of 3 is missing: m-00002-of-00003.gguf.',
  );
});

test('a file that is no GGUF is named', async () => {
  const files = { ...GOOD, 'm-00003-of-00003.gguf': 'magic FUGG' };
  expect(await check(files, 'm-00001-of-00003.gguf')).toMatch(
    /\ngguf\/legacy-format @0: m-00003-of-00003\.gguf: Not a GGUF file/,
  );
});

test('exchanged files', async () => {
  const files = {
    ...GOOD,
    'm-00002-of-00003.gguf': GOOD['m-00003-of-00003.gguf']!,
    'm-00003-of-00003.gguf': GOOD['m-00002-of-00003.gguf']!,
  };
  expect(await check(files, 'm-00001-of-00003.gguf')).toContain(
    'gguf/shard-number: m-00002-of-00003.gguf should be file 2 of the model (split.no = 1), but says split.no = 2.\n' +
      'gguf/shard-number: m-00003-of-00003.gguf should be file 3 of the model (split.no = 2), but says split.no = 1.',
  );
});

test('a file of another model', async () => {
  const files = { ...GOOD, 'm-00003-of-00003.gguf': shard(2, 4, 9, 'tensor a F32 [4]') };
  expect(await check(files, 'm-00001-of-00003.gguf')).toContain(
    'gguf/shard-count: m-00003-of-00003.gguf says split.count = 4, but the model has 3 files.\n' +
      'gguf/duplicate-tensor: Tensor "a" is both in m-00002-of-00003.gguf and in m-00003-of-00003.gguf.',
  );
});

test('too few tensors', async () => {
  const files = { ...GOOD, 'm-00003-of-00003.gguf': shard(2, 3, 3, 'u8 x = 1') };
  expect(await check(files, 'm-00003-of-00003.gguf')).toContain(
    'gguf/shard-tensors: The model should have 3 tensors (split.tensors.count), but its files hold 2.',
  );
});

test('a renamed file cannot find the others', async () => {
  const files = { 'renamed.gguf': GOOD['m-00002-of-00003.gguf']! };
  expect(await check(files, 'renamed.gguf')).toBe(
    'a@renamed.gguf\nb@renamed.gguf\ngguf/shard-name: renamed.gguf is one of 3 files of a model, but its name does not follow the pattern NAME-00001-of-00003.gguf; the other files cannot be found.',
  );
});

test('a single file with split.count 1 is a model of its own', async () => {
  expect(await check({ 'x.gguf': shard(0, 1, 1, 'tensor a F32 [4]') }, 'x.gguf')).toBe('a@x.gguf');
});

test('more files than are joined are said to be too many', async () => {
  const path = 'big-00001-of-65535.gguf';
  expect(await check({ [path]: shard(0, 65535, 1, 'tensor a F32 [4]') }, path)).toBe(
    `a@${path}\ngguf/too-many-shards: ${path} is one of 65535 files of a model; expected at most 4096.`,
  );
});

test('split keys that make no sense are never a complete model without problems', async () => {
  const of = async (path: string, keys: string) =>
    (await check({ [path]: `${keys}\ntensor a F32 [4]` }, path)).replace(`a@${path}\n`, '');
  const count = "expected the number of the model's files. It cannot be known whether the model is complete.";
  const whole = 'expected a whole number that is not negative.';
  expect(await of('m.gguf', 'string split.count = "3"')).toBe(
    `gguf/split-key: m.gguf has split.count = "3" (string); ${count}`,
  );
  expect(await of('m.gguf', 'i32 split.count = -1')).toBe(
    `gguf/split-key: m.gguf has split.count = -1 (i32); ${count}`,
  );
  expect(await of('m.gguf', 'f32 split.count = 2')).toBe(`gguf/split-key: m.gguf has split.count = 2 (f32); ${count}`);
  expect(await of('m.gguf', 'u64 split.count = "18446744073709551615"')).toBe(
    `gguf/split-key: m.gguf has split.count = 18446744073709551615 (u64); ${count}`,
  );
  expect(await of('m.gguf', 'string split.no = "0"\nu8[] split.tensors.count = [1]')).toBe(
    `warning gguf/split-key: m.gguf has split.no = "0" (string); ${whole}\n` +
      `warning gguf/split-key: m.gguf has split.tensors.count = an array (of u8); ${whole}`,
  );
  // What `llama-gguf-split --merge` writes.
  expect(await of('m.gguf', 'u16 split.no = 0\nu16 split.count = 0\ni32 split.tensors.count = 1')).toBe(
    'info gguf/merged: m.gguf says split.count = 0, as models do that were merged from several files.',
  );
  const named = 'm-00001-of-00002.gguf';
  const alone = `gguf/shard-count: ${named} is named as file 1 of 2, but says split.count =`;
  expect(await of(named, 'u16 split.count = 0')).toBe(`${alone} 0; only this file is read.`);
  expect(await of(named, 'u8 a = 1')).toBe(`warning ${alone} nothing; only this file is read.`);
  expect(await of(named, 'u16 split.count = 0\ni32 split.no = -1')).toContain(
    `\ngguf/split-key: ${named} has split.no = -1 (i32); ${whole}`,
  );
});

test('a shard with malformed keys is joined by its name, and the keys are errors', async () => {
  const broken = 'string split.no = "2"\ni32 split.count = -3\nstring split.tensors.count = "3"\ntensor c F32 [4]';
  for (const path of Object.keys(GOOD)) {
    expect(await check({ ...GOOD, 'm-00003-of-00003.gguf': broken }, path)).toBe(
      `${JOINED}
gguf/shard-number: m-00003-of-00003.gguf should be file 3 of the model (split.no = 2), but says split.no = "2" (string).
gguf/shard-count: m-00003-of-00003.gguf says split.count = -3 (i32), but the model has 3 files.
gguf/split-key: m-00003-of-00003.gguf has split.tensors.count = "3" (string); expected the number of the model's tensors.`,
    );
  }
});

test('names', () => {
  expect(shardName('dir/m', 1, 12)).toBe('dir/m-00001-of-00012.gguf');
  expect(parseShardName('dir/m-00001-of-00012.gguf')).toEqual({ prefix: 'dir/m', number: 1, count: 12, query: '' });
  expect(parseShardName('https://h/m-00002-of-00003.gguf?download=true')).toEqual({
    prefix: 'https://h/m',
    number: 2,
    count: 3,
    query: '?download=true',
  });
  for (const name of ['m.gguf', 'm-1-of-2.gguf', 'm-00001-of-00002.bin']) expect(parseShardName(name)).toBeUndefined();
});
