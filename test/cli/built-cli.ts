// The built command line as a process: what users, scripts and CI run.
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { holdProcess, type HeldProcess, type Moment } from '../fixtures/held-process.js';
import { repository } from './captured-io.js';

export const cliFile = path.join(repository, 'dist', 'cli.js');
/** Without a build these suites are skipped, and say so; `npm test` builds first. */
export const isBuilt = existsSync(cliFile) && existsSync(path.join(repository, 'dist', 'kernels', 'kernels.wasm'));

export interface Finished {
  readonly exit: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly seconds: number;
}

export interface SpawnOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Called as soon as the process runs. */
  readonly started?: (child: ChildProcess) => void;
  /** Called at that moment, at which the process stands still until this is done. */
  readonly held?: Moment & { readonly act: (child: ChildProcess) => void | Promise<void> };
}

/** Runs `node dist/cli.js …` to its end. */
export function quantsmith(
  argv: readonly string[],
  { cwd = repository, env = {}, started, held }: SpawnOptions = {},
): Promise<Finished> {
  const hold = held && holdProcess(held);
  const begin = performance.now();
  const child = spawn(process.execPath, [cliFile, ...argv], { cwd, env: { ...process.env, ...env, ...hold?.env } });
  const text = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8');
    child[name].on('data', (part: string) => (text[name] += part));
  }
  started?.(child);
  const finished = new Promise<Finished>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', exit => resolve({ exit, ...text, seconds: (performance.now() - begin) / 1000 }));
  });
  return hold ? meanwhile(finished, hold, () => held.act(child)) : finished;
}

async function meanwhile(
  finished: Promise<Finished>,
  hold: HeldProcess,
  act: () => void | Promise<void>,
): Promise<Finished> {
  try {
    await hold.until(finished);
    await act();
  } finally {
    hold.release();
  }
  return finished;
}

export interface ErrorDocument {
  readonly error: { readonly code: string; readonly message: string; readonly hint?: string; readonly offset?: number };
}

/** Options that are the same in both. */
const SWITCHES = new Set(['--pure', '--allow-requantize', '--leave-output-tensor', '--keep-split']);
const VALUES = new Set(
  `--imatrix --include-weights --exclude-weights --token-embedding-type --output-tensor-type --tensor-type-file
  --prune-layers --override-kv`.split(/\s+/),
);

/** llama-quantize's options in ours; undefined for an option that has no counterpart here. */
export function ourOptions(args: readonly string[]): readonly string[] | undefined {
  const options: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const option = args[i] ?? '';
    if (SWITCHES.has(option)) options.push(option);
    else if (VALUES.has(option)) options.push(option, args[++i] ?? '');
    else if (option === '--tensor-type') {
      const [pattern = '', type = ''] = (args[++i] ?? '').split('=');
      options.push('--tensor', `/${pattern}/=${type}`);
    } else return undefined;
  }
  return options;
}
