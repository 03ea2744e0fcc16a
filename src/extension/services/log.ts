// The "Quantsmith" output channel: what the extension and its worker say, with levels that the user sets on the channel.
// The recipe language server has a channel of its own, so that its protocol trace never buries a job's messages.
import type { LogOutputChannel } from 'vscode';
import type { ErrorData } from '../../core/problem.js';
import type { WorkerNotifications } from '../../protocol/worker-protocol.js';

export type LogLevel = WorkerNotifications['log/message']['level'];

export function logAt(log: LogOutputChannel, level: LogLevel, message: string): void {
  switch (level) {
    case 'trace':
      log.trace(message);
      break;
    case 'debug':
      log.debug(message);
      break;
    case 'info':
      log.info(message);
      break;
    case 'warn':
      log.warn(message);
      break;
    case 'error':
      log.error(message);
      break;
  }
}

/** One line of the log for a failure: message, remedy, code. */
export function errorLine(error: ErrorData): string {
  return `${error.message}${error.hint === undefined ? '' : ` ${error.hint}`} [${error.code}]`;
}
