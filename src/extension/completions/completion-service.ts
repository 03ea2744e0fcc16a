// The engine that completes, as the editor knows it: which one is chosen, whether it is ready, and what became of the last request. A
// model is loaded, and a server checked, with the first completion that is asked for; when the worker ends, with the first after that.
import * as os from 'node:os';
import * as path from 'node:path';
import * as vscode from 'vscode';
import type { SiteOptions } from '../../core/completion/completion-site.js';
import type { CursorPlace } from '../../core/completion/other-files.js';
import { errorData, errorFromData, type ErrorData } from '../../core/problem.js';
import type { CompletionLoaded } from '../../protocol/worker-protocol.js';
import { Disposables } from '../disposables.js';
import { errorLine } from '../services/log.js';
import type { WorkerService } from '../services/worker.js';
import { Completer, type Outcome } from './completer.js';
import { WorkerEngine, type CompletionEngine, type EngineAnswer, type EngineFacts } from './completion-engine.js';
import type { ServerFacts, ServerPlace } from './completion-engine.js';
import { COMPLETIONS, completionSettings, MODEL_SETTINGS } from './completion-settings.js';
import type { Purpose } from './flight.js';
import { modelName } from './pick-completion-model.js';
import { ServerEngine, type ServerSettings } from './server-engine.js';
import type { ServerKeys } from './server-keys.js';

/** `path` is what the engine is known by: a model's path, or a server's address with the name of its model. */
export type ModelState =
  | { readonly kind: 'none' }
  | { readonly kind: 'unloaded' | 'loading'; readonly path: string }
  | { readonly kind: 'ready'; readonly path: string; readonly facts: EngineFacts }
  | { readonly kind: 'failed'; readonly path: string; readonly error: ErrorData };

/** What became of the last request, and where. */
export interface LastCompletion {
  readonly where: string;
  readonly at: Date;
  readonly outcome: Outcome;
}

/** So many tokens were generated; or were in a text that was offered. */
export interface UsedTokens {
  readonly what: 'generated' | 'used';
  readonly tokens: number;
}

/** The value of the setting for the model that comes with the extension: its path changes with every version. */
export const EXAMPLE = 'example';
/** A model that ends the worker so often in a row is not loaded again by itself. */
const MOST_DEATHS = 2;

export class CompletionService implements vscode.Disposable {
  readonly #owned = new Disposables();
  readonly #changed = this.#owned.add(new vscode.EventEmitter<undefined>());
  readonly onDidChange = this.#changed.event;
  readonly #used = this.#owned.add(new vscode.EventEmitter<UsedTokens>());
  readonly onDidUseTokens = this.#used.event;
  readonly #worker: WorkerService;
  readonly #log: vscode.LogOutputChannel;
  readonly #completer: Completer;
  readonly #keys: ServerKeys;
  #engine: CompletionEngine | undefined;
  #state: ModelState;
  #load: { readonly engine: CompletionEngine; readonly done: Promise<void> } | undefined;
  #deaths = 0;
  #failedAt = -Infinity;
  /** Settings are being written that belong together. */
  #isWriting = false;
  #isGenerating = false;
  #usedAt = performance.now();
  /** Power is short: nothing is done in advance. */
  isSaving = false;
  #last: LastCompletion | undefined;

