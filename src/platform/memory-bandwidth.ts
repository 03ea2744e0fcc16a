// How fast memory is: what bounds the generation of text, which reads every weight for every token.
import { loadAddon } from './load-backend.js';

/** Long enough for some hundred passes, short enough to be asked for by `doctor`. */
const READ_SECONDS = 0.3;

export interface MemoryBandwidth {
  readonly bytesPerSecond: number;
  /** Native kernels read with `threads` threads; without them one thread copies, and what it reads and writes counts. */
  readonly way: 'read' | 'copy';
  readonly threads: number;
}

/**
 * Bytes per second that `threads` threads read together; undefined without native kernels. Blocks for about half a second.
 * @param directory where `kernels.node` is
 */
export function readBandwidth(directory: string, threads: number): number | undefined {
  try {
    return loadAddon(directory).readBandwidth(threads, READ_SECONDS) || undefined;
  } catch {
    return undefined;
  }
}

/** What there is to say on this machine, see {@link MemoryBandwidth}. Blocks as {@link readBandwidth} does. */
export function memoryBandwidth(directory: string, threads: number): MemoryBandwidth {
  const read = readBandwidth(directory, threads);
  if (read !== undefined) return { bytesPerSecond: read, way: 'read', threads };
  return { bytesPerSecond: copyBandwidth(), way: 'copy', threads: 1 };
}

/** Twice 96 MiB: more than the last-level cache of nearly every machine, little enough for one with 1 GiB of memory. */
const COPIED_BYTES = 96 * 2 ** 20;
const COPY_MILLISECONDS = 300;

/** Bytes per second that one thread copies, the best pass of 0.3 s: a lower bound of what several reach. */
function copyBandwidth(): number {
  const source = new Uint8Array(COPIED_BYTES).fill(1);
  const target = new Uint8Array(COPIED_BYTES).fill(2);
  let before = performance.now();
  const end = before + COPY_MILLISECONDS;
  let best = Infinity;
  do {
    target.set(source);
    const after = performance.now();
    best = Math.min(best, after - before);
    before = after;
  } while (before < end);
  return (2 * COPIED_BYTES * 1000) / best;
}
