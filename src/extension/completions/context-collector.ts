// Which places of which files may matter to others: those edited, opened and looked at. They are offered to the ring of the core,
// which takes them in when nobody has typed for a while; then the model reads them, so that the next key does not wait for that.
//
// Read are open documents of the workspace's folders that git does not ignore: what it ignores is generated, downloaded or private,
// and what is outside belongs to another matter. In such documents completions are offered all the same: whoever types there has
// the text before their eyes. Files that look secret or are excluded are read for neither.
import * as vscode from 'vscode';
import { ContextRing, RING_LIMITS } from '../../core/completion/context-ring.js';
import type { CursorText } from '../../core/completion/fim-prompt.js';
import type { CursorPlace } from '../../core/completion/other-files.js';
import { GitIgnored } from '../../platform/git-ignored.js';
import { Disposables } from '../disposables.js';
import type { JobSlot } from '../services/job-slot.js';
import type { CompletionService } from './completion-service.js';
import { COMPLETIONS, completionSettings } from './completion-settings.js';
import { COMPLETED_DOCUMENTS, cursorText, whyOff, whyUnread } from './provider.js';

/** A text that was looked at for so long was not only scrolled past. */
const LOOKED_AT_MS = 1000;
/** Nobody types. llama.vscode waits as long. */
const IDLE_MS = 3000;
/** An edit so many lines from the last is one at another place. */
const FAR_LINES = 32;
/** Fewer than code has: what is cut off is less than what would have no room. */
const CHARACTERS_PER_TOKEN = 3;

/** A bracket or quote whose other half the editor put behind the cursor. */
const CLOSED_AT_ONCE = /^(\(\)|\[\]|\{\}|""|''|``|<>)$/;

interface Edited {
  readonly document: vscode.TextDocument;
  line: number;
}

export class ContextCollector implements vscode.Disposable {
  readonly #owned = new Disposables();
  readonly #ring = new ContextRing();
  readonly #ignored = new GitIgnored();
  readonly #service: CompletionService;
  readonly #jobs: JobSlot;
  #edited: Edited | undefined;
  #left: vscode.TextEditor | undefined;
  #looked: NodeJS.Timeout | undefined;
  #idle: NodeJS.Timeout | undefined;

