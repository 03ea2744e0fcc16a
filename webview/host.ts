// The inspector's side of its protocol with the extension host: requests with ids, each settled exactly once (answer,
// error, time-out, or the view closing), and one-way commands. Nothing here knows the DOM; transport and clock are given.
import { errorFromData, QuantsmithError } from '../src/core/problem.js';
import type {
  FromInspector,
  InspectorRequest,
  InspectorResponse,
  ToInspector,
} from '../src/protocol/inspector-protocol.js';

/** A page of an array takes milliseconds; a network drive that wakes up may take this long. */
export const REQUEST_TIMEOUT_MS = 30_000;

/** UTF-16 units the host puts on the clipboard. */
export const MAX_COPY_LENGTH = 16 * 1024 * 1024;

type Response = Extract<ToInspector, { type: 'response' }>;
export type ResponseTo<Kind extends InspectorRequest['kind']> = Extract<InspectorResponse, { kind: Kind }>;

export interface Clock {
  setTimeout(callback: () => void, ms: number): number;
  clearTimeout(handle: number): void;
}

interface Pending {
  readonly kind: InspectorRequest['kind'];
  readonly resolve: (result: InspectorResponse) => void;
  readonly reject: (error: Error) => void;
  readonly timer: number;
}

export class InspectorHost {
  private readonly pending = new Map<number, Pending>();
  private nextId = 1;
  private closed = false;

  constructor(
    private readonly post: (message: FromInspector) => void,
    private readonly clock: Clock,
  ) {}

  ready(): void {
    this.post({ type: 'ready' });
  }

  /** The last `model` or `failed` message is on the screen. */
  shown(view: 'model' | 'failed'): void {
    this.post({ type: 'shown', view });
  }

  command(command: Extract<FromInspector, { type: 'command' }>['command']): void {
    this.post({ type: 'command', command });
  }

  /** Puts text on the clipboard. Throws `inspector/too-long` beyond what the host accepts. */
  copy(text: string): void {
    if (text.length > MAX_COPY_LENGTH) {
      throw new QuantsmithError(
        'inspector/too-long',
        'This is more than 16 million characters, too much for the clipboard.',
      );
    }
    this.post({ type: 'copy', text });
  }

  /** Rejects with a QuantsmithError: the host's, `inspector/timeout` or `inspector/closed`. */
  async request<Request extends InspectorRequest>(request: Request): Promise<ResponseTo<Request['kind']>> {
    if (this.closed) throw new QuantsmithError('inspector/closed', 'The inspector is closed.');
    const id = this.nextId++;
    const result = await new Promise<InspectorResponse>((resolve, reject) => {
      const timer = this.clock.setTimeout(() => {
        this.pending.delete(id);
        const seconds = REQUEST_TIMEOUT_MS / 1000;
        reject(
          new QuantsmithError('inspector/timeout', `No answer within ${seconds} s.`, 'Try again, or reload the model.'),
        );
      }, REQUEST_TIMEOUT_MS);
      this.pending.set(id, { kind: request.kind, resolve, reject, timer });
      this.post({ type: 'request', id, request });
    });
    return result as ResponseTo<Request['kind']>;
  }

  /** An answer arrived; one that nobody waits for any more is dropped. */
  settle(response: Response): void {
    const pending = this.pending.get(response.id);
    if (!pending) return;
    this.pending.delete(response.id);
    this.clock.clearTimeout(pending.timer);
    if ('error' in response) pending.reject(errorFromData(response.error));
    else if (response.result.kind === pending.kind) pending.resolve(response.result);
    else
      pending.reject(
        new QuantsmithError('internal', `Expected an answer of kind ${pending.kind}, got ${response.result.kind}.`),
      );
  }

  /** Fails everything that waits, now and later. */
  close(): void {
    this.closed = true;
    for (const { reject, timer } of this.pending.values()) {
      this.clock.clearTimeout(timer);
      reject(new QuantsmithError('inspector/closed', 'The inspector was closed before the answer came.'));
    }
    this.pending.clear();
  }
}
