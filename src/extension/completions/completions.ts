// Feature: inline completions, by a local model or a server. Ghost text, the status bar item that says what it does and why it does nothing, and
// the commands to choose a model, to turn completions off and on, and to have the last one explained.
import * as vscode from 'vscode';
import { errorData } from '../../core/problem.js';
import { formatSeconds } from '../../core/text/quantity.js';
import { Disposables } from '../disposables.js';
import type { Feature, Services } from '../feature.js';
import { ReadOnlyText } from '../read-only-text.js';
import { errorLine } from '../services/log.js';
import { sentence } from '../texts.js';
import { COMPLETIONS, completionSettings } from './completion-settings.js';
import { Coexistence } from './coexistence.js';
import { ContextCollector } from './context-collector.js';
import { Governor } from './governor.js';
import { completionStatus, explanation } from './completion-texts.js';
import { modelName, pickCompletionModel } from './pick-completion-model.js';
import { Snooze } from './snooze.js';
import { COMPLETED_DOCUMENTS, CompletionProvider, whyOff } from './provider.js';
import { Statistics } from './statistics.js';
import { setServerKey, useServer } from './use-server.js';

export const completions: Feature = ({ globalState }, services) => {
  const owned = new Disposables();
  const context = owned.add(new ContextCollector(services.completions, services.jobs));
  const statistics = owned.add(new Statistics(services.completions, globalState));
  owned.add(new Coexistence(services.completions, globalState));
  const snooze = owned.add(new Snooze());
  const governor = owned.add(new Governor(services.completions, services.worker, services.jobs));
  // Who asks for a completion gets it, whatever is asleep.
  const whyNot = (_document: vscode.TextDocument, isAsked: boolean): string | undefined =>
    isAsked ? undefined : (snooze.why ?? governor.why);
  const provider = new CompletionProvider(services.completions, services.jobs, context, statistics, whyNot);
  owned.add(vscode.languages.registerInlineCompletionItemProvider(COMPLETED_DOCUMENTS, provider));
  owned.add(statusItem(services, snooze, document => whyNot(document, false)));
  const explained = owned.add(
    new ReadOnlyText('quantsmith-explanation', 'Last Completion.txt', () => {
      const { last, state, server } = services.completions;
      return explanation(last, state, server);
    }),
  );
  const command = (name: string, run: (...args: unknown[]) => unknown): void => {
    owned.add(vscode.commands.registerCommand(name, run));
  };
  command('quantsmith.useForCompletions', resource => useForCompletions(resource, services));
  command('quantsmith.useServerForCompletions', () => useServer(services));
  command('quantsmith.setServerKey', () => setServerKey(services.serverKeys));
  command('quantsmith.toggleCompletions', () => toggle());
  command('quantsmith.toggleCompletionsForLanguage', () => toggleForLanguage());
  command('quantsmith.explainCompletion', () => explained.show());
  // With a number, for keybindings: minutes; 0 wakes up.
  command('quantsmith.snoozeCompletions', minutes =>
    typeof minutes === 'number' ? snooze.for(minutes) : snooze.ask(),
  );
  command('quantsmith.showCompletionStatistics', () => statistics.show());
  command('quantsmith.resetCompletionStatistics', () => statistics.reset());
  command('quantsmith.showCompletions', () => showMenu(services, snooze));
  return owned;
};

function statusItem(
  { completions: service }: Services,
  snooze: Snooze,
  whyNot: (document: vscode.TextDocument) => string | undefined,
): Disposables {
  const owned = new Disposables();
  const item = owned.add(
    vscode.window.createStatusBarItem('quantsmith.completions', vscode.StatusBarAlignment.Right, 89),
  );
  item.name = 'Quantsmith Completions';
  item.command = 'quantsmith.showCompletions';
  const show = (): void => {
    const document = vscode.window.activeTextEditor?.document;
    const isCompleted = document && vscode.languages.match(COMPLETED_DOCUMENTS, document) > 0;
    const off = service.whyOff ?? (isCompleted ? (whyOff(document) ?? whyNot(document)) : undefined);
    const { state, name, server, isGenerating, last } = service;
    const { text, tooltip, label, isWarning } = completionStatus({
      ...{ model: state, name, isGenerating },
      ...(server ? { server } : {}),
      ...(off === undefined ? {} : { off }),
      ...(last ? { last } : {}),
    });
    item.text = text;
    // A plain string: nothing that a file or a model says becomes markup.
    item.tooltip = tooltip.join('\n');
    item.accessibilityInformation = { label, role: 'button' };
    item.backgroundColor = isWarning ? new vscode.ThemeColor('statusBarItem.warningBackground') : undefined;
  };
  show();
  item.show();
  owned.add(service.onDidChange(show));
  owned.add(snooze.onDidChange(show));
  owned.add(vscode.window.onDidChangeActiveTextEditor(show));
  return owned;
}

