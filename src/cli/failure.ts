// Turns whatever was thrown into what a user may see: a code, a message that says what was expected and found, a remedy,
// and the exit code. Absent on purpose: stack traces (set QUANTSMITH_DEBUG=1 to get them on stderr) and the raw texts of
// Node's system errors, which name system calls and not remedies.
import { errorData, QuantsmithError, type ErrorData } from '../core/problem.js';
import { EXIT, type ExitCode } from './exit.js';

/** The arguments (or the recipe) are wrong: exit code 2. */
export class UsageError extends QuantsmithError {}

export interface Failure {
  readonly data: ErrorData;
  readonly exit: ExitCode;
}

/** Codes that mean "what you asked for cannot be", whatever layer noticed: exit 2, as for a misspelt option. */
const USAGE_PREFIXES = ['usage/', 'recipe/'];

/** errno name -> code, message and remedy; `where` is the path or operation the system named. */
const SYSTEM_ERRORS: Readonly<Record<string, (where: string) => ErrorData>> = {
  ENOENT: where => ({
    code: 'io/not-found',
    message: `There is no file or folder ${where}.`,
    hint: 'Check the path; it is relative to the current folder.',
  }),
  ENOTDIR: where => ({
    code: 'io/not-found',
    message: `A part of the path ${where} is a file, not a folder.`,
    hint: 'Check the path.',
  }),
  EISDIR: where => ({
    code: 'io/is-folder',
    message: `Expected a file, found a folder: ${where}.`,
    hint: 'Name a file inside it.',
  }),
  EACCES: where => ({
    code: 'io/no-permission',
    message: `The system refuses access to ${where}.`,
    hint: 'Check the permissions of the file and of its folder, or choose another place.',
  }),
  EPERM: where => ({
    code: 'io/no-permission',
    message: `The system refuses the operation on ${where}.`,
    hint: 'Check the permissions of the file and of its folder, or choose another place.',
  }),
  EROFS: where => ({
    code: 'io/read-only',
    message: `${where} is on a read-only file system.`,
    hint: 'Choose an output in a writable folder.',
  }),
  ENOSPC: where => ({
    code: 'io/disk-full',
    message: `The disk is full: could not write ${where}.`,
    hint: 'Free space or choose an output on another disk; --dry-run says how much is needed.',
  }),
  EDQUOT: where => ({
    code: 'io/disk-full',
    message: `The disk quota is used up: could not write ${where}.`,
    hint: 'Free space or choose an output on another disk; --dry-run says how much is needed.',
  }),
  EFBIG: where => ({
    code: 'io/file-too-big',
    message: `The file system or a limit (ulimit -f) does not allow a file as big as ${where}.`,
    hint: 'Raise the limit, write to another file system, or split the output with --max-shard-size.',
  }),
  EMFILE: where => ({
    code: 'io/too-many-files',
    message: `Too many open files; could not open ${where}.`,
    hint: 'Raise the limit (ulimit -n).',
  }),
  EXDEV: where => ({
    code: 'io/rename',
    message: `The finished file could not be moved into place: ${where}.`,
    hint: 'Write the output to a plain folder of one file system.',
  }),
  EBUSY: where => ({
    code: 'io/busy',
    message: `Another program keeps ${where} busy.`,
    hint: 'Close it there and try again.',
  }),
  EIO: where => ({
    code: 'io/read',
    message: `The device reported an error while accessing ${where}.`,
    hint: 'Check the disk.',
  }),
  ENAMETOOLONG: where => ({
    code: 'io/not-found',
    message: `The path is longer than the system allows: ${where}.`,
    hint: 'Use a shorter path.',
  }),
  ENOMEM: where => ({
    code: 'io/out-of-memory',
    message: `The system has no memory left for ${where}.`,
    hint: 'Close other programs or use fewer --threads.',
  }),
};

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
      data: { code: 'cancelled', message: 'Interrupted; nothing was written under the final name.' },
      exit: EXIT.interrupted,
    };
  }
  const usage = error instanceof UsageError || USAGE_PREFIXES.some(prefix => data.code.startsWith(prefix));
  return { data, exit: usage ? EXIT.usage : EXIT.failure };
}

function dataOf(error: unknown): ErrorData {
  if (isSystemError(error)) {
    const where = error.dest ?? error.path ?? 'the file';
    return (
      SYSTEM_ERRORS[error.code]?.(where) ?? {
        code: 'io/system',
        message: `The system reported ${error.code} for ${where}.`,
        hint: 'Check the path and the disk.',
      }
    );
  }
  const data = errorData(error);
  if (data.code !== 'internal') return data;
  return {
    ...data,
    message: `Something went wrong inside quantsmith: ${data.message}`,
    hint: 'Set QUANTSMITH_DEBUG=1 for the details and report it.',
  };
}
