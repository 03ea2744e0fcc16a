// The YAML parser: web-tree-sitter with the tree-sitter-yaml grammar, both WebAssembly, loaded from one folder. The only
// file that touches web-tree-sitter. A tree lives in WebAssembly memory and is freed by `delete`; who keeps one over edits
// is server/trees.ts, everyone else uses `parseRecipeText`, which keeps none.
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { Edit, Language, Parser, type Tree } from 'web-tree-sitter';
import { QuantsmithError } from '../core/problem.js';
import { LineIndex } from '../core/recipe/line-index.js';
import { parseRecipe, refuseRecipe, type ParsedRecipe } from '../core/recipe/parse-recipe.js';
import type { SyntaxNode } from '../core/recipe/syntax-node.js';
import { limitScannerState } from './yaml-grammar.js';

/** Names of the two files in the folder. */
export const TREE_SITTER_FILES = ['web-tree-sitter.wasm', 'tree-sitter-yaml.wasm'] as const;

/** The slowest text that is accepted (see MAX_MARKS) is parsed in half a second; ten times that is a parser that is lost. */
const MAX_PARSE_MS = 5000;

/** A replacement of `[start, oldEnd)` by text that ends at `newEnd`; UTF-16 offsets into the text before and after. */
export interface TextEdit {
  readonly start: number;
  readonly oldEnd: number;
  readonly newEnd: number;
}

/** A syntax tree that must be given back with `delete`. */
export interface YamlTree {
  readonly root: SyntaxNode;
  delete(): void;
}

export class YamlParser {
  private parser: Parser;

  private constructor(private readonly language: Language) {
    this.parser = newParser(language);
  }

  /**
   * Loads both files from `folder`. Rejects with `recipe/parser-missing` if one cannot be read or is not what it should be.
   */
  static async load(folder: string): Promise<YamlParser> {
    try {
      const [runtime, grammar] = await Promise.all(TREE_SITTER_FILES.map(name => readFile(path.join(folder, name))));
      if (!runtime || !grammar) throw new RangeError('unreachable: two names give two files');
      // The bytes are handed over, so that the library does not look for files beside itself: bundling moves it.
      await Parser.init({ wasmBinary: runtime });
      return new YamlParser(await Language.load(limitScannerState(grammar)));
    } catch (error) {
      throw new QuantsmithError(
        'recipe/parser-missing',
        `the YAML parser cannot be loaded from ${folder}: ${error instanceof Error ? error.message : String(error)}`,
        'Reinstall Quantsmith, or run `npm run build` in its source folder.',
        { cause: error },
      );
    }
  }

  /** Parses a text from scratch. */
  parse(text: string): YamlTree {
    return wrap(this.required(this.bounded(text)));
  }

  /**
   * Parses the text after `edits`, reusing what they left unchanged. `before` is the text `tree` belongs to; each edit
   * refers to the text the edits before it left. The old tree is freed.
   */
  reparse(tree: YamlTree, before: string, edits: readonly (TextEdit & { readonly after: string })[]): YamlTree {
    const old = unwrap(tree);
    let text = before;
    for (const edit of edits) {
      old.edit(
        new Edit({
          startIndex: edit.start,
          oldEndIndex: edit.oldEnd,
          newEndIndex: edit.newEnd,
          startPosition: pointAt(text, edit.start),
          oldEndPosition: pointAt(text, edit.oldEnd),
          newEndPosition: pointAt(edit.after, edit.newEnd),
        }),
      );
      text = edit.after;
    }
    try {
      // Should reusing the old tree ever take too long, parsing afresh is the way out.
      return wrap(this.bounded(text, old) ?? this.required(this.bounded(text)));
    } finally {
      tree.delete();
    }
  }

  /** Parses and reads a recipe in one go. A byte order mark is ignored. */
  parseRecipeText(text: string): ParsedRecipe {
    const clean = text.replace(/^\uFEFF/, '');
    return refuseRecipe(clean) ?? this.withTree(clean, root => parseRecipe(new LineIndex(clean), root, this.withTree));
  }

  readonly withTree = <T>(text: string, use: (root: SyntaxNode) => T): T => {
    const tree = this.parse(text);
    try {
      return use(tree.root);
    } finally {
      tree.delete();
    }
  };

  delete(): void {
    this.parser.delete();
  }

  /** Undefined if it took too long. */
  private bounded(text: string, old?: Tree): Tree | undefined {
    const deadline = performance.now() + MAX_PARSE_MS;
    try {
      const tree = this.parser.parse(text, old ?? null, { progressCallback: () => performance.now() > deadline });
      // A parse that was stopped would go on where it was, with the next text.
      if (!tree) this.parser.reset();
      return tree ?? undefined;
    } catch (error) {
      // WebAssembly trapped (no memory left, or a defect): what the parser holds is unsound, so that it is not even deleted.
      this.parser = newParser(this.language);
      throw new QuantsmithError(
        'recipe/parser-failed',
        `the YAML parser failed: ${error instanceof Error ? error.message : String(error)}`,
        'Please report this recipe.',
        { cause: error },
      );
    }
  }

  private required(tree: Tree | undefined): Tree {
    if (!tree)
      throw new QuantsmithError(
        'recipe/parser-failed',
        `the YAML parser gave up after ${MAX_PARSE_MS / 1000} seconds`,
        'Please report this recipe.',
      );
    return tree;
  }
}

function newParser(language: Language): Parser {
  const parser = new Parser();
  parser.setLanguage(language);
  return parser;
}

const trees = new WeakMap<YamlTree, Tree>();

function wrap(tree: Tree): YamlTree {
  const wrapped: YamlTree = {
    // A new one each time: a node keeps all the nodes that were read through it, several times the text, and trees are kept.
    get root() {
      return tree.rootNode;
    },
    delete: () => tree.delete(),
  };
  trees.set(wrapped, tree);
  return wrapped;
}

function unwrap(tree: YamlTree): Tree {
  const found = trees.get(tree);
  if (!found) throw new RangeError('a tree of another parser');
  return found;
}

/** Row and column as tree-sitter counts them: rows end with \n alone. */
function pointAt(text: string, offset: number): { row: number; column: number } {
  let row = 0;
  let lineStart = 0;
  for (let at = text.indexOf('\n'); at >= 0 && at < offset; at = text.indexOf('\n', at + 1)) {
    row++;
    lineStart = at + 1;
  }
  return { row, column: offset - lineStart };
}
