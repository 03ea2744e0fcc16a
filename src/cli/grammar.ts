// The grammar of the command line: commands, options, defaults, help with examples. Parsing touches nothing outside and
// never exits: it returns an invocation, a text to print (help, version) or what is wrong with the arguments. Names of
// commands, options and JSON keys are a contract with scripts: add, never rename. What values mean (does this type exist?
// does this file?) is the commands' business.
import { Command, CommanderError, Help, Option } from 'commander';
import type { ErrorData } from '../core/problem.js';
import type { MetadataOverride } from '../core/quantize/metadata-override.js';
import type { TensorRule } from '../core/quantize/quantization-plan.js';
import {
  byteSize,
  collect,
  layerList,
  metadataOverride,
  nonEmpty,
  tensorRule,
  wholeNumber,
} from './argument-values.js';
import { backendOptions } from './backend-options.js';
import { addEngineCommands } from './grammar-engine.js';
import { addMeasureCommands } from './grammar-measure.js';
import { addTokenCommands } from './grammar-tokens.js';
import type { ComputeOptions, Invocation } from './invocation.js';

export type Parsed =
  | { readonly kind: 'run'; readonly invocation: Invocation }
  | { readonly kind: 'print'; readonly text: string }
  /** `text` is a help page to show instead of a one-line error. */
  | { readonly kind: 'wrong'; readonly error: ErrorData; readonly text?: string };

export interface GrammarOptions {
  readonly version: string;
  /** Width that help is wrapped to. */
  readonly columns: number;
}

/**
 * Largest array that `inspect --json` prints whole unless told otherwise: twice the merges of the largest vocabularies in
 * use (514,906 in Gemma 3), so that only a damaged or hostile file, or one with data in its metadata, is summarized.
 */
export const ARRAY_LIMIT = 1_048_576;

export function parseArguments(argv: readonly string[], options: GrammarOptions): Parsed {
  let invocation: Invocation | undefined;
  let printed = '';
  const program = buildProgram(
    options,
    chosen => (invocation = chosen),
    text => (printed += text),
  );
  try {
    program.parse([...argv], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.code === 'commander.helpDisplayed' || error.code === 'commander.version')
      return { kind: 'print', text: printed };
    if (error.code === 'commander.help') {
      const missing = {
        code: 'usage/no-command',
        message: 'No command was given.',
        hint: 'quantsmith --help lists the commands.',
      };
      return { kind: 'wrong', error: missing, text: printed };
    }
    return { kind: 'wrong', error: usageError(error, argv) };
  }
  if (invocation) return { kind: 'run', invocation };
  return {
    kind: 'wrong',
    error: {
      code: 'usage/no-command',
      message: 'No command was given.',
      hint: 'quantsmith --help lists the commands.',
    },
  };
}

/** Commander's `error: unknown option '--tpye'\n(Did you mean --type?)` as code, message and hint. */
function usageError(error: CommanderError, argv: readonly string[]): ErrorData {
  const [first = '', ...rest] = error.message.replace(/^error: /, '').split('\n');
  const code = `usage/${error.code.replace(/^commander\./, '').replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)}`;
  const command = argv.find(argument => COMMANDS.has(argument));
  const help = `quantsmith ${command === undefined ? '' : `${command} `}--help shows what is possible.`;
  const suggestion = rest
    .join(' ')
    .trim()
    .replace(/^\((.*)\)$/, '$1');
  const message = first.charAt(0).toUpperCase() + first.slice(1);
  return {
    code,
    message: message.endsWith('.') ? message : `${message}.`,
    hint: suggestion === '' ? help : `${suggestion} ${help}`,
  };
}

const COMMANDS = new Set([
  'inspect',
  'quantize',
  'run',
  'check',
  'tokenize',
  'detokenize',
  'logits',
  'generate',
  'perplexity',
  'bench',
  'doctor',
]);

