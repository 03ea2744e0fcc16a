// One question to the model, and who waits for it. It writes on for whoever types along; any other key ends it.
import { typedBetween } from '../../core/completion/completion-cache.js';
import type { CursorPlace } from '../../core/completion/other-files.js';
import type { Timing } from './completer.js';

/**
 * What a question is for: to be shown in time; to be shown whenever it comes, because somebody asked for it; for a place where the
 * cursor may be soon; or only to have the model read what stands there.
 */
export type Purpose = 'show' | 'asked' | 'ahead' | 'read';

/**
 * With each key the editor withdraws the last request at once and makes the next one 50 ms or more later, which may join what is
 * written. That it will is known when the key arrives, right behind the withdrawal (`expect`); without one nobody wants the text any
 * more, and with these the processors are quiet within 50 ms.
 */
const KEY_MS = 25;
const NEXT_REQUEST_MS = 150;

export class Flight {
  readonly place: CursorPlace;
  readonly multiline: boolean;
  readonly purpose: Purpose;
  readonly #timing: Timing;
  readonly #controller = new AbortController();
  #text = '';
  #tokens = 0;
  #firstAt: number | undefined;
  #followers = 0;
  #expectedUntil = -Infinity;
  #landed: Promise<void> = Promise.resolve();
  #onText: (() => void) | undefined;

  constructor(place: CursorPlace, multiline: boolean, purpose: Purpose, timing: Timing) {
    this.place = place;
    this.multiline = multiline;
    this.purpose = purpose;
    this.#timing = timing;
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** What has been written so far. */
  get text(): string {
    return this.#text;
  }

  /** How often it was written, a token each time. */
  get tokens(): number {
    return this.#tokens;
  }

  get firstAt(): number | undefined {
    return this.#firstAt;
  }

  write(text: string): void {
    this.#text = text;
    this.#tokens++;
    this.#firstAt ??= this.#timing.now();
    this.#onText?.();
  }

  land(landed: Promise<void>): void {
    this.#landed = landed;
    // Heard of by those who follow; there may be none.
    landed.catch(() => undefined);
  }

  end(): void {
    this.#controller.abort();
  }

  /** Ends unless somebody waits for it, or is about to. */
  leave(): void {
    if (this.#followers === 0 && this.#timing.now() >= this.#expectedUntil) this.end();
  }

  /** A key was pressed that agrees with it: a request for the place behind it is on its way. */
  expect(): void {
    this.#expectedUntil = this.#timing.now() + NEXT_REQUEST_MS;
  }

  /** Whether what has been written so far may be what stands at this cursor. */
  agrees(cursor: CursorPlace, multiline: boolean): boolean {
    if (this.signal.aborted || this.purpose === 'read') return false;
    const typed = typedBetween(this.place, cursor);
    if (typed === undefined || (typed === '' && multiline && !this.multiline)) return false;
    return this.#text.startsWith(typed) || typed.startsWith(this.#text);
  }

  /** Whether whoever types on at a cursor may come to its place. */
  isAheadOf(cursor: CursorPlace): boolean {
    return this.purpose === 'ahead' && !this.signal.aborted && typedBetween(cursor, this.place) !== undefined;
  }

  /** What of the text so far is new at a cursor that agrees. */
  restAt(cursor: CursorPlace): string {
    return this.#text.slice(typedBetween(this.place, cursor)?.length ?? 0);
  }

  /**
   * Resolves when it has landed, when it no longer agrees, or, with true, after `milliseconds`; rejects as it fails, or when the
   * signal is aborted.
   */
  follow(cursor: CursorPlace, signal: AbortSignal, milliseconds = Infinity): Promise<boolean> {
    this.#followers++;
    const { wait } = this.#timing;
    const waiting = new AbortController();
    return new Promise<boolean>((resolve, reject) => {
      const stop = (): void => {
        reject(signal.reason as Error);
      };
      if (signal.aborted) stop();
      signal.addEventListener('abort', stop, { once: true });
      this.#onText = () => {
        if (!this.agrees(cursor, this.multiline)) resolve(false);
      };
      this.#landed.then(() => {
        resolve(false);
      }, reject);
      if (milliseconds === Infinity) return;
      wait(milliseconds, waiting.signal).then(
        () => {
          resolve(true);
        },
        () => undefined,
      );
    }).finally(() => {
      waiting.abort();
      this.#followers--;
      if (!signal.aborted) return;
      void this.#leaveSoon();
    });
  }

  async #leaveSoon(): Promise<void> {
    const { signal: forever } = new AbortController();
    await this.#timing.wait(KEY_MS, forever);
    const rest = this.#expectedUntil - this.#timing.now();
    if (rest > 0) await this.#timing.wait(rest, forever);
    this.leave();
  }
}
