// A command line without a process: streams that are remembered, a clock that is set, an environment that is empty.
import path from 'node:path';
import type { CliIo } from '../../src/cli/io.js';
import { run } from '../../src/cli/run.js';

export const repository = path.resolve(import.meta.dirname, '../..');

export interface CapturedIo extends CliIo {
  readonly written: { stdout: string; stderr: string };
  readonly clock: { milliseconds: number };
  readonly controller: AbortController;
}

export interface CapturedOptions {
  readonly terminal?: boolean;
  readonly columns?: number;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

export function capturedIo({
  terminal = false,
  columns = 100,
  env = {},
  cwd = repository,
}: CapturedOptions = {}): CapturedIo {
  const written = { stdout: '', stderr: '' };
  const clock = { milliseconds: 0 };
  const controller = new AbortController();
  const sink = (name: 'stdout' | 'stderr') => ({
    write: (text: string) => {
      written[name] += text;
      return Promise.resolve();
    },
    isTTY: terminal,
    columns,
  });
  return {
    written,
    clock,
    controller,
    stdout: sink('stdout'),
    stderr: sink('stderr'),
    env,
    cwd,
    signal: controller.signal,
    now: () => clock.milliseconds,
    dist: path.join(repository, 'dist'),
  };
}

/** Runs a command line in this process and returns what a shell would see. */
export async function runCaptured(argv: readonly string[], options?: CapturedOptions) {
  const io = capturedIo(options);
  const exit = await run(argv, io);
  return { exit, ...io.written };
}
