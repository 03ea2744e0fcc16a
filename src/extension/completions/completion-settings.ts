// The settings of completions, read when they are needed. Which model runs, and to which server text goes, is a matter of the user:
// no workspace can choose it.
import * as vscode from 'vscode';
import { computeSettings } from '../services/settings.js';
import type { CompletionModel } from '../../protocol/worker-protocol.js';
import type { SiteOptions } from '../../core/completion/completion-site.js';
import { fimFamilyByName } from '../../core/completion/servers/fim-text.js';
import { isServerKind } from '../../core/completion/servers/server-table.js';
import type { ServerSettings } from './server-engine.js';

export interface CompletionSettings extends Pick<SiteOptions, 'inComments' | 'inStrings' | 'multiline'> {
  /** For the language asked about. */
  readonly enabled: boolean;
  /** A path, `example`, or '' for none. */
  readonly model: string;
  /** The server that completes in its place. */
  readonly server: ServerSettings | undefined;
  readonly maxTokens: number;
  readonly timeBudgetMs: number;
  readonly ahead: boolean;
  /** Infinity: never. */
  readonly unloadAfterMs: number;
  readonly onBattery: 'same' | 'gentle' | 'off';
  readonly otherFiles: boolean;
  readonly excludedFiles: readonly string[];
}

export const COMPLETIONS = 'quantsmith.completions';

/** A wrong value in settings.json gives the default. */
export function completionSettings(scope?: vscode.ConfigurationScope): CompletionSettings {
  const settings = vscode.workspace.getConfiguration(COMPLETIONS, scope);
  const number = (name: string, least: number, most: number, byDefault: number): number => {
    const value = settings.get<unknown>(name);
    return typeof value === 'number' && Number.isFinite(value) ? Math.min(most, Math.max(least, value)) : byDefault;
  };
  const unloadAfter = number('unloadAfter', 0, 10_000, 15);
  const onBattery = settings.get<unknown>('onBattery');
  const multiline = settings.get<unknown>('multiline');
  const model = settings.get<unknown>('model');
  const excluded = settings.get<unknown>('excludedFiles');
  return {
    enabled: settings.get<unknown>('enabled') !== false,
    model: typeof model === 'string' ? model.trim() : '',
    server: serverSettings(settings),
    maxTokens: Math.round(number('maxTokens', 1, 256, 64)),
    timeBudgetMs: number('timeBudget', 50, 60_000, 500),
    unloadAfterMs: unloadAfter === 0 ? Infinity : unloadAfter * 60_000,
    onBattery: onBattery === 'same' || onBattery === 'off' ? onBattery : 'gentle',
    ahead: settings.get<unknown>('ahead') !== false,
    otherFiles: settings.get<unknown>('otherFiles') !== false,
    inComments: settings.get<unknown>('inComments') === true,
    inStrings: settings.get<unknown>('inStrings') === true,
    multiline: multiline === 'always' || multiline === 'never' ? multiline : 'auto',
    excludedFiles: Array.isArray(excluded) ? excluded.filter(glob => typeof glob === 'string') : [],
  };
}

function serverSettings(settings: vscode.WorkspaceConfiguration): ServerSettings | undefined {
  const text = (name: string): string => {
    const value = settings.get<unknown>(name);
    return typeof value === 'string' ? value.trim() : '';
  };
  const kind = text('engine');
  if (!isServerKind(kind)) return undefined;
  const family = fimFamilyByName(text('fimFamily'));
  return { kind, endpoint: text('endpoint'), model: text('serverModel'), fimFamily: family?.name ?? '' };
}

/** Settings that another value of loads the model anew for. */
export const MODEL_SETTINGS = [
  'quantsmith.threads',
  'quantsmith.backend',
  `${COMPLETIONS}.threads`,
  `${COMPLETIONS}.memoryLimit`,
];

/** A model as the settings want it run. */
export function completionModel(file: string): CompletionModel {
  const settings = vscode.workspace.getConfiguration(COMPLETIONS);
  const threads = settings.get<unknown>('threads');
  const gigabytes = settings.get<unknown>('memoryLimit');
  return {
    path: file,
    ...computeSettings(),
    ...(typeof threads === 'number' && Number.isInteger(threads) && threads > 0 ? { threads } : {}),
    ...(typeof gigabytes === 'number' && gigabytes > 0 ? { memoryLimit: gigabytes * 1024 ** 3 } : {}),
  };
}
