// What happens between a cursor and ghost text: is it a place for a completion, does one that was written before go on here, does
// one that is being written, and only then, after a moment in which nobody types, is the model asked. Pure: no vscode; the model, the
// clock and the waiting come from outside, so that tests play whole dialogues.
//
// One flight at a time is in the air. A keystroke that agrees with what it has written so far joins it; any other ends it. When a
// text is shown, what follows it is asked for in advance, and when nobody types the model reads what it will be asked about.
import { CompletionCache } from '../../core/completion/completion-cache.js';
import { completionSite, type SiteOptions } from '../../core/completion/completion-site.js';
import { isBlank, linePrefix, lineSuffix } from '../../core/completion/cursor-lines.js';
import { Debounce } from '../../core/completion/debounce.js';
import type { CursorText } from '../../core/completion/fim-prompt.js';
import type { CursorPlace } from '../../core/completion/other-files.js';
import { shapeCompletion } from '../../core/completion/shape-completion.js';
import { errorData, type ErrorData } from '../../core/problem.js';
import type { EngineAnswer } from './completion-engine.js';
import { Flight, type Purpose } from './flight.js';

/** Asks the model for the text at a cursor; `onText` gets what there is so far. */
export type AskModel = (
  place: CursorPlace,
  multiline: boolean,
  signal: AbortSignal,
  onText: (text: string) => void,
  purpose: Purpose,
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
  /** The text was not offered before. */
  readonly isNew?: boolean;
  /** What was done to the model's text. */
  readonly notes: readonly string[];
  readonly waitedMs: number;
  /** Until there was any text. */
  readonly firstMs?: number;
  readonly totalMs: number;
}

export interface CompleteOptions extends SiteOptions {
  /** Milliseconds after which what exists is shown, unless somebody asked for the completion; default: whenever it comes. */
  readonly budgetMs?: number;
  /** Whether what follows a text that is shown is asked for in advance. */
  readonly ahead?: boolean;
}

/** What the model's work was good for. */
export interface Recorder {
  /** So many tokens were generated. */
  generated(tokens: number): void;
  /** They were in a text that was offered now, for the first time. */
  used(tokens: number): void;
}

interface Written extends CursorText {
  readonly multiline: boolean;
  readonly text: string;
  readonly answer: EngineAnswer;
  readonly firstAt: number;
  readonly tokens: number;
  /** Whether it was offered. */
  isUsed: boolean;
}

/** A text that ends with its time is on its way: the model stops with the token it is at. */
const LANDING_MS = 50;

export class Completer {
  readonly #ask: AskModel;
  readonly #timing: Timing;
  readonly #onGenerating: (isGenerating: boolean) => void;
  readonly #recorder: Recorder | undefined;
  readonly #cache = new CompletionCache<Written>();
  readonly #debounce = new Debounce();
  #flight: Flight | undefined;

  constructor(ask: AskModel, timing: Timing, onGenerating: (isGenerating: boolean) => void, recorder?: Recorder) {
    this.#ask = ask;
    this.#timing = timing;
    this.#onGenerating = onGenerating;
    this.#recorder = recorder;
  }

