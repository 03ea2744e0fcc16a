// One quantize job in a folder of its own, with the built kernels: what the tests of the job share.
import { createHash } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import { errorData } from '../../src/core/problem.js';
import type { JobProgress, QuantizeOptions, QuantizationReport } from '../../src/core/quantize/quantization-plan.js';
import { runQuantize } from '../../src/engine/jobs/quantize.js';
import type { QuantizeServices } from '../../src/engine/jobs/quantize-services.js';
import { quantizeServices } from '../../src/platform/quantize-services.js';
import type { QuantizeJob } from '../../src/protocol/worker-protocol.js';
import { buildWorker, scratch, tinycoder, type BuiltWorker } from '../worker/built-worker.js';

export let built: BuiltWorker;
/** The folder of the running test. */
export let folder: string;

/** Every test of the calling file gets an empty folder of its own. */
export function useQuantize(): void {
  let remove: () => void;
  beforeAll(async () => {
    built = await buildWorker();
  });
  afterAll(() => {
    built.remove();
  });
  beforeEach(() => {
    ({ folder, remove } = scratch());
  });
  afterEach(() => {
    remove();
  });
}

export interface Run extends Partial<Omit<QuantizeJob, 'options'>> {
  readonly type?: string;
  readonly options?: Partial<QuantizeOptions>;
  readonly services?: (services: QuantizeServices) => QuantizeServices;
  readonly signal?: AbortSignal;
  readonly onProgress?: (value: JobProgress) => void;
}

export function quantize(run: Run = {}): Promise<QuantizationReport> {
  const { type = 'Q4_K_M', options, services = (same: QuantizeServices) => same, signal, onProgress, ...rest } = run;
  const job: QuantizeJob = {
    source: tinycoder,
    output: path.join(folder, 'out.gguf'),
    options: { fileType: type, rules: [], pure: false, allowRequantize: false, onFallback: 'promote', ...options },
    threads: 2,
    backend: 'auto',
    overwrite: false,
    dryRun: false,
    resume: false,
    keepSplit: false,
    ...rest,
  };
  const context = { signal: signal ?? new AbortController().signal, progress: onProgress ?? ((): void => undefined) };
  return runQuantize(job, services(quantizeServices(built.dist)), context);
}

/** The error as a person sees it, paths shortened, and what the folder holds afterwards. */
export async function failure(run: Run): Promise<string> {
  const outcome = await quantize(run).then(
    () => 'no error',
    (error: unknown) => {
      const { code, message, hint } = errorData(error);
      return `${code}: ${message}${hint === undefined ? '' : ` -> ${hint}`}`;
    },
  );
  return outcome.replaceAll(folder, '…');
}

export const files = (): string[] => readdirSync(folder).sort();
export const digest = (file: string): string => createHash('sha256').update(readFileSync(file)).digest('hex');
export const at = (name: string): string => path.join(folder, name);
