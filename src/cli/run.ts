// One command from arguments to exit code. Every way out of a command passes here, so that stdout gets exactly one JSON
// document in --json mode, an error is printed once and with its remedy, and the exit code follows from its code. Commands
// are imported when they are chosen: `inspect` must not pay for what `quantize` needs.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { restOf } from '../core/problem.js';
import { placeText } from '../core/text/place-text.js';
import { printable } from '../core/text/printable.js';
import { EXIT, type ExitCode } from './exit.js';
import { failureOf, type Failure } from './failure.js';
import { parseArguments } from './grammar.js';
import type { Invocation } from './invocation.js';
import type { CliIo } from './io.js';
import { jsonDocument } from './json.js';
import { problemsText, remedyText } from './problem-text.js';
import { styleFor } from './style.js';

/** Help is wrapped to the terminal, but not to the unreadable lengths of a wide one. */
const HELP_COLUMNS = 120;

export async function run(argv: readonly string[], io: CliIo): Promise<ExitCode> {
  const parsed = parseArguments(argv, {
    version: productVersion(io.dist),
    columns: Math.min(HELP_COLUMNS, io.stdout.columns),
  });
  switch (parsed.kind) {
    case 'print':
      await io.stdout.write(parsed.text);
      return EXIT.success;
    case 'wrong': {
      const json = wantsJson(argv);
      if (!json && parsed.text !== undefined) {
        await io.stderr.write(parsed.text);
        return EXIT.usage;
      }
      return report({ data: parsed.error, exit: EXIT.usage }, json, io);
    }
    case 'run':
      try {
        return await execute(parsed.invocation, io);
      } catch (error) {
        if (io.env['QUANTSMITH_DEBUG'] && error instanceof Error) await io.stderr.write(`${error.stack ?? ''}\n`);
        return report(
          withResumeHint(failureOf(error, io.signal.aborted), parsed.invocation),
          parsed.invocation.json,
          io,
        );
      }
  }
}

async function execute(invocation: Invocation, io: CliIo): Promise<ExitCode> {
  switch (invocation.command) {
    case 'inspect':
      return (await import('./commands/inspect.js')).inspect(invocation, io);
    case 'quantize':
      return (await import('./commands/quantize.js')).quantize(invocation, io);
    case 'run':
      return (await import('./commands/run-recipe.js')).runRecipe(invocation, io);
    case 'check':
      return (await import('./commands/check.js')).check(invocation, io);
    case 'tokenize':
      return (await import('./commands/tokenize.js')).tokenize(invocation, io);
    case 'detokenize':
      return (await import('./commands/tokenize.js')).detokenize(invocation, io);
    case 'generate':
      return (await import('./commands/generate.js')).generateText(invocation, io);
    case 'logits':
      return (await import('./commands/logits.js')).logits(invocation, io);
    case 'perplexity':
      return (await import('./commands/perplexity.js')).textPerplexity(invocation, io);
    case 'bench':
      return (await import('./commands/bench.js')).benchmark(invocation, io);
    case 'doctor':
      return (await import('./commands/doctor.js')).doctor(invocation, io);
  }
}

const LEFT_FOR_RESUME =
  'The same command goes on where this run stopped. Without --resume it begins anew and removes what is left: ' +
  '.NAME.quantsmith-partial and .NAME.quantsmith-journal beside the output, which can also be deleted by hand.';

/** Who asked for `--resume` wants to know that there is something to go on with. */
function withResumeHint(failure: Failure, invocation: Invocation): Failure {
  if (failure.exit !== EXIT.interrupted || !('resume' in invocation && invocation.resume)) return failure;
  return { ...failure, data: { ...failure.data, hint: LEFT_FOR_RESUME } };
}

/** The same decision the parser would have made, for arguments that it could not parse. */
export function wantsJson(argv: readonly string[]): boolean {
  const end = argv.indexOf('--');
  return argv.slice(0, end < 0 ? argv.length : end).includes('--json');
}

export async function report({ data, exit }: Failure, json: boolean, io: CliIo): Promise<ExitCode> {
  if (json) {
    await io.stdout.write(jsonDocument({ error: data }));
  } else {
    const style = styleFor(io.stderr, io.env);
    const label = exit === EXIT.interrupted ? 'quantsmith:' : style.red('quantsmith: error:');
    // Messages may quote names from a file: nothing of them may reach the terminal as control characters.
    await io.stderr.write(
      `${label} ${printable(data.message)} [${data.code}]${placeText(data)}\n${remedyText(data)}${problemsText(restOf(data), style)}`,
    );
  }
  return exit;
}

/** The version in package.json, which lies beside dist in the repository, in the npm package and in the .vsix. */
function productVersion(dist: string): string {
  try {
    const manifest: unknown = JSON.parse(readFileSync(path.join(dist, '..', 'package.json'), 'utf8'));
    if (typeof manifest === 'object' && manifest !== null && 'version' in manifest) return String(manifest.version);
  } catch {
    // Without the manifest everything but the number works.
  }
  return 'unknown';
}
