// Opens a model by path, ready to run: header, executor, session. What was opened is closed with the session.
import { QuantsmithError } from '../core/problem.js';
import { quote } from '../core/text/printable.js';
import { formatBytes } from '../core/text/quantity.js';
import { findBadWeight } from '../engine/find-bad-weight.js';
import { createModelSession, type ModelSession, type SessionOptions } from '../engine/model-session.js';
import { loadExecutor } from './load-executor.js';
import { loadBackend, type BackendChoice } from './load-backend.js';
import { isUrl, openModel, requireModel, type OpenedModel } from './open-model.js';
import { physicalCores } from './physical-cores.js';

/** As many elements of an array as a model has layers at most: some keys have a value for each. */
const ARRAY_HEAD = 1024;
/** What a model computes where a weight is NaN or infinite. */
const NO_NUMBERS = new Set(['engine/bad-logits', 'perplexity/not-finite']);

export interface OpenSessionOptions extends Omit<SessionOptions, 'threads' | 'memoryAvailable'> {
  /** Default: one per physical core. */
  readonly threads?: number;
  readonly backend: BackendChoice;
  /** Where `kernels.node` and `kernels.wasm` are. */
  readonly kernels: string;
  readonly signal?: AbortSignal;
  /**
   * Refuses a model whose weights and working memory together are more than is free, or than `limit` bytes, which `setting` gives. By
   * default weights do not count: the native backend leaves them in their files.
   */
  readonly memoryFor?: { readonly limit: number; readonly setting: string };
}

export interface OpenedSession extends ModelSession {
  readonly backend: 'native' | 'wasm';
  /** The instruction set whose kernels compute. */
  readonly isa: string;
  /** The model's files. */
  readonly paths: readonly string[];
  /** One line per decision about kernels. */
  readonly notes: readonly string[];
  /**
   * An error about results that are no numbers, with the first tensor that holds such; any other error as it is. Reads the
   * model's weights.
   */
  blame(error: unknown): Promise<unknown>;
  close(): Promise<void>;
}

/**
 * Most tokens of a prompt in one step. Of the 0.5B shape in Q8_0 a step of 512 took 118 MB besides the model, of 256 99 MB,
 * of 128 91 MB; the first two were equally fast.
 */
export const PROMPT_BATCH = 256;

/**
 * Opens a model's header, for its tokenizer and then for a session: reading it takes 40 ms where the vocabulary is large.
 * @throws QuantsmithError `engine/remote-model`, `io/…`
 */
export async function openToRun(path: string, signal?: AbortSignal): Promise<OpenedModel> {
  if (isUrl(path)) {
    throw new QuantsmithError(
      'engine/remote-model',
      'A model is run from disk, not from an address.',
      'Download it first.',
    );
  }
  return openModel(path, { arrayHead: ARRAY_HEAD, ...(signal ? { signal } : {}) });
}

/**
 * A session of a model by its path, or of one that `openToRun` has opened, which belongs to the session from then on, also if
 * this fails.
 * @throws QuantsmithError `engine/…`, `gguf/…`, `io/…`, `kernel/…`: the model or the executor cannot be used
 */
export async function openSession(of: string | OpenedModel, options: OpenSessionOptions): Promise<OpenedSession> {
  const opened = typeof of === 'string' ? await openToRun(of, options.signal) : of;
  try {
    const model = requireModel(opened);
    const sources = model.shards.map(({ source }) => source);
    const files = { sources, paths: sources.map(({ name }) => name) };
    const { executor, isa, notes } = await loadExecutor(options.backend, options.kernels);
    const weights = model.shards.reduce((sum, { source }) => sum + source.size, 0);
    const memoryAvailable = options.memoryFor
      ? memoryBeside(executor.kind === 'native' ? weights : 0, weights, options.memoryFor)
      : process.availableMemory();
    const session = await createModelSession(model, files, executor, {
      ...options,
      threads: options.threads ?? physicalCores(),
      memoryAvailable,
    });
    const blame = async (error: unknown): Promise<unknown> => {
      if (!(error instanceof QuantsmithError) || !NO_NUMBERS.has(error.code)) return error;
      const { backend } = await loadBackend(options.backend, options.kernels);
      const bad = await findBadWeight(model, backend, options.signal);
      if (!bad) return error;
      const message = `${error.message} Tensor ${quote(bad.tensor)} holds NaN or infinity at element ${bad.index}.`;
      return new QuantsmithError(error.code, message, error.hint, { subject: bad.tensor });
    };
    const close = async (): Promise<void> => {
      await session.session.end();
      await opened.close();
    };
    return { ...session, backend: executor.kind, isa: options.isa ?? isa, paths: files.paths, notes, blame, close };
  } catch (error) {
    await opened.close();
    throw error;
  }
}

/**
 * Bytes that are left beside weights.
 * @throws QuantsmithError `engine/model-too-large`
 */
function memoryBeside(
  counted: number,
  weights: number,
  { limit, setting }: { limit: number; setting: string },
): number {
  const free = process.availableMemory();
  const most = Math.min(free, limit);
  if (weights <= most) return most - counted;
  const what = limit < free ? `${setting} allows ${formatBytes(limit)}` : `${formatBytes(free)} of memory are free`;
  throw new QuantsmithError(
    'engine/model-too-large',
    `The model has ${formatBytes(weights)}; ${what}.`,
    'Use a smaller model, or the same one quantized to fewer bits (Quantsmith: Quantize Model…).',
  );
}
