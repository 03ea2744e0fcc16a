// The extension's one worker: a process that starts with the first request and again with the first after it ended, and
// whose state the status bar shows. Every request settles; when the process goes, all open ones are rejected with the reason.
// Absent on purpose: any work on a model. The host only sends, receives and shows.
import * as path from 'node:path';
import * as vscode from 'vscode';
import { WorkerClient, type WorkerState } from '../../platform/worker-process.js';
import type { RequestOptions } from '../../protocol/connection.js';
import type { WorkerRequests } from '../../protocol/worker-protocol.js';
import { Disposables } from '../disposables.js';
import { errorLine, logAt } from './log.js';

export type { WorkerState };

export class WorkerService implements vscode.Disposable {
  private readonly owned = new Disposables();
  private readonly changed = this.owned.add(new vscode.EventEmitter<WorkerState>());
  readonly onDidChangeState = this.changed.event;
  private client: WorkerClient;

  /** @param dist the folder of the built files */
  constructor(
    private readonly dist: string,
    private readonly log: vscode.LogOutputChannel,
  ) {
    this.client = this.newClient();
    this.owned.onDispose(() => {
      this.client.dispose();
    });
  }

  get state(): WorkerState {
    return this.client.state;
  }

  /** Undefined while no process runs. */
  get pid(): number | undefined {
    return this.client.pid;
  }

  /** Rejects with a QuantsmithError: the worker's own, `cancelled`, or `worker/gone` when the process ended. */
  request<M extends keyof WorkerRequests>(
    method: M,
    params: WorkerRequests[M]['params'],
    options: RequestOptions<WorkerRequests[M]['progress']> = {},
  ): Promise<WorkerRequests[M]['result']> {
    this.log.debug(`${method}${'path' in params ? ` ${params.path}` : ''}`);
    return this.client.request(method, params, options);
  }

  /** Ends the process, which rejects what it was doing, and starts a new one. */
  restart(): void {
    this.client.dispose();
    this.client = this.newClient();
    this.client.start();
  }

  dispose(): void {
    this.owned.dispose();
  }

  private newClient(): WorkerClient {
    return new WorkerClient(path.join(this.dist, 'worker.js'), {
      onState: state => {
        // The last word of a worker that goes with the extension has nobody to hear it.
        if (!this.owned.isDisposed) this.changed.fire(state);
      },
      onLog: (level, message) => {
        logAt(this.log, level, message);
      },
      onGone: reason => {
        this.log.error(errorLine(reason));
      },
    });
  }
}
