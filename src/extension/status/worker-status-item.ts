// Feature: the status bar item. It says whether the worker is ready, busy (with percent) or stopped (with the reason); a
// click offers what can be done about it.
import * as vscode from 'vscode';
import { Disposables } from '../disposables.js';
import type { Feature, Services } from '../feature.js';
import { menuHint, statusText } from './status-texts.js';

export const workerStatusItem: Feature = (_context, services) => {
  const owned = new Disposables();
  const item = owned.add(vscode.window.createStatusBarItem('quantsmith.status', vscode.StatusBarAlignment.Right, 90));
  item.name = 'Quantsmith Worker';
  item.command = 'quantsmith.showStatus';
  const show = (): void => {
    const { text, tooltip, label, isWarning } = statusText(services.worker.state, services.jobs.current);
    item.text = text;
    // A plain string: nothing that a file or a process says becomes markup.
    item.tooltip = tooltip.join('\n');
    item.accessibilityInformation = { label, role: 'button' };
    item.backgroundColor = isWarning ? new vscode.ThemeColor('statusBarItem.warningBackground') : undefined;
  };
  show();
  item.show();
  owned.add(services.worker.onDidChangeState(show));
  owned.add(services.jobs.onDidChange(show));
  owned.add(vscode.commands.registerCommand('quantsmith.showStatus', () => showMenu(services)));
  owned.add(vscode.commands.registerCommand('quantsmith.showLog', () => services.log.show()));
  owned.add(vscode.commands.registerCommand('quantsmith.cancelJob', () => services.jobs.cancel()));
  owned.add(vscode.commands.registerCommand('quantsmith.restartWorker', () => restart(services)));
  return owned;
};

interface MenuItem extends vscode.QuickPickItem {
  readonly command: string;
}

async function showMenu(services: Services): Promise<void> {
  const { current } = services.jobs;
  const items: MenuItem[] = [
    ...(current ? [entry('close', 'Cancel Running Job', current.title, 'quantsmith.cancelJob')] : []),
    entry('package', 'Quantize Model…', '', 'quantsmith.quantize'),
    entry('circuit-board', 'Open Model…', '', 'quantsmith.openModel'),
    entry('output', 'Show Log', '', 'quantsmith.showLog'),
    entry('debug-restart', 'Restart Worker', current ? 'stops the running job' : '', 'quantsmith.restartWorker'),
  ];
  const picked = await vscode.window.showQuickPick(items, {
    title: 'Quantsmith',
    placeHolder: menuHint(services.worker.state, services.jobs.current),
  });
  if (picked) await vscode.commands.executeCommand(picked.command);
}

function entry(icon: string, label: string, description: string, command: string): MenuItem {
  return { iconPath: new vscode.ThemeIcon(icon), label, description, command };
}

async function restart(services: Services): Promise<void> {
  const { current } = services.jobs;
  if (current) {
    const restartNow = 'Restart and Stop the Job';
    const answer = await vscode.window.showWarningMessage(
      'Restart the worker?',
      {
        modal: true,
        detail: `${current.title} is running and will be stopped. Nothing is left under its output name.`,
      },
      restartNow,
    );
    if (answer !== restartNow) return;
  }
  services.worker.restart();
}
