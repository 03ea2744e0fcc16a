// textDocument/codeAction: a diagnostic that knows its fix offers it; a rule without effect can be removed.
import {
  CodeActionKind,
  type CancellationToken,
  type CodeAction,
  type CodeActionParams,
  type Range,
  type ServerCapabilities,
} from 'vscode-languageserver/node';
import type { LineIndex } from '../../core/recipe/line-index.js';
import type { RecipeDiagnostic } from '../../core/recipe/recipe.js';
import { guarded, toLspDiagnostic, type Feature, type Services } from '../feature.js';

export class CodeActionFeature implements Feature {
  readonly capabilities: ServerCapabilities = {
    codeActionProvider: { codeActionKinds: [CodeActionKind.QuickFix] },
  };

  constructor(private readonly services: Services) {}

  register(): void {
    const { connection } = this.services;
    connection.onCodeAction(
      guarded(connection, 'code action', [], (params: CodeActionParams, token: CancellationToken) =>
        this.#actions(params, token),
      ),
    );
  }

  async #actions(
    { textDocument: { uri }, range, context }: CodeActionParams,
    token: CancellationToken,
  ): Promise<CodeAction[]> {
    const { documents, analyses } = this.services;
    const document = documents.get(uri);
    if (!document || (context.only && !context.only.some(kind => CodeActionKind.QuickFix.startsWith(kind)))) return [];
    const { version } = document;
    const { lines } = analyses.of(document);
    const diagnostics = await analyses.diagnostics(document);
    if (token.isCancellationRequested || document.version !== version) return [];
    return diagnostics
      .filter(diagnostic => overlap(diagnostic.range, range))
      .flatMap(diagnostic => fixes(diagnostic, lines))
      .map(({ title, edit, diagnostic }) => ({
        title,
        kind: CodeActionKind.QuickFix,
        diagnostics: [toLspDiagnostic(diagnostic)],
        isPreferred: diagnostic.suggestion !== undefined,
        edit: { changes: { [uri]: [edit] } },
      }));
  }
}

interface Fix {
  readonly title: string;
  readonly edit: { readonly range: Range; readonly newText: string };
  readonly diagnostic: RecipeDiagnostic;
}

function fixes(diagnostic: RecipeDiagnostic, lines: LineIndex): Fix[] {
  const { suggestion, range, code } = diagnostic;
  if (suggestion !== undefined) {
    const title = suggestion.trim() === '' ? 'Replace with spaces' : `Replace with \`${suggestion.trim()}\``;
    return [{ title, edit: { range, newText: suggestion }, diagnostic }];
  }
  // Only an item that has its lines to itself can be removed by removing them.
  const before = lines.lineText(range.start.line).slice(0, range.start.character);
  const after = lines.lineText(range.end.line).slice(range.end.character);
  if (code !== 'recipe/dead-rule' || !/^\s*- +$/.test(before) || !/^\s*(#.*)?$/.test(after)) return [];
  const whole = { start: { line: range.start.line, character: 0 }, end: { line: range.end.line + 1, character: 0 } };
  return [{ title: 'Remove this rule', edit: { range: whole, newText: '' }, diagnostic }];
}

function overlap(a: Range, b: Range): boolean {
  return a.start.line <= b.end.line && b.start.line <= a.end.line;
}
