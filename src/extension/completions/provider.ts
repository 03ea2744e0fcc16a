// Ghost text: turns an editor's request into a cursor, and what the completer offers into an item. A request that is out of date by
// the time it is answered gets no answer.
import * as vscode from 'vscode';
import type { CursorText } from '../../core/completion/fim-prompt.js';
import { windowStart } from '../../core/completion/fim-prompt.js';
import { looksSecret } from '../../core/completion/private-files.js';
import type { JobSlot } from '../services/job-slot.js';
import type { CompletionService } from './completion-service.js';
import { completionSettings } from './completion-settings.js';

/** Where completions are offered; not in output channels, search results and inputs of other extensions. */
export const COMPLETED_DOCUMENTS: vscode.DocumentSelector = [
  { scheme: 'file' },
  { scheme: 'untitled' },
  { scheme: 'vscode-notebook-cell' },
];

/** Characters that the tokens of the longest prompt may take. */
const MOST_BEFORE = 8192;
const MOST_BEHIND = 2048;

export class CompletionProvider implements vscode.InlineCompletionItemProvider {
  readonly #service: CompletionService;
  readonly #jobs: JobSlot;

  constructor(service: CompletionService, jobs: JobSlot) {
    this.#service = service;
    this.#jobs = jobs;
  }

  async provideInlineCompletionItems(
    document: vscode.TextDocument,
    position: vscode.Position,
    context: vscode.InlineCompletionContext,
    token: vscode.CancellationToken,
  ): Promise<vscode.InlineCompletionItem[] | undefined> {
    if (this.#service.state.kind === 'none') return undefined;
    const { version } = document;
    const off = this.#service.whyOff ?? whyOff(document);
    const where = `${vscode.workspace.asRelativePath(document.uri)}:${position.line + 1}:${position.character + 1}`;
    // Where a server computes, the processors of this machine do not matter.
    const current = this.#service.server ? undefined : this.#jobs.current;
    const nothing = off ?? (current && `${current.title} needs the processors; completions go on when it is done.`);
    if (nothing !== undefined) {
      this.#service.report({ nothing, notes: [], waitedMs: 0, totalMs: 0 }, where);
      return undefined;
    }
    // The entry of the list of suggestions that has the focus is shown as if it were typed; a completion goes on behind it.
    const selected = context.selectedCompletionInfo;
    const start = selected?.range.start ?? position;
    const cursor = cursorText(document, start, position, selected?.text ?? '');
    const settings = completionSettings(document);
    const controller = new AbortController();
    const cancelling = token.onCancellationRequested(() => {
      controller.abort(new vscode.CancellationError());
    });
    try {
      const outcome = await this.#service.complete(
        cursor,
        {
          language: document.languageId,
          explicit: context.triggerKind === vscode.InlineCompletionTriggerKind.Invoke,
          inComments: settings.inComments,
          inStrings: settings.inStrings,
          multiline: settings.multiline,
        },
        where,
        controller.signal,
      );
      if (!outcome?.offer || token.isCancellationRequested || document.version !== version) return undefined;
      const { text, replace } = outcome.offer;
      const range = new vscode.Range(start, position.translate(0, replace));
      return [new vscode.InlineCompletionItem((selected?.text ?? '') + text, range)];
    } finally {
      cancelling.dispose();
    }
  }
}

/** Why there are no completions in a document; undefined if there are. */
export function whyOff(document: vscode.TextDocument): string | undefined {
  const { enabled, excludedFiles } = completionSettings(document);
  if (!enabled)
    return `completions are turned off here (quantsmith.completions.enabled, language ${document.languageId}).`;
  if (looksSecret(document.uri.path)) return 'the name of this file says that it holds secrets; it is never read.';
  const glob = excludedFiles.find(pattern => vscode.languages.match({ pattern }, document) > 0);
  if (glob !== undefined) return `this file matches "${glob}" (quantsmith.completions.excludedFiles); it is not read.`;
  return undefined;
}

/** The text around a cursor with line ends of one character, as models were trained with. */
function cursorText(
  document: vscode.TextDocument,
  start: vscode.Position,
  position: vscode.Position,
  selected: string,
): CursorText {
  const from = document.positionAt(windowStart(document.offsetAt(start), MOST_BEFORE));
  const to = document.positionAt(document.offsetAt(position) + MOST_BEHIND);
  const text = (a: vscode.Position, b: vscode.Position): string =>
    document.getText(new vscode.Range(a, b)).replaceAll('\r\n', '\n');
  return { prefix: text(from, start) + selected, suffix: text(position, to) };
}
