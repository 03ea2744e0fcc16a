// The files open recipes are bound to, models or importance matrices, by path: each is read once and again only when the
// file's size or time changed. Asking never waits: it answers `loading` and tells the listeners when there is more to say.
// Only headers are kept, and names and lengths of matrices, and of a hostile file nothing but its problem; reading is bounded
// by the readers' limits and by time.
import { stat } from 'node:fs/promises';
import type { UnreadState } from '../core/recipe/check-recipe.js';

/** Files are looked at this often while a recipe is open: watchers do not reach outside the workspace or network drives. */
const POLL_MS = 2000;
/** Files of a kind kept at once; a header with 2,000 tensors is below 1 MB, the entries of a matrix are less. */
const MAX_FILES = 16;

interface Entry<State> {
  /** Size and time of the file the state belongs to. */
  stamp: string;
  state: State | UnreadState;
  loading: Promise<void> | undefined;
}

/** `State` is what `open` gives, which must not reject. */
export class BoundFiles<State> {
  /** In order of last use. */
  readonly #entries = new Map<string, Entry<State>>();
  readonly #listeners = new Set<(path: string) => void>();
  readonly #timer: NodeJS.Timeout;

  constructor(private readonly open: (path: string) => Promise<State>) {
    this.#timer = setInterval(() => void this.refresh(), POLL_MS);
    this.#timer.unref();
  }

  /** Called when the state of a path that was asked for may have changed. */
  onChange(listener: (path: string) => void): void {
    this.#listeners.add(listener);
  }

  /** What is known of the file at an absolute path now; starts reading it if it was never asked for. */
  state(path: string): State | UnreadState {
    let entry = this.#entries.get(path);
    this.#entries.delete(path);
    entry ??= { stamp: '', state: { state: 'loading' }, loading: undefined };
    this.#entries.set(path, entry);
    if (entry.stamp === '') void this.#load(path, entry);
    for (const [oldest, { loading }] of this.#entries) {
      if (this.#entries.size <= MAX_FILES) break;
      if (!loading) this.#entries.delete(oldest);
    }
    return entry.state;
  }

  /** Looks whether the files behind all known paths changed, and reads those that did. */
  async refresh(): Promise<void> {
    await Promise.all([...this.#entries].map(([path, entry]) => this.#load(path, entry)));
  }

  dispose(): void {
    clearInterval(this.#timer);
    this.#listeners.clear();
    this.#entries.clear();
  }

  #load(path: string, entry: Entry<State>): Promise<void> {
    entry.loading ??= this.#read(path, entry).finally(() => {
      entry.loading = undefined;
    });
    return entry.loading;
  }

  async #read(path: string, entry: Entry<State>): Promise<void> {
    const stamp = await stamped(path);
    if (stamp === entry.stamp) return;
    const state: State | UnreadState = stamp === MISSING ? { state: 'missing', nearby: [] } : await this.open(path);
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
