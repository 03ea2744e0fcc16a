// Prompts for filling in a middle: which family a vocabulary belongs to, and what its prompt is, as text.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { FIM_CASES, judgeFim } from '../../../src/core/completion/fim-check.js';
import { FIM_FAMILIES, findFim } from '../../../src/core/completion/fim-families.js';
import {
  affordableBudget,
  buildFimPrompt,
  fimBudget,
  prefixCut,
  windowStart,
} from '../../../src/core/completion/fim-prompt.js';
import { OtherFilesPrompt, type OtherFiles } from '../../../src/core/completion/other-files.js';
import type { Tokenizer } from '../../../src/core/tokenizer/tokenizer.js';
import {
  byteLevel,
  metadataOf,
  metadataOfFile,
  P,
  random,
  shared,
  tokenizerOf,
  withScalar,
} from '../tokenizer/world.js';

const UNLIMITED = { prefix: Infinity, suffix: Infinity };
const ADD = 'def add(a, b):\n    return ';
const REST = '\n\nprint(add(1, 2))\n';

/** A byte-level vocabulary with these special tokens. */
const withTokens = (...special: string[]): Tokenizer => tokenizerOf(byteLevel([], { special }));

/** The prompt as text, and its family. */
function prompt(tokenizer: Tokenizer, prefix: string, suffix: string): string {
  const fim = findFim(tokenizer);
  if (!fim) return 'none';
  return `${fim.family}: ${tokenizer.decode(buildFimPrompt(tokenizer, fim, { prefix, suffix }, UNLIMITED).tokens)}`;
}

describe('the family of a vocabulary', () => {
  const QWEN = ['<|endoftext|>', '<|fim_prefix|>', '<|fim_middle|>', '<|fim_suffix|>', '<|fim_pad|>', '<|file_sep|>'];

  test.each([
    [QWEN, 'Qwen Coder: <|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>'],
    [[...QWEN, '<|file_separator|>'], 'CodeGemma: <|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>'],
    [[...QWEN, '<|filename|>'], 'Granite 4: <|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>'],
    [['<fim_prefix>', '<fim_middle>', '<fim_suffix>'], 'StarCoder 2: <fim_prefix>a<fim_suffix>b<fim_middle>'],
    [['<fim-prefix>', '<fim-middle>', '<fim-suffix>'], 'SantaCoder: <fim-prefix>a<fim-suffix>b<fim-middle>'],
    [
      ['<｜fim▁begin｜>', '<｜fim▁hole｜>', '<｜fim▁end｜>'],
      'DeepSeek Coder: <｜fim▁begin｜>a<｜fim▁hole｜>b<｜fim▁end｜>',
    ],
    [
      ['<[fim-prefix]>', '<[fim-suffix]>', '<[fim-middle]>'],
      'Seed-Coder: <[fim-suffix]>b<[fim-prefix]>a<[fim-middle]>',
    ],
    [['[PREFIX]', '[SUFFIX]'], 'Codestral: [SUFFIX]b[PREFIX]a'],
    [
      ['<|code_prefix|>', '<|code_suffix|>', '<|code_middle|>'],
      'CodeGeeX 4: <|code_suffix|>b<|code_prefix|>a<|code_middle|>',
    ],
    [['<|fim_prefix|>', '<|fim_suffix|>'], 'none'],
    [['<|endoftext|>'], 'none'],
  ])('%s', (special, expected) => {
    expect(prompt(withTokens(...special), 'a', 'b')).toBe(expected);
  });

  test('ids of the file count before texts, whatever their texts are', () => {
    const metadata = byteLevel([], { special: [...QWEN, '<A>', '<B>', '<C>'] });
    const id = (text: string): number => 256 + [...QWEN, '<A>', '<B>', '<C>'].indexOf(text);
    let given = metadata;
    for (const [key, text] of [
      ['fim_pre', '<A>'],
      ['fim_suf', '<B>'],
      ['fim_mid', '<C>'],
    ] as const) {
      given = withScalar(given, `${P}${key}_token_id`, id(text));
    }
    expect(prompt(tokenizerOf(given), 'a', 'b')).toBe('token ids of the file: <A>a<B>b<C>');
    // The same ids as the texts have: still the family.
    const same = withScalar(metadata, `${P}fim_pre_token_id`, id('<|fim_prefix|>'));
    expect(prompt(tokenizerOf(same), 'a', 'b')).toMatch(/^Qwen Coder: /);
  });

  test('what stands in the text as the text of a token is text', () => {
    const tokenizer = withTokens(...QWEN);
    const fim = findFim(tokenizer)!;
    const { tokens } = buildFimPrompt(tokenizer, fim, { prefix: '<|fim_suffix|>', suffix: '' }, UNLIMITED);
    expect(Array.from(tokens).filter(token => token === fim.suffix)).toHaveLength(1);
  });

  test('a middle ends before every token that separates texts', () => {
    const tokenizer = withTokens(...QWEN);
    const { ends } = findFim(tokenizer)!;
    // Below are the bytes, one of which is what this kind of vocabulary ends texts with if nothing else is said.
    expect([...ends].filter(id => id >= 256).sort()).toEqual(QWEN.map((_, i) => 256 + i));
  });

  test('BOS where the vocabulary wants it', () => {
    const metadata = byteLevel([], {
      special: ['<s>', ...QWEN],
      scalars: { [`${P}bos_token_id`]: 256, [`${P}add_bos_token`]: true },
    });
    expect(prompt(tokenizerOf(metadata), 'a', 'b')).toBe('Qwen Coder: <s><|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>');
  });

  test('every row has texts of its own', () => {
    const keys = FIM_FAMILIES.map(({ prefix, marker = '' }) => `${prefix} ${marker}`);
    expect(new Set(keys).size).toBe(keys.length);
    for (const { prefix, suffix, middle } of FIM_FAMILIES) expect(new Set([prefix, suffix, middle]).size).toBe(3);
  });
});

