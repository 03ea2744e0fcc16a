// The commands that measure a model: their options, help and examples.
import { Option, type Command } from 'commander';
import { CACHE_TYPES, type CacheType } from '../engine/graph/program-builder.js';
import type { BackendChoice } from '../protocol/worker-protocol.js';
import { wholeNumber } from './argument-values.js';
import { backendOptions } from './backend-options.js';
import type { Invocation } from './invocation.js';

/** As many positions as any context there is. */
const MAX_TOKENS = 1 << 24;

interface ComputeFlags {
  threads: number;
  backend: BackendChoice;
  cacheType: CacheType;
  json: boolean;
}

export function addMeasureCommands(program: Command, choose: (invocation: Invocation) => void): void {
  interface PerplexityFlags extends ComputeFlags {
    file?: string;
    context: number;
    quiet: boolean;
  }
  const perplexity = program
    .command('perplexity')
    .description('How surprised a model is by a text: lower is better. The same measure as llama-perplexity.')
    .argument('<model>', 'a .gguf file, or any shard of a split model')
    // Required, but checked in the action: commander would report it before a misspelt option.
    .option('--file <file>', 'the text; need not be UTF-8')
    .option('--context <n>', 'tokens of a window, of which the second half is scored', wholeNumber(3, MAX_TOKENS), 512)
    .addOption(cacheType())
    .option('--quiet', 'no progress', false)
    .option('--json', 'print one JSON document', false);
  backendOptions(perplexity)
    .addHelpText(
      'after',
      `
Examples:
  quantsmith perplexity model-Q4_K_M.gguf --file validation.txt
  quantsmith perplexity model-Q4_K_M.gguf --file validation.txt --context 2048 --json

The text is cut into windows; what does not fill the last one is not scored. It must have two windows at least.`,
    )
    .action((model: string, { file, ...flags }: PerplexityFlags) => {
      if (file === undefined) {
        return perplexity.error("required option '--file <file>' not specified", { code: 'commander.missingOption' });
      }
      choose({ command: 'perplexity', model, file, ...flags });
    });

  interface BenchFlags extends ComputeFlags {
    prompt: number;
    generate: number;
    repetitions: number;
  }
  const bench = program
    .command('bench')
    .description('How fast a model runs here: prompt and generation, and their share of what memory allows.')
    .argument('<model>', 'a .gguf file, or any shard of a split model')
    .option('-p, --prompt <n>', 'tokens of the prompt; 0: do not measure it', wholeNumber(0, MAX_TOKENS), 512)
    .option('-n, --generate <n>', 'tokens to generate; 0: do not measure it', wholeNumber(0, MAX_TOKENS), 128)
    .option('-r, --repetitions <n>', 'how often; medians count', wholeNumber(1, 1000), 3)
    .addOption(cacheType())
    .option('--json', 'print one JSON document', false);
  backendOptions(bench)
    .addHelpText(
      'after',
      `
Examples:
  quantsmith bench model-Q4_K_M.gguf
  quantsmith bench model-Q4_K_M.gguf -p 512 -n 0 --threads 1 --json

The same lengths as llama-bench's pp512 and tg128. Generation reads every weight once per token, so memory limits it;
how fast memory is gets measured between the repetitions, with as many threads.`,
    )
    .action((model: string, flags: BenchFlags) => {
      if (flags.prompt === 0 && flags.generate === 0) {
        return bench.error('nothing is left to measure with -p 0 and -n 0', { code: 'commander.invalidArgument' });
      }
      choose({ command: 'bench', model, ...flags });
    });
}

function cacheType(): Option {
  return new Option('--cache-type <type>', 'what keys and values of earlier tokens are kept in')
    .choices(CACHE_TYPES)
    .default('f16');
}
