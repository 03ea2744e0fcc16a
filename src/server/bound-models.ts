// The models open recipes are bound to, by path: each header is read once and again only when the file's size or time
// changed. Asking never waits: it answers `loading` and tells the listeners when there is more to say. Only headers are
// kept, and of a hostile file nothing but its problem; reading is bounded by the GGUF reader's limits and by time.
import { stat } from 'node:fs/promises';
import type { SourceState } from '../core/recipe/check-recipe.js';
import { openSource, type OpenSource } from '../platform/recipe-facts.js';

/** Files are looked at this often while a recipe is open: watchers do not reach outside the workspace or network drives. */
const POLL_MS = 2000;
/** Headers kept at once; a header with 2,000 tensors is below 1 MB. */
const MAX_MODELS = 16;

interface Entry {
  /** Size and time of the file the state belongs to. */
  stamp: string;
  state: SourceState;
  loading: Promise<void> | undefined;
}

export class BoundModels {
  /** In order of last use. */
  readonly #entries = new Map<string, Entry>();
  readonly #listeners = new Set<(path: string) => void>();
  readonly #timer: NodeJS.Timeout;

  constructor(private readonly open: OpenSource = openSource) {
    this.#timer = setInterval(() => void this.refresh(), POLL_MS);
    this.#timer.unref();
  }

  /** Called when the state of a path that was asked for may have changed. */
  onChange(listener: (path: string) => void): void {
    this.#listeners.add(listener);
  }

  /** What is known of the model at an absolute path now; starts reading it if it was never asked for. */
  state(path: string): SourceState {
    let entry = this.#entries.get(path);
    this.#entries.delete(path);
    entry ??= { stamp: '', state: { state: 'loading' }, loading: undefined };
    this.#entries.set(path, entry);
    if (entry.stamp === '') void this.#load(path, entry);
    for (const [oldest, { loading }] of this.#entries) {
      if (this.#entries.size <= MAX_MODELS) break;
      if (!loading) this.#entries.delete(oldest);
    }
    return entry.state;
  }

  /** Looks whether the files behind all known models changed, and reads those that did. */
  async refresh(): Promise<void> {
    await Promise.all([...this.#entries].map(([path, entry]) => this.#load(path, entry)));
  }

  dispose(): void {
    clearInterval(this.#timer);
    this.#listeners.clear();
    this.#entries.clear();
  }

  #load(path: string, entry: Entry): Promise<void> {
    entry.loading ??= this.#read(path, entry).finally(() => {
      entry.loading = undefined;
    });
    return entry.loading;
  }

  async #read(path: string, entry: Entry): Promise<void> {
    const stamp = await stamped(path);
    if (stamp === entry.stamp) return;
    const state: SourceState = stamp === MISSING ? { state: 'missing', nearby: [] } : await this.open(path);
    entry.stamp = stamp;
    entry.state = state;
    if (this.#entries.get(path) === entry) for (const listener of this.#listeners) listener(path);
  }
}

const MISSING = 'missing';

async function stamped(path: string): Promise<string> {
  try {
    const { size, mtimeMs, ino } = await stat(path);
    return `${size} ${mtimeMs} ${ino}`;
  } catch {
    return MISSING;
  }
}
