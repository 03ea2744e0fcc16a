// The recipes that are open in the editor, as text. Changes are applied one by one, because each refers to the text the
// changes before it left; with every change goes the exact replacement, which trees.ts needs. The store owns the text and
// its versions; it parses nothing.
import {
  TextDocumentSyncKind,
  type Connection,
  type Disposable,
  type TextDocumentContentChangeEvent,
} from 'vscode-languageserver/node';
import { TextDocument } from 'vscode-languageserver-textdocument';
import type { TextEdit } from '../platform/yaml-parser.js';

/** One replacement, with the text it left. */
export type DocumentEdit = TextEdit & { readonly after: string };

export interface DocumentChange {
  readonly document: TextDocument;
  readonly before: string;
  /** Undefined when the whole text was replaced. */
  readonly edits: readonly DocumentEdit[] | undefined;
}

type Listener<T> = (event: T) => void;

export class DocumentStore {
  readonly #documents = new Map<string, TextDocument>();
  readonly #onOpen = new Set<Listener<TextDocument>>();
  readonly #onChange = new Set<Listener<DocumentChange>>();
  readonly #onClose = new Set<Listener<string>>();

  static readonly syncKind = TextDocumentSyncKind.Incremental;

  /** Starts to follow the client's documents. */
  listen(connection: Connection): Disposable[] {
    return [
      connection.onDidOpenTextDocument(({ textDocument: { uri, languageId, version, text } }) => {
        const document = TextDocument.create(uri, languageId, version, text);
        this.#documents.set(uri, document);
        fire(this.#onOpen, document);
      }),
      connection.onDidChangeTextDocument(({ textDocument: { uri, version }, contentChanges }) => {
        const document = this.#documents.get(uri);
        if (document) fire(this.#onChange, applyChanges(document, contentChanges, version));
      }),
      connection.onDidCloseTextDocument(({ textDocument: { uri } }) => {
        if (this.#documents.delete(uri)) fire(this.#onClose, uri);
      }),
    ];
  }

  get(uri: string): TextDocument | undefined {
    return this.#documents.get(uri);
  }

  all(): readonly TextDocument[] {
    return [...this.#documents.values()];
  }

  onOpen(listener: Listener<TextDocument>): void {
    this.#onOpen.add(listener);
  }

  onChange(listener: Listener<DocumentChange>): void {
    this.#onChange.add(listener);
  }

  onClose(listener: Listener<string>): void {
    this.#onClose.add(listener);
  }
}

function fire<T>(listeners: ReadonlySet<Listener<T>>, event: T): void {
  for (const listener of listeners) listener(event);
}

/** Changes `document` in place. */
export function applyChanges(
  document: TextDocument,
  changes: readonly TextDocumentContentChangeEvent[],
  version: number,
): DocumentChange {
  const before = document.getText();
  const edits: DocumentEdit[] = [];
  let isWhole = false;
  for (const change of changes) {
    if ('range' in change) {
      const start = document.offsetAt(change.range.start);
      // A range may be given end first; the document applies it either way.
      const end = document.offsetAt(change.range.end);
      const from = Math.min(start, end);
      TextDocument.update(document, [change], version);
      edits.push({
        start: from,
        oldEnd: Math.max(start, end),
        newEnd: from + change.text.length,
        after: document.getText(),
      });
    } else {
      TextDocument.update(document, [change], version);
      isWhole = true;
    }
  }
  return { document, before, edits: isWhole ? undefined : edits };
}
