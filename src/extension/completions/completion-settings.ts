// The settings of completions, read when they are needed. Which model runs, and to which server text goes, is a matter of the user:
// no workspace can choose it.
import * as vscode from 'vscode';
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
  const multiline = settings.get<unknown>('multiline');
  const model = settings.get<unknown>('model');
  const excluded = settings.get<unknown>('excludedFiles');
  return {
    enabled: settings.get<unknown>('enabled') !== false,
    model: typeof model === 'string' ? model.trim() : '',
    server: serverSettings(settings),
    maxTokens: Math.round(number('maxTokens', 1, 256, 64)),
    timeBudgetMs: number('timeBudget', 50, 60_000, 500),
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
