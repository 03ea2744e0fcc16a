// The custom editor for *.gguf: opens documents, puts the page into each panel and carries messages between webview and
// document. Read-only. A file that cannot be read is shown by the page as a described state, never as an empty editor.
import { randomBytes } from 'node:crypto';
import * as vscode from 'vscode';
import { errorData } from '../../core/problem.js';
import type { FromInspector, ToInspector } from '../../protocol/inspector-protocol.js';
import { Disposables } from '../disposables.js';
import type { Services } from '../feature.js';
import { inspectorHtml } from './inspector-html.js';
import { sendableModel, sendableScalar, takeMessage } from './inspector-messages.js';
import { ModelDocument } from './model-document.js';

export const INSPECTOR_VIEW = 'quantsmith.inspector';

export class InspectorEditor implements vscode.CustomReadonlyEditorProvider<ModelDocument> {
  constructor(
    private readonly services: Services,
    private readonly webviewFolder: vscode.Uri,
  ) {}

  openCustomDocument(uri: vscode.Uri): ModelDocument {
    return new ModelDocument(uri, this.services.worker, this.services.log);
  }

  resolveCustomEditor(document: ModelDocument, panel: vscode.WebviewPanel): void {
    const owned = new Disposables();
    panel.onDidDispose(() => {
      owned.dispose();
    });
    const { webview } = panel;
    const post = (message: ToInspector): void => {
      // Rejected only when the panel is gone, and then nobody is there to see it.
      if (!owned.isDisposed) void webview.postMessage(message);
    };
    const registered = this.services.inspectors.add(document, () => panel.active);
    owned.onDispose(registered.remove);
    let isReady = false;
    owned.add(
      document.onDidChange(() => {
        // Before that the page has nobody who listens; it asks by being ready.
        if (isReady) post(currentMessage(document));
      }),
    );
    owned.add(
      webview.onDidReceiveMessage((raw: unknown) => {
        void takeMessage(raw, {
          record: message => {
            registered.record(message);
            isReady ||= message.type === 'ready';
          },
          receive: message => this.receive(document, message, post),
          log: this.services.log,
        });
      }),
    );
    webview.options = { enableScripts: true, localResourceRoots: [this.webviewFolder] };
    webview.html = inspectorHtml({
      cspSource: webview.cspSource,
      script: this.resource(webview, 'inspector.js'),
      style: this.resource(webview, 'inspector.css'),
      icons: this.resource(webview, 'codicon.css'),
      nonce: randomBytes(16).toString('base64url'),
    });
  }

  private async receive(
    document: ModelDocument,
    message: FromInspector,
    post: (message: ToInspector) => void,
  ): Promise<void> {
    switch (message.type) {
      case 'ready':
        // The page is new or was hidden and is built again: it gets what is known now.
        post(currentMessage(document));
        break;
      case 'shown':
        break;
      case 'request':
        try {
          const result = await document.answer(message.request);
          post({
            type: 'response',
            id: message.id,
            result: result.kind === 'array' ? { ...result, values: result.values.map(sendableScalar) } : result,
          });
        } catch (error) {
          post({ type: 'response', id: message.id, error: errorData(error) });
        }
        break;
      case 'command':
        await this.runCommand(document, message.command);
        break;
      case 'copy':
        await vscode.env.clipboard.writeText(message.text);
        break;
    }
  }

  private async runCommand(
    document: ModelDocument,
    command: Extract<FromInspector, { type: 'command' }>['command'],
  ): Promise<void> {
    switch (command) {
      case 'quantize':
        await vscode.commands.executeCommand('quantsmith.quantize', document.uri);
        break;
      case 'reload':
        document.reload();
        break;
      case 'openAsText':
        await vscode.commands.executeCommand('vscode.openWith', document.uri, 'default');
        break;
      case 'showLog':
        this.services.log.show();
        break;
    }
  }

  private resource(webview: vscode.Webview, name: string): string {
    return webview.asWebviewUri(vscode.Uri.joinPath(this.webviewFolder, name)).toString();
  }
}

function currentMessage(document: ModelDocument): ToInspector {
  const { state } = document;
  switch (state.kind) {
    case 'loading':
      return { type: 'loading', path: document.path };
    case 'model':
      return { type: 'model', model: sendableModel(state.model) };
    case 'failed':
      return { type: 'failed', error: state.error };
  }
}