/** The commander program itself; exported so that the documentation's test can list every command and option. */
export function buildProgram(
  options: GrammarOptions,
  choose: (invocation: Invocation) => void,
  print: (text: string) => void,
): Command {
  const program = new Command('quantsmith')
    .description('Inspect, quantize and measure GGUF models on this machine.')
    .version(options.version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show help')
    .helpCommand(false)
    .exitOverride()
    .configureHelp({
      // `(default: false)` behind every switch says nothing.
      optionDescription(option) {
        const { defaultValue } = option as { defaultValue?: unknown };
        const dull = defaultValue === false || (Array.isArray(defaultValue) && defaultValue.length === 0);
        return dull ? option.description : Help.prototype.optionDescription(option);
      },
    })
    .configureOutput({
      writeOut: print,
      writeErr: print,
      outputError: () => undefined,
      getOutHelpWidth: () => options.columns,
      getErrHelpWidth: () => options.columns,
    })
    .addHelpText(
      'after',
      `
Examples:
  quantsmith inspect model-f16.gguf
  quantsmith quantize model-f16.gguf model-Q4_K_M.gguf --type Q4_K_M
  quantsmith run model.quant.yaml --dry-run
  quantsmith COMMAND --help

With --json a command prints exactly one JSON document on stdout; progress and warnings go to stderr, an error is
{"error":{"code","message","hint"}}. Exit codes: 0 success, 1 a job failed, 2 the arguments or the recipe are wrong,
3 a gate failed, 130 interrupted.`,
    );

  interface InspectFlags {
    tensors: boolean;
    metadata?: string;
    arrayLimit: number;
    json: boolean;
  }
  program
    .command('inspect')
    .description("Show a model's header: metadata, tensors, sizes and problems. Reads no tensor data.")
    .argument('<file|url>', 'a .gguf file (any shard of a split model) or an http(s) address of one')
    .option('--tensors', 'list every tensor (text output; JSON always has them)', false)
    .option('--metadata <key>', 'show only this metadata key, whole, however long its array is')
    .option(
      '--array-limit <n>',
      'with --json: summarize arrays of more elements as {"type","length","head"}',
      wholeNumber(0, Number.MAX_SAFE_INTEGER),
      ARRAY_LIMIT,
    )
    .option('--json', 'print one JSON document', false)
    .addHelpText(
      'after',
      `
Examples:
  quantsmith inspect model.gguf --tensors
  quantsmith inspect model.gguf --metadata tokenizer.chat_template
  quantsmith inspect model.gguf --json --array-limit 64 | jq .metadata
  quantsmith inspect https://example.org/model.gguf

JSON: integers beyond 2^53 are decimal strings; NaN and infinities are the strings "NaN", "Infinity", "-Infinity".
Exit code 1 when the file has a problem of severity "error", even if a part of it can be shown.`,
    )
    .action((file: string, flags: InspectFlags) => choose({ command: 'inspect', file, ...flags }));

  interface QuantizeFlags extends ComputeFlags {
    type?: string;
    tensor: TensorRule[];
    tensorTypeFile?: string;
    runtime?: string;
    outputTensorType?: string;
    tokenEmbeddingType?: string;
    imatrix?: string;
    includeWeights: string[];
    excludeWeights: string[];
    pure: boolean;
    leaveOutputTensor: boolean;
    pruneLayers: readonly number[];
    overrideKv: MetadataOverride[];
    allowRequantize: boolean;
    onFallback: string;
    keepSplit: boolean;
    maxShardSize?: number;
  }
  const quantize = program
    .command('quantize')
    .description(
      'Quantize a GGUF model. Without further options the result equals that of llama-quantize, tensor for tensor.',
    )
    .argument('<src>', 'a .gguf file, or any shard of a split model')
    .argument('<out>', 'the file to write; must not exist unless --overwrite')
    // Required, but checked in the action: commander would report it before a misspelt `--tpye`.
    .option('-t, --type <type>', 'file type, as llama-quantize names it: Q4_K_M, Q8_0, F16 ...')
    .option(
      '--tensor <pattern=type>',
      'type for tensors by name, glob or /regex/; may be repeated, the first match wins',
      collect(tensorRule),
      [],
    )
    .option(
      '--tensor-type-file <file>',
      'more such rules from a file, as llama-quantize takes it: regex=type, by blanks',
    )
    .option('--output-tensor-type <type>', 'type of output.weight')
    .option('--leave-output-tensor', 'keep output.weight in the type it has', false)
    .option('--token-embedding-type <type>', 'type of token_embd.weight')
    .option('--imatrix <file>', 'importance matrix (GGUF or legacy .dat)')
    .option(
      '--include-weights <text>',
      'use importance weights only for tensors whose name contains this; may be repeated',
      collect(nonEmpty),
      [],
    )
    .option(
      '--exclude-weights <text>',
      'use no importance weights for tensors whose name contains this; may be repeated',
      collect(nonEmpty),
      [],
    )
    .option('--pure', 'no mixture: the same type for every tensor that can have it', false)
    .option('--prune-layers <layers>', 'leave out these layers and renumber the others: 0,3..5', layerList, [])
    .option(
      '--override-kv <key=type:value>',
      'set metadata; type is int, float, bool, str or exact (u32, f64 ...); may be repeated',
      collect(metadataOverride),
      [],
    )
    .option('--runtime <runtime>', 'what shall read the result, such as llama.cpp@b3887: refuse types it cannot read')
    .option('--allow-requantize', 'accept a source that is quantized already (quality suffers)', false)
    .option(
      '--on-fallback <policy>',
      'when a row length does not fit the type: error, promote (as llama-quantize does) or a type',
      'promote',
    )
    .addOption(
      new Option('--keep-split', 'write as many shards as the source has').default(false).conflicts('maxShardSize'),
    )
    .addOption(
      new Option(
        '--max-shard-size <size>',
        'split the output into files of about this size, headers aside: 500M, 4G, 2GiB, or bytes',
      ).argParser(byteSize),
    );
  computeOptions(quantize)
    .option('--reuse', 'take over what earlier outputs have alike, and record this output for later runs', false)
    .addHelpText(
      'after',
      `
Examples:
  quantsmith quantize model-f16.gguf model-Q4_K_M.gguf --type Q4_K_M
  quantsmith quantize model-f16.gguf out.gguf --type Q4_K_M --imatrix model.imatrix.gguf
  quantsmith quantize model-f16.gguf out.gguf --type Q4_0 --tensor '*.attn_v.weight=Q6_K' --tensor '/blk\\.[01]\\./=Q8_0'
  quantsmith quantize model-f16.gguf out.gguf --type Q5_K_M --dry-run

The output appears under its name only when it is complete. Sizes: M and G are powers of 1000, MiB and GiB of 1024.`,
    )
    .action((source: string, output: string, flags: QuantizeFlags) => {
      const { type, tensor, overrideKv, maxShardSize, ...rest } = flags;
      if (type === undefined) {
        return quantize.error("required option '-t, --type <type>' not specified", { code: 'commander.missingOption' });
      }
      choose({
        command: 'quantize',
        source,
        output,
        type,
        rules: tensor,
        metadata: overrideKv,
        ...rest,
        ...(maxShardSize === undefined ? {} : { maxShardBytes: maxShardSize }),
      });
    });

  interface RunFlags extends ComputeFlags {
    only?: string;
  }
  const run = program
    .command('run')
    .description('Run a recipe (*.quant.yaml): check it, plan it, quantize.')
    .argument('<recipe>', 'a recipe file; paths in it are relative to its folder')
    .option('--only <output>', 'make only the output of this name or path');
  computeOptions(run)
    .option('--no-reuse', 'compute every tensor, also those that earlier outputs have; keep no record of this one')
    .addHelpText(
      'after',
      `
Examples:
  quantsmith run model.quant.yaml
  quantsmith run model.quant.yaml --dry-run --json

Problems in the recipe are printed to stderr as file:line:column: severity: message [code]; any error exits with 2.`,
    )
    .action((recipe: string, flags: RunFlags) => choose({ command: 'run', recipe, ...flags }));

  program
    .command('check')
    .description('Check a recipe, with the same diagnostics the editor shows.')
    .argument('<recipe>', 'a recipe file')
    .option('--json', 'print one JSON document', false)
    .addHelpText(
      'after',
      `
Examples:
  quantsmith check model.quant.yaml
  quantsmith check model.quant.yaml --json | jq '.diagnostics[].message'

In JSON, ranges count lines and characters (UTF-16) from 0; in text, lines and columns count from 1.`,
    )
    .action((recipe: string, flags: { json: boolean }) => choose({ command: 'check', recipe, ...flags }));

  addTokenCommands(program, choose);

  addEngineCommands(program, choose);

  addMeasureCommands(program, choose);

  program
    .command('doctor')
    .description(
      'Show what this machine offers: CPU features, kernels chosen and why, memory bandwidth, WebAssembly features.',
    )
    .option('--json', 'print one JSON document', false)
    .addHelpText('after', '\nExamples:\n  quantsmith doctor\n  quantsmith doctor --json')
    .action((flags: { json: boolean }) => choose({ command: 'doctor', ...flags }));

  return program;
}

type ComputeFlags = { -readonly [K in keyof ComputeOptions]: ComputeOptions[K] };

function computeOptions(command: Command): Command {
  return backendOptions(command)
    .option('--resume', 'continue an interrupted run', false)
    .option('--dry-run', 'plan and predict the size, write nothing', false)
    .option('--overwrite', 'replace an output that exists', false)
    .option('--quiet', 'no progress', false)
    .option('--json', 'print one JSON document', false);
}
