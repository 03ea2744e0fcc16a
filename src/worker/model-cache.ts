// Opened models, so that paging through a vocabulary does not read the header again for every page. A model is kept for a
// little while, and only as long as its files are what they were when it was opened. While it is used it is not closed.
import { openModel, type OpenedModel } from '../platform/open-model.js';
import { assertUnchanged, identityOf } from '../platform/source-files.js';
import { FileSource } from '../platform/file-source.js';

/** Open handles keep a file from being deleted on Windows; nobody pages slower than this without noticing a reread. */
const IDLE_MS = 15_000;
/** A description of 2,000 tensors with their metadata is about 2 MB. */
const MAX_MODELS = 4;

interface Cached {
  readonly opened: Promise<OpenedModel>;
  users: number;
  /** No longer found by path; closed with its last user. */
  retired: boolean;
  timer: NodeJS.Timeout | undefined;
}

export class ModelCache {
  readonly #models = new Map<string, Cached>();

  /** Calls `work` with the opened model of a path; rejects if it cannot be opened, or as `work` does. */
  async use<T>(path: string, work: (opened: OpenedModel) => Promise<T> | T): Promise<T> {
    const cached = await this.#take(path);
    try {
      return await work(await cached.opened);
    } finally {
      cached.users--;
      if (cached.users === 0) this.#rest(path, cached);
    }
  }

  /** Closes what is not in use. */
  dispose(): void {
    for (const [path, cached] of [...this.#models]) this.#retire(path, cached);
  }

  /** The model of this path as it is on disk now, opened if need be, with one user more. */
  async #take(path: string): Promise<Cached> {
    const cached = this.#models.get(path);
    if (cached && (await isCurrent(cached))) {
      // Most recently used last.
      if (this.#models.get(path) === cached) {
        this.#models.delete(path);
        this.#models.set(path, cached);
        return taken(cached);
      }
      return this.#take(path);
    }
    if (cached) this.#retire(path, cached);
    const known = this.#models.get(path);
    if (known) return taken(known);
    const fresh: Cached = { opened: openModel(path), users: 1, retired: false, timer: undefined };
    // Whoever uses it hears of the failure; the next one tries again.
    fresh.opened.catch(() => {
      this.#retire(path, fresh);
    });
    this.#models.set(path, fresh);
    for (const [oldest, other] of this.#models) {
      if (this.#models.size <= MAX_MODELS) break;
      this.#retire(oldest, other);
    }
    return fresh;
  }

  #rest(path: string, cached: Cached): void {
    if (cached.retired) {
      close(cached);
      return;
    }
    cached.timer = setTimeout(() => {
      this.#retire(path, cached);
    }, IDLE_MS);
    cached.timer.unref();
  }

  #retire(path: string, cached: Cached): void {
    if (this.#models.get(path) === cached) this.#models.delete(path);
    if (cached.retired) return;
    cached.retired = true;
    clearTimeout(cached.timer);
    if (cached.users === 0) close(cached);
  }
}

function taken(cached: Cached): Cached {
  cached.users++;
  clearTimeout(cached.timer);
  return cached;
}

function close({ opened }: Cached): void {
  opened.then(model => model.close()).catch(() => undefined);
}

async function isCurrent(cached: Cached): Promise<boolean> {
  try {
    const { model } = await cached.opened;
    const sources = model?.shards.map(({ source }) => source) ?? [];
    await assertUnchanged(sources.filter(source => source instanceof FileSource).map(identityOf));
    return !cached.retired && sources.length > 0;
  } catch {
    return false;
  }
}
