// A file behind an http(s) URL as a ByteSource, read with range requests: only the parts that are asked for travel. The
// first request asks for the beginning of the file and learns its size; its bytes are kept, because a header starts there.
// A server that ignores ranges, changes the file in between or stops in the middle is an error with a name. Nothing is
// requested unless the user gave the URL.
import type { ByteSource } from '../core/bytes/byte-source.js';
import { QuantsmithError } from '../core/problem.js';

export interface HttpSourceOptions {
  readonly signal?: AbortSignal;
  /** Bytes of the first request. */
  readonly firstRead?: number;
  /** Milliseconds without an answer or without progress after which a request fails. */
  readonly timeout?: number;
  readonly fetch?: typeof fetch;
}

const DEFAULT_TIMEOUT = 30_000;
/** The same as the window that reads a header through it: the first request then serves the first window. */
const DEFAULT_FIRST_READ = 1 << 20;

export class HttpSource implements ByteSource {
  /** Requests made so far. */
  requests = 0;
  size = 0;
  private head: Uint8Array = new Uint8Array(0);
  private version: string | undefined;

  private constructor(
    /** The URL as given. */
    readonly name: string,
    private readonly options: HttpSourceOptions,
  ) {}

  /** Asks for the beginning of the file. Rejects with `http/status`, `http/no-ranges`, `http/network`, `http/timeout`. */
  static async open(url: string, options: HttpSourceOptions = {}): Promise<HttpSource> {
    const source = new HttpSource(url, options);
    await source.begin();
    return source;
  }

  async read(offset: number, length: number, signal?: AbortSignal): Promise<Uint8Array> {
    if (!(offset >= 0 && length >= 0 && offset + length <= this.size)) {
      throw new QuantsmithError(
        'io/out-of-range',
        `${this.name}: ${length} bytes at ${offset} asked for, the file has ${this.size}.`,
      );
    }
    if (offset + length <= this.head.length) return this.head.slice(offset, offset + length);
    if (length === 0) return new Uint8Array(0);
    const { bytes, total, version } = await this.request(offset, length, signal);
    if (total !== this.size || version !== this.version) {
      throw new QuantsmithError(
        'http/changed',
        `${this.name} changed on the server while it was read.`,
        'Open it again.',
      );
    }
    if (bytes.length !== length) throw this.cut(offset, length, bytes.length);
    return bytes;
  }

  private async begin(): Promise<void> {
    const { firstRead = DEFAULT_FIRST_READ, signal } = this.options;
    const { bytes, total, version } = await this.request(0, firstRead, signal);
    if (bytes.length !== Math.min(firstRead, total)) throw this.cut(0, Math.min(firstRead, total), bytes.length);
    this.size = total;
    this.head = bytes;
    this.version = version;
  }

  private async request(
    offset: number,
    length: number,
    signal: AbortSignal | undefined,
  ): Promise<{ bytes: Uint8Array; total: number; version: string | undefined }> {
    const timeout = new AbortController();
    const limit = this.options.timeout ?? DEFAULT_TIMEOUT;
    let timer = setTimeout(() => {
      timeout.abort();
    }, limit);
    const progress = (): void => {
      clearTimeout(timer);
      timer = setTimeout(() => {
        timeout.abort();
      }, limit);
    };
    this.requests++;
    try {
      const response = await (this.options.fetch ?? fetch)(this.name, {
        headers: { range: `bytes=${offset}-${offset + length - 1}`, 'accept-encoding': 'identity' },
        signal: signal ? AbortSignal.any([signal, timeout.signal]) : timeout.signal,
      });
      progress();
      const total = await this.checkResponse(response, offset);
      const bytes = total === 0 ? new Uint8Array(0) : await readBody(response, length, progress);
      return {
        bytes,
        total,
        version: response.headers.get('etag') ?? response.headers.get('last-modified') ?? undefined,
      };
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      if (error instanceof QuantsmithError) throw error;
      if (timeout.signal.aborted) {
        throw new QuantsmithError(
          'http/timeout',
          `${this.name} did not answer for ${limit / 1000} s.`,
          'Check the connection and try again.',
          { cause: error },
        );
      }
      throw new QuantsmithError(
        'http/network',
        `${this.name} cannot be reached: ${reason(error)}.`,
        'Check the address and the connection.',
        { cause: error },
      );
    } finally {
      clearTimeout(timer);
    }
  }

  /** The size of the whole file, from the answer to a range request. */
  private async checkResponse(response: Response, offset: number): Promise<number> {
    const fail = async (code: string, message: string, hint: string): Promise<never> => {
      await response.body?.cancel();
      throw new QuantsmithError(code, `${this.name}: ${message}`, hint);
    };
    const { status } = response;
    const range = response.headers.get('content-range');
    // 416 with `bytes */0`: the file is empty.
    if (status === 416 && /^bytes \*\/0$/.test(range ?? '')) return 0;
    if (status === 200) {
      return fail('http/no-ranges', 'the server ignores range requests.', 'Download the file and open it from disk.');
    }
    if (status !== 206) {
      const what =
        status === 401 || status === 403 ? 'The file needs a login or a licence to be accepted' : 'Check the address';
      return fail(
        'http/status',
        `the server answered ${status} ${response.statusText}.`,
        `${what}, or download the file and open it from disk.`,
      );
    }
    const match = /^bytes (\d+)-\d+\/(\d+)$/.exec(range ?? '');
    if (!match || Number(match[1]) !== offset) {
      return fail(
        'http/no-ranges',
        `the server answered with an unusable range (${range ?? 'none'}).`,
        'Download the file and open it from disk.',
      );
    }
    return Number(match[2]);
  }

  private cut(offset: number, expected: number, found: number): QuantsmithError {
    return new QuantsmithError(
      'http/truncated',
      `${this.name}: ${expected} bytes at ${offset} asked for, ${found} received.`,
      'The connection was interrupted; try again.',
    );
  }
}

/** The body, but never more than `limit` bytes of it. */
async function readBody(response: Response, limit: number, progress: () => void): Promise<Uint8Array> {
  const bytes = new Uint8Array(limit);
  let done = 0;
  const reader = (response.body as ReadableStream<Uint8Array> | null)?.getReader();
  while (reader) {
    const { value } = await reader.read();
    if (value === undefined) break;
    progress();
    const part = value.subarray(0, limit - done);
    bytes.set(part, done);
    done += part.length;
    if (done === limit) {
      await reader.cancel();
      break;
    }
  }
  return bytes.subarray(0, done);
}

function reason(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return cause instanceof Error ? cause.message : String(cause);
}
