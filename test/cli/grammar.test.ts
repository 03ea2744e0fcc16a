import { describe, expect, test } from 'vitest';
import { byteSize, tensorRule } from '../../src/cli/argument-values.js';
import { ARRAY_LIMIT, buildProgram, parseArguments } from '../../src/cli/grammar.js';
import { runCaptured } from './captured-io.js';

const parse = (...argv: string[]) => parseArguments(argv, { version: '1.2.3', columns: 100 });

/** What a correct command line means. */
function invocation(...argv: string[]) {
  const parsed = parse(...argv);
  if (parsed.kind !== 'run') throw new Error(`not understood: ${JSON.stringify(parsed)}`);
  return parsed.invocation;
}

const compute = {
  threads: 0,
  backend: 'auto',
  overwrite: false,
  resume: false,
  reuse: false,
  dryRun: false,
  quiet: false,
  json: false,
};

describe('what is understood', () => {
  test('inspect', () => {
    expect(invocation('inspect', 'm.gguf')).toEqual({
      command: 'inspect',
      file: 'm.gguf',
      tensors: false,
      arrayLimit: ARRAY_LIMIT,
      json: false,
    });
    expect(invocation('inspect', '--json', '--metadata', 'a.b', '--tensors', '--array-limit', '0', 'm.gguf')).toEqual({
      command: 'inspect',
      file: 'm.gguf',
      tensors: true,
      metadata: 'a.b',
      arrayLimit: 0,
      json: true,
    });
  });

  test('quantize with defaults', () => {
    expect(invocation('quantize', 'a', 'b', '--type', 'Q4_K_M')).toEqual({
      command: 'quantize',
      source: 'a',
      output: 'b',
      type: 'Q4_K_M',
      rules: [],
      includeWeights: [],
      excludeWeights: [],
      leaveOutputTensor: false,
      pruneLayers: [],
      metadata: [],
      pure: false,
      allowRequantize: false,
      onFallback: 'promote',
      keepSplit: false,
      ...compute,
    });
  });

  test('quantize with everything', () => {
    const line =
      'quantize a b -t Q4_0 --tensor x.*=Q8_0 --tensor /[a=b]\\d/=F16 --output-tensor-type Q6_K --token-embedding-type Q8_0 ' +
      '--imatrix i.gguf --include-weights attn --include-weights ffn --exclude-weights up --pure --allow-requantize ' +
      '--leave-output-tensor --prune-layers 0,3..5 --prune-layers 9 --override-kv a=int:3 --tensor-type-file t.txt ' +
      '--on-fallback Q8_0 --max-shard-size 2GiB --resume --reuse --dry-run --overwrite --threads 3 --backend wasm --quiet --json';
    expect(invocation(...line.split(' '))).toEqual({
      command: 'quantize',
      source: 'a',
      output: 'b',
      type: 'Q4_0',
      rules: [
        { kind: 'glob', pattern: 'x.*', type: 'Q8_0', label: '--tensor x.*=Q8_0' },
        { kind: 'regex', pattern: '[a=b]\\d', type: 'F16', label: '--tensor /[a=b]\\d/=F16' },
      ],
      outputTensorType: 'Q6_K',
      tokenEmbeddingType: 'Q8_0',
      imatrix: 'i.gguf',
      includeWeights: ['attn', 'ffn'],
      excludeWeights: ['up'],
      leaveOutputTensor: true,
      pruneLayers: [0, 3, 4, 5, 9],
      metadata: [{ key: 'a', type: 'u32', value: 3, text: 'a=int:3' }],
      tensorTypeFile: 't.txt',
      pure: true,
      allowRequantize: true,
      onFallback: 'Q8_0',
      keepSplit: false,
      maxShardBytes: 2 * 1024 ** 3,
      threads: 3,
      backend: 'wasm',
      overwrite: true,
      resume: true,
      reuse: true,
      dryRun: true,
      quiet: true,
      json: true,
    });
  });

  test('run, check, logits and doctor', () => {
    expect(invocation('run', 'r.quant.yaml', '--only', 'out.gguf', '--dry-run')).toEqual({
      command: 'run',
      recipe: 'r.quant.yaml',
      only: 'out.gguf',
      ...compute,
      reuse: true,
      dryRun: true,
    });
    expect(invocation('check', 'r.quant.yaml', '--json')).toEqual({
      command: 'check',
      recipe: 'r.quant.yaml',
      json: true,
    });
    expect(invocation('logits', 'm.gguf', '--ids', '1, 22,3', '-o', 'l.f32')).toEqual({
      command: 'logits',
      model: 'm.gguf',
      ids: [1, 22, 3],
      output: 'l.f32',
      threads: 0,
      backend: 'auto',
      cacheType: 'f32',
      overwrite: false,
      json: false,
    });
    expect(invocation('doctor')).toEqual({ command: 'doctor', json: false });
  });

  test('a file whose name starts with a dash', () => {
    expect(invocation('inspect', '--', '--json')).toMatchObject({ file: '--json', json: false });
  });
});

