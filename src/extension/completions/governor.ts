// What completions may take of the machine: the memory of a model that nobody uses is given back, and on battery the worker gives way
// to others and does nothing in advance.
import type * as vscode from 'vscode';
import { isOnBattery } from '../../platform/power.js';
import { setProcessPriority } from '../../platform/process-priority.js';
import { Disposables } from '../disposables.js';
import type { JobSlot } from '../services/job-slot.js';
import type { WorkerService } from '../services/worker.js';
import type { CompletionService } from './completion-service.js';
import { completionSettings } from './completion-settings.js';

const LOOK_MS = 30_000;

export class Governor implements vscode.Disposable {
  readonly #owned = new Disposables();
  readonly #service: CompletionService;
  readonly #worker: WorkerService;
  readonly #jobs: JobSlot;
  #isOnBattery = false;
  /** The process that was lowered. */
  #lowered: number | undefined;

  constructor(service: CompletionService, worker: WorkerService, jobs: JobSlot) {
    this.#service = service;
    this.#worker = worker;
    this.#jobs = jobs;
    const timer = setInterval(() => void this.#look(), LOOK_MS);
    this.#owned.onDispose(() => {
      clearInterval(timer);
    });
    this.#owned.add(
      worker.onDidChangeState(({ kind }) => {
        if (kind === 'idle') void this.#look();
      }),
    );
  }

  /** Why there are none. */
  get why(): string | undefined {
    if (!this.#isOnBattery || completionSettings().onBattery !== 'off') return undefined;
    return 'the machine runs on its battery (quantsmith.completions.onBattery).';
  }

  dispose(): void {
    this.#owned.dispose();
  }

  async #look(): Promise<void> {
    const { unloadAfterMs, onBattery } = completionSettings();
    const { state, isGenerating, usedAt } = this.#service;
    if (state.kind === 'ready' && !isGenerating && performance.now() - usedAt > unloadAfterMs)
      await this.#service.unload();
    const { pid } = this.#worker;
    if (pid === undefined) return;
    this.#isOnBattery = onBattery !== 'same' && (await isOnBattery()) === true;
    this.#service.isSaving = this.#isOnBattery;
    const isLow = this.#isOnBattery && onBattery === 'gentle';
    if (isLow === (this.#lowered === pid)) return;
    const isDone = await setProcessPriority(pid, isLow);
    if (isDone) this.#lowered = isLow ? pid : undefined;
    // A priority that may not be raised again: another process has the usual one. It is made when this one has nothing to do.
    else if (!isLow && !this.#jobs.current && !this.#service.isGenerating) this.#worker.restart();
  }
}
