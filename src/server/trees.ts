// The syntax trees of open recipes: the one owner of their lifetime. A tree lives in WebAssembly memory that nothing else
// frees. It is parsed when first asked for, edited and parsed again when asked for after changes (unchanged parts are
// reused), and deleted when the document closes. No tree is handed out: `use` lends its root.
import type { TextDocument } from 'vscode-languageserver-textdocument';
import type { SyntaxNode } from '../core/recipe/syntax-node.js';
import type { YamlParser, YamlTree } from '../platform/yaml-parser.js';
import type { DocumentChange, DocumentEdit, DocumentStore } from './document-store.js';

interface Entry {
  tree: YamlTree;
  /** The text the tree belongs to. */
  text: string;
  /** Edits since then. */
  pending: DocumentEdit[];
}

/** More edits than this between two parses (a replace-all): parsing afresh is faster than editing that often. */
const MAX_PENDING_EDITS = 100;

export class Trees {
  readonly #entries = new Map<string, Entry>();

  constructor(
    documents: DocumentStore,
    private readonly parser: YamlParser,
  ) {
    documents.onChange(change => this.#changed(change));
    documents.onClose(uri => this.forget(uri));
  }

  /** Calls `read` with the root of the document's up-to-date tree; nodes must not be kept. */
  use<T>(document: TextDocument, read: (root: SyntaxNode) => T): T {
    return read(this.#current(document).root);
  }

  /** Frees the tree of a document; the next `use` parses afresh. */
  forget(uri: string): void {
    this.#entries.get(uri)?.tree.delete();
    this.#entries.delete(uri);
  }

  dispose(): void {
    for (const uri of [...this.#entries.keys()]) this.forget(uri);
    this.parser.delete();
  }

  #current(document: TextDocument): YamlTree {
    const text = document.getText();
    const entry = this.#entries.get(document.uri);
    if (!entry) {
      const tree = this.parser.parse(text);
      this.#entries.set(document.uri, { tree, text, pending: [] });
      return tree;
    }
    if (entry.pending.length > 0) {
      // Should parsing fail, the old tree is gone all the same: forget it first.
      this.#entries.delete(document.uri);
      entry.tree = this.parser.reparse(entry.tree, entry.text, entry.pending);
      entry.text = text;
      entry.pending = [];
      this.#entries.set(document.uri, entry);
    }
    return entry.tree;
  }

  #changed({ document, edits }: DocumentChange): void {
    const entry = this.#entries.get(document.uri);
    if (!entry) return;
    if (edits === undefined || entry.pending.length + edits.length > MAX_PENDING_EDITS) this.forget(document.uri);
    else entry.pending.push(...edits);
  }
}
