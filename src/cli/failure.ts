// Turns whatever was thrown into what a user may see: a code, a message that says what was expected and found, a remedy,
// and the exit code. Absent on purpose: stack traces (set QUANTSMITH_DEBUG=1 to get them on stderr) and the raw texts of
// Node's system errors, which name system calls and not remedies.
import { errorData, QuantsmithError, type ErrorData } from '../core/problem.js';
import { ioError } from '../platform/file-source.js';
import { EXIT, type ExitCode } from './exit.js';

/** The arguments (or the recipe) are wrong: exit code 2. */
export class UsageError extends QuantsmithError {}

export interface Failure {
  readonly data: ErrorData;
  readonly exit: ExitCode;
}

/** Codes that mean "what you asked for cannot be", whatever layer noticed: exit 2, as for a misspelt option. */
const USAGE_PREFIXES = ['usage/', 'recipe/'];

interface SystemError extends Error {
  readonly code: string;
  readonly path?: string;
  readonly dest?: string;
  readonly syscall?: string;
}

function isSystemError(error: unknown): error is SystemError {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' && /^E[A-Z0-9]+$/.test(error.code);
}

export function failureOf(error: unknown, interrupted: boolean): Failure {
  const data = dataOf(error);
  if (interrupted || data.code === 'cancelled') {
    return {
      data: {
        code: 'cancelled',
        message: 'Interrupted; nothing was written under the final name.',
        hint: 'Run the command again when it suits you.',
      },
      exit: EXIT.interrupted,
    };
  }
  const usage = error instanceof UsageError || USAGE_PREFIXES.some(prefix => data.code.startsWith(prefix));
  return { data, exit: usage ? EXIT.usage : EXIT.failure };
}

function dataOf(error: unknown): ErrorData {
  if (isSystemError(error)) {
    const where = error.dest ?? error.path ?? 'the file';
    const known = errorData(ioError(error, where));
    if (known.code !== 'io/read') return known;
    const message = `The system reported ${error.code} for ${where}.`;
    return { code: 'io/system', message, hint: 'Check the path and the disk.' };
  }
  const data = errorData(error);
  if (data.code !== 'internal') return data;
  return {
    ...data,
    message: `Something went wrong inside quantsmith: ${data.message}`,
    hint: 'Set QUANTSMITH_DEBUG=1 for the details and report it.',
  };
}
