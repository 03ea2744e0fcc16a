// Every way a GGUF file can be wrong that we know of: one clear message each, with its place.
import { describe, expect, test } from 'vitest';
import { check } from './world.js';

const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const arch = 'string general.architecture = "llama"';

async function expectCheck(world: string | Uint8Array, expected: string): Promise<void> {
  expect(await check(world)).toBe(expected.trim().replace(/\n\s+/g, '\n'));
}

describe('not a GGUF', () => {
  const cases: [string, Uint8Array, string][] = [
    ['empty', text(''), 'empty'],
    ['two bytes', text('GG'), '2 bytes long'],
    ['safetensors', Uint8Array.from([0x40, 0, 0, 0, 0, 0, 0, 0, ...text('{"a":{}}')]), 'a safetensors file'],
    ['PyTorch', text('PK\u0003\u0004archive/data.pkl'), 'a ZIP archive, most likely a PyTorch checkpoint'],
    ['pickle', Uint8Array.from([0x80, 2, 0x8a, 0x0a]), 'a Python pickle, most likely an old PyTorch checkpoint'],
    ['web page', text('\n<!DOCTYPE html><html>'), 'a web page'],
    [
      'LFS',
      text('version https://git-lfs.github.com/spec/v1\noid sha256:1'),
      'a Git LFS pointer, not the model itself',
    ],
    ['gzip', Uint8Array.from([0x1f, 0x8b, 8, 0]), 'compressed'],
    ['server error', text('{"error":"Access denied"}'), 'JSON text'],
    ['zeros', new Uint8Array(100), 'zero bytes at its start'],
    ['noise', text('hello, world'), 'something else (its first bytes are 68 65 6c 6c "hell")'],
  ];
  test.each(cases)('%s', async (_name, bytes, what) => {
    await expectCheck(bytes, `gguf/not-gguf @0: Not a GGUF file: expected the four bytes "GGUF", but this is ${what}.`);
  });

  const legacy: [string, string][] = [
    ['lmgg', 'a GGML file (unversioned, the first of the formats before GGUF)'],
    ['fmgg', 'a GGMF file (a format before GGUF)'],
    ['tjgg', 'a GGJT file (a format before GGUF)'],
    ['algg', 'a GGLA adapter (the LoRA format before GGUF)'],
    ['FUGG', 'a GGUF file of a pre-release version, with the magic FUGG'],
    ['ggml', 'a GGML file (unversioned, the first of the formats before GGUF)'],
    ['ggmf', 'a GGMF file (a format before GGUF)'],
    ['ggjt', 'a GGJT file (a format before GGUF)'],
    ['ggla', 'a GGLA adapter (the LoRA format before GGUF)'],
  ];
  test.each(legacy)('legacy %s', async (magic, what) => {
    await expectCheck(
      text(`${magic}\u0001\0\0\0`),
      `gguf/legacy-format @0: Not a GGUF file: expected the four bytes "GGUF", but this is ${what}.`,
    );
  });
});

describe('version', () => {
  test.each([
    ['version 0', '0'],
    ['version 99', '99'],
    ['version 4\nbig-endian', '4 (big-endian)'],
    ['version 4294967295', '4294967295'],
  ])('%s', async (line, found) => {
    await expectCheck(line, `gguf/unsupported-version @4: GGUF version 1, 2 or 3 expected, found ${found}.`);
  });
  test('old and big-endian are read and said', async () => {
    await expectCheck(`version 1\n${arch}`, 'info gguf/old-version @4: GGUF version 1: llama.cpp no longer reads it.');
    await expectCheck(
      `big-endian\n${arch}`,
      'info gguf/big-endian @4: The file is big-endian: llama.cpp reads it on big-endian machines only.',
    );
    await expectCheck(`version 2\n${arch}`, 'accepted: version 2, 1 keys, 0 tensors');
  });
});

