// "Use a Server…": which kind, where, which of its models; then it is checked, and completes. What goes wrong is said with what
// can be done about it: another address, a key, the prompt's tokens.
import * as vscode from 'vscode';
import { FIM_FAMILIES } from '../../core/completion/fim-families.js';
import { parseEndpoint } from '../../core/completion/servers/endpoint.js';
import { serverProtocol, SERVERS } from '../../core/completion/servers/server-table.js';
import type { ServerKind } from '../../core/completion/servers/server-protocol.js';
import { errorData, type ErrorData } from '../../core/problem.js';
import { formatSeconds } from '../../core/text/quantity.js';
import type { Services } from '../feature.js';
import { errorLine } from '../services/log.js';
import { sentence } from '../texts.js';
import { completionSettings } from './completion-settings.js';
import { serverModels, type ServerSettings } from './server-engine.js';
import type { ServerKeys } from './server-keys.js';

const TITLE = 'Use a Server for Completions';

const KINDS: Readonly<Record<ServerKind, string>> = {
  'llama-server': 'of llama.cpp; it knows the prompt of its model',
  ollama: 'models whose template takes a suffix, or the prompt that you choose',
  openai: 'vLLM, LM Studio and others with /v1/completions',
};

/** @param known settings to try as they are; without them everything is asked */
export async function useServer(services: Services, known?: ServerSettings): Promise<void> {
  const settings = known ?? (await askServer(services.serverKeys));
  if (!settings) return;
  const { completions: service, log } = services;
  const { label } = serverProtocol(settings.kind);
  try {
    const facts = await vscode.window.withProgress(
      { location: vscode.ProgressLocation.Window, title: `Checking the ${label} for completions` },
      () => service.useServer(settings),
    );
    const clear = service.server?.isClear === true ? ` Code is sent to ${service.server.host} without encryption.` : '';
    const off = completionSettings().enabled ? '' : ' Completions are turned off in the settings.';
    void vscode.window.showInformationMessage(
      `${service.name} completes now (checked in ${formatSeconds(facts.seconds)}).${clear}${off}`,
    );
  } catch (error) {
    const data = errorData(error);
    log.error(errorLine(data));
    await offer(data, settings, services);
  }
}

/** Asks for the key of the server in the settings, or of another; an empty one is forgotten. */
export async function setServerKey(keys: ServerKeys, origin?: string): Promise<void> {
  const wanted = origin ?? (await askOrigin());
  if (wanted !== undefined) await askKey(keys, wanted);
}

/** What can be done about a failure, as buttons. */
async function offer(error: ErrorData, settings: ServerSettings, services: Services): Promise<void> {
  const again = 'Try Again';
  const another = 'Change…';
  const key = 'Set Key…';
  const prompt = 'Choose the Prompt…';
  const canChoose = settings.kind !== 'llama-server' && PROMPT_PROBLEMS.has(error.code);
  const buttons = [...(error.code === 'server/unauthorized' ? [key] : canChoose ? [prompt] : [again]), another];
  const pressed = await vscode.window.showErrorMessage(
    `${sentence(error.message)} ${error.hint ?? ''}`.trim(),
    ...buttons,
  );
  if (pressed === again) return useServer(services, settings);
  if (pressed === another) return useServer(services);
  if (pressed === key) {
    const { origin } = parseEndpoint(settings.endpoint, serverProtocol(settings.kind));
    if (await askKey(services.serverKeys, origin)) return useServer(services, settings);
  }
  if (pressed === prompt) {
    const fimFamily = await askFamily(settings.fimFamily);
    if (fimFamily !== undefined) return useServer(services, { ...settings, fimFamily });
  }
}

const PROMPT_PROBLEMS: ReadonlySet<string> = new Set([
  'server/cannot-fill',
  'server/suffix-dropped',
  'server/unknown-tokens',
]);

async function askServer(keys: ServerKeys): Promise<ServerSettings | undefined> {
  const { server } = completionSettings();
  const kind = await askKind(server?.kind);
  if (!kind) return undefined;
  const protocol = serverProtocol(kind);
  const known = server?.kind === kind ? server : undefined;
  const endpoint = await vscode.window.showInputBox({
    title: TITLE,
    prompt: `Address of the ${protocol.label}`,
    value: known?.endpoint === undefined || known.endpoint === '' ? protocol.endpoint : known.endpoint,
    placeHolder: 'http://127.0.0.1:8000/v1',
    ignoreFocusOut: true,
    validateInput: text => endpointMessage(text, kind),
  });
  if (endpoint === undefined) return undefined;
  const base = { kind, endpoint: endpoint.trim(), model: known?.model ?? '', fimFamily: known?.fimFamily ?? '' };
  const model = await askModel(base, keys);
  return model === undefined ? undefined : { ...base, model };
}

