// A read-only document of the extension beside the editor: a text that is made anew whenever it is shown.
import * as vscode from 'vscode';
import { Disposables } from './disposables.js';

export class ReadOnlyText implements vscode.TextDocumentContentProvider, vscode.Disposable {
  readonly #owned = new Disposables();
  readonly #changed = this.#owned.add(new vscode.EventEmitter<vscode.Uri>());
  readonly onDidChange = this.#changed.event;
  readonly #uri: vscode.Uri;
  readonly #text: () => string;

  /** @param name what the tab says */
  constructor(scheme: string, name: string, text: () => string) {
    this.#uri = vscode.Uri.from({ scheme, path: name });
    this.#text = text;
    this.#owned.add(vscode.workspace.registerTextDocumentContentProvider(scheme, this));
  }

  provideTextDocumentContent(): string {
    return this.#text();
  }

  async show(): Promise<void> {
    this.#changed.fire(this.#uri);
    await vscode.window.showTextDocument(this.#uri, { viewColumn: vscode.ViewColumn.Beside, preserveFocus: true });
  }

  dispose(): void {
    this.#owned.dispose();
  }
}
