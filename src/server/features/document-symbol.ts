// textDocument/documentSymbol: the keys of the recipe, and its rules by what they match.
import {
  SymbolKind,
  type DocumentSymbol,
  type DocumentSymbolParams,
  type ServerCapabilities,
} from 'vscode-languageserver/node';
import type { YamlNode, YamlPair } from '../../core/recipe/yaml-tree.js';
import { guarded, type Feature, type Services } from '../feature.js';

export class DocumentSymbolFeature implements Feature {
  readonly capabilities: ServerCapabilities = { documentSymbolProvider: true };

  constructor(private readonly services: Services) {}

  register(): void {
    const { connection } = this.services;
    connection.onDocumentSymbol(
      guarded(connection, 'document symbols', [], (params: DocumentSymbolParams) => this.#symbols(params)),
    );
  }

  #symbols({ textDocument }: DocumentSymbolParams): DocumentSymbol[] {
    const { documents, analyses } = this.services;
    const document = documents.get(textDocument.uri);
    const root = document && analyses.of(document).parsed.root;
    return root?.kind === 'mapping' ? root.pairs.map(keySymbol) : [];
  }
}

function keySymbol(pair: YamlPair): DocumentSymbol {
  const { key, value, range } = pair;
  return {
    name: key.value === '' ? '""' : key.value,
    kind: value?.kind === 'sequence' ? SymbolKind.Array : SymbolKind.Property,
    detail: value?.kind === 'scalar' ? value.value : '',
    range,
    selectionRange: key.range,
    ...(value?.kind === 'sequence' ? { children: value.items.flatMap(itemSymbol) } : {}),
  };
}

function itemSymbol(item: YamlNode): DocumentSymbol[] {
  if (item.kind !== 'mapping') return [];
  const scalar = (name: string): string | undefined => {
    const value = item.pairs.find(pair => pair.key.value === name)?.value;
    return value?.kind === 'scalar' && value.value !== '' ? value.value : undefined;
  };
  const name = scalar('tensors');
  if (name === undefined) return [];
  return [
    { name, kind: SymbolKind.Object, detail: scalar('type') ?? '', range: item.range, selectionRange: item.range },
  ];
}
