// Which models are offered to chat: the one that completes, if it can chat, and those that were picked. What their headers say is
// read once by the worker, and again when the list changes.
import * as path from 'node:path';
import * as vscode from 'vscode';
import { errorData, QuantsmithError } from '../../core/problem.js';
import type { ChatSupport } from '../../protocol/worker-protocol.js';
import type { CompletionService } from '../completions/completion-service.js';
import { Disposables } from '../disposables.js';
import type { WorkerService } from '../services/worker.js';

export interface ChatModel {
  readonly path: string;
  readonly support: ChatSupport;
}

const CHAT = 'quantsmith.chat';

export class ChatModels implements vscode.Disposable {
  readonly #owned = new Disposables();
  readonly #changed = this.#owned.add(new vscode.EventEmitter<void>());
  readonly onDidChange = this.#changed.event;
  readonly #worker: WorkerService;
  readonly #completions: CompletionService;
  readonly #known = new Map<string, ChatSupport>();
  #paths: readonly string[] = [];

  constructor(worker: WorkerService, completions: CompletionService) {
    this.#worker = worker;
    this.#completions = completions;
    this.#paths = this.paths;
    const check = (): void => {
      const { paths } = this;
      if (paths.join('\0') === this.#paths.join('\0')) return;
      this.#paths = paths;
      this.#changed.fire();
    };
    this.#owned.add(completions.onDidChange(check));
    this.#owned.add(vscode.workspace.onDidChangeConfiguration(check));
  }

  /** Picked ones first. */
  get paths(): readonly string[] {
    const { state, server } = this.#completions;
    const own = state.kind === 'none' || state.kind === 'failed' || server ? [] : [state.path];
    return [...new Set([...pickedModels(), ...own])];
  }

  /** Those that can chat. */
  async list(signal: AbortSignal): Promise<readonly ChatModel[]> {
    const models: ChatModel[] = [];
    for (const file of this.paths) {
      try {
        const support = await this.support(file, signal);
        if (support.reason === undefined) models.push({ path: file, support });
      } catch (error) {
        signal.throwIfAborted();
        // A file that is gone is offered again when it is back; nobody asked for it now.
        if (errorData(error).code === 'internal') throw error;
      }
    }
    return models;
  }

  /** What a model's header says. */
  async support(file: string, signal?: AbortSignal): Promise<ChatSupport> {
    const known = this.#known.get(file);
    if (known) return known;
    const support = await this.#worker.request('chat/support', { path: file }, { signal });
    // A model that cannot chat may be replaced by one that can.
    if (support.reason === undefined) this.#known.set(file, support);
    return support;
  }

  /** Offers a model; rejects if it cannot chat. */
  async offer(file: string): Promise<ChatSupport> {
    this.#known.delete(file);
    const support = await this.support(file);
    if (support.reason !== undefined) {
      throw new QuantsmithError('chat/cannot-chat', `${path.basename(file)} cannot chat. ${support.reason}`);
    }
    await this.pick([...pickedModels(), file]);
    return support;
  }

  /** Makes these the picked ones. */
  async pick(files: readonly string[]): Promise<void> {
    await vscode.workspace
      .getConfiguration(CHAT)
      .update('models', [...new Set(files)], vscode.ConfigurationTarget.Global);
  }

  dispose(): void {
    this.#owned.dispose();
  }
}

/** The paths of the setting. */
export function pickedModels(): readonly string[] {
  const value: unknown = vscode.workspace.getConfiguration(CHAT).get('models');
  const files: readonly unknown[] = Array.isArray(value) ? value : [];
  return files.filter(file => typeof file === 'string').filter(file => path.isAbsolute(file));
}
