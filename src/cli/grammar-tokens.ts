// The grammar of `tokenize` and `detokenize`; see grammar.ts.
import { Option, type Command } from 'commander';
import { tokenIds } from './argument-values.js';
import type { Invocation } from './invocation.js';

interface TokenizeFlags {
  text?: string;
  file?: string;
  special: boolean;
  bos: boolean;
  json: boolean;
}

interface DetokenizeFlags {
  ids?: readonly number[];
  json: boolean;
}

export function addTokenCommands(program: Command, choose: (invocation: Invocation) => void): void {
  const tokenize = program
    .command('tokenize')
    .description("Turn a text into tokens with a model's own tokenizer, exactly as llama.cpp does.")
    .argument('<model>', 'a .gguf file, or the first shard of a split model')
    .addOption(new Option('--text <text>', 'the text').conflicts('file'))
    .option('--file <file>', 'the file that holds the text, read byte for byte')
    .option('--special', 'recognize control tokens in the text, such as <|im_start|>', false)
    .option('--bos', "add what the model's own rules put around a text: BOS, for some EOS or separators", false)
    .option('--json', 'print one JSON document', false)
    .addHelpText(
      'after',
      `
Examples:
  quantsmith tokenize model.gguf --text 'Hello, world'
  quantsmith tokenize model.gguf --file prompt.txt --special --bos --json | jq -c .ids

Without --json each line is a token's id, a tab and its text.`,
    )
    .action((model: string, flags: TokenizeFlags) => {
      if (flags.text === undefined && flags.file === undefined) {
        return tokenize.error("required option '--text <text>' or '--file <file>' not specified", {
          code: 'commander.missingOption',
        });
      }
      choose({ command: 'tokenize', model, ...flags });
    });

  const detokenize = program
    .command('detokenize')
    .description("Turn tokens into text with a model's own tokenizer, exactly as llama.cpp does.")
    .argument('<model>', 'a .gguf file, or the first shard of a split model')
    // Required, but checked in the action: commander would report it before a misspelt option.
    .option('--ids <list>', 'token ids: 9707,11,1879', tokenIds)
    .option('--json', 'print one JSON document', false)
    .addHelpText(
      'after',
      `
Examples:
  quantsmith detokenize model.gguf --ids 9707,11,1879
  quantsmith detokenize model.gguf --ids 9707,11,1879 --json`,
    )
    .action((model: string, { ids, json }: DetokenizeFlags) => {
      if (ids === undefined) {
        return detokenize.error("required option '--ids <list>' not specified", { code: 'commander.missingOption' });
      }
      choose({ command: 'detokenize', model, ids, json });
    });
}
