// Joining neighbours, best pair first: what byte pair encoding and SentencePiece have in common. Symbols form a linked list;
// a pair of neighbours has a rank, lower is earlier, and of equal ranks the leftmost pair comes first. A word of n symbols
// takes O(n log n), whatever its pairs are.

/** Up to here the best pair is looked for in the list itself; the queue is faster from about 40 symbols. */
const SCANNED = 32;

export abstract class Merging {
  /** Of symbol i: its neighbours (-1: none). A symbol that was joined into its left neighbour is no longer reached. */
  protected next = new Int32Array(64);
  protected previous = new Int32Array(64);
  /** Rank of symbol i and its right neighbour; -1 if they cannot be joined. */
  protected ranks = new Int32Array(64);
  /**
   * Pairs of bytes (first · 256 + second) at which symbols can be joined at all. Where two symbols meet at another pair, a
   * text can be cut: what is joined on one side never depends on the other. Short words are remembered, long ones are not.
   */
  protected readonly joints = new Uint8Array(1 << 16);
  private queue = new Float64Array(128);
  private queued = 0;

  /** The rank of the pair of symbols `left` and `right`, at most 2^31 - 1, or -1. */
  protected abstract rankOf(left: number, right: number): number;
  /** Makes symbol `left` what it and `right` are together. */
  protected abstract join(left: number, right: number): void;
  protected abstract growSymbols(capacity: number): void;

  /** Makes room for `count` symbols; subclasses fill in what they are. */
  protected reserve(count: number): void {
    if (count <= this.next.length) return;
    const capacity = Math.max(count, this.next.length * 2);
    this.next = new Int32Array(capacity);
    this.previous = new Int32Array(capacity);
    this.ranks = new Int32Array(capacity);
    this.growSymbols(capacity);
  }

  /** Joins symbols 0 … count - 1 as far as possible. The result is walked with `next` from symbol 0. */
  protected merge(count: number): void {
    const { next, previous, ranks } = this;
    for (let i = 0; i < count; i++) {
      next[i] = i + 1 < count ? i + 1 : -1;
      previous[i] = i - 1;
      ranks[i] = i + 1 < count ? this.rankOf(i, i + 1) : -1;
    }
    if (count <= SCANNED) this.mergeScanning();
    else this.mergeQueued(count);
  }

  private mergeScanning(): void {
    const { next, ranks } = this;
    while (true) {
      let best = -1;
      let bestRank = 0x7fffffff;
      for (let i = 0; i >= 0; i = next[i] as number) {
        const rank = ranks[i] as number;
        if (rank >= 0 && rank < bestRank) {
          best = i;
          bestRank = rank;
        }
      }
      if (best < 0) return;
      this.joinAt(best);
    }
  }

  /**
   * Keys are rank · count + left, exact below 2^53. An entry is stale if the pair at its place has another rank by now. (Two
   * different pairs at one place with one rank, in turn, make two equal entries: one joins the pair, the other is stale.)
   */
  private mergeQueued(count: number): void {
    const { ranks } = this;
    this.queued = 0;
    for (let i = 0; i < count; i++) this.push(i, count);
    while (this.queued > 0) {
      const key = this.pop();
      const rank = Math.floor(key / count);
      const left = key - rank * count;
      if (ranks[left] !== rank) continue;
      this.joinAt(left);
      this.push(left, count);
      const before = this.previous[left] as number;
      if (before >= 0) this.push(before, count);
    }
  }

  private joinAt(left: number): void {
    const { next, previous, ranks } = this;
    const right = next[left] as number;
    this.join(left, right);
    const after = next[right] as number;
    next[left] = after;
    ranks[right] = -1;
    if (after >= 0) previous[after] = left;
    ranks[left] = after >= 0 ? this.rankOf(left, after) : -1;
    const before = previous[left] as number;
    if (before >= 0) ranks[before] = this.rankOf(before, left);
  }

  private push(left: number, count: number): void {
    const rank = this.ranks[left] as number;
    if (rank < 0) return;
    if (this.queued === this.queue.length) {
      const larger = new Float64Array(this.queued * 2);
      larger.set(this.queue);
      this.queue = larger;
    }
    const { queue } = this;
    const key = rank * count + left;
    let at = this.queued++;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = queue[parent] as number;
      if (above <= key) break;
      queue[at] = above;
      at = parent;
    }
    queue[at] = key;
  }

  private pop(): number {
    const { queue } = this;
    const top = queue[0] as number;
    const last = queue[--this.queued] as number;
    const end = this.queued;
    let at = 0;
    while (true) {
      let child = at * 2 + 1;
      if (child >= end) break;
      if (child + 1 < end && (queue[child + 1] as number) < (queue[child] as number)) child++;
      if ((queue[child] as number) >= last) break;
      queue[at] = queue[child] as number;
      at = child;
    }
    queue[at] = last;
    return top;
  }
}
