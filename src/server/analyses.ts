// What is known of each open recipe: its parsed form per version of the text, the model it is bound to, and everything that
// is wrong with it. Parsing happens once per version however many features ask. Facts about files come when they come; a
// feature that cannot wait uses what is there.
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { TextDocument } from 'vscode-languageserver-textdocument';
import type { BoundModel } from '../core/recipe/bound-model.js';
import { checkRecipe, type RecipeFacts } from '../core/recipe/check-recipe.js';
import { LineIndex } from '../core/recipe/line-index.js';
import { parseRecipe, refuseRecipe, type ParsedRecipe } from '../core/recipe/parse-recipe.js';
import type { RecipeDiagnostic } from '../core/recipe/recipe.js';
import type { ParseText } from '../core/recipe/repair-yaml.js';
import { gatherRecipeFacts, resolveRecipePath } from '../platform/recipe-facts.js';
import { isUrl } from '../platform/open-model.js';
import type { Services } from './feature.js';
import type { DocumentStore } from './document-store.js';
import type { Trees } from './trees.js';

export interface Analysis {
  readonly version: number;
  readonly lines: LineIndex;
  readonly parsed: ParsedRecipe;
}

export class Analyses {
  readonly #known = new Map<string, Analysis>();

  /** `folder` is where unsaved recipes that have no path of their own are taken to be. */
  constructor(
    documents: DocumentStore,
    private readonly trees: Trees,
    private readonly files: Pick<Services, 'models' | 'matrices'>,
    private readonly parseText: ParseText,
    private readonly folder: string | undefined,
  ) {
    documents.onClose(uri => this.#known.delete(uri));
  }

  of(document: TextDocument): Analysis {
    const known = this.#known.get(document.uri);
    if (known?.version === document.version) return known;
    const text = document.getText();
    const lines = new LineIndex(text);
    const refused = refuseRecipe(text);
    if (refused) this.trees.forget(document.uri);
    const parsed = refused ?? this.trees.use(document, root => parseRecipe(lines, root, this.parseText));
    const analysis = { version: document.version, lines, parsed };
    this.#known.set(document.uri, analysis);
    return analysis;
  }

  /** The model the recipe is bound to, if its header has been read. Starts reading it otherwise. */
  boundModel(document: TextDocument): BoundModel | undefined {
    const source = this.sourcePath(document);
    const state = source === undefined ? undefined : this.files.models.state(source);
    return state?.state === 'bound' ? state.bound : undefined;
  }

  /** Diagnostics of the text alone: at once. */
  textDiagnostics(document: TextDocument): readonly RecipeDiagnostic[] {
    return this.of(document).parsed.diagnostics;
  }

  /** Diagnostics of the text, the files it names and the model it is bound to. */
  async diagnostics(document: TextDocument): Promise<readonly RecipeDiagnostic[]> {
    const { parsed } = this.of(document);
    const facts = await this.#facts(document, parsed);
    return [...parsed.diagnostics, ...checkRecipe(parsed.draft, facts)];
  }

  async #facts(document: TextDocument, { draft }: ParsedRecipe): Promise<RecipeFacts> {
    const recipePath = this.recipePath(document);
    if (recipePath === undefined) return {};
    // Also asked for when there is no such file: so its coming is noticed.
    this.boundModel(document);
    const imatrixPath = this.imatrixPath(document);
    if (imatrixPath !== undefined) this.files.matrices.state(imatrixPath);
    return gatherRecipeFacts(draft, recipePath, {
      source: absolutePath => Promise.resolve(this.files.models.state(absolutePath)),
      imatrix: absolutePath => Promise.resolve(this.files.matrices.state(absolutePath)),
    });
  }

  /** Absolute path of the document's file; undefined if it has none and nothing to stand in for it. */
  recipePath(document: TextDocument): string | undefined {
    return recipePathOf(document.uri, this.folder);
  }

  /** Absolute path of the source; undefined for URLs, which are never opened here. */
  sourcePath(document: TextDocument): string | undefined {
    return this.#pathOf(document, 'source');
  }

  /** The same of the importance matrix. */
  imatrixPath(document: TextDocument): string | undefined {
    return this.#pathOf(document, 'imatrix');
  }

  #pathOf(document: TextDocument, key: 'source' | 'imatrix'): string | undefined {
    const recipePath = this.recipePath(document);
    const named = this.of(document).parsed.draft[key];
    if (recipePath === undefined || !named || isUrl(named.path)) return undefined;
    return resolveRecipePath(recipePath, named.path);
  }
}

/**
 * `file:///m/a.quant.yaml` and `untitled:/m/a.quant.yaml` (not saved yet, but it is known where it will be) are
 * `/m/a.quant.yaml`; `untitled:Untitled-1` and other schemes stand in `folder`. Undefined if there is none.
 */
export function recipePathOf(uri: string, folder: string | undefined): string | undefined {
  if (uri.startsWith('file:')) return filePath(uri);
  const unsaved = uri.startsWith('untitled:/') ? filePath(`file:${uri.slice('untitled:'.length)}`) : undefined;
  return unsaved ?? (folder === undefined ? undefined : path.join(folder, 'untitled.quant.yaml'));
}

/** Undefined where the URI names no path of this machine: another host, an encoded slash. */
function filePath(uri: string): string | undefined {
  try {
    return fileURLToPath(uri);
  } catch {
    return undefined;
  }
}