async function askKind(current: ServerKind | undefined): Promise<ServerKind | undefined> {
  const items = SERVERS.map(({ kind, label }) => ({
    label,
    description: `${KINDS[kind]}${kind === current ? ' · in use' : ''}`,
    server: kind,
  }));
  return (await vscode.window.showQuickPick(items, { title: TITLE, placeHolder: 'What runs the model?' }))?.server;
}

function endpointMessage(text: string, kind: ServerKind): vscode.InputBoxValidationMessage | undefined {
  try {
    const { isClear, host } = parseEndpoint(text, serverProtocol(kind));
    if (!isClear) return undefined;
    const message = `Code is sent to ${host} without encryption; everybody on the way can read it.`;
    return { message, severity: vscode.InputBoxValidationSeverity.Warning };
  } catch (error) {
    return { message: errorData(error).message, severity: vscode.InputBoxValidationSeverity.Error };
  }
}

/** Of the models that the server lists; what it does not say is left to the check that follows. */
async function askModel(settings: ServerSettings, keys: ServerKeys): Promise<string | undefined> {
  const list = (): Thenable<readonly string[]> =>
    vscode.window.withProgress(
      { location: vscode.ProgressLocation.Notification, title: 'Asking the server for its models', cancellable: true },
      (_progress, token) => {
        const controller = new AbortController();
        token.onCancellationRequested(() => {
          controller.abort(new vscode.CancellationError());
        });
        return serverModels(settings, keys, controller.signal);
      },
    );
  let models: readonly string[] = [];
  try {
    models = await list();
  } catch (error) {
    if (error instanceof vscode.CancellationError) return undefined;
    if (errorData(error).code === 'server/unauthorized') {
      const { origin } = parseEndpoint(settings.endpoint, serverProtocol(settings.kind));
      if (!(await askKey(keys, origin))) return undefined;
      models = await Promise.resolve(list()).catch(() => []);
    }
  }
  const [only = ''] = models;
  if (models.length === 0) return settings.model;
  // A server with one model has no choice; a name would only be wrong when it gets another.
  if (models.length === 1 || (settings.kind === 'llama-server' && new Set(models).size === 1)) {
    return settings.kind === 'llama-server' ? '' : only;
  }
  const items = models.map(label => ({ label, description: label === settings.model ? 'in use' : '' }));
  const placeHolder = 'A code model that was trained for filling in a middle';
  return (await vscode.window.showQuickPick(items, { title: TITLE, placeHolder, ignoreFocusOut: true }))?.label;
}

async function askFamily(current: string): Promise<string | undefined> {
  const items = FIM_FAMILIES.map(({ name, prefix, suffix, middle = '' }) => ({
    label: name,
    description: `${[prefix, suffix, middle].join(' ')}${name === current ? ' · in use' : ''}`,
  }));
  const placeHolder = 'The family of models whose prompt this model was trained with';
  return (await vscode.window.showQuickPick(items, { title: TITLE, placeHolder, ignoreFocusOut: true }))?.label;
}

/** Whose key it shall be: that of the server in the settings, if there is one. */
async function askOrigin(): Promise<string | undefined> {
  const { server } = completionSettings();
  try {
    if (server) return parseEndpoint(server.endpoint, serverProtocol(server.kind)).origin;
  } catch {
    // An address that is none: another is asked for.
  }
  const text = await vscode.window.showInputBox({
    title: 'Set Completion Server Key',
    prompt: 'Address of the server',
    placeHolder: 'http://127.0.0.1:8000/v1',
    ignoreFocusOut: true,
    validateInput: value => endpointMessage(value, 'openai'),
  });
  return text === undefined ? undefined : parseEndpoint(text, serverProtocol('openai')).origin;
}

/** False if the user changed their mind. */
async function askKey(keys: ServerKeys, origin: string): Promise<boolean> {
  const { isClear } = parseEndpoint(origin, serverProtocol('llama-server'));
  const key = await vscode.window.showInputBox({
    title: 'Set Completion Server Key',
    prompt:
      `Key for ${origin}, kept in the secret storage and sent to nobody else; empty forgets it.` +
      (isClear ? ' It is sent without encryption: everybody on the way can read it.' : ''),
    password: true,
    ignoreFocusOut: true,
    validateInput: text =>
      /[^\x21-\x7e]/.test(text.trim()) ? 'A key has no spaces and only ASCII characters.' : undefined,
  });
  if (key === undefined) return false;
  await keys.set(origin, key.trim());
  return true;
}
