// The exit codes are part of the contract with scripts and CI: nothing else ever leaves the process.

export const EXIT = {
  success: 0,
  /** The job was understood and failed: an unusable file, no disk space, a refused requantization. */
  failure: 1,
  /** The arguments or the recipe are wrong; nothing was started. */
  usage: 2,
  /** A quality gate of a recipe was missed. */
  gate: 3,
  /** SIGINT or SIGTERM. */
  interrupted: 130,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];
