// The model that completes, as the editor knows it: which one is chosen, whether the worker has it, and what became of the last
// request. The worker loads it with the first completion that is asked for; when the worker ends, with the first after that.
import * as os from 'node:os';
import * as path from 'node:path';
import * as vscode from 'vscode';
import type { SiteOptions } from '../../core/completion/completion-site.js';
import type { CursorText } from '../../core/completion/fim-prompt.js';
import { errorData, errorFromData, type ErrorData } from '../../core/problem.js';
import type { CompletionAnswer, CompletionLoaded, CompletionModel } from '../../protocol/worker-protocol.js';
import { Disposables } from '../disposables.js';
import { errorLine } from '../services/log.js';
import { computeSettings } from '../services/settings.js';
import type { WorkerService } from '../services/worker.js';
import { Completer, type Outcome } from './completer.js';
import { COMPLETIONS, completionSettings } from './completion-settings.js';

export type ModelState =
  | { readonly kind: 'none' }
  | { readonly kind: 'unloaded' | 'loading'; readonly path: string }
  | { readonly kind: 'ready'; readonly path: string; readonly facts: CompletionLoaded }
  | { readonly kind: 'failed'; readonly path: string; readonly error: ErrorData };

/** What became of the last request, and where. */
export interface LastCompletion {
  readonly where: string;
  readonly at: Date;
  readonly outcome: Outcome;
}

/** The value of the setting for the model that comes with the extension: its path changes with every version. */
export const EXAMPLE = 'example';
/** A model that ends the worker so often in a row is not loaded again by itself. */
const MOST_DEATHS = 2;

export class CompletionService implements vscode.Disposable {
  readonly #owned = new Disposables();
  readonly #changed = this.#owned.add(new vscode.EventEmitter<undefined>());
  readonly onDidChange = this.#changed.event;
  readonly #worker: WorkerService;
  readonly #log: vscode.LogOutputChannel;
  readonly #completer: Completer;
  #state: ModelState;
  #load: Promise<void> | undefined;
  #deaths = 0;
  #isGenerating = false;
  #last: LastCompletion | undefined;

