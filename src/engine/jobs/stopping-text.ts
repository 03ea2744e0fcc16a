/**
 * Text up to a stop string: the one that is complete first, whatever parts the text comes in; of several the longest. What may
 * be the beginning of one is held back until it is certain.
 */
export class StoppingText {
  text = '';
  isStopped = false;
  readonly #stop: readonly string[];
  #held = '';

  constructor(stop: readonly string[]) {
    this.#stop = stop.filter(text => text !== '');
  }

  /** What has become certain. */
  push(more: string): string {
    if (this.isStopped) return '';
    const seen = this.#held + more;
    const found = this.#stop
      .map(text => ({ start: seen.indexOf(text), length: text.length }))
      .filter(({ start }) => start >= 0)
      .map(({ start, length }) => ({ start, end: start + length }))
      .sort((a, b) => a.end - b.end || a.start - b.start)[0];
    this.isStopped = found !== undefined;
    const certain = found ? found.start : seen.length - this.#mayStop(seen);
    this.#held = found ? '' : seen.slice(certain);
    this.text += seen.slice(0, certain);
    return seen.slice(0, certain);
  }

  /** What is left when nothing more comes. */
  end(more: string): string {
    const certain = this.push(more);
    const rest = this.#held;
    this.#held = '';
    this.text += rest;
    return certain + rest;
  }

  /** Length of the longest end of `seen` that a stop string begins with. */
  #mayStop(seen: string): number {
    const longest = Math.max(0, ...this.#stop.map(text => text.length - 1));
    for (let length = Math.min(longest, seen.length); length > 0; length--) {
      const end = seen.slice(-length);
      if (this.#stop.some(text => text.startsWith(end))) return length;
    }
    return 0;
  }
}
