import { Option, type Command } from 'commander';
import type { BackendChoice } from '../protocol/worker-protocol.js';
import { wholeNumber } from './argument-values.js';

/** More threads than any machine this is for has cores; a typing error above it would only waste memory. */
const MAX_THREADS = 1024;

/** Where and with how many threads to compute: options of every command that does. */
export function backendOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--threads <n>', 'threads to compute with')
        .argParser(wholeNumber(1, MAX_THREADS))
        .default(0, 'physical cores'),
    )
    .addOption(
      new Option('--backend <backend>', 'kernels to compute with')
        .choices(['native', 'wasm', 'auto'] satisfies BackendChoice[])
        .default('auto'),
    );
}
