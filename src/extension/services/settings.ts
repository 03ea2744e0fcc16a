// The settings, read when they are needed and never cached. A wrong value in settings.json gives the default, as VS Code
// only warns about it.
import * as vscode from 'vscode';
import type { BackendChoice } from '../../protocol/worker-protocol.js';

export interface ComputeSettings {
  /** 0 = one per physical core. */
  readonly threads: number;
  readonly backend: BackendChoice;
}

export function computeSettings(): ComputeSettings {
  const settings = vscode.workspace.getConfiguration('quantsmith');
  const threads = settings.get<unknown>('threads');
  const backend = settings.get<unknown>('backend');
  return {
    threads: typeof threads === 'number' && Number.isInteger(threads) && threads >= 0 ? threads : 0,
    backend: backend === 'native' || backend === 'wasm' ? backend : 'auto',
  };
}