  /** @param example the path of the model that comes with the extension */
  constructor(
    worker: WorkerService,
    log: vscode.LogOutputChannel,
    readonly example: string,
    keys: ServerKeys,
  ) {
    this.#worker = worker;
    this.#log = log;
    this.#keys = keys;
    this.#engine = this.#chosen();
    this.#state = unloaded(this.#engine);
    this.#completer = new Completer(
      (...cursor) => this.#ask(...cursor),
      { now: () => performance.now(), wait },
      is => {
        this.#isGenerating = is;
        this.#changed.fire(undefined);
      },
      {
        generated: tokens => {
          this.#used.fire({ what: 'generated', tokens });
        },
        used: tokens => {
          this.#used.fire({ what: 'used', tokens });
        },
      },
    );
    this.#owned.add(
      worker.onDidChangeState(({ kind }) => {
        if (this.#state.kind === 'none' || this.server) return;
        const isGone = kind === 'crashed' || kind === 'stopped' || kind === 'starting';
        // A new worker is a new chance for a model that failed, whoever started it.
        const isAsked = this.#state.kind === 'ready' ? isGone : this.#state.kind === 'failed' && kind === 'starting';
        if (isAsked) this.#set({ kind: 'unloaded', path: this.#state.path });
      }),
    );
    this.#owned.add(
      vscode.workspace.onDidChangeConfiguration(event => {
        const isOtherEngine = MODEL_SETTINGS.some(name => event.affectsConfiguration(name));
        // `use` sets the model after it has loaded it.
        if (this.#isWriting) return;
        if (isOtherEngine || this.#chosen()?.id !== this.#engine?.id) this.#restart();
        else if (event.affectsConfiguration(COMPLETIONS)) this.#changed.fire(undefined);
      }),
    );
    this.#owned.add(
      keys.onDidChange(() => {
        // Another key is another chance for a server that failed.
        if (this.server && this.#state.kind === 'failed') this.#restart();
      }),
    );
    this.#owned.add(
      vscode.workspace.onDidGrantWorkspaceTrust(() => {
        if (this.server) this.#restart();
      }),
    );
    this.#owned.onDispose(() => {
      this.#completer.reset();
    });
  }

  /** How the chosen engine is called in messages; '' if there is none. */
  get name(): string {
    return this.#engine?.name ?? '';
  }

  /** Where text goes, if a server completes. */
  get server(): ServerPlace | undefined {
    return this.#engine?.server;
  }

  /** Why there are none in this workspace, whatever the document. */
  get whyOff(): string | undefined {
    if (!this.server || vscode.workspace.isTrusted) return undefined;
    return `this workspace is not trusted, and its text is sent to no server (${this.name}).`;
  }

  /** When the model was last asked, by `performance.now()`. */
  get usedAt(): number {
    return this.#usedAt;
  }

  /** Gives the model's memory back; the next request loads it again. */
  async unload(): Promise<void> {
    if (this.#state.kind !== 'ready' || this.server) return;
    const { path: file } = this.#state;
    this.#set({ kind: 'unloaded', path: file });
    await this.#worker.request('completion/unload', {}).catch((error: unknown) => {
      this.#log.warn(errorLine(errorData(error)));
    });
  }

  /** Nothing leaves this machine: not even work in advance costs more than power. */
  get #isHere(): boolean {
    return !this.server || this.server.isLocal === true;
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
    place: CursorPlace,
    options: SiteOptions,
    where: string,
    signal: AbortSignal,
  ): Promise<Outcome | undefined> {
    const { timeBudgetMs: budgetMs, ahead } = completionSettings();
    const outcome = await this.#completer.complete(
      place,
      { ...options, budgetMs, ahead: ahead && !this.isSaving && this.#isHere },
      signal,
    );
    if (outcome && !signal.aborted) this.report(outcome, where);
    return outcome;
  }

  /** The text around the cursor changed; what is being written and does not agree ends. */
  typed(place: CursorPlace): void {
    this.#completer.typed(place);
  }

  /** Has a model that is loaded read what it will be asked about. */
  read(place: CursorPlace): void {
    if (this.#state.kind === 'ready' && !this.server && !this.isSaving) this.#completer.read(place);
  }

  /** What became of a request. */
  report(outcome: Outcome, where: string): void {
    const { failed } = outcome;
    if (failed && failed.message !== this.#last?.outcome.failed?.message) this.#log.error(errorLine(failed));
    this.#last = { where, at: new Date(), outcome };
    this.#changed.fire(undefined);
  }

  /**
   * Loads a model and makes it the one that completes. Rejects, with the one before still chosen, if it cannot be loaded or
   * cannot fill in a middle.
   */
  use(file: string): Promise<CompletionLoaded> {
    return this.#use(this.#model(file), { engine: 'local', model: file === this.example ? EXAMPLE : file });
  }

  /** Checks a server and makes it the one that completes; rejects as `use`. */
  useServer(server: ServerSettings): Promise<ServerFacts> {
    const { kind, endpoint, model, fimFamily } = server;
    return this.#use(new ServerEngine(server, this.#keys), { engine: kind, endpoint, serverModel: model, fimFamily });
  }

  dispose(): void {
    this.#owned.dispose();
  }

  async #use<Facts extends EngineFacts>(
    engine: CompletionEngine<Facts>,
    settings: Readonly<Record<string, string>>,
  ): Promise<Facts> {
    this.#completer.reset();
    const before = this.#engine;
    let facts: Facts;
    this.#engine = engine;
    this.#set({ kind: 'loading', path: engine.id });
    try {
      facts = await engine.load();
    } catch (error) {
      if (this.#engine === engine) {
        this.#engine = before;
        this.#set(unloaded(before));
      }
      throw error;
    }
    this.#deaths = 0;
    this.#engine = engine;
    this.#set({ kind: 'ready', path: engine.id, facts });
    const configuration = vscode.workspace.getConfiguration(COMPLETIONS);
    this.#isWriting = true;
    try {
      for (const [name, value] of Object.entries(settings)) {
        if (configuration.get(name) === value) continue;
        await configuration.update(name, value, vscode.ConfigurationTarget.Global);
      }
    } finally {
      this.#isWriting = false;
      if (this.#chosen()?.id !== this.#engine.id) this.#restart();
    }
    return facts;
  }

  /** The engine of the settings. */
  #chosen(): CompletionEngine | undefined {
    const { model, server } = completionSettings();
    if (server) return new ServerEngine(server, this.#keys);
    if (model === '') return undefined;
    if (model === EXAMPLE) return this.#model(this.example);
    return this.#model(model.startsWith('~/') ? path.join(os.homedir(), model.slice(2)) : model);
  }

  #model(file: string): WorkerEngine {
    return new WorkerEngine(this.#worker, file, modelName(file, this.example));
  }

  /** Another engine, or another way to run it; also after a failure, of which the settings may have been the reason. */
  #restart(): void {
    this.#deaths = 0;
    this.#completer.reset();
    this.#engine = this.#chosen();
    this.#set(unloaded(this.#engine));
  }

  async #ask(
    { prefix, suffix, files }: CursorPlace,
    multiline: boolean,
    signal: AbortSignal,
    onProgress: (text: string) => void,
    purpose: Purpose,
  ): Promise<EngineAnswer> {
    this.#usedAt = performance.now();
    await this.#ensureLoaded();
    signal.throwIfAborted();
    const engine = this.#engine;
    if (this.#state.kind !== 'ready' || !engine) throw errorFromData(NO_MODEL);
    const { maxTokens, timeBudgetMs: budgetMs } = completionSettings();
    const request = {
      ...{ prefix, suffix, multiline, maxTokens, budgetMs },
      ...(files ? { files } : {}),
      ...(purpose === 'show' ? { budgetSince: 'request' as const } : {}),
      ...(purpose === 'read' ? { onlyRead: true } : {}),
    };
    try {
      const answer = await engine.complete(request, { signal, onProgress });
      this.#deaths = 0;
      return answer;
    } catch (error) {
      const data = errorData(error);
      if (data.code === 'worker/gone') this.#deaths++;
      const isLost = data.code === 'worker/gone' ? this.#deaths >= MOST_DEATHS : engine.isLost(data.code);
      if (isLost && !signal.aborted) this.#fail(engine, data);
      throw error;
    }
  }

  async #ensureLoaded(): Promise<void> {
    const engine = this.#engine;
    if (this.#state.kind === 'ready') return;
    if (this.#state.kind === 'none' || !engine) throw errorFromData(NO_MODEL);
    const { retryMs = Infinity } = engine;
    if (this.#state.kind === 'failed' && performance.now() - this.#failedAt < retryMs) {
      throw errorFromData(this.#state.error);
    }
    if (this.#load?.engine !== engine) {
      const load = { engine, done: this.#loadChosen(engine) };
      this.#load = load;
      const forget = (): void => {
        if (this.#load === load) this.#load = undefined;
      };
      load.done.then(forget, forget);
    }
    await this.#load.done;
  }

  async #loadChosen(engine: CompletionEngine): Promise<void> {
    // A server that is asked once more whether it is there now is not shown as news.
    if (this.#state.kind !== 'failed') this.#set({ kind: 'loading', path: engine.id });
    try {
      const facts = await engine.load();
      if (this.#engine === engine) this.#set({ kind: 'ready', path: engine.id, facts });
    } catch (error) {
      this.#fail(engine, errorData(error));
      throw error;
    }
  }

  /** It cannot be used; unless another was chosen meanwhile. */
  #fail(engine: CompletionEngine, error: ErrorData): void {
    if (this.#engine !== engine) return;
    this.#failedAt = performance.now();
    this.#set({ kind: 'failed', path: engine.id, error });
  }

  #set(state: ModelState): void {
    this.#state = state;
    if (!this.#owned.isDisposed) this.#changed.fire(undefined);
  }
}

function unloaded(engine: CompletionEngine | undefined): ModelState {
  return engine ? { kind: 'unloaded', path: engine.id } : { kind: 'none' };
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
