// How many tokens to guess at once: as many as bring the most tokens a second, by what steps have cost and by how often guesses were
// right. Where memory is the limit a step of seven costs little more than one of one, and long guesses pay; where computing is, as
// with kernels that unpack weights anew for three inputs and more, a wrong guess costs more than it can bring. Measured with the
// example model in the 0.5B shape, Q8_0, AVX2 on two threads of AMD Zen 4, in code: always six were 0.88 times as fast as none, as
// many as this says 1.4 times (npm run bench:completions -- --parts=lookup).

/** Weight of the newest measurement. */
const NEWEST = 0.25;
/** Of what was counted, this share is left after each further step: a text changes. */
const KEPT = 0.98;
/** Before anything is counted: so many guesses at each place, of which this share was right. */
const ASSUMED = 3;
const ASSUMED_RIGHT = 0.7;
/** What a step not taken is believed to cost sinks by this: one that was disturbed when it was measured is tried again. */
const FORGOTTEN = 0.999;

export class DraftLength {
  /** Seconds of a step by its tokens; index 0 is unused. */
  readonly #seconds: (number | undefined)[] = [];
  /** By the place of a guess in its step: how often it was reached, all before it being right, and how often it was right, too. */
  readonly #reached: number[] = [];
  readonly #right: number[] = [];

  /** Guesses for the next step, 0 to `most`. */
  choose(most: number): number {
    let best = 0;
    let bestRate = -Infinity;
    let [tokens, chance] = [1, 1];
    for (let length = 0; length <= most; length++) {
      const rate = tokens / this.#cost(length + 1);
      if (rate > bestRate) [best, bestRate] = [length, rate];
      chance *= this.#chance(length);
      tokens += chance;
    }
    return best;
  }

  /** A step with so many guesses, of which the first `right` were. */
  observe({ guessed, right, seconds }: { guessed: number; right: number; seconds: number }): void {
    for (let place = 0; place < guessed && place <= right; place++) {
      this.#reached[place] = (this.#reached[place] ?? 0) * KEPT + 1;
      this.#right[place] = (this.#right[place] ?? 0) * KEPT + (place < right ? 1 : 0);
    }
    // A clock that stands still says nothing.
    if (!(seconds > 0)) return;
    const size = guessed + 1;
    for (let i = 1; i < this.#seconds.length; i++) {
      const known = this.#seconds[i];
      if (known !== undefined && i !== size) this.#seconds[i] = known * FORGOTTEN;
    }
    const known = this.#seconds[size];
    this.#seconds[size] = known === undefined ? seconds : known + NEWEST * (seconds - known);
  }

  /** That the guess at a place is right, if all before it are. */
  #chance(place: number): number {
    return ((this.#right[place] ?? 0) + ASSUMED * ASSUMED_RIGHT) / ((this.#reached[place] ?? 0) + ASSUMED);
  }

  /** Of a step with so many tokens. What was not measured is believed to cost no more than fewer tokens, so that it is tried once. */
  #cost(size: number): number {
    const known = this.#seconds[size];
    if (known !== undefined) return known;
    let below = size - 1;
    while (below > 0 && this.#seconds[below] === undefined) below--;
    let above = size + 1;
    while (above < this.#seconds.length && this.#seconds[above] === undefined) above++;
    const [less, more] = [this.#seconds[below], this.#seconds[above]];
    return less ?? (more === undefined ? 1 : (more * size) / above);
  }
}