  /** @param example the path of the model that comes with the extension */
  constructor(
    worker: WorkerService,
    log: vscode.LogOutputChannel,
    readonly example: string,
  ) {
    this.#worker = worker;
    this.#log = log;
    this.#state = this.#chosen();
    this.#completer = new Completer(
      (...cursor) => this.#ask(...cursor),
      { now: () => performance.now(), wait },
      is => {
        this.#isGenerating = is;
        this.#changed.fire(undefined);
      },
    );
    this.#owned.add(
      worker.onDidChangeState(({ kind }) => {
        if (this.#state.kind === 'none') return;
        const isGone = kind === 'crashed' || kind === 'stopped' || kind === 'starting';
        // A new worker is a new chance for a model that failed, whoever started it.
        const isAsked = this.#state.kind === 'ready' ? isGone : this.#state.kind === 'failed' && kind === 'starting';
        if (isAsked) this.#set({ kind: 'unloaded', path: this.#state.path });
      }),
    );
    this.#owned.add(
      vscode.workspace.onDidChangeConfiguration(event => {
        const isOtherEngine = ['quantsmith.threads', 'quantsmith.backend'].some(name =>
          event.affectsConfiguration(name),
        );
        // `use` sets the model after it has loaded it.
        if (isOtherEngine || !this.#isChosen()) this.#restart();
        else if (event.affectsConfiguration(COMPLETIONS)) this.#changed.fire(undefined);
      }),
    );
    this.#owned.onDispose(() => {
      this.#completer.reset();
    });
  }

  get state(): ModelState {
    return this.#state;
  }

  get isGenerating(): boolean {
    return this.#isGenerating;
  }

  get last(): LastCompletion | undefined {
    return this.#last;
  }

  /** Undefined if another request came, or the model was changed, meanwhile. */
  async complete(
    cursor: CursorText,
    options: SiteOptions,
    where: string,
    signal: AbortSignal,
  ): Promise<Outcome | undefined> {
    const outcome = await this.#completer.complete(cursor, options, signal);
    if (outcome && !signal.aborted) this.report(outcome, where);
    return outcome;
  }

  /** What became of a request. */
  report(outcome: Outcome, where: string): void {
    if (outcome.failed && outcome.failed !== this.#last?.outcome.failed) this.#log.error(errorLine(outcome.failed));
    this.#last = { where, at: new Date(), outcome };
    this.#changed.fire(undefined);
  }

  /**
   * Loads a model and makes it the one that completes. Rejects, with the one before still chosen, if it cannot be loaded or
   * cannot fill in a middle.
   */
  async use(file: string): Promise<CompletionLoaded> {
    this.#completer.reset();
    const before = this.#state;
    let facts: CompletionLoaded;
    this.#set({ kind: 'loading', path: file });
    try {
      facts = await this.#worker.request('completion/load', this.#model(file));
    } catch (error) {
      this.#set(before.kind === 'none' ? before : { kind: 'unloaded', path: before.path });
      throw error;
    }
    this.#deaths = 0;
    this.#set({ kind: 'ready', path: file, facts });
    const value = file === this.example ? EXAMPLE : file;
    if (completionSettings().model !== value) {
      await vscode.workspace.getConfiguration(COMPLETIONS).update('model', value, vscode.ConfigurationTarget.Global);
    }
    return facts;
  }

  dispose(): void {
    this.#owned.dispose();
  }

  /** The model of the setting, not loaded. */
  #chosen(): ModelState {
    const { model } = completionSettings();
    if (model === '') return { kind: 'none' };
    if (model === EXAMPLE) return { kind: 'unloaded', path: this.example };
    return { kind: 'unloaded', path: model.startsWith('~/') ? path.join(os.homedir(), model.slice(2)) : model };
  }

  #isChosen(): boolean {
    const chosen = this.#chosen();
    const state = this.#state;
    return state.kind === 'none' ? chosen.kind === 'none' : chosen.kind !== 'none' && chosen.path === state.path;
  }

  /** Another model, or another engine for it; also after a failure, of which the settings may have been the reason. */
  #restart(): void {
    this.#deaths = 0;
    this.#completer.reset();
    this.#set(this.#chosen());
  }

  async #ask(
    { prefix, suffix }: CursorText,
    multiline: boolean,
    signal: AbortSignal,
    onProgress: (text: string) => void,
  ): Promise<CompletionAnswer> {
    await this.#ensureLoaded();
    signal.throwIfAborted();
    if (this.#state.kind !== 'ready') throw errorFromData(NO_MODEL);
    const { maxTokens, timeBudgetMs } = completionSettings();
    const request = {
      model: this.#model(this.#state.path),
      prefix,
      suffix,
      multiline,
      maxTokens,
      budgetMs: timeBudgetMs,
    };
    try {
      const answer = await this.#worker.request('completion/run', request, { signal, onProgress });
      this.#deaths = 0;
      return answer;
    } catch (error) {
      this.#countDeath(error);
      throw error;
    }
  }

  async #ensureLoaded(): Promise<void> {
    const { kind } = this.#state;
    if (kind === 'failed') throw errorFromData(this.#state.error);
    if (kind === 'ready') return;
    if (kind === 'none') throw errorFromData(NO_MODEL);
    this.#load ??= this.#loadChosen(this.#state.path).finally(() => {
      this.#load = undefined;
    });
    await this.#load;
  }

  async #loadChosen(file: string): Promise<void> {
    this.#set({ kind: 'loading', path: file });
    const isStillWanted = (): boolean => this.#state.kind === 'loading' && this.#state.path === file;
    try {
      const facts = await this.#worker.request('completion/load', this.#model(file));
      if (isStillWanted()) this.#set({ kind: 'ready', path: file, facts });
    } catch (error) {
      if (isStillWanted()) this.#set({ kind: 'failed', path: file, error: errorData(error) });
      throw error;
    }
  }

  #countDeath(error: unknown): void {
    const data = errorData(error);
    if (data.code !== 'worker/gone' || this.#state.kind === 'none') return;
    this.#deaths++;
    if (this.#deaths < MOST_DEATHS) return;
    this.#set({ kind: 'failed', path: this.#state.path, error: data });
  }

  #model(file: string): CompletionModel {
    return { path: file, ...computeSettings() };
  }

  #set(state: ModelState): void {
    this.#state = state;
    if (!this.#owned.isDisposed) this.#changed.fire(undefined);
  }
}

const NO_MODEL: ErrorData = {
  code: 'completion/no-model',
  message: 'No model is chosen for completions.',
  hint: 'Use "Quantsmith: Use This Model for Completions".',
};

function wait(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop);
      resolve();
    }, milliseconds);
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });
}
