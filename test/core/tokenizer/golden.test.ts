// Against llama.cpp's own answers. In test/golden/tok: every pre-tokenizer name on the example model's vocabulary, and small
// vocabularies of every kind with detokenizing; measured with libllama 0.7.0. In ../shared, where that folder exists: 392
// strings on 77 vocabularies, and the cases that llama.cpp tests itself with.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { GgufScalar } from '../../../src/core/gguf/gguf.js';
import { PRE_TOKENIZERS } from '../../../src/core/tokenizer/pre-tokenizers.js';
import type { TokenizerMetadata } from '../../../src/core/tokenizer/tokenizer-metadata.js';
import {
  fromHex,
  metadataOf,
  metadataOfFile,
  P,
  readJson,
  root,
  shared,
  tokenizerOf,
  withScalar,
  type Lists,
} from './world.js';

const golden = join(root, 'test/golden/tok');

describe('every pre-tokenizer, on the vocabulary of the example', () => {
  const { names, strings } = readJson(join(golden, 'pre-tokenizers.json')) as {
    names: readonly string[];
    strings: readonly { hex: string; text: string; ids: readonly [string, readonly number[]][] }[];
  };
  const metadata = metadataOfFile(join(root, 'examples/tinycoder-f16.gguf'));

  test('all names are measured, but for `whitespace`, which needs a vocabulary of its own', () => {
    expect([...names].sort()).toEqual([...PRE_TOKENIZERS.keys()].filter(name => name !== 'whitespace').sort());
  });

  test.each(names.map((name, index) => [name, index] as const))('%s', async (name, index) => {
    const tokenizer = tokenizerOf(withScalar(await metadata, `${P}pre`, name));
    for (const { hex, text, ids } of strings) {
      const expected = ids.find(([, of]) => of.includes(index))?.[0];
      const found = tokenizer.encode(fromHex(hex), { addSpecial: true, parseSpecial: true }).join(' ');
      expect(found, text).toBe(expected);
    }
  });
});

describe('small vocabularies', () => {
  interface Record_ {
    hex?: string;
    addSpecial?: boolean;
    parseSpecial?: boolean;
    ids: string;
    removeSpecial: boolean;
    special: boolean;
    back: string;
  }
  const { vocabularies, models } = readJson(join(golden, 'small-vocabularies.json')) as {
    vocabularies: Record<string, Lists>;
    models: readonly {
      name: string;
      vocabulary: string;
      scalars: Record<string, GgufScalar>;
      endOfGeneration: readonly number[];
      records: readonly Record_[];
    }[];
  };

  test.each(models)('$name', ({ vocabulary, scalars, endOfGeneration, records }) => {
    const tokenizer = tokenizerOf(metadataOf(scalars, vocabularies[vocabulary]!));
    expect([...tokenizer.endOfGeneration].sort((a, b) => a - b)).toEqual(endOfGeneration);
    for (const { hex, addSpecial = false, parseSpecial = false, ids, removeSpecial, special, back } of records) {
      if (hex !== undefined) {
        const found = tokenizer.encode(fromHex(hex), { addSpecial, parseSpecial }).join(' ');
        expect(found, new TextDecoder().decode(fromHex(hex))).toBe(ids);
      }
      const tokens = ids === '' ? [] : ids.split(' ').map(Number);
      const text = Buffer.from(tokenizer.decodeBytes(tokens, { removeSpecial, special })).toString('hex');
      expect(text, ids).toBe(back);
    }
  });
});

const vocab = join(shared, 'gguf/vocab');