/** The clicked, the open, or a chosen model; says what came of it. */
async function useForCompletions(resource: unknown, services: Services): Promise<void> {
  const { completions: service, worker, inspectors, log } = services;
  const { state, example } = service;
  const current = state.kind === 'none' ? undefined : state.path;
  const given = typeof resource === 'string' ? vscode.Uri.file(resource) : resource;
  const model =
    given instanceof vscode.Uri
      ? given
      : (inspectors.active?.document.uri ?? (await pickCompletionModel(worker, example, current)));
  if (model === undefined) return;
  if (model === 'server') return useServer(services);
  const name = modelName(model.fsPath, example);
  try {
    const facts = await vscode.window.withProgress(
      { location: vscode.ProgressLocation.Window, title: `Loading ${name} for completions` },
      () => service.use(model.fsPath),
    );
    const turnOn = 'Turn Completions On';
    const isOff = !completionSettings().enabled;
    void vscode.window
      .showInformationMessage(
        `${name} completes now (${facts.family}, loaded and checked in ${formatSeconds(facts.seconds)}). ` +
          (isOff ? 'Completions are turned off in the settings.' : 'Type in any file; Tab accepts.'),
        ...(isOff ? [turnOn] : []),
      )
      .then(pressed => (pressed === turnOn ? setEnabled(true) : undefined));
  } catch (error) {
    const data = errorData(error);
    log.error(errorLine(data));
    const another = 'Choose Another Model';
    void vscode.window
      .showErrorMessage(`${name} cannot complete. ${sentence(data.message)} ${data.hint ?? ''}`.trim(), another)
      .then(pressed => {
        return pressed === another ? choose(services) : undefined;
      });
  }
}

async function choose(services: Services): Promise<void> {
  const { state, example } = services.completions;
  const picked = await pickCompletionModel(services.worker, example, state.kind === 'none' ? undefined : state.path);
  if (picked === 'server') await useServer(services);
  else if (picked) await useForCompletions(picked, services);
}

async function setEnabled(enabled: boolean, languageId?: string): Promise<void> {
  const scope = languageId === undefined ? undefined : { languageId };
  await vscode.workspace
    .getConfiguration(COMPLETIONS, scope)
    .update('enabled', enabled, vscode.ConfigurationTarget.Global, languageId !== undefined);
}

function toggle(): Promise<void> {
  return setEnabled(!completionSettings().enabled);
}

async function toggleForLanguage(): Promise<void> {
  const document = vscode.window.activeTextEditor?.document;
  if (document) await setEnabled(!completionSettings(document).enabled, document.languageId);
  else void vscode.window.showInformationMessage('Open a file of the language first.');
}

/** The chosen model once more. */
async function retry(services: Services): Promise<void> {
  const { state } = services.completions;
  if (state.kind !== 'none') await useForCompletions(state.path, services);
}

interface MenuItem extends vscode.QuickPickItem {
  readonly run: () => unknown;
}

async function showMenu(services: Services, snooze: Snooze): Promise<void> {
  const { state, example, name, server } = services.completions;
  const document = vscode.window.activeTextEditor?.document;
  const command = (name: string) => (): unknown => vscode.commands.executeCommand(name);
  const onOff = (enabled: boolean): string => (enabled ? 'Turn Off' : 'Turn On');
  const entry = (icon: string, label: string, description: string, run: () => unknown): MenuItem => ({
    iconPath: new vscode.ThemeIcon(icon),
    ...{ label, description, run },
  });
  const again = (): Promise<void> => (server ? useServer(services, completionSettings().server) : retry(services));
  const items: MenuItem[] = [
    ...(state.kind === 'failed' ? [entry('refresh', 'Try Again', sentence(state.error.message), again)] : []),
    entry('circuit-board', 'Choose Model…', name, () => choose(services)),
    entry('server', 'Use a Server…', '', () => useServer(services)),
    ...(server ? [entry('key', 'Set Server Key…', server.host, command('quantsmith.setServerKey'))] : []),
    ...(state.kind === 'none'
      ? [
          entry('beaker', 'Try the Example Model', 'weak, small, and here already', () =>
            useForCompletions(example, services),
          ),
        ]
      : [
          entry('question', 'Explain Last Completion', '', command('quantsmith.explainCompletion')),
          snooze.why === undefined
            ? entry('bell-slash', 'Snooze…', 'for a while', () => snooze.ask())
            : entry('bell', 'Wake Up', snooze.why, () => {
                snooze.for(0);
              }),
          entry('graph', 'Show Completion Statistics', '', command('quantsmith.showCompletionStatistics')),
          entry('circle-slash', onOff(completionSettings().enabled), 'everywhere', () => toggle()),
          ...(document
            ? [
                entry('circle-slash', onOff(completionSettings(document).enabled), `for ${document.languageId}`, () =>
                  toggleForLanguage(),
                ),
              ]
            : []),
        ]),
    entry('gear', 'Settings', '', () => vscode.commands.executeCommand('workbench.action.openSettings', COMPLETIONS)),
  ];
  const picked = await vscode.window.showQuickPick(items, {
    title: 'Quantsmith Completions',
    placeHolder: state.kind === 'none' ? 'No model is chosen yet' : name,
  });
  await picked?.run();
}