describe('counts and lengths beyond the file', () => {
  const many = '1152921504606846976';
  test.each<[string, string, string]>([
    [
      'metadata count',
      `count metadata ${many}\n${arch}`,
      `gguf/count-beyond-file @16: The header announces ${many} metadata entries, but the 45 bytes after it have room for 3 at most.`,
    ],
    [
      'negative metadata count',
      `count metadata -1\n${arch}`,
      'gguf/count-beyond-file @16: The header announces 18446744073709551615 metadata entries, but the 45 bytes after it have room for 3 at most.',
    ],
    [
      'tensor count',
      `count tensors ${many}\n${arch}`,
      `gguf/count-beyond-file @8: The header announces ${many} tensors, but the 45 bytes after it have room for 1 at most.`,
    ],
    [
      'one entry too many',
      `count metadata 2\n${arch}\ntrailing 4`,
      'gguf/truncated @69: The file ends at byte 73 inside the key of metadata entry 2 of 2: 8 bytes expected at byte 69, 4 found.',
    ],
    [
      'key length',
      `string <hex> = "x"\nstring a = "b" !${many}`,
      `gguf/empty-key @24: Metadata entry 1 has an empty key.\ngguf/length-beyond-file @58: The length of the value of "a" is ${many} bytes, but 1 bytes remain in the file.`,
    ],
    [
      'string length',
      `string a = "abc" !4`,
      'gguf/length-beyond-file @37: The length of the value of "a" is 4 bytes, but 3 bytes remain in the file.',
    ],
    [
      'string length with all digits',
      `string a = "abc" !18446744073709551615`,
      'gguf/length-beyond-file @37: The length of the value of "a" is 18446744073709551615 bytes, but 3 bytes remain in the file.',
    ],
    [
      'array count with all digits',
      'u8[] a = [1] !18446744073709551615',
      'gguf/length-beyond-file @41: Array "a" announces 18446744073709551615 elements of 1 or more bytes, but 1 bytes remain in the file.',
    ],
    [
      'array count',
      'u8[] a = [1] !1000000000',
      'gguf/length-beyond-file @41: Array "a" announces 1000000000 elements of 1 or more bytes, but 1 bytes remain in the file.',
    ],
    [
      'string array count',
      'string[] a = ["x"] !1000000000',
      'gguf/length-beyond-file @41: Array "a" announces 1000000000 elements of 8 or more bytes, but 9 bytes remain in the file.',
    ],
    [
      'string array count, a little',
      'string[] a = ["x"] !2\nstring b = "y"',
      'gguf/length-beyond-file @66: The length of the value of "b" is 1 bytes, but 1 bytes remain in the file.',
    ],
  ])('%s', async (name, world, expected) => {
    // The last case: the second element swallows the entry that follows, and what is found depends on it.
    if (name.endsWith('a little'))
      expect(await check(world)).toMatch(/^gguf\/(truncated|length-beyond-file|unknown-value-type)/);
    else await expectCheck(world, expected);
  });
});

describe('metadata', () => {
  test.each<[string, string, string]>([
    [
      'duplicate key',
      `${arch}\nu8 x = 1\n${arch}`,
      'gguf/duplicate-key @83: Key "general.architecture" occurs twice, at byte 24 and at byte 83.',
    ],
    [
      'unknown value type',
      `${arch}\ntype 13 dict1\nu8 x = 1`,
      'gguf/unknown-value-type @82: Key "dict1" has value type 13; the types 0 to 12 are known. Its length is therefore unknown, and reading stops here.',
    ],
    [
      'unknown element type',
      'type13[] a = []',
      'gguf/unknown-value-type @37: The elements of array "a" have value type 13; the types 0 to 12 are known. Their length is therefore unknown, and reading stops here.',
    ],
    [
      'array of arrays',
      'array[] a = []',
      'gguf/nested-array @37: Key "a" is an array of arrays, which llama.cpp does not read either; reading stops here.',
    ],
    [
      'invalid UTF-8 in a value',
      'string a = "<hex 61 ff>"',
      'warning gguf/invalid-utf8 @45: The value of "a" is not valid UTF-8.',
    ],
    [
      'invalid UTF-8 in a key',
      'u8 <hex 61 ff> = 1',
      'warning gguf/invalid-utf8 @24: Key "a\uFFFD" is not valid UTF-8.',
    ],
    [
      'alignment zero',
      'u32 general.alignment = 0',
      'gguf/alignment @24: general.alignment must be a power of two, found 0.',
    ],
    [
      'alignment no power of two',
      'u32 general.alignment = 48',
      'gguf/alignment @24: general.alignment must be a power of two, found 48.',
    ],
    [
      'alignment beyond 2^31',
      'u32 general.alignment = 4294967295',
      'gguf/alignment @24: general.alignment must be a power of two, found 4294967295.',
    ],
    [
      'alignment of wrong type',
      'u64 general.alignment = 32',
      'gguf/alignment-type @24: general.alignment must be of type u32, found u64.',
    ],
    [
      'alignment as text',
      'string general.alignment = "32"',
      'gguf/alignment-type @24: general.alignment must be of type u32, found string.',
    ],
  ])('%s', async (_name, world, expected) => {
    await expectCheck(world, expected);
  });

  test('a key longer than the format allows is cut and said', async () => {
    const result = await check(`u8 ${'k'.repeat(70_000)} = 1`);
    expect(result).toBe('warning gguf/long-key @24: A key has 70000 bytes; the format allows 65535.');
  });
});