describe('other files', () => {
  const FILES = {
    repository: 'shop',
    file: 'src/c.py',
    pieces: [
      { name: 'a.py', text: 'one\n' },
      { name: 'b.py', text: 'two\n' },
    ],
  };
  const QWEN = ['<|fim_prefix|>', '<|fim_middle|>', '<|fim_suffix|>', '<|file_sep|>', '<|repo_name|>'];
  const STAR = ['<fim_prefix>', '<fim_middle>', '<fim_suffix>', '<file_sep>', '<repo_name>'];
  const promptOf = (tokenizer: Tokenizer, room = Infinity, files: OtherFiles = FILES): string => {
    const fim = findFim(tokenizer)!;
    const tokens = new OtherFilesPrompt(tokenizer, fim).tokens(files, room);
    const built = buildFimPrompt(tokenizer, fim, { prefix: 'P', suffix: 'S' }, UNLIMITED, tokens);
    expect(built.filesTokens).toBe(built.tokens.length - 5);
    return tokenizer.decode(built.tokens);
  };

  test.each([
    [
      QWEN,
      '<|repo_name|>shop\n<|file_sep|>a.py\none\n<|file_sep|>b.py\ntwo\n<|file_sep|>src/c.py\n<|fim_prefix|>P<|fim_suffix|>S<|fim_middle|>',
    ],
    [
      STAR,
      '<repo_name>shop<file_sep>a.py\none\n<file_sep>b.py\ntwo\n<file_sep><fim_prefix>src/c.py\nP<fim_suffix>S<fim_middle>',
    ],
    // Without the token for the repository; and without the one for files.
    [
      QWEN.slice(0, 4),
      '<|file_sep|>a.py\none\n<|file_sep|>b.py\ntwo\n<|file_sep|>src/c.py\n<|fim_prefix|>P<|fim_suffix|>S<|fim_middle|>',
    ],
    [QWEN.slice(0, 3), '<|fim_prefix|>P<|fim_suffix|>S<|fim_middle|>'],
    [[...QWEN, '<|file_separator|>'], '<|fim_prefix|>P<|fim_suffix|>S<|fim_middle|>'],
  ])('%s', (special, expected) => {
    expect(promptOf(withTokens(...special))).toBe(expected);
  });

  test('as llama-server 0.7.0 writes it for /infill with the example model, but for the names that it does not know', async () => {
    const tokenizer = tokenizerOf(
      await metadataOfFile(join(import.meta.dirname, '../../../examples/tinycoder-f16.gguf')),
    );
    const fim = findFim(tokenizer)!;
    const pieces = [
      { name: 'a.py', text: 'def sum_all(items):\n    return sum(items)\n' },
      { name: 'src/b.ts', text: 'export const x = 1;\n' },
    ];
    const files = { repository: 'myproject', file: 'filename', pieces };
    const text = { prefix: 'import a\n\ndef total(items):\n    return a.', suffix: '\n\nprint(total([1]))\n' };
    const tokens = new OtherFilesPrompt(tokenizer, fim).tokens(files, Infinity);
    const built = buildFimPrompt(tokenizer, fim, text, UNLIMITED, tokens).tokens;
    // `prompt` and `timings.prompt_n` of its answer.
    expect(tokenizer.decode(built)).toBe(
      '<|repo_name|>myproject\n<|file_sep|>a.py\ndef sum_all(items):\n    return sum(items)\n<|file_sep|>src/b.ts\n' +
        'export const x = 1;\n<|file_sep|>filename\n<|fim_prefix|>import a\n\ndef total(items):\n    return a.' +
        '<|fim_suffix|>\n\nprint(total([1]))\n<|fim_middle|>',
    );
    expect(built).toHaveLength(60);
  });

  test('whole pieces, the last of them first; without any, nothing of files', () => {
    const tokenizer = withTokens(...QWEN);
    const whole = promptOf(tokenizer);
    const without = promptOf(tokenizer, Infinity, { ...FILES, pieces: FILES.pieces.slice(1) });
    expect(without).not.toContain('a.py');
    // A token for each byte, and the special ones.
    const tokens = 1 + 5 + 2 * (1 + 5 + 4) + 1 + 9;
    expect(promptOf(tokenizer, tokens)).toBe(whole);
    expect(promptOf(tokenizer, tokens - 1)).toBe(without);
    expect(promptOf(tokenizer, 12)).toBe('<|fim_prefix|>P<|fim_suffix|>S<|fim_middle|>');
    expect(promptOf(tokenizer, Infinity, { ...FILES, pieces: [] })).toBe(
      '<|fim_prefix|>P<|fim_suffix|>S<|fim_middle|>',
    );
  });

  test('names and pieces are text, whatever they say', () => {
    const tokenizer = withTokens(...QWEN);
    const fim = findFim(tokenizer)!;
    const pieces = [{ name: '<|fim_suffix|>', text: '<|fim_prefix|>\n' }];
    const { before } = new OtherFilesPrompt(tokenizer, fim).tokens({ ...FILES, file: '<|fim_middle|>', pieces }, 1000);
    expect(before.filter(id => id >= 256).map(id => QWEN[id - 256])).toEqual([
      '<|repo_name|>',
      '<|file_sep|>',
      '<|file_sep|>',
    ]);
  });

  test('more pieces than are kept encoded are the same', () => {
    const tokenizer = withTokens(...QWEN);
    const prompt = new OtherFilesPrompt(tokenizer, findFim(tokenizer)!);
    const pieces = Array.from({ length: 100 }, (_, i) => ({ name: `${i}`, text: `${i * i}\n` }));
    const first = prompt.tokens({ ...FILES, pieces }, Infinity);
    expect(prompt.tokens({ ...FILES, pieces }, Infinity)).toEqual(first);
  });
});