  /** Undefined if the signal was aborted meanwhile, or the model was changed. */
  async complete(place: CursorPlace, options: CompleteOptions, signal: AbortSignal): Promise<Outcome | undefined> {
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
    const site = completionSite(place, options);
    if (site.kind === 'nothing') {
      this.#flight?.end();
      return outcome({ nothing: site.why });
    }
    const { multiline } = site;
    const { budgetMs = Infinity } = options;
    let source: NonNullable<Outcome['source']> = 'cache';
    const shaped = (rest: string, firstAt: number, facts: Pick<Outcome, 'typed' | 'answer' | 'isNew'>): Outcome => {
      const { text, replace, notes } = shapeCompletion(place, rest, multiline);
      if (text === '') return outcome({ nothing: notes.at(-1) ?? '', source, ...facts }, notes);
      const firstMs = Math.max(0, firstAt - start);
      if (options.ahead) this.#lookAhead(after(place, text, replace), options);
      return outcome({ offer: { text, replace }, source, ...facts, firstMs }, notes);
    };
    try {
      for (;;) {
        const known = this.#cache.find(place, multiline);
        if (known) {
          if (!this.#flight?.isAheadOf(place)) this.#flight?.leave();
          const { entry, rest, typed } = known;
          const result = shaped(rest, entry.firstAt, { typed, answer: entry.answer, isNew: !entry.isUsed });
          if (result.offer && !entry.isUsed) {
            entry.isUsed = true;
            this.#recorder?.used(entry.tokens);
          }
          return result;
        }
        const flight = this.#flight;
        if (flight?.agrees(place, multiline)) {
          if (source === 'cache') source = 'joined';
          const isLate = await flight.follow(place, signal, options.explicit ? Infinity : budgetMs);
          if (!isLate) continue;
          if (isBlank(flight.restAt(place))) return outcome({ nothing: tooLate(budgetMs), source });
          if (!(await flight.follow(place, signal, LANDING_MS))) continue;
          this.#recorder?.used(flight.tokens);
          return shaped(flight.restAt(place), flight.firstAt ?? start, { isNew: true });
        }
        flight?.end();
        const delay = options.explicit ? 0 : this.#debounce.delay(linePrefix(place));
        if (delay > 0) await this.#timing.wait(delay, signal);
        signal.throwIfAborted();
        waitedMs = this.#timing.now() - start;
        this.#start(place, multiline, options.explicit ? 'asked' : 'show');
        source = 'model';
      }
    } catch (error) {
      const failed = errorData(error);
      return signal.aborted || failed.code === 'cancelled' ? undefined : outcome({ failed });
    }
  }

  /** The text around the cursor changed: what disagrees ends at once, what agrees is about to be asked for. */
  typed(place: CursorPlace): void {
    const flight = this.#flight;
    if (!flight || flight.isAheadOf(place)) return;
    // More lines than are written may be wanted behind the key; whoever asks for them sees.
    if (flight.agrees(place, false)) flight.expect();
    else flight.end();
  }

  /** Has the model read what it will be asked about at a cursor, unless it is at work. */
  read(place: CursorPlace): void {
    if (!this.#flight) this.#start(place, false, 'read');
  }

  /** Ends what is in the air, and remembers what was written. */
  rest(): void {
    this.#flight?.end();
  }

  /** Forgets what was written, and ends what is being written: another model was chosen. */
  reset(): void {
    this.#flight?.end();
    this.#cache.clear();
  }

  /** Asks for what stands at a place where the cursor will be if a text is accepted. */
  #lookAhead(place: CursorPlace, options: SiteOptions): void {
    if (this.#flight) return;
    const site = completionSite(place, { ...options, explicit: false });
    if (site.kind === 'nothing') return;
    // Behind the end of a line the next ones are wanted: they are what the editor asks for after the line break.
    const multiline = site.multiline || (options.multiline !== 'never' && isBlank(lineSuffix(place)));
    if (!this.#cache.find(place, multiline)) this.#start(place, multiline, 'ahead');
  }

  #start(place: CursorPlace, multiline: boolean, purpose: Purpose): void {
    const flight = new Flight(place, multiline, purpose, this.#timing);
    this.#flight = flight;
    this.#onGenerating(true);
    const run = async (): Promise<void> => {
      const write = (text: string): void => {
        flight.write(text);
      };
      try {
        const answer = await this.#ask(place, multiline, flight.signal, write, purpose);
        if (purpose === 'read') return;
        const { generatedTokens: tokens = flight.tokens } = answer;
        this.#recorder?.generated(tokens);
        if (purpose !== 'ahead') this.#debounce.answered(answer.waitMs + answer.promptMs);
        const { prefix, suffix } = place;
        const firstAt = flight.firstAt ?? this.#timing.now();
        this.#cache.add({ prefix, suffix, multiline, text: answer.text, answer, firstAt, tokens, isUsed: false });
      } catch (error) {
        this.#recorder?.generated(flight.tokens);
        throw error;
      }
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

/** The place when a text was accepted. */
const after = (place: CursorPlace, text: string, replace: number): CursorPlace => ({
  ...place,
  prefix: place.prefix + text,
  suffix: place.suffix.slice(replace),
});

const tooLate = (milliseconds: number): string =>
  `The time of ${milliseconds} ms was up before the model wrote anything (quantsmith.completions.timeBudget). It goes on reading, so ` +
  'the next key is answered faster.';
