// One opened model file: loads its description through the worker, again whenever the file or one of its shards changes on
// disk, and keeps the last outcome so that an editor that becomes visible again shows it at once. Several editors may
// show one document. Loads never overtake each other: only the newest may set the state.
import * as path from 'node:path';
import * as vscode from 'vscode';
import { errorData, type ErrorData } from '../../core/problem.js';
import type { InspectorRequest, InspectorResponse } from '../../protocol/inspector-protocol.js';
import type { ModelDescription } from '../../protocol/worker-protocol.js';
import { Disposables } from '../disposables.js';
import { errorLine } from '../services/log.js';
import type { WorkerService } from '../services/worker.js';
import { belongsToModel } from './model-files.js';

export type ModelState =
  | { readonly kind: 'loading' }
  | { readonly kind: 'model'; readonly model: ModelDescription }
  | { readonly kind: 'failed'; readonly error: ErrorData };

/** A file that is being written reports many changes; the header is read again when they pause. */
const RELOAD_DELAY_MS = 300;

export class ModelDocument implements vscode.CustomDocument {
  private readonly owned = new Disposables();
  private readonly changed = this.owned.add(new vscode.EventEmitter<ModelState>());
  readonly onDidChange = this.changed.event;
  private current: ModelState = { kind: 'loading' };
  private load: AbortController | undefined;
  private reloadTimer: NodeJS.Timeout | undefined;

  constructor(
    readonly uri: vscode.Uri,
    private readonly worker: WorkerService,
    private readonly log: vscode.LogOutputChannel,
  ) {
    this.watch();
    this.owned.onDispose(() => {
      clearTimeout(this.reloadTimer);
      this.load?.abort();
    });
    this.reload();
  }

  get state(): ModelState {
    return this.current;
  }

  get path(): string {
    return this.uri.fsPath;
  }

  /** Every file the model was read from, the opened one first. */
  get files(): readonly string[] {
    const shards = this.current.kind === 'model' ? this.current.model.shards.map(shard => shard.path) : [];
    return [...new Set([this.path, ...shards])];
  }

  reload(): void {
    if (this.owned.isDisposed) return;
    clearTimeout(this.reloadTimer);
    this.load?.abort();
    const load = new AbortController();
    this.load = load;
    void this.describe(load.signal).then(state => {
      if (load.signal.aborted) return;
      if (state.kind === 'failed') this.log.warn(`${this.path}: ${errorLine(state.error)}`);
      this.setState(state);
    });
  }

  /** Answers a page of an array or a whole string; rejects with the worker's coded error. */
  async answer(request: InspectorRequest): Promise<InspectorResponse> {
    switch (request.kind) {
      case 'array': {
        const { key, start, count } = request;
        return { kind: 'array', ...(await this.worker.request('model/array', { path: this.path, key, start, count })) };
      }
      case 'string':
        return {
          kind: 'string',
          ...(await this.worker.request('model/string', { path: this.path, key: request.key })),
        };
    }
  }

  dispose(): void {
    this.owned.dispose();
  }

  private async describe(signal: AbortSignal): Promise<ModelState> {
    if (this.uri.scheme !== 'file') {
      return {
        kind: 'failed',
        error: {
          code: 'inspector/not-on-disk',
          message: `Models are read from disk, and "${this.uri.scheme}:" is not a file on this machine.`,
          hint: 'Copy the file to a folder on this machine and open it there.',
        },
      };
    }
    try {
      return { kind: 'model', model: await this.worker.request('model/inspect', { path: this.path }, { signal }) };
    } catch (error) {
      return { kind: 'failed', error: errorData(error) };
    }
  }

  private setState(state: ModelState): void {
    this.current = state;
    this.changed.fire(state);
  }

  /** Watches the folder, not recursively: shards lie beside each other, and the file may not exist for a moment. */
  private watch(): void {
    if (this.uri.scheme !== 'file') return;
    const folder = vscode.Uri.file(path.dirname(this.path));
    const watcher = this.owned.add(
      vscode.workspace.createFileSystemWatcher(new vscode.RelativePattern(folder, '*.gguf')),
    );
    const touched = (uri: vscode.Uri): void => {
      if (!belongsToModel(uri.fsPath, this.path, this.files)) return;
      clearTimeout(this.reloadTimer);
      this.reloadTimer = setTimeout(() => {
        this.reload();
      }, RELOAD_DELAY_MS);
    };
    this.owned.add(watcher.onDidChange(touched));
    this.owned.add(watcher.onDidCreate(touched));
    this.owned.add(watcher.onDidDelete(touched));
  }
}
