// The one job that may run at a time: jobs use every core and the whole disk, so two at once would only both be slow. The
// slot says who has it and how far it is, and can cancel it; running the job is its owner's business.
import * as vscode from 'vscode';
import { QuantsmithError } from '../../core/problem.js';

export interface Job {
  /** As in `Quantizing tiny-f16.gguf to Q4_K_M`. */
  readonly title: string;
  /** Whole percent; undefined until the first progress. */
  readonly percent: number | undefined;
}

export interface JobContext {
  readonly signal: AbortSignal;
  setPercent(percent: number): void;
}

export class JobSlot implements vscode.Disposable {
  private readonly changed = new vscode.EventEmitter<Job | undefined>();
  readonly onDidChange = this.changed.event;
  private running: { job: Job; controller: AbortController } | undefined;

  get current(): Job | undefined {
    return this.running?.job;
  }

  /** Throws `job/busy` if a job runs: before a user is asked what the next one shall be. */
  assertFree(): void {
    if (!this.running) return;
    throw new QuantsmithError(
      'job/busy',
      `${this.running.job.title} is still running.`,
      'Wait until it is done, or cancel it.',
    );
  }

  /** Rejects with `job/busy` if another job runs, otherwise settles as `work` does. */
  async run<T>(title: string, work: (context: JobContext) => PromiseLike<T>): Promise<T> {
    this.assertFree();
    const controller = new AbortController();
    const running = { job: { title, percent: undefined } as Job, controller };
    this.running = running;
    this.announce();
    try {
      return await work({
        signal: controller.signal,
        setPercent: percent => {
          if (percent === running.job.percent) return;
          running.job = { title, percent };
          this.announce();
        },
      });
    } finally {
      this.running = undefined;
      this.announce();
    }
  }

  cancel(): void {
    this.running?.controller.abort();
  }

  dispose(): void {
    this.cancel();
    this.changed.dispose();
  }

  private announce(): void {
    void vscode.commands.executeCommand('setContext', 'quantsmith.jobRunning', this.running !== undefined);
    this.changed.fire(this.current);
  }
}