test('Code Llama: a space before the prefix, none before the suffix', () => {
  const bytes = Array.from({ length: 256 }, (_, b) => `<0x${b.toString(16).toUpperCase().padStart(2, '0')}>`);
  const words = ['<unk>', '<s>', '</s>', '▁<PRE>', '▁<SUF>', '▁<MID>', '▁<EOT>', 'a', 'b', '▁', '▁a', '▁b'];
  const tokens = [...words, ...bytes];
  const types = tokens.map((text, i) => (i === 0 ? 2 : text.startsWith('<0x') ? 6 : /^▁?</.test(text) ? 3 : 1));
  const scores = tokens.map((_, i) => -i);
  const tokenizer = tokenizerOf(metadataOf({ [`${P}model`]: 'llama' }, { tokens, types, scores }));
  const fim = findFim(tokenizer)!;
  const ids = buildFimPrompt(tokenizer, fim, { prefix: 'a', suffix: 'b' }, UNLIMITED).tokens;
  expect(Array.from(ids, id => tokens[id])).toEqual(['<s>', '▁<PRE>', '▁a', '▁<SUF>', 'b', '▁<MID>']);
  const empty = buildFimPrompt(tokenizer, fim, { prefix: '', suffix: '' }, UNLIMITED);
  expect([empty.prefixTokens, empty.suffixTokens]).toEqual([0, 0]);
});

