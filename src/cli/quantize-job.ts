// Runs the quantize job in this process: the same job, services and threads as the editor's worker.
import type { QuantizationReport } from '../core/quantize/quantization-plan.js';
import { runQuantize } from '../engine/jobs/quantize.js';
import { quantizeServices } from '../platform/quantize-services.js';
import type { QuantizeJob } from '../protocol/worker-protocol.js';
import type { ComputeOptions } from './invocation.js';
import type { CliIo } from './io.js';
import { progressDisplay } from './progress.js';

/** Rejects as `runQuantize` does; the progress display is gone from the screen either way. */
export async function runJob(job: QuantizeJob, { quiet }: ComputeOptions, io: CliIo): Promise<QuantizationReport> {
  const display = progressDisplay(io, { quiet });
  try {
    return await runQuantize(job, quantizeServices(io.dist), {
      signal: io.signal,
      progress: value => display.update(value),
    });
  } finally {
    display.end();
  }
}