describe('tensors', () => {
  const unaligned = 'which is no multiple of the alignment 32';
  test.each<[string, string, string]>([
    [
      'duplicate',
      'tensor a F32 [4]\ntensor a F32 [4]',
      'gguf/duplicate-tensor @57: Tensor "a" occurs twice, at byte 24 and at byte 57.',
    ],
    [
      'five dimensions',
      'tensor a F32 [1,1,1,1,5]',
      'gguf/dimensions @33: Tensor "a" has 5 dimensions; ggml has at most 4. Reading stops here.',
    ],
    [
      'negative dimension',
      'tensor a F32 [4,-1]',
      'gguf/shape @24: Tensor "a" has a negative dimension in its shape [4, 18446744073709551615].',
    ],
    [
      'overflowing product',
      'tensor a F32 [4294967296,4294967296,4]',
      'gguf/shape @24: Tensor "a" has the shape [4294967296, 4294967296, 4]: more than 2^53 elements.',
    ],
    [
      'overflowing zero',
      'tensor a F32 [9007199254740993,0]',
      'gguf/shape @24: Tensor "a" has the shape [9007199254740993, 0]: more than 2^53 elements.',
    ],
    [
      'zero dimension',
      'tensor a F32 [4,0]',
      'warning gguf/empty-tensor @24: Tensor "a" has the shape [4, 0]: no elements.',
    ],
    [
      'unknown type',
      'tensor a 57 [4]\ndata 32',
      'info gguf/unknown-type @24: Tensor "a" has ggml type 57, which is not known here.',
    ],
    [
      'removed type',
      'tensor a 31 [32]',
      'gguf/removed-type @24: Tensor "a" has type Q4_0_4_4 (id 31), which ggml has removed.',
    ],
    [
      'row of half a block',
      'tensor a Q8_0 [48]',
      'gguf/row-length @24: Tensor "a" has rows of 48 elements; Q8_0 needs a multiple of 32.',
    ],
    [
      'long name',
      `tensor ${'n'.repeat(64)} F32 [4]`,
      `warning gguf/long-name @24: The name of tensor "${'n'.repeat(64)}" has 64 bytes; ggml allows 63.`,
    ],
    [
      'data missing',
      'tensor a F32 [4]\ntensor b F32 [4]\ndata 40',
      'gguf/data-truncated @136: The file has 136 bytes, but its tensors reach to byte 144: tensor "b" is incomplete.',
    ],
    [
      'all data missing',
      'tensor a F32 [4]\ntensor b F32 [4]\ntensor c F32 [4]\ndata 8',
      'gguf/data-truncated @136: The file has 136 bytes, but its tensors reach to byte 208: tensor "a" and 2 more tensors are incomplete.',
    ],
    [
      'offset out of range',
      'tensor a F32 [4]\ntensor b F32 [4] @6400',
      'gguf/offset-out-of-range @57: Tensor "b" lies at data offset 6400, outside the 32 bytes of the data section; 32 expected.',
    ],
    [
      'huge offset',
      'tensor a F32 [4] @18446744073709551584',
      'gguf/offset-out-of-range @24: Tensor "a" lies at data offset 18446744073709551584, outside the 0 bytes of the data section; 0 expected.',
    ],
    [
      'two huge offsets',
      'tensor a F32 [4] @18446744073709551615\ntensor b F32 [4] @18446744073709551614\ndata 32',
      `gguf/offset-out-of-range @24: Tensor "a" lies at data offset 18446744073709551615, outside the 32 bytes of the data section; 0 expected.
      gguf/offset-out-of-range @57: Tensor "b" lies at data offset 18446744073709551614, outside the 32 bytes of the data section.`,
    ],
    [
      'unaligned',
      'tensor a F32 [4]\ntensor b F32 [4] @40\ndata 64',
      `warning gguf/offset-unaligned @57: Tensor "b" lies at data offset 40, ${unaligned}.`,
    ],
    [
      'gap',
      'tensor a F32 [4]\ntensor b F32 [4] @64\ndata 96',
      'warning gguf/offset-not-consecutive @57: Tensor "b" lies at data offset 64; 32 expected right after the tensor before it.',
    ],
    [
      'overlap',
      'tensor a F32 [16]\ntensor b F32 [8] @32\ndata 64',
      'gguf/tensor-overlap @57: Tensors "a" and "b" overlap: the first reaches to data offset 64, the second begins at 32.',
    ],
    [
      'overlap with one before the last',
      'tensor a F32 [24]\ntensor b F32 [4] @32\ntensor c F32 [4] @64\ndata 96',
      `gguf/tensor-overlap @57: Tensors "a" and "b" overlap: the first reaches to data offset 96, the second begins at 32.
      gguf/tensor-overlap @90: Tensors "a" and "c" overlap: the first reaches to data offset 96, the second begins at 64.`,
    ],
    [
      'trailing bytes',
      'tensor a F32 [4]\ntrailing 100',
      'info gguf/trailing-bytes @96: 100 bytes follow the last tensor.',
    ],
    ['trailing padding', 'tensor a F32 [4]\ntrailing 31', 'accepted: version 3, 0 keys, 1 tensors'],
    ['scalar', 'tensor a F32 []', 'accepted: version 3, 0 keys, 1 tensors'],
    ['last tensor without padding', 'tensor a F32 [4]\ndata 16', 'accepted: version 3, 0 keys, 1 tensors'],
  ])('%s', async (_name, world, expected) => {
    await expectCheck(world, expected);
  });

  test('problems of one kind are counted after sixteen', async () => {
    const world = Array.from({ length: 40 }, (_, i) => `tensor t${i} 57 [4]`).join('\n');
    const lines = (await check(`${world}\ndata 1`)).split('\n');
    expect(lines).toHaveLength(17);
    expect(lines[16]).toBe('info gguf/unknown-type: 24 more problems of this kind (gguf/unknown-type).');
  });
});