describe.skipIf(!existsSync(join(shared, 'golden/tok')))('../shared: tokens.json', () => {
  interface Golden {
    vocabs: Record<string, number | string>[];
    strings: { hex: string; text: string }[];
    cases: { plain: [string, number[]][]; special?: [string, number[]][]; noRoundTrip?: number[] }[];
  }
  const file = join(shared, 'golden/tok/tokens.json');
  const { vocabs, strings, cases } = existsSync(file)
    ? (readJson(file) as Golden)
    : { vocabs: [], strings: [], cases: [] };
  const files = new Map<string, Promise<TokenizerMetadata>>();
  const metadataNamed = (name: string): Promise<TokenizerMetadata> => {
    const found = files.get(name) ?? metadataOfFile(join(vocab, `ggml-vocab-${name}.gguf`));
    files.set(name, found);
    return found;
  };

  test.each(vocabs.map((facts, index) => [String(facts['name']), facts, index] as const))(
    '%s',
    async (name, facts, index) => {
      const pre = /^gpt2-as-(.*)$/.exec(name)?.[1];
      const metadata = pre ? withScalar(await metadataNamed('gpt-2'), `${P}pre`, pre) : await metadataNamed(name);
      const tokenizer = tokenizerOf(metadata);
      const { roles } = tokenizer;
      expect({
        name,
        n: tokenizer.size,
        bos: roles.bos,
        eos: roles.eos,
        add_bos: Number(tokenizer.addBos),
        add_eos: Number(tokenizer.addEos),
        fim_pre: roles.fimPrefix,
        fim_suf: roles.fimSuffix,
        fim_mid: roles.fimMiddle,
        fim_pad: roles.fimPad,
        fim_rep: roles.fimRepo,
        fim_sep: roles.fimSeparator,
      }).toEqual(facts);
      const wrong: string[] = [];
      strings.forEach(({ hex }, i) => {
        const { plain, special = [], noRoundTrip = [] } = cases[i]!;
        const bytes = fromHex(hex);
        const expectedPlain = plain.find(([, of]) => of.includes(index))?.[0];
        const expectedSpecial = special.find(([, of]) => of.includes(index))?.[0] ?? expectedPlain;
        const ids = tokenizer.encode(bytes);
        const specialIds = tokenizer.encode(bytes, { addSpecial: true, parseSpecial: true });
        const returns = Buffer.compare(tokenizer.decodeBytes(ids), bytes) === 0;
        if (ids.join(' ') !== expectedPlain) wrong.push(`${hex} plain`);
        if (specialIds.join(' ') !== expectedSpecial) wrong.push(`${hex} special`);
        if (returns === noRoundTrip.includes(index)) wrong.push(`${hex} round trip`);
      });
      expect(wrong).toEqual([]);
    },
  );
});

/** qwen2 and gpt-2 are there as the files of their publishers, too. */
function publishedVocabulary(folder: string, pre: string): TokenizerMetadata {
  const ids = readJson(join(shared, 'tokenizers', folder, 'vocab.json')) as Record<string, number>;
  const tokens = Object.entries(ids)
    .sort((a, b) => a[1] - b[1])
    .map(([text]) => text);
  const merges = readFileSync(join(shared, 'tokenizers', folder, 'merges.txt'), 'utf8')
    .split('\n')
    .filter(line => line !== '' && !line.startsWith('#version'));
  return metadataOf({ [`${P}model`]: 'gpt2', [`${P}pre`]: pre }, { tokens, merges });
}

const published: Readonly<Record<string, readonly [folder: string, pre: string]>> = {
  qwen2: ['qwen2.5', 'qwen2'],
  'gpt-2': ['gpt2', 'gpt-2'],
};

describe.each(['golden/tok/upstream', 'gguf/vocab'])('../shared: %s', folder => {
  const path = join(shared, folder);
  const pairs = existsSync(path) ? readdirSync(path).filter(name => name.endsWith('.inp')) : [];
  // Of four families the vocabulary is not there, and of one more only as its publisher has it; nothing to compare with.
  test.skipIf(pairs.length === 0)('is there', () => {
    expect(pairs).toHaveLength(15);
    expect(sources.filter(([, , there]) => !there).map(([label]) => label)).toEqual([
      'command-r',
      'gemma-4',
      'llama-bpe',
      'qwen2',
      'qwen35',
    ]);
  });

  const sources = pairs.flatMap((pair): [string, () => Promise<TokenizerMetadata> | TokenizerMetadata, boolean][] => {
    const name = /^ggml-vocab-(.*)\.gguf\.inp$/.exec(pair)![1]!;
    const file = join(vocab, `ggml-vocab-${name}.gguf`);
    const other = published[name];
    return [
      [name, () => metadataOfFile(file), existsSync(file)],
      ...(other ? [[`${name} as published`, () => publishedVocabulary(...other), true] as const] : []),
    ].map(([label, load, there]) => [label, load, there] as [string, () => TokenizerMetadata, boolean]);
  });
  for (const [label, load] of sources.filter(([, , there]) => there)) {
    const name = label.replace(' as published', '');
    test(label, async () => {
      const tokenizer = tokenizerOf(await load());
      const read = (end: string): string => readFileSync(join(path, `ggml-vocab-${name}.gguf.${end}`), 'utf8');
      const inputs = read('inp').split('\n__ggml_vocab_test__\n');
      const outputs = read('out').trimEnd().split('\n');
      expect(inputs.length).toBeGreaterThan(40);
      inputs.forEach((input, i) => {
        expect(tokenizer.encode(input).join(' '), JSON.stringify(input)).toBe((outputs[i] ?? '').trim());
      });
    });
  }
});
