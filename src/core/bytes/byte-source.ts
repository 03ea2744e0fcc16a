// Where bytes come from. Core reads files, shards, network ranges and test arrays through this one small interface; the
// implementations that touch the outside world live in platform/. A source is random access and never changes its size:
// a file that is truncated while it is read makes `read` reject with `io/truncated`.

/** Random access to a fixed number of bytes. */
export interface ByteSource {
  /** A name for messages: a path, a URL, or what the test calls it. */
  readonly name: string;
  /** Total number of bytes; exact up to 2^53. */
  readonly size: number;
  /**
   * Reads exactly `length` bytes at `offset`. The returned array belongs to the caller.
   * Rejects with a QuantsmithError: `io/out-of-range` (a programming error: check against `size` first), `io/truncated`
   * (the file became shorter), `io/read` (the system refused), or with the signal's reason.
   */
  read(offset: number, length: number, signal?: AbortSignal): Promise<Uint8Array>;
  /** Fills `target`, which may be shared memory, in the same way; where a source can do that without a copy. */
  readInto?(target: Uint8Array, offset: number, signal?: AbortSignal): Promise<void>;
}