test.each([
  ['500M', 500e6],
  ['4G', 4e9],
  ['2GiB', 2 ** 31],
  ['1.5 kb', 1500],
  ['123', 123],
])('the size %s is %d bytes', (text, bytes) => {
  expect(byteSize(text)).toBe(bytes);
});

test.each(['', '0', '-1G', '1X', 'G', '1e9', '99999999T', '0.1'])('%j is no size', text => {
  expect(() => byteSize(text)).toThrow('Expected a size');
});

test.each(['Q8_0', '=Q8_0', 'attn_v=', '  =  '])('%j is no tensor rule', text => {
  expect(() => tensorRule(text)).toThrow('Expected PATTERN=TYPE');
});

test('a regular expression that is none is refused with its reason', () => {
  expect(() => tensorRule('/(/=Q8_0')).toThrow('Expected a regular expression: ');
});

/** Everything wrong on the command line exits with 2, says what is wrong and what to do, and starts nothing. */
describe('what is refused', () => {
  test.each([
    ['inspekt m.gguf', 'usage/unknown-command', "Unknown command 'inspekt'.", 'Did you mean inspect?'],
    ['quantize a b --tpye Q4_K_M', 'usage/unknown-option', "Unknown option '--tpye'.", 'Did you mean --type?'],
    ['quantize a b', 'usage/missing-option', "'-t, --type <type>' not specified", 'quantize --help'],
    ['quantize a --type Q8_0', 'usage/missing-argument', "'out'", 'quantize --help'],
    ['inspect', 'usage/missing-argument', "'file|url'", 'inspect --help'],
    ['inspect a b', 'usage/excess-arguments', 'Expected 1 argument', 'inspect --help'],
    ['quantize a b -t Q8_0 --threads 0', 'usage/invalid-argument', 'whole number from 1 to 1024', '--help'],
    ['quantize a b -t Q8_0 --threads two', 'usage/invalid-argument', 'whole number', '--help'],
    [
      'quantize a b -t Q8_0 --backend gpu',
      'usage/invalid-argument',
      'Allowed choices are native, wasm, auto',
      '--help',
    ],
    ['quantize a b -t Q8_0 --max-shard-size 4X', 'usage/invalid-argument', 'Expected a size', '--help'],
    ['quantize a b -t Q8_0 --tensor attn_v', 'usage/invalid-argument', 'Expected PATTERN=TYPE', '--help'],
    [
      'quantize a b -t Q8_0 --keep-split --max-shard-size 4G',
      'usage/conflicting-option',
      'cannot be used with',
      '--help',
    ],
    ['quantize a b -t', 'usage/option-missing-argument', 'argument missing', '--help'],
  ])('%s', async (line, code, message, hint) => {
    const json = await runCaptured(line.replace(/ |$/, ' --json ').trim().split(' '));
    expect(json.exit).toBe(2);
    expect(json.stderr).toBe('');
    const { error } = JSON.parse(json.stdout) as { error: { code: string; message: string; hint: string } };
    expect(error.code).toBe(code);
    expect(error.message).toContain(message);
    expect(error.hint).toContain(hint);

    const text = await runCaptured(line.split(' '));
    expect(text.exit).toBe(2);
    expect(text.stdout).toBe('');
    expect(text.stderr).toBe(`quantsmith: error: ${error.message} [${error.code}]\n  ${error.hint}\n`);
  });

  test('no command shows the help on stderr', async () => {
    const { exit, stdout, stderr } = await runCaptured([]);
    expect(exit).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toContain('Usage: quantsmith');
  });
});

describe('help and version', () => {
  test('--version prints the version of package.json', async () => {
    const { exit, stdout } = await runCaptured(['--version']);
    expect(exit).toBe(0);
    expect(stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  const program = buildProgram(
    { version: '0', columns: 100 },
    () => undefined,
    () => undefined,
  );
  test.each<string[]>([[], ...program.commands.map(command => [command.name()])])(
    'quantsmith %s --help has examples',
    async (...words) => {
      const { exit, stdout, stderr } = await runCaptured([...words, '--help']);
      expect(exit).toBe(0);
      expect(stderr).toBe('');
      expect(stdout).toContain('Examples:\n  quantsmith ');
      for (const line of stdout.split('\n')) expect(line.length, line).toBeLessThanOrEqual(120);
    },
  );
});
