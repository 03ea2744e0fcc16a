// The process around `run`: streams, signals, exit. Ctrl+C and SIGTERM ask the running job to stop and to clean up after
// itself; a second signal does not wait for that. A reader of stdout that goes away (`quantsmith inspect … | head`) is no
// error: what it did not want is dropped.
import { EXIT } from './exit.js';
import { failureOf } from './failure.js';
import type { CliIo, TextSink } from './io.js';
import { report, run, wantsJson } from './run.js';

/** Width of text for a stream that is no terminal. */
const DEFAULT_COLUMNS = 100;

function sink(stream: NodeJS.WriteStream): TextSink {
  // Without a listener an EPIPE would end the process with a stack trace; `write` learns of it through its callback.
  stream.on('error', () => undefined);
  return {
    write: text =>
      new Promise(resolve => {
        if (stream.destroyed || !stream.writable) resolve();
        else stream.write(text, () => resolve());
      }),
    get isTTY() {
      return stream.isTTY;
    },
    get columns() {
      return stream.isTTY ? stream.columns : DEFAULT_COLUMNS;
    },
  };
}

async function main(argv: readonly string[]): Promise<void> {
  const stop = new AbortController();
  const onSignal = () => {
    if (stop.signal.aborted) process.exit(EXIT.interrupted);
    stop.abort();
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal);
  const io: CliIo = {
    stdout: sink(process.stdout),
    stderr: sink(process.stderr),
    env: process.env,
    cwd: process.cwd(),
    signal: stop.signal,
    now: () => performance.now(),
    dist: import.meta.dirname,
  };
  const crash = (error: unknown) => {
    void report(failureOf(error, stop.signal.aborted), wantsJson(argv), io).then(code => process.exit(code));
  };
  process.on('uncaughtException', crash);
  process.on('unhandledRejection', crash);
  const code = await run(argv, io);
  // Everything was written (each write was awaited); a thread or socket that lingers must not keep the process alive.
  process.exit(code);
}

void main(process.argv.slice(2));
