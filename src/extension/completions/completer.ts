// What happens between a cursor and ghost text: is it a place for a completion, does one that was written before go on here, does
// one that is being written, and only then, after a moment in which nobody types, is the model asked. Pure: no vscode; the model, the
// clock and the waiting come from outside, so that tests play whole dialogues.
//
// One flight at a time is in the air. A keystroke that agrees with what it has written so far joins it; any other ends it.
import { CompletionCache, typedBetween } from '../../core/completion/completion-cache.js';
import { completionSite, type SiteOptions } from '../../core/completion/completion-site.js';
import { linePrefix } from '../../core/completion/cursor-lines.js';
import { Debounce } from '../../core/completion/debounce.js';
import type { CursorText } from '../../core/completion/fim-prompt.js';
import { shapeCompletion } from '../../core/completion/shape-completion.js';
import { errorData, type ErrorData } from '../../core/problem.js';
import type { EngineAnswer } from './completion-engine.js';

/** Asks the model for the text at a cursor; `onText` gets what there is so far. */
export type AskModel = (
  cursor: CursorText,
  multiline: boolean,
  signal: AbortSignal,
  onText: (text: string) => void,
) => Promise<EngineAnswer>;

export interface Timing {
  /** Milliseconds, from any beginning. */
  readonly now: () => number;
  /** Resolves after a time; rejects when the signal is aborted. */
  readonly wait: (milliseconds: number, signal: AbortSignal) => Promise<void>;
}

export interface Offer {
  /** To be put in place of the next `replace` characters behind the cursor. */
  readonly text: string;
  readonly replace: number;
}

/** What became of a request for a completion. */
export interface Outcome {
  readonly offer?: Offer;
  /** Why nothing is shown. */
  readonly nothing?: string;
  readonly failed?: ErrorData;
  /** Where the text came from: the model just now, one that was still writing, or an earlier answer. */
  readonly source?: 'model' | 'joined' | 'cache';
  /** What was typed of the model's text since. */
  readonly typed?: string;
  readonly answer?: EngineAnswer;
  /** What was done to the model's text. */
  readonly notes: readonly string[];
  readonly waitedMs: number;
  readonly totalMs: number;
}

interface Written extends CursorText {
  readonly multiline: boolean;
  readonly text: string;
  readonly answer: EngineAnswer;
}

/**
 * A model that writes goes on for this long after the request for it was withdrawn: with each key the editor withdraws the last
 * request at once and makes the next one 50 ms or more later, and that may join.
 */
const GRACE_MS = 150;

export class Completer {
  readonly #ask: AskModel;
  readonly #timing: Timing;
  readonly #onGenerating: (isGenerating: boolean) => void;
  readonly #cache = new CompletionCache<Written>();
  readonly #debounce = new Debounce();
  #flight: Flight | undefined;

  constructor(ask: AskModel, timing: Timing, onGenerating: (isGenerating: boolean) => void) {
    this.#ask = ask;
    this.#timing = timing;
    this.#onGenerating = onGenerating;
  }

  /** Undefined if the signal was aborted meanwhile, or the model was changed. */
  async complete(cursor: CursorText, options: SiteOptions, signal: AbortSignal): Promise<Outcome | undefined> {
    const start = this.#timing.now();
    let waitedMs = 0;
    const outcome = (
      what: Omit<Outcome, 'notes' | 'waitedMs' | 'totalMs'>,
      notes: readonly string[] = [],
    ): Outcome => ({
      ...what,
      notes,
      waitedMs,
      totalMs: this.#timing.now() - start,
    });
    if (!options.explicit) this.#debounce.typed(start);
    const site = completionSite(cursor, options);
    if (site.kind === 'nothing') {
      this.#flight?.end();
      return outcome({ nothing: site.why });
    }
    const { multiline } = site;
    let source: Outcome['source'] = 'cache';
    try {
      for (;;) {
        const known = this.#cache.find(cursor, multiline);
        if (known) {
          this.#flight?.leave();
          const { text, replace, notes } = shapeCompletion(cursor, known.rest, multiline);
          const { answer } = known.entry;
          const { typed } = known;
          if (text !== '') return outcome({ offer: { text, replace }, source, typed, answer }, notes);
          return outcome({ nothing: notes.at(-1) ?? '', source, typed, answer }, notes);
        }
        if (this.#flight?.agrees(cursor, multiline)) {
          if (source === 'cache') source = 'joined';
          await this.#flight.follow(cursor, signal, this.#timing);
          continue;
        }
        this.#flight?.end();
        const delay = options.explicit ? 0 : this.#debounce.delay(linePrefix(cursor));
        if (delay > 0) await this.#timing.wait(delay, signal);
        signal.throwIfAborted();
        waitedMs = this.#timing.now() - start;
        this.#start(cursor, multiline);
        source = 'model';
      }
    } catch (error) {
      const failed = errorData(error);
      return signal.aborted || failed.code === 'cancelled' ? undefined : outcome({ failed });
    }
  }

  /** Forgets what was written, and ends what is being written: another model was chosen. */
  reset(): void {
    this.#flight?.end();
    this.#cache.clear();
  }

  #start(cursor: CursorText, multiline: boolean): void {
    const flight = new Flight(cursor, multiline);
    this.#flight = flight;
    this.#onGenerating(true);
    const run = async (): Promise<void> => {
      const answer = await this.#ask(cursor, multiline, flight.signal, text => {
        flight.write(text);
      });
      this.#debounce.answered(answer.waitMs + answer.promptMs);
      this.#cache.add({ ...cursor, multiline, text: answer.text, answer });
    };
    flight.land(
      run().finally(() => {
        if (this.#flight !== flight) return;
        this.#flight = undefined;
        this.#onGenerating(false);
      }),
    );
  }
}

/** One question to the model, and who waits for it. */
class Flight {
  readonly #cursor: CursorText;
  readonly #multiline: boolean;
  readonly #controller = new AbortController();
  #text = '';
  #followers = 0;
  #landed: Promise<void> = Promise.resolve();
  #onText: (() => void) | undefined;

  constructor(cursor: CursorText, multiline: boolean) {
    this.#cursor = cursor;
    this.#multiline = multiline;
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  write(text: string): void {
    this.#text = text;
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

  /** Ends unless somebody waits for it. */
  leave(): void {
    if (this.#followers === 0) this.end();
  }

  /** Whether what has been written so far may be what stands at this cursor. */
  agrees(cursor: CursorText, multiline: boolean): boolean {
    if (this.signal.aborted) return false;
    const typed = typedBetween(this.#cursor, cursor);
    if (typed === undefined || (typed === '' && multiline && !this.#multiline)) return false;
    return this.#text.startsWith(typed) || typed.startsWith(this.#text);
  }

  /** Resolves when it has landed, or when it no longer agrees; rejects as it fails, or when the signal is aborted. */
  follow(cursor: CursorText, signal: AbortSignal, { wait }: Timing): Promise<void> {
    this.#followers++;
    return new Promise<void>((resolve, reject) => {
      const stop = (): void => {
        reject(signal.reason as Error);
      };
      if (signal.aborted) stop();
      signal.addEventListener('abort', stop, { once: true });
      this.#onText = () => {
        if (!this.agrees(cursor, this.#multiline)) resolve();
      };
      this.#landed.then(resolve, reject);
    }).finally(() => {
      this.#followers--;
      if (!signal.aborted) return;
      const { signal: forever } = new AbortController();
      void wait(GRACE_MS, forever).then(() => {
        this.leave();
      });
    });
  }
}
