// The pre-tokenizers of byte pair encoding: one row per value of `tokenizer.ggml.pre` that llama.cpp 0.7.0 accepts (92 names,
// found by asking it). A row names how text is cut into words, and the settings that come with the name.
import { SPLITS } from './split-patterns.js';
import type { Splitter } from './splitter.js';

export interface PreTokenizer {
  readonly split: readonly Splitter[];
  /** A word that is a token is that token, whatever the merges would make of it. */
  readonly ignoreMerges: boolean;
  /** Unless the metadata says otherwise. */
  readonly addBos: boolean;
  /** Detokenizing removes spaces before punctuation. */
  readonly cleanSpaces: boolean;
  /** Merges work on the characters of UTF-8 instead of on bytes. */
  readonly rawText: boolean;
  /** Spaces are U+2581 in tokens. */
  readonly escapeSpaces: boolean;
  /** Every line starts with U+2581. */
  readonly prefixLines: boolean;
  /** A run of line breaks that is a token is that token. */
  readonly wholeLineBreaks: boolean;
  /** BOS is added even if the metadata says no. */
  readonly forceBos: boolean;
  /** There is no default BOS. */
  readonly noDefaultBos: boolean;
  /** A vocabulary without merges is usable. */
  readonly mergesOptional: boolean;
}

type Flag = Exclude<keyof PreTokenizer, 'split' | 'cleanSpaces'> | 'keepSpaces';

function row(split: keyof typeof SPLITS, ...flags: readonly Flag[]): PreTokenizer {
  const has = (flag: Flag): boolean => flags.includes(flag);
  return {
    split: SPLITS[split],
    ignoreMerges: has('ignoreMerges'),
    addBos: has('addBos'),
    cleanSpaces: !has('keepSpaces'),
    rawText: has('rawText'),
    escapeSpaces: has('escapeSpaces'),
    prefixLines: has('prefixLines'),
    wholeLineBreaks: has('wholeLineBreaks'),
    forceBos: has('forceBos'),
    noDefaultBos: has('noDefaultBos'),
    mergesOptional: has('mergesOptional'),
  };
}

const llama3Row = row('llama3', 'ignoreMerges', 'addBos');
const qwen2Row = row('qwen2', 'keepSpaces');
const gpt2Row = row('gpt2');
const gemma4Row = row('lines', 'rawText', 'escapeSpaces', 'wholeLineBreaks', 'forceBos');
const gpt4oRow = row('gpt4o', 'keepSpaces');
const deepseek3Row = row('deepseek3', 'keepSpaces');
const glmRow = row('llama3', 'noDefaultBos');
const bailingRow = row('qwen2', 'keepSpaces');

const ROWS: Readonly<Record<string, PreTokenizer>> = {
  default: row('default'),
  'a.x-4.0': gpt2Row,
  afmoe: row('afmoe', 'keepSpaces'),
  bailingmoe: bailingRow,
  bailingmoe2: bailingRow,
  bloom: row('bloom'),
  chameleon: row('chameleon', 'addBos', 'keepSpaces'),
  'chatglm-bpe': glmRow,
  codeshell: row('digitsGpt2'),
  cohere2moe: row('tinyAya', 'keepSpaces'),
  'command-r': row('digitsGpt2', 'keepSpaces'),
  dbrx: row('llama3'),
  'deepseek-coder': row('deepseekCoder', 'keepSpaces'),
  'deepseek-llm': row('deepseekLlm', 'keepSpaces'),
  'deepseek-r1-qwen': qwen2Row,
  'deepseek-v3': deepseek3Row,
  exaone: row('digitsGpt2'),
  'exaone-moe': row('exaoneMoe'),
  exaone4: gpt2Row,
  f2llmv2: qwen2Row,
  falcon: row('falcon'),
  'falcon-h1': llama3Row,
  falcon3: llama3Row,
  gemma4: gemma4Row,
  gigachat: gpt2Row,
  glm4: glmRow,
  glm5: glmRow,
  'gpt-2': gpt2Row,
  'gpt-4o': gpt4oRow,
  'gpt3-finnish': row('bloom'),
  'granite-docling': row('gpt2', 'keepSpaces'),
  'granite-embed-multi-311m': gemma4Row,
  'granite-embed-multi-97m': row('graniteEmbedding', 'keepSpaces', 'ignoreMerges'),
  'grok-2': qwen2Row,
  hunyuan: qwen2Row,
  'hunyuan-dense': deepseek3Row,
  hy_v4: deepseek3Row,
  jais: gpt2Row,
  'jais-2': row('jais2'),
  'jina-de': gpt2Row,
  'jina-es': gpt2Row,
  'jina-v1-en': gpt2Row,
  'jina-v2-code': gpt2Row,
  'jina-v2-de': gpt2Row,
  'jina-v2-es': gpt2Row,
  'jina-v5-nano': llama3Row,
  'joyai-llm': deepseek3Row,
  kanana2: gpt4oRow,
  'kimi-k2': row('kimiK2', 'keepSpaces', 'mergesOptional'),
  kormo: qwen2Row,
  laguna: row('laguna', 'keepSpaces'),
  lfm2: llama3Row,
  'llada-moe': bailingRow,
  'llama-bpe': llama3Row,
  'llama-v3': llama3Row,
  llama3: llama3Row,
  llama4: gpt4oRow,
  megrez: row('qwen2'),
  mellum: gpt2Row,
  mellum2: row('digitsGpt2'),
  'midm-2.0': llama3Row,
  'minerva-7b': row('digitsGpt2'),
  minicpm5: row('minicpm5', 'ignoreMerges'),
  'minimax-m2': gpt4oRow,
  mmbert: row('lines', 'rawText', 'escapeSpaces', 'wholeLineBreaks', 'prefixLines'),
  'modern-bert': gpt2Row,
  mpt: gpt2Row,
  olmo: gpt2Row,
  'phi-2': gpt2Row,
  pixtral: llama3Row,
  'poro-chat': row('bloom', 'keepSpaces'),
  qwen2: qwen2Row,
  qwen35: row('qwen35', 'keepSpaces'),
  refact: row('digitsGpt2'),
  'roberta-bpe': gpt2Row,
  'sarvam-moe': row('lines', 'rawText', 'escapeSpaces', 'keepSpaces'),
  'seed-coder': row('seedCoder', 'keepSpaces'),
  'smaug-bpe': row('llama3'),
  smollm: row('digitsGpt2', 'keepSpaces'),
  'solar-open': qwen2Row,
  spark2_5: row('spark25', 'keepSpaces'),
  stablelm2: row('qwen2'),
  starcoder: row('digitsGpt2'),
  superbpe: row('superbpe', 'keepSpaces'),
  talkie: gpt4oRow,
  tekken: row('tekken', 'keepSpaces', 'ignoreMerges', 'addBos'),
  tiny_aya: row('tinyAya', 'keepSpaces'),
  trillion: row('gpt2', 'keepSpaces'),
  ufakzeka: row('ufakzeka', 'keepSpaces'),
  viking: row('viking', 'keepSpaces'),
  whitespace: row('whitespace', 'rawText'),
  youtu: row('youtu', 'keepSpaces', 'ignoreMerges'),
};

export const PRE_TOKENIZERS: ReadonlyMap<string, PreTokenizer> = new Map(Object.entries(ROWS));
export const DEFAULT_PRE_TOKENIZER: PreTokenizer = row('default');
