// Models that chat: one at a time, loaded by the first conversation with it, and given back after a while without one. What it has
// evaluated of a conversation is not evaluated again for the next turn. Requests run one after another; cancelling one ends it.
import { alternating, encodeRendered, templateValues, type ChatMessage } from '../core/chat/chat-prompt.js';
import { QuantsmithError } from '../core/problem.js';
import { plural } from '../core/text/quantity.js';
import type { Tokenizer } from '../core/tokenizer/tokenizer.js';
import { CachedSequence } from '../engine/cached-sequence.js';
import { chatSupport, chatTemplate } from '../engine/jobs/chat-support.js';
import { generate } from '../engine/jobs/generate.js';
import { requireTokenizer } from '../engine/jobs/require-tokenizer.js';
import { GREEDY, Sampler } from '../engine/sampler.js';
import { FileSource } from '../platform/file-source.js';
import { requireModel } from '../platform/open-model.js';
import { openSession, openToRun, PROMPT_BATCH, type OpenedSession } from '../platform/open-session.js';
import { identityOf } from '../platform/source-files.js';
import { TemplateRenderer } from '../platform/template-renderer.js';
import type { HandlerContext } from '../protocol/connection.js';
import type { FileIdentity } from '../protocol/quantize-thread-protocol.js';
import type { ChatAnswer, ChatRequest, CompletionModel } from '../protocol/worker-protocol.js';
import { isSame, isUnchanged, now, turn, untilAborted } from './completions.js';

/** A session of fewer tokens saves little: of the 0.5B shape 4,096 tokens of keys and values take 48 MB. */
const LEAST_CONTEXT = 4096;
/** A vocabulary of 150,000 tokens takes 30 MB. */
const MOST_HEADERS = 3;
/** People come back to a conversation; whoever does not wants the memory. */
const IDLE_MS = 300_000;

/** What a model's header says, as far as a conversation needs it. */
interface Header {
  readonly path: string;
  readonly files: readonly FileIdentity[];
  readonly tokenizer: Tokenizer;
  readonly template: string;
  /** Most tokens of a conversation. */
  readonly context: number;
}

interface Loaded {
  readonly model: CompletionModel;
  readonly header: Header;
  readonly session: OpenedSession;
  readonly cache: CachedSequence;
}

export class Chats {
  readonly #kernels: string;
  readonly #renderer: TemplateRenderer;
  /** By path, the one used last at the end. */
  readonly #headers = new Map<string, Header>();
  #loaded: Loaded | undefined;
  #idle: NodeJS.Timeout | undefined;
  /** The end of the last request. */
  #last: Promise<unknown> = Promise.resolve();

  /**
   * @param kernels the folder of the kernels' builds
   * @param templateProcess path of template-process.js
   */
  constructor(kernels: string, templateProcess: string) {
    this.#kernels = kernels;
    this.#renderer = new TemplateRenderer(templateProcess);
  }

