// The extension: a list of features over a few services. Nothing here computes: no tensor byte enters this process, models
// are read by the worker, recipes by the language server. What activate() adds, deactivation takes back; the worker's
// process ends with it.
import * as path from 'node:path';
import * as vscode from 'vscode';
import { chat } from './chat/chat.js';
import { CompletionService, type LastCompletion, type ModelState } from './completions/completion-service.js';
import { completions } from './completions/completions.js';
import { ServerKeys } from './completions/server-keys.js';
import { Disposables } from './disposables.js';
import type { Feature, Services } from './feature.js';
import { inspector } from './inspector/inspector.js';
import { InspectorRegistry } from './inspector/inspector-registry.js';
import { quantize } from './quantize/quantize.js';
import { recipes } from './recipes/recipes.js';
import { JobSlot } from './services/job-slot.js';
import { WorkerService, type WorkerState } from './services/worker.js';
import { workerStatusItem } from './status/worker-status-item.js';
import { statusText } from './status/status-texts.js';
import { recipeTasks } from './tasks/recipe-tasks.js';

const FEATURES: readonly Feature[] = [workerStatusItem, inspector, quantize, completions, chat, recipeTasks, recipes];

/** What the tests of the extension see: facts that the vscode API does not show. */
export interface QuantsmithApi {
  inspectors(): readonly {
    readonly uri: string;
    readonly state: 'loading' | 'model' | 'failed';
    readonly errorCode: string | undefined;
    readonly tensorCount: number | undefined;
    /** Types of the messages the webview sent. */
    readonly received: readonly string[];
  }[];
  worker(): { readonly state: WorkerState; readonly pid: number | undefined };
  job(): { readonly title: string; readonly percent: number | undefined } | undefined;
  completions(): { readonly model: ModelState; readonly last: LastCompletion | undefined };
  statusText(): string;
}

export function activate(context: vscode.ExtensionContext): QuantsmithApi {
  const owned = new Disposables();
  context.subscriptions.push(owned);
  // Built files lie beside this bundle.
  const dist = import.meta.dirname;
  const log = owned.add(vscode.window.createOutputChannel('Quantsmith', { log: true }));
  const worker = owned.add(new WorkerService(dist, log));
  const serverKeys = owned.add(new ServerKeys(context.secrets));
  const example = path.join(dist, '..', 'examples', 'tinycoder-f16.gguf');
  const services: Services = {
    log,
    worker,
    jobs: owned.add(new JobSlot()),
    inspectors: new InspectorRegistry(),
    completions: owned.add(new CompletionService(worker, log, example, serverKeys)),
    serverKeys,
    dist,
  };
  for (const feature of FEATURES) owned.add(feature(context, services));
  log.info(`Quantsmith ${String((context.extension.packageJSON as { version?: unknown }).version)} is ready.`);

  return {
    inspectors: () =>
      services.inspectors.all.map(({ document, received }) => ({
        uri: document.uri.toString(),
        state: document.state.kind,
        errorCode: document.state.kind === 'failed' ? document.state.error.code : undefined,
        tensorCount: document.state.kind === 'model' ? document.state.model.tensors.length : undefined,
        received,
      })),
    worker: () => ({ state: worker.state, pid: worker.pid }),
    job: () => services.jobs.current,
    completions: () => ({ model: services.completions.state, last: services.completions.last }),
    statusText: () => statusText(worker.state, services.jobs.current).text,
  };
}
