// A recipe as the commands see it: read, parsed and checked against the files it names, with the diagnostics the editor
// shows (the same functions of core, fed with the same facts).
import { createReadStream } from 'node:fs';
import path from 'node:path';
import { QuantsmithError } from '../core/problem.js';
import { checkRecipe } from '../core/recipe/check-recipe.js';
import { comparePositions } from '../core/recipe/line-index.js';
import type { Recipe, RecipeDiagnostic } from '../core/recipe/recipe.js';
import { ioError } from '../platform/file-source.js';
import { gatherRecipeFacts } from '../platform/recipe-facts.js';
import { YamlParser } from '../platform/yaml-parser.js';
import type { CliIo } from './io.js';
import { resolveFrom } from './paths.js';

export interface CheckedRecipe {
  /** Absolute: what a problem matcher can always resolve. */
  readonly path: string;
  /** Undefined if it has errors. */
  readonly recipe: Recipe | undefined;
  /** In the order of the text. */
  readonly diagnostics: readonly RecipeDiagnostic[];
  readonly hasErrors: boolean;
}

/** Bytes of a recipe file that are read at all: several times what is parsed, so that a text is refused as one. */
const MAX_FILE_BYTES = 2 ** 21;

export async function checkRecipeFile(file: string, io: CliIo): Promise<CheckedRecipe> {
  const recipePath = resolveFrom(io.cwd, file);
  const text = await readText(recipePath);
  const parser = await YamlParser.load(path.join(io.dist, 'tree-sitter'));
  try {
    const parsed = parser.parseRecipeText(text);
    const facts = await gatherRecipeFacts(parsed.draft, recipePath);
    const diagnostics = [...parsed.diagnostics, ...checkRecipe(parsed.draft, facts)].sort((a, b) =>
      comparePositions(a.range.start, b.range.start),
    );
    const hasErrors = diagnostics.some(({ severity }) => severity === 'error');
    return { path: recipePath, recipe: hasErrors ? undefined : parsed.recipe, diagnostics, hasErrors };
  } finally {
    parser.delete();
  }
}

async function readText(recipePath: string): Promise<string> {
  let bytes: Buffer;
  try {
    const chunks: Buffer[] = [];
    // One byte too many, if there is one, and no more: the file may be a model, or of any size.
    for await (const chunk of createReadStream(recipePath, { end: MAX_FILE_BYTES })) chunks.push(chunk as Buffer);
    bytes = Buffer.concat(chunks);
  } catch (error) {
    throw ioError(error, recipePath);
  }
  if (bytes.length > MAX_FILE_BYTES || bytes.includes(0)) {
    throw new QuantsmithError(
      'recipe/not-text',
      `${recipePath}: expected a recipe, a short text in YAML, found ${bytes.length > MAX_FILE_BYTES ? `more than ${MAX_FILE_BYTES} bytes` : 'binary data'}.`,
      'Give the path of a *.quant.yaml file.',
    );
  }
  return bytes.toString('utf8');
}
