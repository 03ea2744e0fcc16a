// The pieces of one tensor on their way. Its own thread takes them from the front and hashes as it goes; threads that help
// take them from the end. Where the two meet, pieces in the middle are nobody's, and those from `sharedFrom` on are still to
// be hashed:
//
//   | own: hashed when made | own, not begun | helpers: hashed later |
//   0 ---------------------- first ---------- sharedFrom ------- count
import type { PlannedTensor } from '../../core/quantize/quantization-plan.js';
import { chunksOf, type Chunk } from './quantize-chunks.js';

export interface Piece {
  readonly number: number;
  readonly chunk: Chunk;
  /** By its own thread, in its turn. */
  readonly isHashed: boolean;
  readonly isLast: boolean;
}

export class TensorWork {
  readonly #chunks: readonly Chunk[];
  readonly #tags: (Uint8Array | undefined)[];
  /** By number of a piece: what waits for it. */
  readonly #waiting = new Map<number, () => void>();
  #first = 0;
  #sharedFrom: number;

  /** `thread` hashes the tensor. Throws `quantize/big-endian`, see {@link chunksOf}. */
  constructor(
    readonly index: number,
    readonly tensor: PlannedTensor,
    readonly thread: number,
    littleEndian: boolean,
  ) {
    this.#chunks = [...chunksOf(tensor, littleEndian)];
    this.#tags = this.#chunks.map(() => undefined);
    this.#sharedFrom = this.#chunks.length;
  }

  get count(): number {
    return this.#chunks.length;
  }

  /** Pieces that no thread has yet. */
  get left(): number {
    return this.#sharedFrom - this.#first;
  }

  get sharedFrom(): number {
    return this.#sharedFrom;
  }

  /** Tags of all pieces in order, once all are complete. */
  get tags(): readonly Uint8Array[] {
    return this.#tags.map((tag, number) => {
      if (!tag) throw new RangeError(`piece ${number} of ${this.tensor.name} is not complete`);
      return tag;
    });
  }

  chunk(number: number): Chunk {
    const chunk = this.#chunks[number];
    if (!chunk) throw new RangeError(`${this.tensor.name} has no piece ${number}`);
    return chunk;
  }

  takeFirst(): Piece | undefined {
    return this.left > 0 ? this.piece(this.#first++, true) : undefined;
  }

  takeLast(): Piece | undefined {
    return this.left > 0 ? this.piece(--this.#sharedFrom, false) : undefined;
  }

  complete({ number }: Piece, tag: Uint8Array): void {
    this.#tags[number] = tag;
    this.#waiting.get(number)?.();
  }

  /** Resolves when a piece is complete; never, if it fails. */
  completed(number: number): Promise<void> {
    if (this.#tags[number]) return Promise.resolve();
    return new Promise(resolve => this.#waiting.set(number, resolve));
  }

  private piece(number: number, isHashed: boolean): Piece {
    return { number, chunk: this.chunk(number), isHashed, isLast: number === this.count - 1 };
  }
}
