// Completions that are put to sleep for a while: none are offered by themselves, and whoever asks for one gets it. It is of this window
// and ends with it, as the editor's own "Snooze Inline Suggestions", which silences every provider: while that lasts the editor asks
// none, this one included.
import * as vscode from 'vscode';
import { plural } from '../../core/text/quantity.js';
import { Disposables } from '../disposables.js';

const MINUTES = [5, 15, 30, 60, 120];
const MINUTE_MS = 60_000;

export class Snooze implements vscode.Disposable {
  readonly #owned = new Disposables();
  readonly #changed = this.#owned.add(new vscode.EventEmitter<undefined>());
  readonly onDidChange = this.#changed.event;
  #until = -Infinity;
  #waking: NodeJS.Timeout | undefined;

  constructor() {
    this.#owned.onDispose(() => {
      clearTimeout(this.#waking);
    });
  }

  /** Why there are none; undefined if it is over. */
  get why(): string | undefined {
    if (Date.now() >= this.#until) return undefined;
    if (this.#until === Infinity) return 'snoozed until this window is closed or reloaded.';
    const time = new Date(this.#until).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
    return `snoozed until ${time}.`;
  }

  /** Until a moment, as of `Date.now()`; Infinity: until this window is closed. */
  until(until: number): void {
    clearTimeout(this.#waking);
    this.#until = until;
    if (until !== Infinity && until > Date.now()) {
      this.#waking = setTimeout(() => {
        this.#changed.fire(undefined);
      }, until - Date.now());
    }
    this.#changed.fire(undefined);
  }

  /** @param minutes 0 wakes up */
  for(minutes: number): void {
    this.until(minutes > 0 ? Date.now() + minutes * MINUTE_MS : -Infinity);
  }

  async ask(): Promise<void> {
    const items = [
      ...(this.why === undefined ? [] : [{ label: 'Wake Up', description: this.why, minutes: 0 }]),
      ...MINUTES.map(minutes => ({
        label: minutes < 60 ? plural(minutes, 'minute') : plural(minutes / 60, 'hour'),
        minutes,
      })),
      { label: 'Until this window is closed or reloaded', minutes: Infinity },
    ];
    const title = 'Snooze Completions';
    const placeHolder = 'None are offered by themselves for so long; Trigger Inline Suggestion still asks for one';
    const picked = await vscode.window.showQuickPick(items, { title, placeHolder });
    if (picked) this.for(picked.minutes);
  }

  dispose(): void {
    this.#owned.dispose();
  }
}
