// Everything the command line touches of the outside besides files: two streams, the environment, a clock and the signal
// that Ctrl+C raises. Tests pass their own and read what was written; main.ts passes the process's.

export interface TextSink {
  /** Resolves when the text was accepted, so that a writer of much text waits for a slow reader. Never rejects. */
  write(text: string): Promise<void>;
  readonly isTTY: boolean;
  readonly columns: number;
}

export interface CliIo {
  readonly stdout: TextSink;
  readonly stderr: TextSink;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Aborted by SIGINT and SIGTERM. */
  readonly signal: AbortSignal;
  /** Milliseconds from any origin, never going back. */
  now(): number;
  /** The folder of built files: kernels, the quantize thread, tree-sitter. */
  readonly dist: string;
}
