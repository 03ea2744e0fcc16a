// Opens a model by path or URL: one file, or all shards of a split model. The opened model owns what it opened; `close`
// releases it. Nothing but headers is read.
import type { ByteSource } from '../core/bytes/byte-source.js';
import type { GgufModel } from '../core/gguf/gguf.js';
import { readModel } from '../core/gguf/shards.js';
import { firstError, placeOf, QuantsmithError, type Problem } from '../core/problem.js';
import { FileSource } from './file-source.js';
import { HttpSource } from './http-source.js';

export interface OpenedModel {
  /** As given. */
  readonly path: string;
  /** Undefined if the file is no GGUF; `problems` says what it is. */
  readonly model: GgufModel | undefined;
  readonly problems: readonly Problem[];
  close(): Promise<void>;
}

export interface OpenModelOptions {
  readonly signal?: AbortSignal;
  /** First elements kept of each metadata array. */
  readonly arrayHead?: number;
}

/** A request costs a round trip: fewer and larger ones. 1 MiB holds the header of most models with 32,000 tokens. */
const HTTP_WINDOWS = { firstWindow: 1 << 20, window: 1 << 22 };

export function isUrl(path: string): boolean {
  return /^https?:\/\//i.test(path);
}

/**
 * Opens `path` (or an http(s) URL) and reads its header. Rejects with a QuantsmithError if it cannot be opened (`io/…`,
 * `http/…`), or with the signal's reason; a bad file is not a rejection but `problems`.
 */
export async function openModel(path: string, options: OpenModelOptions = {}): Promise<OpenedModel> {
  const opened: (ByteSource & { close?(): Promise<void> })[] = [];
  const { signal } = options;
  const open = async (name: string): Promise<ByteSource> => {
    const source = isUrl(name) ? await HttpSource.open(name, signal ? { signal } : {}) : await FileSource.open(name);
    opened.push(source);
    return source;
  };
  const close = async (): Promise<void> => {
    for (const source of opened.splice(0)) await source.close?.();
  };
  try {
    const { value, problems } = await readModel(open, path, { ...options, ...(isUrl(path) ? HTTP_WINDOWS : {}) });
    return { path, model: value, problems, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** The model of an opened file, for callers that cannot go on without one: throws the first error-level problem. */
export function requireModel(opened: OpenedModel): GgufModel {
  const first = firstError(opened.problems);
  if (first || !opened.model) {
    throw new QuantsmithError(
      first?.code ?? 'gguf/unreadable',
      `${opened.path}: ${first?.message ?? 'the file could not be read.'}`,
      first?.hint,
      placeOf(first ?? {}),
    );
  }
  return opened.model;
}
