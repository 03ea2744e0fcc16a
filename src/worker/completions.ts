// The model that completes: one at a time, loaded by the first request for it and kept, with what it has evaluated, for the next.
// Requests run one after another. Cancelling one ends it at once, but not a load: whoever types while a model is being loaded
// would have it started over with every key.
import { LEAST_GAIN } from '../core/completion/fim-check.js';
import type { Fim } from '../core/completion/fim-families.js';
import { OtherFilesPrompt } from '../core/completion/other-files.js';
import { affordableBudget, fimBudget } from '../core/completion/fim-prompt.js';
import { errorData, QuantsmithError } from '../core/problem.js';
import { formatNumber } from '../core/text/quantity.js';
import type { Tokenizer } from '../core/tokenizer/tokenizer.js';
import { CachedSequence } from '../engine/cached-sequence.js';
import { checkFim, checkOtherFiles, type CheckFimServices, type FimChecked } from '../engine/jobs/check-fim.js';
import { complete } from '../engine/jobs/complete.js';
import { BATCH, CONTEXT, LONG_CONTEXT, readFim } from '../engine/jobs/completion-support.js';
import { DraftLength } from '../engine/speculation/draft-length.js';
import { FileSource } from '../platform/file-source.js';
import { requireModel } from '../platform/open-model.js';
import { openSession, openToRun, type OpenedSession } from '../platform/open-session.js';
import { assertUnchanged, identityOf } from '../platform/source-files.js';
import type { HandlerContext } from '../protocol/connection.js';
import type { FileIdentity } from '../protocol/quantize-thread-protocol.js';
import type {
  CompletionAnswer,
  CompletionLoaded,
  CompletionModel,
  CompletionRequest,
} from '../protocol/worker-protocol.js';

/** Tokens of the longest completion that is asked for by default: what a context must have room for beside the prompt. */
const USUAL_TOKENS = 64;
/** A piece of fewer tokens says nothing. */
const LEAST_FILES_TOKENS = 128;
/** An evaluation of fewer tokens says nothing about the speed. */
const MEASURED_TOKENS = 32;

interface Loaded {
  readonly model: CompletionModel;
  readonly identities: readonly FileIdentity[];
  readonly session: OpenedSession;
  readonly cache: CachedSequence;
  readonly tokenizer: Tokenizer;
  readonly fim: Fim;
  readonly verdict: FimChecked;
  /** Most tokens of the text before the cursor; fixed, because another number would begin the prompt elsewhere. */
  readonly prefixBudget: number;
  readonly otherFiles: OtherFilesPrompt;
  readonly draftLength: DraftLength;
  readonly files: FilesRoom;
  readonly seconds: number;
}

/** Most tokens of pieces of other files; fixed as that of the prefix. */
interface FilesRoom {
  readonly tokens: number;
  readonly why?: string;
}

export class Completions {
  readonly #kernels: string;
  #loaded: Loaded | undefined;
  /** What is being loaded. */
  #loading: { readonly model: CompletionModel; readonly abort: AbortController } | undefined;
  /** The end of the last request. */
  #last: Promise<unknown> = Promise.resolve();
  /** Tokens a second that prompts were read at, as last measured; for the model that is loaded. */
  #promptSpeed = 0;

  /** @param kernels the folder of the kernels' builds */
  constructor(kernels: string) {
    this.#kernels = kernels;
  }

