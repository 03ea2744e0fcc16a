// How long to wait after a keystroke before a model is asked. Waiting saves work that the next keystroke would make useless, and
// costs the time waited; so it depends on how fast the person types and on how long the model takes. Other extensions wait a fixed
// 75 to 350 ms; Tabby's wait adapts between 100 and 1,000.

/** A pause that is longer ends a run of typing and says nothing about its speed. */
const LONGEST_GAP_MS = 600;
/** Before anything is known: 50 words a minute are 240 ms a keystroke. */
const FIRST_GAP_MS = 200;
/** Weight of the newest gap, and of the newest answer. */
const NEWEST = 0.2;
const MOST_MS = 300;
/** An answer that is this fast may be thrown away: asking at once costs nobody anything. */
const FAST_MS = 60;

export class Debounce {
  #last = -Infinity;
  #gap = FIRST_GAP_MS;
  #answer = FAST_MS;

  /** A keystroke at a time in milliseconds. */
  typed(now: number): void {
    const gap = now - this.#last;
    this.#last = now;
    if (gap > 0 && gap <= LONGEST_GAP_MS) this.#gap += NEWEST * (gap - this.#gap);
  }

  /** A model took so long to its first word. */
  answered(milliseconds: number): void {
    this.#answer += NEWEST * (milliseconds - this.#answer);
  }

  /**
   * Milliseconds to wait. A slow model is asked when the usual gap between keystrokes has passed by half again, a fast one
   * sooner, in proportion; at the end of a word or line, where people stop to think, after half of that.
   */
  delay(before: string): number {
    const patience = Math.min(1, this.#answer / (4 * FAST_MS));
    const wait = 1.5 * this.#gap * patience;
    const pauses = /(^|[^\p{L}\p{N}_])$/u.test(before);
    return Math.round(Math.min(MOST_MS, pauses ? wait / 2 : wait));
  }
}
