// How fast a quantization goes and how long it will take. The rate is that of the last seconds, because tensors differ:
// a copy runs at the speed of the disk, a search for scales at a hundredth of it.
import type { JobProgress } from '../../core/quantize/quantization-plan.js';

/** Long enough to even out single tensors, short enough to follow a machine that becomes busy. */
const WINDOW_MS = 5000;
/** No estimate before that: the first tasks wait for threads to start. */
const SETTLE_MS = 500;
/** Distance of samples; the window holds at most fifty. */
const SAMPLE_MS = 100;

export class ProgressMeter {
  readonly #samples: { readonly at: number; readonly done: number }[];
  readonly #started: number;
  #done: number;

  /** `done` bytes need no work; `now` gives milliseconds. */
  constructor(
    private readonly total: number,
    done: number,
    private readonly now: () => number,
  ) {
    this.#done = done;
    this.#started = now();
    this.#samples = [{ at: this.#started, done }];
  }

  add(byteLength: number): void {
    this.#done += byteLength;
    const at = this.now();
    if (at - (this.#samples.at(-1)?.at ?? 0) < SAMPLE_MS) return;
    this.#samples.push({ at, done: this.#done });
    while (this.#samples.length > 2 && at - (this.#samples[0]?.at ?? at) > WINDOW_MS) this.#samples.shift();
  }

  report(phase: JobProgress['phase'], subject?: string): JobProgress {
    const first = this.#samples[0] ?? { at: this.#started, done: this.#done };
    const at = this.now();
    const elapsed = at - first.at;
    const bytesPerSecond = elapsed > 0 ? ((this.#done - first.done) / elapsed) * 1000 : 0;
    const known = bytesPerSecond > 0 && at - this.#started >= SETTLE_MS;
    return {
      phase,
      done: this.#done,
      total: this.total,
      bytesPerSecond,
      ...(known && { etaSeconds: (this.total - this.#done) / bytesPerSecond }),
      ...(subject !== undefined && { subject }),
    };
  }
}