  /** Rejects with `completion/…` if the model cannot fill in a middle, and as opening and running it do. */
  async load(model: CompletionModel): Promise<CompletionLoaded> {
    // A load of minutes is not waited for when its model is wanted no more.
    if (this.#loading && !isSame(this.#loading.model, model)) this.#loading.abort.abort(replaced());
    const { fim, verdict, session, files, seconds } = await this.#enqueue(() => this.#load(model));
    const { overWrong, overPlain } = verdict;
    const { backend, isa, limits } = session;
    const filesFacts = { filesTokens: files.tokens, ...(files.why === undefined ? {} : { filesWhy: files.why }) };
    return { family: fim.family, overWrong, overPlain, context: limits.context, ...filesFacts, backend, isa, seconds };
  }

  /** The model's text at a cursor. */
  async run(request: CompletionRequest, { signal, progress }: HandlerContext<string>): Promise<CompletionAnswer> {
    const start = performance.now();
    const work = this.#enqueue(async () => {
      signal.throwIfAborted();
      const loaded = await this.#load(request.model);
      signal.throwIfAborted();
      return this.#complete(request, loaded, start, signal, progress);
    });
    return untilAborted(work, signal);
  }

  /** Gives the model back, and waits for the next. */
  async unload(): Promise<Record<string, never>> {
    await this.#enqueue(() => this.#unload());
    return {};
  }

  /** Gives the model back. */
  async dispose(): Promise<void> {
    this.#loading?.abort.abort(replaced());
    await this.#enqueue(() => this.#unload());
  }

  /** One after another: a session takes one step at a time. */
  #enqueue<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => undefined);
    return result;
  }

  async #complete(
    { maxTokens, budgetMs, budgetSince, ...request }: CompletionRequest,
    { session, cache, tokenizer, fim, prefixBudget, otherFiles, draftLength, files }: Loaded,
    start: number,
    signal: AbortSignal,
    progress: (text: string) => void,
  ): Promise<CompletionAnswer> {
    const waitMs = performance.now() - start;
    const { suffix: suffixBudget } = affordableBudget(fim.order, this.#promptSpeed);
    const budget = { prefix: prefixBudget, suffix: suffixBudget, files: files.tokens };
    const since = budgetSince === 'request' ? { since: start / 1000 } : {};
    const result = await complete(
      { ...request, count: maxTokens, seconds: budgetMs / 1000, ...since, budget },
      { model: session, cache, tokenizer, fim, otherFiles, draftLength, signal, now, turn, onText: progress },
    );
    const evaluated = result.prompt.length - result.reusedTokens;
    if (evaluated >= MEASURED_TOKENS) this.#promptSpeed = evaluated / result.promptSeconds;
    return {
      text: result.text,
      stop: result.stop,
      prompt: tokenizer.decode(result.prompt),
      promptTokens: result.prompt.length,
      reusedTokens: result.reusedTokens,
      cutTokens: result.cutTokens,
      generatedTokens: result.generatedTokens,
      waitMs,
      promptMs: result.promptSeconds * 1000,
      generateMs: result.generateSeconds * 1000,
    };
  }

  /** The loaded model, if it is this one as it is on disk now; otherwise it is loaded. */
  async #load(model: CompletionModel): Promise<Loaded> {
    const loaded = this.#loaded;
    if (loaded && isSame(loaded.model, model) && (await isUnchanged(loaded.identities))) return loaded;
    await this.#unload();
    const abort = new AbortController();
    this.#loading = { model, abort };
    try {
      return (this.#loaded = await this.#open(model, abort.signal));
    } finally {
      this.#loading = undefined;
    }
  }

  async #unload(): Promise<void> {
    const loaded = this.#loaded;
    this.#loaded = undefined;
    await loaded?.session.close();
  }

  async #open(model: CompletionModel, signal: AbortSignal): Promise<Loaded> {
    const start = performance.now();
    const { session, files, tokenizer, fim } = await this.#openLong(model, signal);
    try {
      const cache = new CachedSequence(session);
      const checking = now();
      const verdict = await checkFim({ model: session, cache, tokenizer, fim, signal });
      if (!verdict.canFill) throw cannotFill(fim, verdict);
      this.#promptSpeed = verdict.tokens / (now() - checking);
      const { prefix: prefixBudget } = affordableBudget(fim.order, this.#promptSpeed);
      const room = await this.#filesRoom({ model: session, cache, tokenizer, fim, signal });
      const otherFiles = new OtherFilesPrompt(tokenizer, fim);
      const seconds = (performance.now() - start) / 1000;
      const facts = { verdict, prefixBudget, otherFiles, draftLength: new DraftLength(), files: room, seconds };
      return { model, identities: files, session, cache, tokenizer, fim, ...facts };
    } catch (error) {
      const blamed = await session.blame(error);
      await session.close();
      throw blamed;
    }
  }

  /** With room for pieces of other files, if memory has it and the model takes them. */
  async #openLong(model: CompletionModel, signal: AbortSignal) {
    const open = async (needed: number) => {
      const { opened, ...rest } = await openWithFim(model.path, signal);
      const session = await openSession(opened, {
        ...(model.threads === 0 ? {} : { threads: model.threads }),
        ...{ backend: model.backend, kernels: this.#kernels, batch: BATCH, cacheType: 'f16', signal },
        memoryFor: { limit: model.memoryLimit ?? Infinity, setting: 'quantsmith.completions.memoryLimit' },
        needed: rest.fim.files ? needed : CONTEXT,
      });
      return { session, ...rest };
    };
    return open(LONG_CONTEXT).catch((error: unknown) => {
      if (errorData(error).code !== 'engine/out-of-memory') throw error;
      return open(CONTEXT);
    });
  }

  /** How much of other files a model has room, time, and use for. */
  async #filesRoom(services: CheckFimServices): Promise<FilesRoom> {
    const none = (why: string): FilesRoom => ({ tokens: 0, why });
    const { fim, model } = services;
    if (!fim.files) return none(`prompts of the family ${fim.family} have no place for other files`);
    const wanted = affordableBudget(fim.order, this.#promptSpeed);
    if (wanted.files === 0) return none('this machine reads prompts too slowly');
    const { files } = fimBudget(model.limits.context, USUAL_TOKENS, wanted);
    if (files < LEAST_FILES_TOKENS) return none(`a context of ${model.limits.context} tokens has no room for them`);
    const gain = await checkOtherFiles(services);
    // Written so that NaN is a no.
    if (gain >= LEAST_GAIN) return { tokens: files };
    return none(`the model has not learned to use them: they are worth ${gain.toFixed(2)} nats per token in the check`);
  }
}

