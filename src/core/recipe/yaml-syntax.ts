// What to say when a recipe is not valid YAML. A tree-sitter ERROR node says where parsing stopped, often lines away from
// the mistake and spanning everything before it; so the lines around that place are looked at for the mistakes people
// really make (yaml-mistakes.ts). One diagnostic per error node, each with what was found and what to do.
import type { LineIndex } from './line-index.js';
import type { RecipeDiagnostic } from './recipe.js';
import { isContent, MISTAKES, quote, type Mistake } from './yaml-mistakes.js';
import type { SyntaxNode } from './syntax-node.js';

/** Later errors are mostly echoes of the first. */
const MAX_SYNTAX_DIAGNOSTICS = 20;

export function syntaxDiagnostics(root: SyntaxNode, lines: LineIndex): RecipeDiagnostic[] {
  const found: RecipeDiagnostic[] = [];
  const seen = new Set<number>();
  for (const node of errorNodes(root)) {
    const mistake = explain(node, lines);
    const start = lines.lineStart(mistake.line) + mistake.start;
    if (seen.has(mistake.line)) continue;
    seen.add(mistake.line);
    const range = lines.rangeOf(start, start + (mistake.end - mistake.start));
    const { message, suggestion } = mistake;
    found.push({
      code: 'recipe/syntax',
      severity: 'error',
      message,
      range,
      ...(suggestion === undefined ? {} : { suggestion }),
    });
  }
  return found;
}

/** ERROR and MISSING nodes in text order, outermost only. */
function errorNodes(root: SyntaxNode): SyntaxNode[] {
  const found: SyntaxNode[] = [];
  const stack = [root];
  for (let node = stack.pop(); node && found.length < MAX_SYNTAX_DIAGNOSTICS; node = stack.pop()) {
    if (node.isError || node.isMissing) found.push(node);
    else if (node.hasError) stack.push(...node.children.filter(child => child.hasError || child.isMissing).reverse());
  }
  return found;
}

function explain(node: SyntaxNode, lines: LineIndex): Mistake {
  const { text } = lines;
  // Blank space belongs to no one; the last thing understood is what stands before it.
  let end = Math.max(node.startIndex, node.endIndex);
  while (end > node.startIndex && /\s/.test(text[end - 1] ?? '')) end--;
  const endLine = lines.lineAt(end);
  const startLine = lines.lineAt(node.startIndex);
  const nextLine = nextContentLine(lines, endLine);
  const candidates = [...new Set([endLine, nextLine, startLine])].filter(line => line < lines.lineCount);
  for (const look of MISTAKES) {
    for (const line of candidates) {
      const mistake = look(line, lines);
      if (mistake) return mistake;
    }
  }
  if (node.isMissing) {
    const character = end - lines.lineStart(endLine);
    return {
      line: endLine,
      start: character,
      end: character + 1,
      message: `expected ${tokenName(node.type)} here; add it`,
    };
  }
  // Point at where understanding ended, not at everything before it.
  const line =
    lines
      .lineText(endLine)
      .slice(end - lines.lineStart(endLine))
      .trim() === '' && startLine !== endLine
      ? nextLine
      : endLine;
  const content = lines.lineText(Math.min(line, lines.lineCount - 1));
  const start = content.length - content.trimStart().length;
  return {
    line: Math.min(line, lines.lineCount - 1),
    start,
    end: Math.max(start + 1, content.trimEnd().length),
    message: `this cannot be read as YAML; expected \`key: value\` or \`- item\`, found ${quote(content.trim())}. Check quotes, brackets and indentation here and in the line above`,
  };
}

function nextContentLine(lines: LineIndex, line: number): number {
  for (let next = line + 1; next < lines.lineCount; next++) if (isContent(lines.lineText(next))) return next;
  return line;
}

function tokenName(type: string): string {
  return /^\W+$/.test(type) ? `\`${type}\`` : type.replaceAll('_', ' ');
}