  constructor(service: CompletionService, jobs: JobSlot) {
    this.#service = service;
    this.#jobs = jobs;
    this.#left = vscode.window.activeTextEditor;
    const owned = this.#owned;
    owned.add(vscode.workspace.onDidChangeTextDocument(event => this.#changed(event)));
    owned.add(
      vscode.workspace.onDidSaveTextDocument(document => {
        if (this.#edited?.document === document) this.#offerAround(document, this.#edited.line);
      }),
    );
    owned.add(
      vscode.window.onDidChangeActiveTextEditor(editor => {
        const left = this.#left;
        if (left && !left.document.isClosed) this.#offerAround(left.document, left.selection.active.line);
        this.#left = editor;
        this.#look(editor);
      }),
    );
    owned.add(vscode.window.onDidChangeTextEditorVisibleRanges(({ textEditor }) => this.#look(textEditor)));
    owned.add(vscode.workspace.onDidDeleteFiles(({ files }) => this.#forget(files)));
    owned.add(vscode.workspace.onDidRenameFiles(({ files }) => this.#forget(files.map(({ oldUri }) => oldUri))));
    owned.add(
      vscode.workspace.onDidChangeConfiguration(event => {
        // What was read under other rules is forgotten, whole: the files may be closed.
        const names = ['excludedFiles', 'otherFiles'].map(name => `${COMPLETIONS}.${name}`);
        if (names.some(name => event.affectsConfiguration(name))) this.#ring.forget(() => true);
      }),
    );
    owned.onDispose(() => {
      clearTimeout(this.#looked);
      clearTimeout(this.#idle);
    });
    this.#look(this.#left);
  }

  /** A cursor with what is known of other files. */
  place(document: vscode.TextDocument, { prefix, suffix }: CursorText): CursorPlace {
    const folder = vscode.workspace.getWorkspaceFolder(document.uri);
    if (!folder || !completionSettings(document).otherFiles || this.#limit() === 0) return { prefix, suffix };
    const file = nameOf(document.uri);
    const pieces = this.#ring.for(file, `${prefix}${suffix}`);
    return { prefix, suffix, files: { repository: folder.name, file, pieces } };
  }

  dispose(): void {
    this.#owned.dispose();
  }

  /** Characters that the model takes. */
  #limit(): number {
    const { state } = this.#service;
    const isKnown = state.kind === 'ready' && 'filesTokens' in state.facts;
    return isKnown ? state.facts.filesTokens * CHARACTERS_PER_TOKEN : RING_LIMITS.characters;
  }

  #changed({ document, contentChanges }: vscode.TextDocumentChangeEvent): void {
    const [change] = contentChanges;
    if (!change || vscode.languages.match(COMPLETED_DOCUMENTS, document) === 0) return;
    this.#waitForIdle();
    const last = this.#edited;
    const { line } = change.range.start;
    if (last?.document !== document || Math.abs(last.line - line) > FAR_LINES) {
      if (last && !last.document.isClosed) this.#offerAround(last.document, last.line);
      this.#edited = { document, line };
    } else last.line = line;
    const editor = vscode.window.activeTextEditor;
    if (editor?.document !== document || contentChanges.length !== 1) return;
    const length = CLOSED_AT_ONCE.test(change.text) ? 1 : change.text.length;
    this.#service.typed(cursorText(document, document.positionAt(change.rangeOffset + length)));
  }

  #look(editor: vscode.TextEditor | undefined): void {
    if (!editor) return;
    clearTimeout(this.#looked);
    this.#looked = setTimeout(() => {
      const [range] = editor.visibleRanges;
      if (!range || !vscode.window.visibleTextEditors.includes(editor)) return;
      this.#offer(editor.document, range.start.line, range.end.line + 1);
      this.#waitForIdle();
    }, LOOKED_AT_MS);
  }

  #offerAround(document: vscode.TextDocument, line: number): void {
    const half = RING_LIMITS.lines / 2;
    this.#offer(document, line - half, line + half);
  }

  #offer(document: vscode.TextDocument, from: number, to: number): void {
    if (document.uri.scheme !== 'file' || !vscode.workspace.getWorkspaceFolder(document.uri)) return;
    if (!completionSettings(document).otherFiles || whyUnread(document) !== undefined) return;
    const text = document.getText(new vscode.Range(Math.max(0, from), 0, to, 0));
    void this.#ignored.isIgnored(document.uri.fsPath).then(
      isIgnored => {
        if (!isIgnored && !this.#owned.isDisposed) this.#ring.offer(nameOf(document.uri), text);
      },
      () => undefined,
    );
  }

  #forget(uris: readonly vscode.Uri[]): void {
    const names = uris.map(nameOf);
    this.#ring.forget(name => names.some(gone => name === gone || name.startsWith(`${gone}/`)));
  }

  #waitForIdle(): void {
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => {
      this.#settle();
    }, IDLE_MS);
  }

  /** Takes in what was offered, and has the model read what it will be asked about where the cursor is. */
  #settle(): void {
    const characters = Math.min(RING_LIMITS.characters, this.#limit());
    if (characters > 0) {
      this.#ring.limit({ ...RING_LIMITS, characters });
      this.#ring.settle();
    }
    const editor = vscode.window.activeTextEditor;
    if (!editor || !vscode.window.state.focused || this.#jobs.current) return;
    const { document, selection } = editor;
    if (vscode.languages.match(COMPLETED_DOCUMENTS, document) === 0 || whyOff(document) !== undefined) return;
    this.#service.read(this.place(document, cursorText(document, selection.active)));
  }
}

/** As in the prompt; in a workspace of several folders with the folder's name. */
function nameOf(uri: vscode.Uri): string {
  return vscode.workspace.asRelativePath(uri).replaceAll('\\', '/');
}
