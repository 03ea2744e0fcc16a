// What a run of the command line used, told by the process itself when it ends. Processor time says what the program costs
// whatever else the machine is doing; wall-clock time is for printing.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { quantsmith, type Finished, type SpawnOptions } from './built-cli.js';

export interface Measured extends Finished {
  /** Largest resident memory, threads included. */
  readonly peakBytes: number;
  /** User and system time of all threads. */
  readonly cpuSeconds: number;
}

/** Runs `node dist/cli.js …` to its end, or to the signal that `started` sends. */
export async function measured(argv: readonly string[], options: SpawnOptions = {}): Promise<Measured> {
  const folder = mkdtempSync(path.join(tmpdir(), 'quantsmith-usage-'));
  try {
    const hook = path.join(folder, 'usage.cjs');
    const said = path.join(folder, 'usage.json');
    writeFileSync(
      hook,
      `if (require('node:worker_threads').isMainThread) process.on('exit', () =>
        require('node:fs').writeFileSync(${JSON.stringify(said)}, JSON.stringify(process.resourceUsage())));`,
    );
    const finished = await quantsmith(argv, { ...options, env: { ...options.env, NODE_OPTIONS: `--require=${hook}` } });
    const usage = JSON.parse(readFileSync(said, 'utf8')) as NodeJS.ResourceUsage;
    return {
      ...finished,
      peakBytes: usage.maxRSS * 1024,
      cpuSeconds: (usage.userCPUTime + usage.systemCPUTime) / 1e6,
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
