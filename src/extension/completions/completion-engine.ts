// What completes: one interface for the worker with a model of this machine, and for servers. The service knows no more of it.
import type { CursorText } from '../../core/completion/fim-prompt.js';
import type { OtherFiles } from '../../core/completion/other-files.js';
import type { CompletionAnswer, CompletionLoaded, CompletionRequest } from '../../protocol/worker-protocol.js';
import type { WorkerService } from '../services/worker.js';
import { completionModel } from './completion-settings.js';

export interface EngineRequest extends CursorText {
  readonly multiline: boolean;
  readonly maxTokens: number;
  /** As in {@link CompletionRequest}. */
  readonly budgetMs: number;
  readonly budgetSince?: NonNullable<CompletionRequest['budgetSince']>;
  readonly files?: OtherFiles;
  readonly onlyRead?: boolean;
}

export interface EngineContext {
  readonly signal: AbortSignal;
  /** Gets the whole text so far. */
  readonly onProgress: (text: string) => void;
}

type Counts = 'promptTokens' | 'reusedTokens' | 'cutTokens' | 'generatedTokens';

/** Not every engine counts its tokens. */
export type EngineAnswer = Omit<CompletionAnswer, Counts> & Partial<Pick<CompletionAnswer, Counts>>;

/** What is known of a server that was checked. */
export interface ServerFacts {
  /** As in `llama-server`. */
  readonly server: string;
  readonly base: string;
  /** '' for the only one it has. */
  readonly model: string;
  /** Whose tokens are put around prefix and suffix; undefined: the server does that. */
  readonly family: string | undefined;
  readonly seconds: number;
}

export type EngineFacts = CompletionLoaded | ServerFacts;

/** Where code is sent. */
export interface ServerPlace {
  readonly host: string;
  /** It leaves this machine, and everybody on the way can read it. */
  readonly isClear: boolean;
  /** It is this machine. */
  readonly isLocal?: boolean;
}

export interface CompletionEngine<Facts extends EngineFacts = EngineFacts> {
  /** Tells it from others, and tells people what it is: a file's path, or an address with a model. */
  readonly id: string;
  readonly name: string;
  /** Undefined: nothing leaves this machine's worker. */
  readonly server?: ServerPlace;
  /** Milliseconds after which one that failed may be tried again by itself; undefined: only when told to. */
  readonly retryMs?: number;
  /** Makes it ready, and checks that it can fill in a middle. */
  load(): Promise<Facts>;
  /** The text at a cursor. */
  complete(request: EngineRequest, context: EngineContext): Promise<EngineAnswer>;
  /** Whether a failure says that it is not ready any more. */
  isLost(code: string): boolean;
}

/** A GGUF model in the worker. */
export class WorkerEngine implements CompletionEngine<CompletionLoaded> {
  readonly #worker: WorkerService;

  /** @param id the model's path */
  constructor(
    worker: WorkerService,
    readonly id: string,
    readonly name: string,
  ) {
    this.#worker = worker;
  }

  load(): Promise<CompletionLoaded> {
    return this.#worker.request('completion/load', completionModel(this.id));
  }

  complete(request: EngineRequest, context: EngineContext) {
    return this.#worker.request('completion/run', { ...request, model: completionModel(this.id) }, context);
  }

  /** The worker's own state says so. */
  isLost(): boolean {
    return false;
  }
}