describe('within a budget', () => {
  const tokenizer = withTokens('<|fim_prefix|>', '<|fim_suffix|>', '<|fim_middle|>');
  const fim = findFim(tokenizer)!;
  const built = (prefix: string, suffix: string, budget: { prefix: number; suffix: number }) => {
    const result = buildFimPrompt(tokenizer, fim, { prefix, suffix }, budget);
    return { text: tokenizer.decode(result.tokens), ...result };
  };

  test('the end of the prefix and the beginning of the suffix stay', () => {
    const { text, prefixCut: before, suffixCut: after } = built('0123456789', 'abcdefgh', { prefix: 8, suffix: 3 });
    expect(text).toBe('<|fim_prefix|>23456789<|fim_suffix|>abc<|fim_middle|>');
    expect([before, after]).toEqual([2, 5]);
  });

  test('while a person types, the prompt begins with the same tokens most of the time', () => {
    const budget = { prefix: 100, suffix: 10 };
    let moves = 0;
    let last = '';
    for (let length = 1; length <= 1000; length++) {
      const prefix = Array.from({ length }, (_, i) => String.fromCharCode(97 + (i % 26))).join('');
      const { text, prefixTokens } = built(prefix, 'z', budget);
      const beginning = text.slice(0, '<|fim_prefix|>'.length + 20);
      if (length > 100 && beginning !== last) moves++;
      last = beginning;
      expect(prefixTokens).toBeLessThanOrEqual(100);
      expect(prefixTokens).toBeGreaterThanOrEqual(Math.min(length, 76));
    }
    expect(moves).toBe(900 / 25);
  });

  test('what the host sends begins at the same place, too, and never too early', () => {
    const starts = Array.from({ length: 5000 }, (_, offset) => windowStart(offset, 400));
    expect(new Set(starts).size).toBe(1 + 4600 / 100);
    starts.forEach((start, offset) => {
      expect(offset - start).toBeLessThanOrEqual(400);
      expect(offset - start).toBeGreaterThanOrEqual(Math.min(offset, 300));
    });
  });

  test.each([
    [10, 'prefix-first', 256, 32],
    [75, 'prefix-first', 256, 32],
    [160, 'prefix-first', 512, 32],
    [600, 'prefix-first', 1024, 64],
    [50_000, 'prefix-first', 1024, 256],
    [160, 'suffix-first', 512, 256],
    [0, 'suffix-first', 256, 256],
  ] as const)('of %d tokens a second, %s: %d before and %d behind', (speed, order, prefix, suffix) => {
    expect(affordableBudget(order, speed)).toMatchObject({ prefix, suffix });
  });

  test.each([
    [10, 0],
    [75, 512],
    [160, 1024],
    [50_000, 2048],
  ])('of %d tokens a second, %d of other files', (speed, files) => {
    expect(affordableBudget('prefix-first', speed).files).toBe(files);
  });

  test('other files have what the text leaves of a context', () => {
    const wanted = { prefix: 100, suffix: 30, files: 500 };
    expect(fimBudget(304, 20, wanted)).toEqual({ prefix: 100, suffix: 30, files: 150 });
    expect(fimBudget(150, 20, wanted)).toEqual({ prefix: 96, suffix: 30, files: 0 });
    expect(fimBudget(4096, 20, { prefix: 100, suffix: 30 }).files).toBe(0);
  });

  test('together with the completion it fits every context', () => {
    const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000);
    console.log(`SEED=${seed}`);
    const next = random(seed);
    const below = (n: number): number => Math.floor(next() * n);
    for (let round = 0; round < 300; round++) {
      const [context, generated] = [8 + below(600), 1 + below(4)];
      const budget = fimBudget(context, generated, { prefix: 1 + below(500), suffix: below(300) });
      const { tokens } = built('x'.repeat(below(900)), 'y'.repeat(below(900)), budget);
      expect(tokens.length + generated, `seed ${seed}, round ${round}`).toBeLessThanOrEqual(context);
    }
    expect(prefixCut(7, 0)).toBe(7);
  });
});

