/** How one build of the kernels ended. */
export interface KernelBuildOutcome {
  readonly ok: boolean;
  /** Nothing had changed. */
  readonly fresh: boolean;
  readonly message: string;
}

/** Builds the native addon and the WebAssembly module; never rejects for a missing or failing compiler. */
export function buildKernels(options?: {
  readonly native?: boolean;
  readonly wasm?: boolean;
  /** Instead of dist/kernels. */
  readonly output?: string;
  readonly log?: (line: string) => void;
}): Promise<{ readonly native?: KernelBuildOutcome; readonly wasm?: KernelBuildOutcome }>;
