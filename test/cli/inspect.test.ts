// `inspect` in this process: what it prints for a small model, JSON values that JSON has not, and every kind of bad file.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { placeText } from '../../src/core/text/place-text.js';
import { buildGguf } from '../fixtures/gguf/gguf-builder.js';
import { runCaptured } from './captured-io.js';

const folder = mkdtempSync(path.join(tmpdir(), 'quantsmith-inspect-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Writes a file into the test's folder, from the builder's text or from bytes, and returns its name there. */
function file(name: string, content: string | Uint8Array): string {
  writeFileSync(path.join(folder, name), typeof content === 'string' ? buildGguf(content).bytes : content);
  return name;
}

const inspect = (...argv: string[]) => runCaptured(['inspect', ...argv], { cwd: folder });

const SMALL = String.raw`
string general.architecture = "llama"
string general.name = "A \u001b[31mred\u001b[0m model"
u32 general.file_type = 7
f32 llama.rope.freq_base = 0.1
f32 odd = "NaN"
u64 small = "9007199254740991"
u64 big = "18446744073709551615"
bool flag = true
string[] tokenizer.ggml.tokens = ["<s>","\n","c","d","e","f","g","h"]
i64[] numbers = [1,"-9007199254740993",3]
tensor token_embd.weight Q8_0 [32,8]
tensor blk.0.attn_norm.weight F32 [32]
tensor output.weight 99 [32,8]
`;

/** Where the record of a tensor starts: at the length (8 bytes) before its name. */
function recordOffset(text: string, tensor: string): number {
  return Buffer.from(buildGguf(text).bytes).indexOf(tensor) - 8;
}

test('text shows the overview, types, metadata, tensors and problems, and lets no control character through', async () => {
  const { exit, stdout, stderr } = await inspect(file('small.gguf', SMALL), '--tensors');
  expect(stderr).toBe('');
  expect(exit).toBe(0);
  const { bytes, dataOffset } = buildGguf(SMALL);
  expect(stdout).toBe(
    String.raw`small.gguf
GGUF version 3, little-endian, alignment 32, tensor data at byte ${dataOffset}
llama, A \u{001B}[31mred\u{001B}[0m model, Q8_0
544 parameters in 3 tensors, 11.11 bits per weight
1.06 kB (1,056 bytes)

type     tensors  parameters       size  bits/weight
Q8_0           1         256  272 bytes         8.50
F32            1          32  128 bytes        32.00
type 99        1         256          ?            ?

key                    type       value
general.architecture   string     llama
general.name           string     A \u{001B}[31mred\u{001B}[0m model
general.file_type      u32        7
llama.rope.freq_base   f32        0.1
odd                    f32        NaN
small                  u64        9007199254740991
big                    u64        18446744073709551615
flag                   bool       true
tokenizer.ggml.tokens  string[8]  "<s>", "\n", "c", "d", "e", "f", …
numbers                i64[3]     1, -9007199254740993, 3

tensor                  type     ne           size  offset
token_embd.weight       Q8_0     32 x 8  272 bytes       0
blk.0.attn_norm.weight  F32      32      128 bytes     288
output.weight           type 99  32 x 8          ?     416

info: Tensor "output.weight" has ggml type 99, which is not known here. [gguf/unknown-type] at byte ${recordOffset(SMALL, 'output.weight')}
  The file comes from newer or modified tools. The tensor is listed, but its data cannot be read.
`,
  );
  expect(bytes.length).toBe(1056);
});

test('JSON is one document with every key of the contract', async () => {
  const { exit, stdout, stderr } = await inspect(file('small.gguf', SMALL), '--json');
  expect(stderr).toBe('');
  expect(exit).toBe(0);
  const { dataOffset } = buildGguf(SMALL);
  expect(JSON.parse(stdout)).toEqual({
    path: 'small.gguf',
    version: 3,
    littleEndian: true,
    architecture: 'llama',
    fileType: 'Q8_0',
    tensorCount: 3,
    parameterCount: 544,
    bitsPerWeight: (400 * 8) / 288,
    byteLength: 1056,
    alignment: 32,
    dataOffset,
    files: [{ path: path.join(folder, 'small.gguf'), byteLength: 1056, dataOffset }],
    metadata: {
      'general.architecture': 'llama',
      'general.name': 'A \u001b[31mred\u001b[0m model',
      'general.file_type': 7,
      'llama.rope.freq_base': Math.fround(0.1),
      odd: 'NaN',
      small: 9007199254740991,
      big: '18446744073709551615',
      flag: true,
      'tokenizer.ggml.tokens': ['<s>', '\n', 'c', 'd', 'e', 'f', 'g', 'h'],
      numbers: [1, '-9007199254740993', 3],
    },
    tensors: [
      {
        name: 'token_embd.weight',
        type: 'Q8_0',
        ne: [32, 8],
        offset: 0,
        byteLength: 272,
        fileOffset: dataOffset,
        shard: 0,
      },
      {
        name: 'blk.0.attn_norm.weight',
        type: 'F32',
        ne: [32],
        offset: 288,
        byteLength: 128,
        fileOffset: dataOffset + 288,
        shard: 0,
      },
      {
        name: 'output.weight',
        type: 'type 99',
        ne: [32, 8],
        offset: 416,
        byteLength: null,
        fileOffset: dataOffset + 416,
        shard: 0,
      },
    ],
    problems: [
      {
        code: 'gguf/unknown-type',
        severity: 'info',
        offset: recordOffset(SMALL, 'output.weight'),
        subject: 'output.weight',
        message: 'Tensor "output.weight" has ggml type 99, which is not known here.',
        hint: 'The file comes from newer or modified tools. The tensor is listed, but its data cannot be read.',
      },
    ],
  });
});

describe('long values', () => {
  // Several pages, and an element at each boundary that would show if one were lost or doubled.
  const tokens = Array.from({ length: 10_000 }, (_, i) => `token ${i}`);
  const template = 'line one\n'.repeat(200_000);
  const text = `
    string[] tokens = ${JSON.stringify(tokens)}
    string template = ${JSON.stringify(template)}
    u32 last = 1`;

  test('JSON has whole arrays and whole strings', async () => {
    const { stdout } = await inspect(file('long.gguf', text), '--json');
    const { metadata } = JSON.parse(stdout) as { metadata: Record<string, unknown> };
    expect(metadata['tokens']).toEqual(tokens);
    expect(metadata['template']).toBe(template);
    expect(Object.keys(metadata)).toEqual(['tokens', 'template', 'last']);
  });

  test('--array-limit summarizes, --metadata does not', async () => {
    const limited = await inspect(file('long.gguf', text), '--json', '--array-limit', '2');
    expect((JSON.parse(limited.stdout) as { metadata: object }).metadata).toMatchObject({
      tokens: { type: 'string', length: 10_000, head: ['token 0', 'token 1'] },
    });
    const one = await inspect('long.gguf', '--json', '--array-limit', '2', '--metadata', 'tokens');
    expect((JSON.parse(one.stdout) as { metadata: object }).metadata).toEqual({ tokens });
  });

  test('--metadata prints one value as it is: a line per element, or the text', async () => {
    file('long.gguf', text);
    expect((await inspect('long.gguf', '--metadata', 'tokens')).stdout).toBe(`${tokens.join('\n')}\n`);
    expect((await inspect('long.gguf', '--metadata', 'template')).stdout).toBe(`${template}\n`);
    expect((await inspect('long.gguf', '--metadata', 'last')).stdout).toBe('1\n');
  });

  test('on a terminal a value keeps its lines and loses its control characters', async () => {
    file('template.gguf', 'string template = "a\\u001b[2J\\nb"');
    const terminal = await runCaptured(['inspect', 'template.gguf', '--metadata', 'template'], {
      cwd: folder,
      terminal: true,
    });
    expect(terminal.stdout).toBe('a\\u{001B}[2J\nb\n');
  });

  test('a key that is not there is named with its neighbours', async () => {
    const { exit, stdout, stderr } = await inspect(file('long.gguf', text), '--metadata', 'tokns');
    expect(exit).toBe(1);
    expect(stdout).toBe('');
    expect(stderr).toBe(
      'quantsmith: error: long.gguf has no metadata key "tokns". [model/no-such-key]\n  Did you mean tokens?\n',
    );
  });
});

test('colours on a terminal only, and not with NO_COLOR', async () => {
  file('small.gguf', SMALL);
  const check = async (options: { terminal?: boolean; env?: Record<string, string> }) =>
    (await runCaptured(['inspect', 'small.gguf'], { cwd: folder, ...options })).stdout.includes('\u001b');
  expect(await check({ terminal: true })).toBe(true);
  expect(await check({})).toBe(false);
  expect(await check({ terminal: true, env: { NO_COLOR: '1' } })).toBe(false);
  expect(await check({ terminal: true, env: { TERM: 'dumb' } })).toBe(false);
  expect(await check({ env: { FORCE_COLOR: '1' } })).toBe(true);
});

const HEAD = 'string general.architecture = "llama"\n';
const TENSOR = 'tensor a.weight F32 [32,2]\n';
const cut = (text: string, bytes: number) => buildGguf(text).bytes.subarray(0, bytes);

/**
 * Files that nothing can be read of: one error, exit 1, nothing on stdout. The message names the file, what was expected
 * or found, and a remedy follows.
 */
describe('files that are no model', () => {
  test.each<[string, string | Uint8Array, string, RegExp]>([
    ['an empty file', new Uint8Array(0), 'gguf/', /empty|0 bytes/],
    ['a text', new TextEncoder().encode('# Model card\nhello world, this is no model\n'), 'gguf/', /GGUF/],
    ['a zip file', Uint8Array.from([0x50, 0x4b, 3, 4, ...new Uint8Array(64)]), 'gguf/', /GGUF/],
    ['a GGML file', new TextEncoder().encode(`lmgg${'\u0001\0\0\0'.repeat(8)}`), 'gguf/', /GGML/i],
    ['a GGJT file', new TextEncoder().encode(`tjgg${'\u0003\0\0\0'.repeat(8)}`), 'gguf/', /GGJT|GGML/i],
    ['version 0', `version 0\n${HEAD}${TENSOR}`, 'gguf/', /version/i],
    ['version 99', `version 99\n${HEAD}${TENSOR}`, 'gguf/', /99/],
    ['a magic alone', new TextEncoder().encode('GGUF'), 'gguf/', /GGUF|4 bytes|truncated|ends/i],
  ])('%s', async (name, content, code, message) => {
    const found = file(`${name}.gguf`, content);
    const json = await inspect(found, '--json');
    expect(json.exit).toBe(1);
    const { error, ...rest } = JSON.parse(json.stdout) as { error: { code: string; message: string; hint: string } };
    expect(rest).toEqual({});
    expect(error.code).toContain(code);
    expect(error.message).toMatch(message);
    expect(error.message).toContain(found);
    expect(error.hint).toBeTruthy();
    const text = await inspect(found);
    expect(text).toEqual({
      exit: 1,
      stdout: '',
      stderr: `quantsmith: error: ${error.message} [${error.code}]${placeText(error)}\n  ${error.hint}\n`,
    });
  });
});

/** Files of which a part can be shown: the document, an error-level problem with code, place and remedy, and exit 1. */
describe('damaged models', () => {
  test.each<[string, string | Uint8Array, string]>([
    ['cut in the header', cut(`${HEAD}${TENSOR}`, 60), 'gguf/truncated'],
    ['cut in the data', cut(`${HEAD}${TENSOR}`, 200), 'gguf/'],
    ['too many tensors claimed', `count tensors 9\n${HEAD}${TENSOR}`, 'gguf/'],
    ['too many keys claimed', `count metadata 1000000000000\n${HEAD}${TENSOR}`, 'gguf/'],
    ['a string longer than the file', 'string general.name = "abc" !1000000\n', 'gguf/'],
    ['an array of a billion elements', 'string[] tokens = ["a"] !1000000000\n', 'gguf/'],
    ['a key twice', `${HEAD}${HEAD}${TENSOR}`, 'gguf/duplicate-key'],
    ['a tensor twice', `${HEAD}${TENSOR}${TENSOR}`, 'gguf/duplicate-tensor'],
    ['alignment 0', `${HEAD}u32 general.alignment = 0\n${TENSOR}`, 'gguf/'],
    ['alignment 48', `${HEAD}u32 general.alignment = 48\n${TENSOR}`, 'gguf/'],
    ['an offset out of range', `${HEAD}tensor a.weight F32 [32,2] @1000000\ndata 256`, 'gguf/'],
    ['overlapping tensors', `${HEAD}${TENSOR}tensor b.weight F32 [32,2] @128\ndata 1024`, 'gguf/'],
    ['a negative dimension', `${HEAD}tensor a.weight F32 [32,-2]\n`, 'gguf/'],
    ['an unknown value type', `${HEAD}type 13 dict\n`, 'gguf/'],
  ])('%s', async (name, content, code) => {
    const found = file(`${name}.gguf`, content);
    const json = await inspect(found, '--json');
    expect(json.exit).toBe(1);
    const { problems } = JSON.parse(json.stdout) as {
      problems: { code: string; severity: string; message: string; hint?: string; offset: number | null }[];
    };
    const errors = problems.filter(problem => problem.severity === 'error');
    expect(errors.map(problem => problem.code).join()).toContain(code);
    for (const error of errors) {
      expect(error.offset, error.message).toBeTypeOf('number');
      expect(error.hint, error.message).toBeTruthy();
    }
    const text = await inspect(found);
    expect(text.exit).toBe(1);
    expect(text.stderr).toBe('');
    const [{ message, code: first, offset }] = errors as [(typeof errors)[0]];
    expect(text.stdout).toContain(`error: ${message} [${first}]${placeText({ message, offset: offset! })}\n`);
    expect(text.stdout.match(/\bat byte /)).toBeTruthy();
  });

  test('a key that comes twice is written once, with its first value', async () => {
    const { stdout } = await inspect(file('twice.gguf', 'u32 a = 1\nu32 a = 2\nu32 __proto__ = 3\n'), '--json');
    expect(stdout.match(/"a":/g)).toHaveLength(1);
    expect(stdout).toContain('"a": 1');
    expect(stdout).toContain('"__proto__": 3');
  });
});

test('a URL is read by ranges: only the header travels', async () => {
  const { bytes } = buildGguf(`${SMALL}trailing 4000000`);
  let sent = 0;
  const server = createServer((request, response) => {
    const [, from = '', to = ''] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
    const part = bytes.subarray(Number(from), Math.min(Number(to) + 1, bytes.length));
    sent += part.length;
    const range = `bytes ${from}-${Number(from) + part.length - 1}/${bytes.length}`;
    response.writeHead(206, { 'content-range': range, 'content-length': part.length }).end(part);
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  try {
    const { port } = server.address() as AddressInfo;
    const { exit, stdout } = await inspect(`http://127.0.0.1:${port}/model.gguf`, '--json');
    expect(exit).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ tensorCount: 3, byteLength: bytes.length, architecture: 'llama' });
    expect(sent).toBeLessThanOrEqual(2 ** 20);
  } finally {
    server.close();
  }
});

describe('paths', () => {
  test.each([
    ['missing.gguf', 'io/not-found', 'does not exist'],
    ['.', 'io/is-directory', 'is a folder'],
    ['http://127.0.0.1:9/model.gguf', 'http/network', 'cannot be reached'],
  ])('%s', async (name, code, message) => {
    const { exit, stdout } = await inspect(name, '--json');
    expect(exit).toBe(1);
    const { error } = JSON.parse(stdout) as { error: { code: string; message: string; hint: string } };
    expect(error).toMatchObject({ code, message: expect.stringContaining(message) as string });
    expect(error.hint).toBeTruthy();
    expect(error.message).not.toMatch(/ENOENT|EISDIR|ECONN/);
  });
});

test('texts of any length are printed whole, characters at the joints included', async () => {
  // Pieces are powers of two long, and such a place is two bytes into a character of three.
  const long = `ab${'你\u0001'.repeat(400_000)}`;
  const name = file('long.gguf', `string long = ${JSON.stringify(long)}`);
  const json = await inspect(name, '--json');
  const { metadata } = JSON.parse(json.stdout) as { metadata: Record<string, unknown> };
  expect(metadata['long'] === long).toBe(true);
  const raw = await inspect(name, '--metadata', 'long');
  expect(raw.stdout === `${long}\n`).toBe(true);
});

test('an element of an array longer than 1 MiB is cut, and that is said', async () => {
  const long = 'x'.repeat(2 ** 20 + 5);
  const name = file(
    'long-element.gguf',
    `string[] list = ${JSON.stringify(['a', long, 'b', long.slice(0, 2 ** 20), 'c'])}`,
  );
  const { exit, stdout } = await inspect(name, '--json');
  const { metadata, problems } = JSON.parse(stdout) as {
    metadata: Record<string, string[]>;
    problems: { code: string; message: string }[];
  };
  expect(metadata['list']?.map(({ length }) => length)).toEqual([1, 2 ** 20 - 1, 1, 2 ** 20, 1]);
  const cuts = problems.filter(({ code }) => code === 'inspect/value-cut');
  expect(cuts.map(({ message }) => message)).toEqual([
    'Element 1 of "list" has 1,048,581 bytes; its first 1,048,575 are printed.',
  ]);
  expect(exit).toBe(0);
});
