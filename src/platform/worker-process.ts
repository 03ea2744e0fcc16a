// The client's end of the worker process: forks it with the first request, again with the first request after it ended,
// and turns its death into an answer. Every request settles: when the process goes, all open ones reject with
// `worker/gone`, which says how it ended and what it last wrote to stderr. A worker that does not react to a cancel is
// ended. The worker ends itself when this process does: it sees the channel close.
import { fork, type ChildProcess } from 'node:child_process';
import { QuantsmithError, errorData, type ErrorData } from '../core/problem.js';
import { ConnectionClient, type RequestOptions, type Transport } from '../protocol/connection.js';
import type { WorkerNotifications, WorkerRequests, WorkerStatus } from '../protocol/worker-protocol.js';

/** From a cancel to the end of a worker that has not answered it: well above the 200 ms that a job takes. */
const CANCEL_GRACE_MS = 5000;
/** From dispose() to SIGKILL. */
const STOP_GRACE_MS = 2000;
/** Lines of stderr that go into the message about a dead worker. */
const STDERR_LINES = 8;

export type WorkerLogLevel = WorkerNotifications['log/message']['level'];

/** What a status bar wants to know. */
export type WorkerState =
  | { readonly kind: 'stopped' }
  | { readonly kind: 'starting' }
  | { readonly kind: 'idle' | 'busy'; readonly status: WorkerStatus }
  | { readonly kind: 'crashed'; readonly reason: ErrorData };

export interface WorkerListeners {
  readonly onState?: (state: WorkerState) => void;
  /** At the start and whenever the worker becomes busy or idle. */
  readonly onStatus?: (status: WorkerStatus) => void;
  readonly onLog?: (level: WorkerLogLevel, message: string) => void;
  /** The process ended, or did not start, although nobody disposed of it. */
  readonly onGone?: (reason: ErrorData) => void;
}

interface Running {
  readonly child: ChildProcess;
  readonly connection: ConnectionClient<WorkerRequests, WorkerNotifications>;
}

export class WorkerClient {
  private running: Running | undefined;
  private disposed = false;
  private current: WorkerState = { kind: 'stopped' };

  /** @param file the bundled worker, `dist/worker.js` */
  constructor(
    private readonly file: string,
    private readonly listeners: WorkerListeners = {},
    private readonly cancelGraceMs = CANCEL_GRACE_MS,
  ) {}

  get state(): WorkerState {
    return this.current;
  }

  /** Undefined while no process runs. */
  get pid(): number | undefined {
    return this.running?.child.pid;
  }

  /** Starts the process if none runs; a request does so by itself. */
  start(): void {
    if (!this.disposed) this.running ??= this.fork();
  }

  /** Rejects with the worker's coded error, `cancelled`, or `worker/gone`. */
  async request<M extends keyof WorkerRequests>(
    method: M,
    params: WorkerRequests[M]['params'],
    options: RequestOptions<WorkerRequests[M]['progress']> = {},
  ): Promise<WorkerRequests[M]['result']> {
    if (this.disposed) throw stopped();
    const { child, connection } = (this.running ??= this.fork());
    let hung: NodeJS.Timeout | undefined;
    const onAbort = (): void => {
      hung = setTimeout(() => {
        this.log('warn', `the worker did not react to the cancelling of ${method}; ending it`);
        child.kill('SIGKILL');
      }, this.cancelGraceMs);
    };
    options.signal?.addEventListener('abort', onAbort, { once: true });
    try {
      return await connection.request(method, params, options);
    } catch (error) {
      // Ended because it did not stop: for whoever cancelled, that is what was asked for.
      if (hung && errorData(error).code === 'worker/gone') throw new QuantsmithError('cancelled', 'Cancelled.');
      throw error;
    } finally {
      clearTimeout(hung);
      options.signal?.removeEventListener('abort', onAbort);
    }
  }

