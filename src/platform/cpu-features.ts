// What this machine computes with, for messages and reports. The choice of an instruction set is not made here: the native
// kernels ask the processor themselves, which also knows whether the operating system saves the wide registers.
import os from 'node:os';

export interface CpuFeatures {
  /** As Node names it: `x64`, `arm64`. */
  readonly architecture: string;
  /** As the processor calls itself. */
  readonly model: string;
  /** How many threads are worth starting. */
  readonly threads: number;
}

export function cpuFeatures(): CpuFeatures {
  return {
    architecture: process.arch,
    model: os.cpus()[0]?.model.trim() ?? 'unknown processor',
    threads: os.availableParallelism(),
  };
}