describe('whether a model can fill in a middle', () => {
  const score = (right: number, wrong: number, plain: number) => ({ right, wrong, plain });

  test('the suffix must be worth something against a wrong one, and against none', () => {
    expect(judgeFim([score(2, 3, 3), score(1, 2, 3)])).toEqual({ canFill: true, overWrong: 1, overPlain: 1.5 });
    expect(judgeFim([score(2, 3, 2), score(2, 3, 2.1)]).canFill).toBe(false);
    expect(judgeFim([score(2, 2, 4), score(2, 2.1, 4)]).canFill).toBe(false);
  });

  test('damaged weights are a no', () => {
    expect(judgeFim([score(NaN, 3, 3)]).canFill).toBe(false);
    expect(judgeFim([score(2, NaN, 3)]).canFill).toBe(false);
  });

  test('the cases are whole, and each has another suffix than the next', () => {
    FIM_CASES.forEach(({ prefix, middle, suffix }, i) => {
      expect(prefix !== '' && middle !== '' && suffix !== '', prefix).toBe(true);
      expect(FIM_CASES[(i + 1) % FIM_CASES.length]?.suffix).not.toBe(suffix);
    });
  });
});

interface Infill {
  readonly cases: readonly {
    readonly model: string;
    readonly request: { readonly input_prefix: string; readonly input_suffix: string; readonly prompt?: string };
    readonly status: number;
    readonly prompt: string;
  }[];
}

const goldens = join(shared, 'golden/fim/infill.json');

test('prompts of llama-server for the same text', () => {
  // Measured with llama-server 0.7.0, POST /infill, of a Qwen and a StarCoder 2 vocabulary.
  const qwen = withTokens('<|fim_prefix|>', '<|fim_middle|>', '<|fim_suffix|>');
  expect(prompt(qwen, ADD, REST)).toBe(`Qwen Coder: <|fim_prefix|>${ADD}<|fim_suffix|>${REST}<|fim_middle|>`);
  const starcoder = withTokens('<fim_prefix>', '<fim_middle>', '<fim_suffix>');
  expect(prompt(starcoder, ADD, REST)).toBe(`StarCoder 2: <fim_prefix>${ADD}<fim_suffix>${REST}<fim_middle>`);
});

describe.skipIf(!existsSync(goldens))('recorded requests of llama-server', () => {
  test('the same prompt where it cuts nothing and adds no other file', async () => {
    const tokenizer = tokenizerOf(
      await metadataOfFile(join(import.meta.dirname, '../../../examples/tinycoder-f16.gguf')),
    );
    const { cases } = JSON.parse(readFileSync(goldens, 'utf8')) as Infill;
    let compared = 0;
    for (const { model, request, status, prompt: theirs } of cases) {
      if (model !== 'tiny-qwen2' || status !== 200 || 'input_extra' in request || request.input_prefix.length > 1000)
        continue;
      const { input_prefix: before, input_suffix: after, prompt: typed = '' } = request;
      const ours = prompt(tokenizer, before + typed, after).replace('Qwen Coder: ', '');
      expect(theirs.replace('<|repo_name|>myproject\n<|file_sep|>filename\n', '')).toBe(ours);
      compared++;
    }
    expect(compared).toBe(4);
  });
});