  /** Ends the process; what is open rejects with `worker/gone`, and so does every later request. */
  dispose(): void {
    if (this.disposed) return;
    this.disposed = true;
    const { running } = this;
    this.running = undefined;
    if (!running) return;
    running.connection.dispose(errorData(stopped()));
    // The worker cleans up after its jobs when the channel closes; if it cannot, it is killed.
    const { child } = running;
    if (child.connected) child.disconnect();
    const kill = setTimeout(() => child.kill('SIGKILL'), STOP_GRACE_MS);
    kill.unref();
    child.unref();
    child.once('exit', () => {
      clearTimeout(kill);
    });
    this.setState({ kind: 'stopped' });
  }

  private fork(): Running {
    this.setState({ kind: 'starting' });
    const child = fork(this.file, [], {
      serialization: 'advanced',
      // Flags of the host (--inspect, loaders) are not meant for the worker. In VS Code the executable is Electron.
      execArgv: [],
      env: { ...process.env, ELECTRON_RUN_AS_NODE: '1' },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    const stderr = this.collect(child);
    let close: ((reason: ErrorData) => void) | undefined;
    const transport: Transport = {
      send: message => {
        // A failed send is a process about to be gone: its exit settles what is open.
        if (child.connected) child.send(message as object, () => undefined);
      },
      onMessage: listener => child.on('message', listener),
      onClose: listener => {
        close = listener;
      },
    };
    const connection = new ConnectionClient<WorkerRequests, WorkerNotifications>(transport, message => {
      this.log('warn', `worker connection: ${message}`);
    });
    const onStatus = (status: WorkerStatus): void => {
      if (this.running?.child !== child) return;
      this.setState({ kind: status.state, status });
      this.listeners.onStatus?.(status);
    };
    connection.onNotification('worker/ready', onStatus);
    connection.onNotification('worker/status', onStatus);
    connection.onNotification('log/message', ({ level, message }) => {
      this.log(level, message);
    });
    const end = (how: string): void => {
      const reason = gone(how, stderr);
      if (this.running?.child === child) {
        this.running = undefined;
        this.setState({ kind: 'crashed', reason });
        this.listeners.onGone?.(reason);
      }
      close?.(reason);
    };
    child.on('error', error => {
      this.log('error', `worker process: ${error.message}`);
      // Without a process id it never started, and there will be no exit.
      if (child.pid === undefined) end(`could not be started: ${error.message}`);
    });
    child.on('exit', (code, signal) => {
      end(signal === null ? `ended with code ${String(code)}` : `was ended by ${signal}`);
    });
    return { child, connection };
  }

  /** Sends output to the log line by line and returns the last lines of stderr, as they come. */
  private collect(child: ChildProcess): readonly string[] {
    const last: string[] = [];
    const lines = (stream: NodeJS.ReadableStream | null, level: WorkerLogLevel, keep: string[] | undefined): void => {
      let rest = '';
      stream?.setEncoding('utf8');
      stream?.on('data', (text: string) => {
        const all = (rest + text).split('\n');
        rest = all.pop() ?? '';
        for (const line of all) {
          this.log(level, line);
          keep?.push(line);
          if (keep && keep.length > STDERR_LINES) keep.shift();
        }
      });
    };
    lines(child.stdout, 'info', undefined);
    lines(child.stderr, 'error', last);
    return last;
  }

  private log(level: WorkerLogLevel, message: string): void {
    this.listeners.onLog?.(level, message);
  }

  private setState(state: WorkerState): void {
    this.current = state;
    this.listeners.onState?.(state);
  }
}

function stopped(): QuantsmithError {
  return new QuantsmithError('worker/gone', 'The worker was stopped.');
}

function gone(how: string, stderr: readonly string[]): ErrorData {
  const said = stderr.length > 0 ? ` It last wrote: ${stderr.join(' | ')}` : '';
  const memory = how.endsWith('SIGKILL')
    ? ' The system ends processes so when memory runs out: try fewer threads.'
    : '';
  return {
    code: 'worker/gone',
    message: `The worker process ${how} before it answered.${said}`,
    hint: `No incomplete file is left under the output's name. Try again: a new worker is started.${memory} Details are in the log.`,
  };
}
