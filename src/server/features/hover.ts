// textDocument/hover: documentation of keys, cost of types, what a rule matches.
import { MarkupKind, type Hover, type HoverParams, type ServerCapabilities } from 'vscode-languageserver/node';
import { hoverRecipe } from '../../core/recipe/hover-recipe.js';
import { guarded, type Feature, type Services } from '../feature.js';

export class HoverFeature implements Feature {
  readonly capabilities: ServerCapabilities = { hoverProvider: true };

  constructor(private readonly services: Services) {}

  register(): void {
    const { connection } = this.services;
    connection.onHover(guarded(connection, 'hover', null, (params: HoverParams) => this.#hover(params)));
  }

  #hover({ textDocument, position }: HoverParams): Hover | null {
    const { documents, analyses } = this.services;
    const document = documents.get(textDocument.uri);
    if (!document) return null;
    const found = hoverRecipe(analyses.of(document).parsed, position, analyses.boundModel(document));
    return found ? { contents: { kind: MarkupKind.Markdown, value: found.markdown }, range: found.range } : null;
  }
}
