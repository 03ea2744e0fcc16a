// The extension's one worker: starts with the first request, is restarted by the next request after it stopped, and tells
// the status bar how it is. Every request settles; when the process goes, all open ones are rejected with the reason.
// Absent on purpose: any work on a model. The host only sends, receives and shows.
import * as vscode from 'vscode';
import type { ErrorData } from '../../core/problem.js';
import { errorData } from '../../core/problem.js';
import type { RequestOptions } from '../../protocol/connection.js';
import type { WorkerRequests, WorkerStatus } from '../../protocol/worker-protocol.js';
import { Disposables } from '../disposables.js';
import type { LogLevel } from './log.js';
import { errorLine, logAt } from './log.js';

export type WorkerState =
  | { readonly kind: 'not-started' }
  | { readonly kind: 'starting' }
  | { readonly kind: 'running'; readonly status: WorkerStatus }
  /** The process ended although nobody asked it to, or did not start. */
  | { readonly kind: 'stopped'; readonly reason: ErrorData };

/** A worker process as this service needs it; `WorkerClient` in platform/worker-process.ts is one. */
export interface WorkerProcess {
  readonly pid: number | undefined;
  request<M extends keyof WorkerRequests>(
    method: M,
    params: WorkerRequests[M]['params'],
    options?: RequestOptions<WorkerRequests[M]['progress']>,
  ): Promise<WorkerRequests[M]['result']>;
  dispose(): void;
}

export interface WorkerListeners {
  onStatus(status: WorkerStatus): void;
  onLog(level: LogLevel, message: string): void;
  /** The process ended without dispose(). */
  onGone(reason: ErrorData): void;
}

export class WorkerService implements vscode.Disposable {
  private readonly owned = new Disposables();
  private readonly changed = this.owned.add(new vscode.EventEmitter<WorkerState>());
  readonly onDidChangeState = this.changed.event;
  private process: WorkerProcess | undefined;
  private current: WorkerState = { kind: 'not-started' };

  constructor(
    private readonly start: (listeners: WorkerListeners) => WorkerProcess,
    private readonly log: vscode.LogOutputChannel,
  ) {
    this.owned.onDispose(() => {
      this.stop();
    });
  }

  get state(): WorkerState {
    return this.current;
  }

  get pid(): number | undefined {
    return this.process?.pid;
  }

  /** Rejects with a QuantsmithError: the worker's own, `cancelled`, or `worker/…` when the process stopped. */
  async request<M extends keyof WorkerRequests>(
    method: M,
    params: WorkerRequests[M]['params'],
    options: RequestOptions<WorkerRequests[M]['progress']> = {},
  ): Promise<WorkerRequests[M]['result']> {
    this.log.debug(`${method} ${'path' in params ? params.path : ''}`);
    return this.running().request(method, params, options);
  }

  /** Ends the process; what it was doing is rejected. The next request starts a new one. */
  restart(): void {
    this.stop();
    this.setState({ kind: 'not-started' });
    this.running();
  }

  dispose(): void {
    this.owned.dispose();
  }

  private running(): WorkerProcess {
    if (this.process !== undefined) return this.process;
    this.setState({ kind: 'starting' });
    // Listeners of a process that has been replaced must not speak for the new one.
    let process: WorkerProcess | undefined = undefined;
    const isCurrent = (): boolean => process === undefined || process === this.process;
    try {
      process = this.start({
        onStatus: status => {
          if (isCurrent()) this.setState({ kind: 'running', status });
        },
        onLog: (level, message) => {
          logAt(this.log, level, message);
        },
        onGone: reason => {
          if (!isCurrent()) return;
          this.process = undefined;
          this.log.error(errorLine(reason));
          this.setState({ kind: 'stopped', reason });
        },
      });
    } catch (error) {
      const reason = errorData(error);
      this.log.error(errorLine(reason));
      this.setState({ kind: 'stopped', reason });
      throw error;
    }
    this.process = process;
    return process;
  }

  private stop(): void {
    const process = this.process;
    this.process = undefined;
    process?.dispose();
  }

  private setState(state: WorkerState): void {
    this.current = state;
    if (!this.owned.isDisposed) this.changed.fire(state);
  }
}