  /** Tokens of a text, or of messages with what the template writes around them. */
  async count(path: string, of: string | readonly ChatMessage[], signal: AbortSignal): Promise<number> {
    const header = await this.#readHeader(path, signal);
    if (typeof of === 'string') return header.tokenizer.encode(of).length;
    try {
      return (await this.#prompt(header, of, false)).length;
    } catch (error) {
      // A template may want a whole conversation; a part of one has its text and some tokens around it.
      if (!(error instanceof QuantsmithError) || error.code !== 'chat/template-failed') throw error;
      return of.reduce((sum, { content }) => sum + header.tokenizer.encode(content).length + AROUND_A_MESSAGE, 0);
    }
  }

  /** The model's answer to a conversation. */
  async run(request: ChatRequest, { signal, progress }: HandlerContext<string>): Promise<ChatAnswer> {
    const work = this.#enqueue(async () => {
      signal.throwIfAborted();
      const header = await this.#readHeader(request.model.path, signal);
      const prompt = await this.#prompt(header, request.messages, true);
      if (prompt.length >= header.context) throw tooLong(prompt.length, header.context);
      signal.throwIfAborted();
      const loaded = await this.#load(request.model, header, prompt.length + request.maxTokens, signal);
      return this.#answer(request, loaded, prompt, signal, progress);
    });
    return untilAborted(work, signal);
  }

  /** Gives everything back. */
  async dispose(): Promise<void> {
    await this.#enqueue(async () => {
      await this.#unload();
      this.#renderer.dispose();
    });
  }

  #enqueue<T>(work: () => Promise<T>): Promise<T> {
    clearTimeout(this.#idle);
    const result = this.#last.then(work);
    this.#last = result.catch(() => undefined);
    this.#idle = setTimeout(() => {
      void this.#enqueue(() => this.#unload());
    }, IDLE_MS);
    this.#idle.unref();
    return result;
  }

  async #answer(
    { maxTokens, sampling }: ChatRequest,
    { session, cache, header }: Loaded,
    prompt: Int32Array,
    signal: AbortSignal,
    progress: (text: string) => void,
  ): Promise<ChatAnswer> {
    const reusedTokens = cache.reusable(prompt);
    let text = '';
    try {
      const result = await generate(
        { prompt, count: maxTokens, stop: [] },
        {
          ...{ model: session, cache, tokenizer: header.tokenizer, signal, now, turn },
          sampler: new Sampler({ ...GREEDY, ...sampling }),
          onText: part => {
            text += part;
            progress(text);
            return Promise.resolve();
          },
        },
      );
      signal.throwIfAborted();
      return {
        text: result.text,
        reason: result.reason === 'count' || result.reason === 'context' ? result.reason : 'end',
        ...{ promptTokens: prompt.length, reusedTokens, generatedTokens: result.ids.length },
        ...{ promptMs: result.promptSeconds * 1000, generateMs: result.generateSeconds * 1000 },
      };
    } catch (error) {
      throw await session.blame(error);
    }
  }

  async #prompt(
    { tokenizer, template }: Header,
    messages: readonly ChatMessage[],
    addGenerationPrompt: boolean,
  ): Promise<Int32Array> {
    const render = async (of: readonly ChatMessage[]): Promise<Int32Array> =>
      encodeRendered(
        tokenizer,
        await this.#renderer.render(template, templateValues(tokenizer, of, addGenerationPrompt)),
      );
    try {
      return await render(messages);
    } catch (error) {
      if (!(error instanceof QuantsmithError) || error.code !== 'chat/template-failed') throw error;
      // Gemma, Mistral and others raise an error of a system message, and of two messages of one person.
      const other = alternating(messages);
      const isOther = other.length < messages.length || messages.some(({ role }) => role === 'system');
      if (!isOther) throw error;
      return await render(other);
    }
  }

  async #readHeader(path: string, signal: AbortSignal): Promise<Header> {
    const known = this.#headers.get(path);
    if (known && (await isUnchanged(known.files))) return this.#keep(known);
    const opened = await openToRun(path, signal);
    try {
      const model = requireModel(opened);
      const files = model.shards.flatMap(({ source }) => (source instanceof FileSource ? [identityOf(source)] : []));
      const template = chatTemplate(model);
      const tokenizer = await requireTokenizer(model, signal);
      const { context } = await chatSupport(model, signal);
      return this.#keep({ path, files, tokenizer, template, context });
    } finally {
      await opened.close();
    }
  }

  #keep(header: Header): Header {
    this.#headers.delete(header.path);
    this.#headers.set(header.path, header);
    const [oldest] = this.#headers.keys();
    if (oldest !== undefined && this.#headers.size > MOST_HEADERS) this.#headers.delete(oldest);
    return header;
  }

  /** The model with room for so many tokens, as far as it has been trained for them. */
  async #load(model: CompletionModel, header: Header, tokens: number, signal: AbortSignal): Promise<Loaded> {
    const loaded = this.#loaded;
    const needed = Math.min(header.context, Math.max(LEAST_CONTEXT, 2 ** Math.ceil(Math.log2(tokens))));
    const isGood = loaded?.header === header && isSame(loaded.model, model) && loaded.session.limits.context >= needed;
    if (isGood) return loaded;
    await this.#unload();
    const { path, threads, backend } = model;
    const session = await openSession(path, {
      ...(threads === 0 ? {} : { threads }),
      ...{ backend, kernels: this.#kernels, needed, batch: PROMPT_BATCH, cacheType: 'f16', signal },
    });
    return (this.#loaded = { model, header, session, cache: new CachedSequence(session) });
  }

  async #unload(): Promise<void> {
    const loaded = this.#loaded;
    this.#loaded = undefined;
    await loaded?.session.close();
  }
}

/** As most templates write around a message. */
const AROUND_A_MESSAGE = 6;

function tooLong(tokens: number, context: number): QuantsmithError {
  return new QuantsmithError(
    'chat/too-long',
    `The conversation has ${plural(tokens, 'token')}; the model takes ${plural(context, 'token')}, its answer included.`,
    'Begin a new conversation, or attach fewer and smaller files.',
  );
}
