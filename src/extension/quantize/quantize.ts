// Feature: make a smaller model. One command, from the palette, the explorer and the inspector, or with arguments.
import { homedir } from 'node:os';
import * as vscode from 'vscode';
import { errorData, QuantsmithError } from '../../core/problem.js';
import type { Feature, Services } from '../feature.js';
import { pickModel } from '../pick-model.js';
import { errorLine } from '../services/log.js';
import { askWhatToMake } from './ask.js';
import { defaultOutput, resolveOutput } from './output-name.js';
import { parseArguments, type QuantizeRequest } from './quantize-request.js';
import { failureText } from './quantize-texts.js';
import { runQuantize, type QuantizeOutcome } from './run-quantize.js';

export const quantize: Feature = (_context, services) =>
  vscode.commands.registerCommand('quantsmith.quantize', (resource?: unknown, argument?: unknown) =>
    quantizeCommand(resource, argument, services),
  );

/** Undefined when the user left before the job was started. */
async function quantizeCommand(
  resource: unknown,
  argument: unknown,
  services: Services,
): Promise<QuantizeOutcome | undefined> {
  let source = 'the model';
  try {
    const model = await sourceModel(resource, services);
    if (model === undefined) return undefined;
    source = model.fsPath;
    services.jobs.assertFree();
    const request = await requestFor(model, argument, services);
    return request && (await runQuantize(request, services));
  } catch (error) {
    const data = errorData(error);
    services.log.error(errorLine(data));
    const showLog = 'Show Log';
    const cancelOther = 'Cancel Running Job';
    const actions = data.code === 'job/busy' ? [cancelOther, showLog] : [showLog];
    void vscode.window.showErrorMessage(failureText(data, source).message, ...actions).then(pressed => {
      if (pressed === showLog) services.log.show();
      else if (pressed === cancelOther) services.jobs.cancel();
    });
    return { kind: 'failed', error: data };
  }
}

async function sourceModel(resource: unknown, services: Services): Promise<vscode.Uri | undefined> {
  const given = typeof resource === 'string' ? vscode.Uri.file(resource) : resource;
  const model =
    given instanceof vscode.Uri
      ? given
      : (services.inspectors.active?.document.uri ?? (await pickModel('Quantize Model: Source')));
  if (model !== undefined && model.scheme !== 'file') {
    throw new QuantsmithError(
      'inspector/not-on-disk',
      `Models are read from disk, and "${model.scheme}:" is not a file on this machine.`,
      'Copy the file to a folder on this machine first.',
    );
  }
  return model;
}

async function requestFor(
  model: vscode.Uri,
  argument: unknown,
  services: Services,
): Promise<QuantizeRequest | undefined> {
  const source = model.fsPath;
  const given = parseArguments(argument);
  if (given === undefined) return askWhatToMake(source, services);
  return {
    ...given,
    source,
    output: resolveOutput(given.output ?? '', source, homedir()) ?? defaultOutput(source, given.fileType),
  };
}
