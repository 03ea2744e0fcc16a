// The process around `run`: streams, signals, exit. Ctrl+C and SIGTERM ask the running job to stop and to clean up after
// itself; a second signal does not wait for that. A reader of stdout that goes away (`quantsmith inspect … | head`) is no
// error: what it did not want is dropped. Any other failure to write the result is one: a script must not take half a
// document on a full disk for a success.
import { errno } from '../platform/output-system.js';
import { EXIT, type ExitCode } from './exit.js';
import { failureOf } from './failure.js';
import type { CliIo, TextSink } from './io.js';
import { report, run, wantsJson } from './run.js';

/** What the system says about a reader that went away; Windows says EOF. The rest is Node's own, after one of these. */
const GONE = new Set(['EPIPE', 'EOF', 'ERR_STREAM_DESTROYED']);

/** Width of text for a stream that is no terminal. */
const DEFAULT_COLUMNS = 100;

/** A stream to write to, and the first error of writing to it, unless that was only its reader going away. */
function sink(stream: NodeJS.WriteStream): TextSink & { readonly failure: Error | undefined } {
  let failure: Error | undefined;
  const note = (error: Error | null | undefined): void => {
    if (error && !GONE.has(errno(error))) failure ??= error;
  };
  // Without a listener an EPIPE would end the process with a stack trace.
  stream.on('error', note);
  return {
    write: text =>
      new Promise(resolve => {
        if (stream.destroyed || !stream.writable) resolve();
        else
          stream.write(text, error => {
            note(error);
            resolve();
          });
      }),
    get failure() {
      return failure;
    },
    get isTTY() {
      return stream.isTTY;
    },
    get columns() {
      return stream.isTTY ? stream.columns : DEFAULT_COLUMNS;
    },
  };
}

/** The exit code of a run whose result has been written, or has not. */
async function afterWriting(code: ExitCode, failure: Error | undefined, io: CliIo): Promise<ExitCode> {
  if (!failure) return code;
  const { data } = failureOf(Object.assign(failure, { path: 'standard output' }), false);
  const error = { ...data, message: `The result could not be written. ${data.message}` };
  // There is no place for a JSON document.
  await report({ data: error, exit: EXIT.failure }, false, io);
  return code === EXIT.success ? EXIT.failure : code;
}

async function main(argv: readonly string[]): Promise<void> {
  const stop = new AbortController();
  const onSignal = () => {
    if (stop.signal.aborted) process.exit(EXIT.interrupted);
    stop.abort();
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal);
  const stdout = sink(process.stdout);
  const io: CliIo = {
    stdout,
    stderr: sink(process.stderr),
    env: process.env,
    cwd: process.cwd(),
    signal: stop.signal,
    now: () => performance.now(),
    dist: import.meta.dirname,
  };
  const crash = (error: unknown) => {
    void report(failureOf(error, stop.signal.aborted), wantsJson(argv), io)
      .then(code => afterWriting(code, stdout.failure, io))
      .then(code => process.exit(code));
  };
  process.on('uncaughtException', crash);
  process.on('unhandledRejection', crash);
  const code = await afterWriting(await run(argv, io), stdout.failure, io);
  // Everything was written (each write was awaited); a thread or socket that lingers must not keep the process alive.
  process.exit(code);
}

void main(process.argv.slice(2));
