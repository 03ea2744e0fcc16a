// Keys of servers, in the editor's secret storage. A key belongs to the origin it was entered for (scheme, host and port): an
// endpoint elsewhere never gets it.
import * as vscode from 'vscode';
import { Disposables } from '../disposables.js';

const PREFIX = 'quantsmith.completions.key ';

export class ServerKeys implements vscode.Disposable {
  readonly #owned = new Disposables();
  readonly #changed = this.#owned.add(new vscode.EventEmitter<undefined>());
  readonly onDidChange = this.#changed.event;
  readonly #secrets: vscode.SecretStorage;
  /** Asking the storage is a round trip to another process, and completions are many. */
  readonly #known = new Map<string, Promise<string | undefined>>();

  constructor(secrets: vscode.SecretStorage) {
    this.#secrets = secrets;
    this.#owned.add(
      secrets.onDidChange(({ key }) => {
        if (!key.startsWith(PREFIX)) return;
        this.#known.delete(key.slice(PREFIX.length));
        this.#changed.fire(undefined);
      }),
    );
  }

  get(origin: string): Promise<string | undefined> {
    const known = this.#known.get(origin) ?? Promise.resolve(this.#secrets.get(PREFIX + origin));
    this.#known.set(origin, known);
    known.catch(() => this.#known.delete(origin));
    return known;
  }

  /** '' forgets it. */
  async set(origin: string, key: string): Promise<void> {
    if (key === '') await this.#secrets.delete(PREFIX + origin);
    else await this.#secrets.store(PREFIX + origin, key);
    this.#known.delete(origin);
  }

  dispose(): void {
    this.#owned.dispose();
  }
}
