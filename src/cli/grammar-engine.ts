// The commands that run a model: their options, help and examples.
import { Option, type Command } from 'commander';
import { CACHE_TYPES, type CacheType } from '../engine/graph/program-builder.js';
import { GREEDY } from '../engine/sampler.js';
import type { BackendChoice } from '../protocol/worker-protocol.js';
import { collect, decimal, logitBias, nonEmpty, tokenIds, wholeNumber } from './argument-values.js';
import { backendOptions } from './backend-options.js';
import type { Invocation } from './invocation.js';

/** Tokens guessed at once: more are hardly ever right. */
const MAX_DRAFT = 64;

export function addEngineCommands(program: Command, choose: (invocation: Invocation) => void): void {
  interface GenerateFlags {
    prompt?: string;
    count: number;
    temp: number;
    topK: number;
    topP: number;
    minP: number;
    repeatPenalty: number;
    repeatWindow: number;
    seed: number;
    bias: (readonly [number, number])[];
    stop: string[];
    context?: number;
    lookup?: number;
    draft?: string;
    draftMax: number;
    special: boolean;
    threads: number;
    backend: BackendChoice;
    cacheType: CacheType;
    json: boolean;
  }
  const generate = program
    .command('generate')
    .description('Continue a text. The same text for the same options, on every machine and backend.')
    .argument('<model>', 'a .gguf file, or any shard of a split model')
    .option('-p, --prompt <text>', 'the text to continue')
    .option('-n, --count <n>', 'most tokens to add', wholeNumber(0, 1 << 24), 128)
    .option('--temp <t>', '0: always the most likely token; 1: as likely as the model says', decimal(0, 100), 0)
    .option('--top-k <k>', 'draw from the k most likely tokens; 0: from all', wholeNumber(0, 1 << 24), 40)
    .option('--top-p <p>', 'draw from the most likely tokens that together have this probability', decimal(0, 1), 0.95)
    .option('--min-p <p>', 'draw from tokens at least this likely, compared with the most likely', decimal(0, 1), 0.05)
    .option('--repeat-penalty <x>', 'make recent tokens less likely; 1: no', decimal(0.01, 100), 1)
    .option('--repeat-window <n>', 'how many of the last tokens are recent', wholeNumber(0, 1 << 24), 64)
    .option('--seed <n>', 'another draw for another number', wholeNumber(0, 0xffffffff), 0)
    .option('--bias <id=value>', "add to a token's score, -inf forbids it; may be repeated", collect(logitBias), [])
    .option('--stop <text>', 'end before this text; may be repeated', collect(nonEmpty), [])
    .option(
      '--context <n>',
      'positions to keep; default: as many as the text needs, at most those the model was trained for',
      wholeNumber(1, 1 << 24),
    )
    .addOption(
      new Option('--lookup <n>', 'guess up to n tokens at once from earlier parts of the text; same text, fewer steps')
        .argParser(wholeNumber(1, MAX_DRAFT))
        .conflicts('draft'),
    )
    .addOption(
      new Option('--draft <model>', 'a smaller model of the same vocabulary that guesses tokens').argParser(nonEmpty),
    )
    .option('--draft-max <n>', 'how many tokens --draft guesses at once', wholeNumber(1, MAX_DRAFT), 8)
    .option('--special', 'recognize control tokens in the prompt', false)
    .addOption(
      new Option('--cache-type <type>', 'what keys and values of earlier tokens are kept in')
        .choices(CACHE_TYPES)
        .default('f16'),
    )
    .option('--json', 'print one JSON document', false);
  backendOptions(generate)
    .addHelpText(
      'after',
      `
Examples:
  quantsmith generate model.gguf --prompt 'def add(a, b):' -n 32
  quantsmith generate model.gguf -p 'Once upon a time' --temp 0.8 --seed 7 --stop '.'
  quantsmith generate model-7b.gguf -p 'def add(a, b):' --draft model-0.5b.gguf

The text is written to stdout as it is made, without the prompt. It ends at a token that ends a text, at a stop text,
after --count tokens, or when the context is full.`,
    )
    .action((model: string, flags: GenerateFlags) => {
      const { prompt, temp, topK, topP, minP, repeatPenalty, repeatWindow, seed, bias, ...rest } = flags;
      if (prompt === undefined) {
        return generate.error("required option '-p, --prompt <text>' not specified", {
          code: 'commander.missingOption',
        });
      }
      const sampling = {
        ...GREEDY,
        ...{ temperature: temp, topK, topP, minP, seed },
        ...{ repetitionPenalty: repeatPenalty, repetitionWindow: repeatWindow },
        ...(bias.length > 0 ? { bias: new Map(bias) } : {}),
      };
      choose({ command: 'generate', model, prompt, sampling, ...rest });
    });

  interface LogitsFlags {
    ids?: readonly number[];
    output?: string;
    threads: number;
    backend: BackendChoice;
    cacheType: CacheType;
    overwrite: boolean;
    json: boolean;
  }
  const logits = program
    .command('logits')
    .description('Write what a model predicts after each of the given tokens: its raw scores for the whole vocabulary.')
    .argument('<model>', 'a .gguf file, or any shard of a split model')
    // Both are required, but checked in the action: commander would report them before a misspelt option.
    .option('--ids <list>', 'token ids, evaluated exactly as given: 1,15043,3186', tokenIds)
    .option('-o, --output <file>', 'the file to write; must not exist unless --overwrite')
    .addOption(
      new Option('--cache-type <type>', 'what keys and values of earlier tokens are kept in')
        .choices(CACHE_TYPES)
        .default('f32'),
    )
    .option('--overwrite', 'replace an output that exists', false)
    .option('--json', 'print one JSON document', false);
  backendOptions(logits)
    .addHelpText(
      'after',
      `
Examples:
  quantsmith logits model.gguf --ids 1,15043,3186 -o logits.f32
  quantsmith logits model.gguf --ids 1,2,3 -o logits.f32 --json

The file holds float32, little-endian, row by row: one row for each token, one value for each entry of the vocabulary.`,
    )
    .action((model: string, { ids, output, ...flags }: LogitsFlags) => {
      const missing = ids === undefined ? '--ids <list>' : '-o, --output <file>';
      if (ids === undefined || output === undefined) {
        return logits.error(`required option '${missing}' not specified`, { code: 'commander.missingOption' });
      }
      choose({ command: 'logits', model, ids, output, ...flags });
    });
}
