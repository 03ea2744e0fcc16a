// Importance values for one piece after the other of what one thread is given. Neighbours mostly need the same. The thread
// sees them in shared memory, of which there is a ring: a copy per message would be garbage in the thread, 64 MB of it before
// it is collected. When a place of the ring is taken again, so many pieces have been handed out since that none can be open
// that used it. Values come in the order in which they were asked for: pieces must reach their thread in order.
import type { ImportanceEntry } from '../../core/quantize/importance-matrix.js';
import type { Chunk } from './quantize-chunks.js';

interface Wanted {
  readonly entry: ImportanceEntry;
  readonly start: number;
  readonly end: number;
}

export class ImportanceRing {
  readonly #places: Float32Array[] = [];
  #place = -1;
  #wanted: Wanted | undefined;
  #values: Promise<Float32Array | undefined> = Promise.resolve(undefined);

  /** `pieces`: as many can be open at once. */
  constructor(
    private readonly pieces: number,
    private readonly signal: AbortSignal,
  ) {}

  /** Undefined if the piece is made without. */
  async of(entry: ImportanceEntry | undefined, { importance }: Chunk): Promise<Float32Array | undefined> {
    const wanted = entry && importance && { entry, ...importance };
    const last = this.#wanted;
    if (last?.entry !== wanted?.entry || last?.start !== wanted?.start || last?.end !== wanted?.end) {
      this.#wanted = wanted;
      this.#values = this.#values.then(() => wanted && this.read(wanted));
    }
    return this.#values;
  }

  private async read({ entry, start, end }: Wanted): Promise<Float32Array> {
    const read = await entry.values.read(start, end, this.signal);
    this.#place = (this.#place + 1) % (this.pieces + 1);
    const room = this.#places[this.#place]?.buffer;
    const enough = room !== undefined && room.byteLength >= read.byteLength;
    const values = new Float32Array(enough ? room : new SharedArrayBuffer(read.byteLength), 0, read.length);
    values.set(read);
    this.#places[this.#place] = values;
    return values;
  }
}
