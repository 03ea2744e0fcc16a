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

/**
 * On Linux maxRSS is no less than what the parent had when it started this process; VmHWM is of the process alone. Both are
 * in KiB.
 */
const HOOK = `(said => {
  if (!require('node:worker_threads').isMainThread) return;
  const fs = require('node:fs');
  process.on('exit', () => {
    const usage = process.resourceUsage();
    if (process.platform === 'linux') {
      usage.maxRSS = Number(/^VmHWM:\\s*(\\d+) kB$/m.exec(fs.readFileSync('/proc/self/status', 'utf8'))[1]);
    }
    fs.writeFileSync(said, JSON.stringify(usage));
  });
})`;

/** Runs `node dist/cli.js …` to its end, or to the signal that `started` sends. */
export async function measured(argv: readonly string[], options: SpawnOptions = {}): Promise<Measured> {
  const folder = mkdtempSync(path.join(tmpdir(), 'quantsmith-usage-'));
  try {
    const hook = path.join(folder, 'usage.cjs');
    const said = path.join(folder, 'usage.json');
    writeFileSync(hook, `${HOOK}(${JSON.stringify(said)})`);
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
