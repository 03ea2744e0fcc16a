// What a feature is: a function that registers what it offers and returns one disposable that takes all of it back.
// Features know the services, never each other; what they share is a command or a service.
import type * as vscode from 'vscode';
import type { CompletionService } from './completions/completion-service.js';
import type { ServerKeys } from './completions/server-keys.js';
import type { Disposable } from './disposables.js';
import type { InspectorRegistry } from './inspector/inspector-registry.js';
import type { JobSlot } from './services/job-slot.js';
import type { WorkerService } from './services/worker.js';

export interface Services {
  readonly log: vscode.LogOutputChannel;
  readonly worker: WorkerService;
  readonly jobs: JobSlot;
  /** Open model documents, for commands that mean "this model". */
  readonly inspectors: InspectorRegistry;
  readonly completions: CompletionService;
  readonly serverKeys: ServerKeys;
  /** The folder of everything built: bundles, webview, kernels. */
  readonly dist: string;
}

export type Feature = (context: vscode.ExtensionContext, services: Services) => Disposable;
