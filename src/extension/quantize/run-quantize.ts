// Runs one quantization in the worker with a notification that shows how far it is and can cancel it, and says how it
// ended. The result is plain data, so that whoever ran the command can go on with it.
import * as path from 'node:path';
import * as vscode from 'vscode';
import { errorData, restOf, type ErrorData } from '../../core/problem.js';
import type { QuantizationReport } from '../../core/quantize/quantization-plan.js';
import { discardInterrupted, interruptedFiles } from '../../platform/interrupted-output.js';
import type { Services } from '../feature.js';
import { errorLine, logAt } from '../services/log.js';
import { computeSettings } from '../services/settings.js';
import { confirmOverwrite } from './ask.js';
import { quantizeJob, type QuantizeRequest } from './quantize-request.js';
import {
  failureText,
  interruptedText,
  percentDone,
  problemLine,
  progressText,
  reportLines,
  resultText,
} from './quantize-texts.js';

/** What `quantsmith.quantize` returns; undefined there means that the user left before anything was started. */
export type QuantizeOutcome =
  | { readonly kind: 'done'; readonly report: QuantizationReport }
  | { readonly kind: 'cancelled' }
  | { readonly kind: 'failed'; readonly error: ErrorData };

export async function runQuantize(request: QuantizeRequest, services: Services): Promise<QuantizeOutcome> {
  const outcome = await quantize(request, services);
  // Not awaited: a notification stays until it is dismissed, the command ends now.
  void announce(outcome, request, services);
  return outcome;
}

async function quantize(request: QuantizeRequest, services: Services): Promise<QuantizeOutcome> {
  const title = `Quantizing ${path.basename(request.source)} to ${request.fileType}`;
  services.log.info(`${title}: ${request.output}`);
  try {
    const report = await services.jobs.run(title, job =>
      vscode.window.withProgress(
        { location: vscode.ProgressLocation.Notification, title, cancellable: true },
        async (notification, token) => {
          const cancel = token.onCancellationRequested(() => {
            services.jobs.cancel();
          });
          let shown = 0;
          try {
            return await services.worker.request('quantize/run', quantizeJob(request, computeSettings()), {
              signal: job.signal,
              onProgress: progress => {
                const percent = percentDone(progress);
                job.setPercent(percent);
                notification.report({ message: progressText(progress), increment: percent - shown });
                shown = percent;
              },
            });
          } finally {
            cancel.dispose();
          }
        },
      ),
    );
    for (const { level, text } of reportLines(report)) logAt(services.log, level, text);
    return { kind: 'done', report };
  } catch (error) {
    const data = errorData(error);
    if (data.code === 'cancelled') {
      services.log.info(`${title}: cancelled`);
      return { kind: 'cancelled' };
    }
    services.log.error(`${title}: ${errorLine(data)}`);
    for (const problem of restOf(data)) {
      const { level, text } = problemLine(problem);
      logAt(services.log, level, text);
    }
    return { kind: 'failed', error: data };
  }
}

async function announce(outcome: QuantizeOutcome, request: QuantizeRequest, services: Services): Promise<void> {
  switch (outcome.kind) {
    case 'done':
      await announceResult(outcome.report, services);
      break;
    case 'cancelled':
      void vscode.window.showInformationMessage(
        `Quantizing ${path.basename(request.source)} was cancelled. Nothing was written to ${path.basename(request.output)}.`,
      );
      break;
    case 'failed':
      await announceFailure(outcome.error, request, services);
      break;
  }
}

async function announceResult(report: QuantizationReport, services: Services): Promise<void> {
  const output = vscode.Uri.file(report.files[0]?.path ?? report.output);
  const open = 'Open';
  const showLog = 'Show Log';
  const reveal = revealCommand(output);
  const buttons = [open, ...(reveal ? [reveal.title] : []), showLog];
  const pressed = await vscode.window.showInformationMessage(resultText(report), ...buttons);
  if (pressed === open) await vscode.commands.executeCommand('quantsmith.openModel', output);
  else if (pressed === showLog) services.log.show();
  else if (pressed !== undefined && reveal) await vscode.commands.executeCommand(reveal.command, output);
}

/** The explorer shows what is in the workspace; the system's file browser shows the rest, where the editor runs locally. */
function revealCommand(file: vscode.Uri): { title: string; command: string } | undefined {
  if (vscode.workspace.getWorkspaceFolder(file)) return { title: 'Reveal', command: 'revealInExplorer' };
  const local = vscode.env.uiKind === vscode.UIKind.Desktop && vscode.env.remoteName === undefined;
  return local ? { title: 'Reveal', command: 'revealFileInOS' } : undefined;
}

async function announceFailure(error: ErrorData, request: QuantizeRequest, services: Services): Promise<void> {
  const { message, canRetry } = failureText(error, request.source);
  // Only a run that could not clean up leaves files: its worker was killed.
  const left = error.code === 'worker/gone' ? await interruptedFiles(request.output) : [];
  const kept = left.length === 0 ? '' : ` ${interruptedText(left)}`;
  const showLog = 'Show Log';
  const retry = 'Try Again';
  const replace = 'Replace…';
  const cancelOther = 'Cancel Running Job';
  const discard = 'Discard';
  const action =
    error.code === 'job/busy' ? [cancelOther] : error.code === 'output/exists' ? [replace] : canRetry ? [retry] : [];
  const cleanUp = left.length === 0 ? [] : [discard];
  const pressed = await vscode.window.showErrorMessage(message + kept, ...action, ...cleanUp, showLog);
  if (pressed === showLog) services.log.show();
  else if (pressed === retry) await runQuantize({ ...request, resume: true }, services);
  else if (pressed === cancelOther) services.jobs.cancel();
  else if (pressed === discard) await discardLeft(request.output);
  else if (pressed === replace && (await confirmOverwrite(request.output))) {
    await runQuantize({ ...request, overwrite: true }, services);
  }
}

async function discardLeft(output: string): Promise<void> {
  if (await discardInterrupted(output)) return;
  void vscode.window.showWarningMessage(`Another run is writing ${path.basename(output)}; its files were left alone.`);
}
