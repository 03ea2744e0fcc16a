// Renders chat templates in a process (worker/template-process.ts). Templates come out of files: one may loop forever or fill the
// memory. So the process has a limit of memory and of time; one that passes them ends, and the next template gets a new one.
import { fork, type ChildProcess } from 'node:child_process';
import type { TemplateValues } from '../core/chat/chat-prompt.js';
import { QuantsmithError } from '../core/problem.js';
import { printable } from '../core/text/printable.js';
import type { TemplateAnswer, TemplateRequest } from '../protocol/template-protocol.js';

/** A template of 5 KB and 500 messages take 60 ms. */
const LIMIT_MS = 3000;
/** From the limit, and the start of the process, to its end by force. */
const GRACE_MS = 2000;
const MEMORY_MB = 256;
/** A process that is not used costs 40 MB. */
const IDLE_MS = 60_000;

export class TemplateRenderer {
  readonly #file: string;
  #child: ChildProcess | undefined;
  #idle: NodeJS.Timeout | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #nextId = 1;

  /** @param file path of template-process.js */
  constructor(file: string) {
    this.#file = file;
  }

  /**
   * One after another.
   * @throws QuantsmithError `chat/template-failed` (it raised an error, or is none), `chat/template-endless`
   */
  render(template: string, values: TemplateValues): Promise<string> {
    const rendered = this.#last.then(() => this.#render(template, values));
    this.#last = rendered.catch(() => undefined);
    return rendered;
  }

  dispose(): void {
    clearTimeout(this.#idle);
    this.#child?.kill('SIGKILL');
    this.#child = undefined;
  }

  #render(template: string, values: TemplateValues): Promise<string> {
    clearTimeout(this.#idle);
    const child = (this.#child ??= this.#fork());
    const id = this.#nextId++;
    return new Promise<string>((resolve, reject) => {
      const settle = (): void => {
        clearTimeout(timer);
        child.off('message', answered).off('error', failed).off('exit', ended);
        this.#rest();
      };
      const answered = (answer: TemplateAnswer): void => {
        if (answer.id !== id) return;
        settle();
        if ('text' in answer) resolve(answer.text);
        else reject('error' in answer ? templateFailed(answer.error) : endless());
      };
      const failed = (error: Error): void => {
        this.#forget(child);
        settle();
        reject(templateFailed(error.message));
      };
      const ended = (code: number | null, signal: string | null): void => {
        failed(
          new Error(`it ended its process (${signal ?? `exit code ${code ?? 'unknown'}`}), of ${MEMORY_MB} MB memory`),
        );
      };
      const timer = setTimeout(() => {
        this.#forget(child);
        settle();
        child.kill('SIGKILL');
        reject(endless());
      }, LIMIT_MS + GRACE_MS);
      child.on('message', answered).on('error', failed).on('exit', ended);
      const request: TemplateRequest = { id, template, values, limitMs: LIMIT_MS };
      // A failed send is a process about to be gone: its exit settles this.
      child.send(request, () => undefined);
    });
  }

  #fork(): ChildProcess {
    const child = fork(this.#file, [], {
      serialization: 'advanced',
      execArgv: [`--max-old-space-size=${MEMORY_MB}`],
      // In VS Code the executable is Electron. Nothing else of the environment is a template's business.
      env: { ELECTRON_RUN_AS_NODE: '1' },
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    // One that ends while nobody waits for it is replaced by the next template's.
    const forget = (): void => {
      this.#forget(child);
    };
    return child.on('error', forget).on('exit', forget);
  }

  #forget(child: ChildProcess): void {
    if (this.#child === child) this.#child = undefined;
  }

  #rest(): void {
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => {
      this.dispose();
    }, IDLE_MS);
    this.#idle.unref();
  }
}

const UNUSABLE =
  'Use another file of the model, or give this one another template (quantize it with --override-kv tokenizer.chat_template=str:…).';

function endless(): QuantsmithError {
  const message = `The chat template of the model was not done after ${LIMIT_MS / 1000} s: it may loop forever.`;
  return new QuantsmithError('chat/template-endless', message, UNUSABLE);
}

function templateFailed(why: string): QuantsmithError {
  const message = `The chat template of the model cannot be used for this conversation: ${printable(why, { limit: 300 })}`;
  return new QuantsmithError('chat/template-failed', /[.!?]$/.test(message) ? message : `${message}.`, UNUSABLE);
}