async function openWithFim(path: string, signal: AbortSignal) {
  const opened = await openToRun(path, signal);
  try {
    const model = requireModel(opened);
    const files = model.shards.flatMap(({ source }) => (source instanceof FileSource ? [identityOf(source)] : []));
    return { opened, files, ...(await readFim(model, signal)) };
  } catch (error) {
    await opened.close();
    throw error;
  }
}

export function isUnchanged(files: readonly FileIdentity[]): Promise<boolean> {
  return assertUnchanged(files).then(
    () => true,
    () => false,
  );
}

export function isSame(a: CompletionModel, b: CompletionModel): boolean {
  return a.path === b.path && a.threads === b.threads && a.backend === b.backend && a.memoryLimit === b.memoryLimit;
}

function replaced(): QuantsmithError {
  return new QuantsmithError('completion/replaced', 'Another model was chosen meanwhile.');
}

function cannotFill({ family }: Fim, { overWrong, overPlain }: FimChecked): QuantsmithError {
  const nats = (value: number): string => formatNumber(Number(value.toFixed(2)));
  return new QuantsmithError(
    'completion/cannot-fill',
    `The model has the tokens for filling in a middle (${family}) but has not learned to use them: the text behind the cursor ` +
      `should make a known middle at least ${nats(LEAST_GAIN)} nats per token likelier than a wrong text does, and than none; ` +
      `it makes it ${nats(overWrong)} and ${nats(overPlain)} likelier.`,
    'Use a code model that was trained for it: a base model, or one whose description speaks of FIM or infilling.',
  );
}

export const now = (): number => performance.now() / 1000;
/** Messages that wait, a cancellation among them, are read now. */
export const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve));

/** As `work`, or rejects with the signal's reason as soon as it is aborted; `work` goes on. */
export function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      reject(signal.reason as Error);
    };
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop, { once: true });
    work.then(resolve, reject).finally(() => {
      signal.removeEventListener('abort', stop);
    });
  });
}
