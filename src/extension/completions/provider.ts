// Ghost text: turns an editor's request into a cursor, and what the completer offers into an item. A request that is out of date by
// the time it is answered gets no answer.
import * as vscode from 'vscode';
import { windowStart, type CursorText } from '../../core/completion/fim-prompt.js';
import { looksSecret } from '../../core/completion/private-files.js';
import type { JobSlot } from '../services/job-slot.js';
import type { CompletionService } from './completion-service.js';
import { completionSettings } from './completion-settings.js';
import type { ContextCollector } from './context-collector.js';
import { ACCEPTED, type Statistics } from './statistics.js';

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
  readonly #context: ContextCollector;
  readonly #statistics: Statistics;
  readonly #whyNot: (document: vscode.TextDocument, isAsked: boolean) => string | undefined;

  /** @param whyNot why none are to be offered now, for reasons that are none of the document's alone */
  constructor(
    service: CompletionService,
    jobs: JobSlot,
    context: ContextCollector,
    statistics: Statistics,
    whyNot: (document: vscode.TextDocument, isAsked: boolean) => string | undefined,
  ) {
    this.#statistics = statistics;
    this.#whyNot = whyNot;
    this.#service = service;
    this.#jobs = jobs;
    this.#context = context;
  }

  async provideInlineCompletionItems(
    document: vscode.TextDocument,
    position: vscode.Position,
    context: vscode.InlineCompletionContext,
    token: vscode.CancellationToken,
  ): Promise<vscode.InlineCompletionItem[] | undefined> {
    if (this.#service.state.kind === 'none') return undefined;
    const { version } = document;
    const isAsked = context.triggerKind === vscode.InlineCompletionTriggerKind.Invoke;
    const off = this.#service.whyOff ?? whyOff(document) ?? this.#whyNot(document, isAsked);
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
    const place = this.#context.place(document, cursor);
    const settings = completionSettings(document);
    const controller = new AbortController();
    const cancelling = token.onCancellationRequested(() => {
      controller.abort(new vscode.CancellationError());
    });
    try {
      const outcome = await this.#service.complete(
        place,
        {
          language: document.languageId,
          explicit: isAsked,
          inComments: settings.inComments,
          inStrings: settings.inStrings,
          multiline: settings.multiline,
        },
        where,
        controller.signal,
      );
      if (!outcome || token.isCancellationRequested || document.version !== version) return undefined;
      const { offer } = outcome;
      this.#statistics.answered(outcome, offer && { document, offset: document.offsetAt(position), text: offer.text });
      if (!offer) return undefined;
      const range = new vscode.Range(start, position.translate(0, offer.replace));
      const accepted = { command: ACCEPTED, title: 'Count an accepted completion' };
      return [new vscode.InlineCompletionItem((selected?.text ?? '') + offer.text, range, accepted)];
    } finally {
      cancelling.dispose();
    }
  }
}

/** Why there are no completions in a document; undefined if there are. */
export function whyOff(document: vscode.TextDocument): string | undefined {
  if (!completionSettings(document).enabled)
    return `completions are turned off here (quantsmith.completions.enabled, language ${document.languageId}).`;
  return whyUnread(document);
}

/** Why a document is never read, whatever is turned on; undefined if it may be. */
export function whyUnread(document: vscode.TextDocument): string | undefined {
  const { excludedFiles } = completionSettings(document);
  if (looksSecret(document.uri.path)) return 'the name of this file says that it holds secrets; it is never read.';
  const glob = excludedFiles.find(pattern => vscode.languages.match({ pattern }, document) > 0);
  if (glob !== undefined) return `this file matches "${glob}" (quantsmith.completions.excludedFiles); it is not read.`;
  return undefined;
}

/** The text around a cursor with line ends of one character, as models were trained with. */
export function cursorText(
  document: vscode.TextDocument,
  start: vscode.Position,
  position = start,
  selected = '',
): CursorText {
  const from = document.positionAt(windowStart(document.offsetAt(start), MOST_BEFORE));
  const to = document.positionAt(document.offsetAt(position) + MOST_BEHIND);
  const text = (a: vscode.Position, b: vscode.Position): string =>
    document.getText(new vscode.Range(a, b)).replaceAll('\r\n', '\n');
  return { prefix: text(from, start) + selected, suffix: text(position, to) };
}
