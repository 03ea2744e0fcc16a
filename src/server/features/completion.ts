// textDocument/completion: keys, types, tensors of the bound model, and the files around the recipe for paths.
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import {
  CompletionItemKind,
  InsertTextFormat,
  MarkupKind,
  type CancellationToken,
  type CompletionItem,
  type CompletionParams,
  type ServerCapabilities,
} from 'vscode-languageserver/node';
import type { TextDocument } from 'vscode-languageserver-textdocument';
import { completeRecipe, valueCompletion, type RecipeCompletion } from '../../core/recipe/complete-recipe.js';
import { cursorContext, type CursorContext } from '../../core/recipe/cursor-context.js';
import { recipeKey } from '../../core/recipe/recipe-schema.js';
import { guarded, type Feature, type Services } from '../feature.js';

/** Entries of one folder that are offered. */
const MAX_ENTRIES = 500;

const KINDS: Readonly<Record<RecipeCompletion['kind'], CompletionItemKind>> = {
  key: CompletionItemKind.Property,
  type: CompletionItemKind.EnumMember,
  tensor: CompletionItemKind.Field,
  word: CompletionItemKind.Keyword,
  path: CompletionItemKind.File,
  folder: CompletionItemKind.Folder,
  item: CompletionItemKind.Snippet,
};

/** What files a path may name. */
const FILES = {
  'source-path': /\.gguf$/i,
  'output-path': undefined,
  'imatrix-path': /\.(gguf|dat|imatrix)$/i,
} as const;

export class CompletionFeature implements Feature {
  readonly capabilities: ServerCapabilities = {
    // A blank ends `key:`, a dash starts a rule, a slash enters a folder, a dot and a quote go on in a tensor name.
    completionProvider: { triggerCharacters: [' ', '-', '/', '.', "'", '"', '{', ','] },
  };

  constructor(private readonly services: Services) {}

  register(): void {
    const { connection } = this.services;
    connection.onCompletion(
      guarded(connection, 'completion', [], (params: CompletionParams, token: CancellationToken) =>
        this.#complete(params, token),
      ),
    );
  }

  async #complete(params: CompletionParams, token: CancellationToken): Promise<CompletionItem[]> {
    const { documents, analyses } = this.services;
    const document = documents.get(params.textDocument.uri);
    if (!document) return [];
    const { lines } = analyses.of(document);
    const offset = lines.offsetAt(params.position);
    const context = cursorContext(lines, offset);
    const items =
      context.kind === 'value' && isPath(context)
        ? await this.#paths(document, context)
        : completeRecipe(lines, offset, analyses.boundModel(document));
    return token.isCancellationRequested ? [] : items.map(toItem);
  }

  async #paths(document: TextDocument, context: ValueContext): Promise<readonly RecipeCompletion[]> {
    const recipePath = this.services.analyses.recipePath(document);
    const kind = recipeKey(context.path)?.kind;
    if (recipePath === undefined || kind === undefined || !(kind in FILES)) return [];
    const wanted = FILES[kind as keyof typeof FILES];
    const written = context.prefix.replace(/^["']/, '');
    const folder = written.slice(0, written.lastIndexOf('/') + 1);
    const entries = await readdir(path.resolve(path.dirname(recipePath), folder), { withFileTypes: true }).catch(
      () => [],
    );
    return entries
      .filter(entry => !entry.name.startsWith('.') && (entry.isDirectory() || wanted?.test(entry.name) === true))
      .slice(0, MAX_ENTRIES)
      .map(entry => {
        const isFolder = entry.isDirectory();
        const label = `${folder}${entry.name}${isFolder ? '/' : ''}`;
        return valueCompletion(context, { label, kind: isFolder ? 'folder' : 'path', detail: '' });
      });
  }
}

type ValueContext = CursorContext & { kind: 'value' };

function isPath(context: ValueContext): boolean {
  const kind = recipeKey(context.path)?.kind;
  return kind !== undefined && kind in FILES;
}

function toItem(item: RecipeCompletion, index: number): CompletionItem {
  return {
    label: item.label,
    kind: KINDS[item.kind],
    detail: item.detail,
    ...(item.doc === undefined ? {} : { documentation: { kind: MarkupKind.Markdown, value: item.doc } }),
    // The order of the tables is the order of the list.
    sortText: String(index).padStart(5, '0'),
    filterText: item.filter,
    insertTextFormat: item.snippet ? InsertTextFormat.Snippet : InsertTextFormat.PlainText,
    textEdit: { range: item.range, newText: item.insert },
    // A key wants a value next.
    ...(item.kind === 'key' || item.kind === 'folder'
      ? { command: { title: 'Suggest', command: 'editor.action.triggerSuggest' } }
      : {}),
  };
}