describe('names are told apart by their bytes', () => {
  const long = 'n'.repeat(300);
  test('beyond what is shown of them', async () => {
    const shown = `"${'n'.repeat(80)}…"`;
    await expectCheck(
      `tensor ${long}a F32 [4]\ntensor ${long}b F32 [4]`,
      `warning gguf/long-name @24: The name of tensor ${shown} has 301 bytes; ggml allows 63.
      warning gguf/long-name @357: The name of tensor ${shown} has 301 bytes; ggml allows 63.`,
    );
    await expectCheck(
      `tensor ${long}a F32 [4]\ntensor ${long}a F32 [4]`,
      `warning gguf/long-name @24: The name of tensor ${shown} has 301 bytes; ggml allows 63.
      warning gguf/long-name @357: The name of tensor ${shown} has 301 bytes; ggml allows 63.
      gguf/duplicate-tensor @357: Tensor ${shown} occurs twice, at byte 24 and at byte 357.`,
    );
    await expectCheck(`u8 ${long}a = 1\nu8 ${long}b = 1`, 'accepted: version 3, 2 keys, 0 tensors');
    await expectCheck(
      `u8 ${long}a = 1\nu8 ${long}a = 1`,
      `gguf/duplicate-key @338: Key ${shown} occurs twice, at byte 24 and at byte 338.`,
    );
  });

  test('where they are not UTF-8', async () => {
    const said = (at: number) => `warning gguf/invalid-utf8 @${at}: The tensor name "a\uFFFD" is not valid UTF-8.`;
    await expectCheck('tensor <hex 61 ff> F32 [4]\ntensor <hex 61 fe> F32 [4]', `${said(24)}\n${said(58)}`);
    await expectCheck(
      'tensor <hex 61 ff> F32 [4]\ntensor <hex 61 ff> F32 [4]\ntensor a\uFFFD F32 [4]',
      `${said(24)}\n${said(58)}
      gguf/duplicate-tensor @58: Tensor "a\uFFFD" occurs twice, at byte 24 and at byte 58.`,
    );
    await expectCheck(
      'u8 <hex 61 ff> = 1\nu8 <hex 61 fe> = 1',
      `warning gguf/invalid-utf8 @24: Key "a\uFFFD" is not valid UTF-8.
      warning gguf/invalid-utf8 @39: Key "a\uFFFD" is not valid UTF-8.`,
    );
  });

  test('names longer than what is compared count as different', async () => {
    const huge = 'k'.repeat(65_536);
    expect(await check(`u8 ${huge} = 1\nu8 ${huge} = 1`)).not.toContain('duplicate');
  });
});
