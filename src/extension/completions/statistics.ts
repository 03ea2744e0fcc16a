// Counts what becomes of completions, keeps the counts in the editor's global state, and shows them. Acceptance is heard of by the
// command of the item; of a part of it by the document: more than one character at once, as the shown text begins.
import * as path from 'node:path';
import * as vscode from 'vscode';
import { CompletionStatistics } from '../../core/completion/completion-statistics.js';
import { Disposables } from '../disposables.js';
import { ReadOnlyText } from '../read-only-text.js';
import type { Outcome } from './completer.js';
import type { CompletionService } from './completion-service.js';

const KEY = 'quantsmith.completions.statistics';
/** Of windows that count at the same time the last one wins, so each writes seldom. */
const SAVE_MS = 10_000;

/** The command of an item that was accepted; nobody else calls it. */
export const ACCEPTED = '_quantsmith.completionAccepted';

interface Shown {
  readonly document: vscode.TextDocument;
  readonly offset: number;
  readonly text: string;
}

export class Statistics implements vscode.Disposable {
  readonly #owned = new Disposables();
  readonly #service: CompletionService;
  readonly #state: vscode.Memento;
  readonly #counts: CompletionStatistics;
  readonly #text: ReadOnlyText;
  #shown: Shown | undefined;
  #saving: NodeJS.Timeout | undefined;

  constructor(service: CompletionService, state: vscode.Memento) {
    this.#service = service;
    this.#state = state;
    this.#counts = new CompletionStatistics(state.get(KEY));
    const owned = this.#owned;
    this.#text = owned.add(
      new ReadOnlyText('quantsmith-statistics', 'Completion Statistics.txt', () => this.#counts.report()),
    );
    owned.add(
      service.onDidUseTokens(({ what, tokens }) => {
        this.#count(what, tokens);
      }),
    );
    owned.add(vscode.commands.registerCommand(ACCEPTED, () => this.#accepted()));
    owned.add(vscode.workspace.onDidChangeTextDocument(event => this.#changed(event)));
    owned.onDispose(() => {
      if (this.#saving) this.#save();
    });
  }

  /** An answer that reached the editor, and the text it shows. */
  answered(outcome: Outcome, shown: Shown | undefined): void {
    const { offer, failed, source, isNew, firstMs, totalMs } = outcome;
    // Where nobody was asked, there is nothing to count.
    if (!source && !failed) return;
    this.#shown = shown;
    this.#counts.answered(this.#model, today(), {
      ...{ isOffer: offer !== undefined, isFailure: failed !== undefined, isNew: isNew ?? false },
      ...{ isCached: source === 'cache', firstMs, totalMs },
    });
    this.#saveSoon();
  }

  async show(): Promise<void> {
    await this.#text.show();
  }

  async reset(): Promise<void> {
    const reset = 'Reset';
    const question = 'Forget all that was counted of completions?';
    if ((await vscode.window.showWarningMessage(question, { modal: true }, reset)) !== reset) return;
    this.#counts.reset();
    this.#save();
  }

  dispose(): void {
    this.#owned.dispose();
  }

  get #model(): string {
    const { state } = this.#service;
    return state.kind === 'none' ? 'no model' : path.basename(state.path);
  }

  #accepted(): void {
    this.#shown = undefined;
    this.#count('accepted');
  }

  #changed({ document, contentChanges }: vscode.TextDocumentChangeEvent): void {
    const shown = this.#shown;
    const [change] = contentChanges;
    if (shown?.document !== document || !change) return;
    this.#shown = undefined;
    const { text, rangeOffset } = change;
    const isPart = text.length > 1 && text.length < shown.text.length && shown.text.startsWith(text);
    if (isPart && rangeOffset === shown.offset && text.trim() !== '') this.#count('partlyAccepted');
  }

  #count(what: 'accepted' | 'partlyAccepted' | 'generated' | 'used', by = 1): void {
    this.#counts.count(this.#model, today(), what, by);
    this.#saveSoon();
  }

  #saveSoon(): void {
    this.#saving ??= setTimeout(() => {
      this.#save();
    }, SAVE_MS);
  }

  #save(): void {
    clearTimeout(this.#saving);
    this.#saving = undefined;
    void this.#state.update(KEY, this.#counts.stored);
  }
}

function today(): string {
  return new Date().toISOString().slice(0, 10);
}
