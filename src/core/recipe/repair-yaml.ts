// Reading past syntax errors: what stands in an offending line is blanked and the rest, whose places stay the same, is
// parsed again. So one bad line costs one line, where a tree-sitter error can swallow everything up to it. Nothing is
// guessed: blanked text is missing, not replaced.
import { LineIndex } from './line-index.js';
import type { RecipeDiagnostic } from './recipe.js';
import type { SyntaxNode } from './syntax-node.js';
import { yamlDocument, type YamlDocument } from './yaml-tree.js';

/** Repairing means parsing again, so only texts small enough for that to go unnoticed are repaired, and only so often. */
const MAX_REPAIR_LENGTH = 64 * 1024;
const MAX_REPAIRS = 5;

/** Parses a text from scratch and hands its root to `use`; the tree lives no longer than that. */
export type ParseText = <T>(text: string, use: (root: SyntaxNode) => T) => T;

export interface RepairedDocument extends YamlDocument {
  /** Lines of which something was left out. What is said about them beyond the syntax error may be wrong. */
  readonly brokenLines: ReadonlySet<number>;
}

/** `root` is the syntax tree of the text in `lines`. Without `reparse` nothing is repaired. */
export function readYaml(lines: LineIndex, root: SyntaxNode, reparse?: ParseText): RepairedDocument {
  let document = yamlDocument(root, lines);
  const { hasSyntaxErrors } = document;
  const brokenLines = new Set<number>();
  const syntax: RecipeDiagnostic[] = [];
  let text = lines.text;
  let best = document.root;
  for (let attempt = 0; document.hasSyntaxErrors; attempt++) {
    const found = document.diagnostics.filter(isSyntax);
    syntax.push(...found.filter(({ range }) => !brokenLines.has(range.start.line)));
    if (!reparse || attempt === MAX_REPAIRS || found.length === 0 || text.length > MAX_REPAIR_LENGTH) break;
    for (const line of new Set(found.map(({ range }) => range.start.line))) {
      text = blank(text, lines, line, brokenLines.has(line));
      brokenLines.add(line);
    }
    const repaired = text;
    document = reparse(repaired, again => yamlDocument(again, new LineIndex(repaired)));
    best = document.root ?? best;
  }
  const others = document.diagnostics.filter(diagnostic => !isSyntax(diagnostic) || !hasSyntaxErrors);
  return { root: best, diagnostics: [...syntax, ...others], hasSyntaxErrors, brokenLines };
}

function isSyntax(diagnostic: RecipeDiagnostic): boolean {
  return diagnostic.code === 'recipe/syntax';
}

/** First only what cannot be right (tabs, else the value), so that lines below keep their parent; then the whole line. */
function blank(text: string, lines: LineIndex, line: number, whole: boolean): string {
  const start = lines.lineStart(line);
  const end = start + lines.lineText(line).length;
  const now = text.slice(start, end);
  const tabs = /^ *\t[ \t]*/.exec(now)?.[0].length ?? 0;
  const beforeValue = /^\s*(?:- +)*[\w.-]+:(?= )/.exec(now)?.[0].length ?? 0;
  let blanked = ' '.repeat(now.length);
  if (!whole && tabs > 0) blanked = ' '.repeat(tabs) + now.slice(tabs);
  else if (!whole) blanked = now.slice(0, beforeValue).padEnd(now.length);
  return text.slice(0, start) + blanked + text.slice(end);
}
