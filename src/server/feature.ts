// What every language feature is: capabilities for the handshake, and handlers. Features know the services below and not
// each other. A failing handler is logged and answers with its fallback: one bad recipe must not silence the server.
import type { Connection, Diagnostic, ServerCapabilities } from 'vscode-languageserver/node';
import { DiagnosticSeverity, DiagnosticTag } from 'vscode-languageserver/node';
import type { RecipeDiagnostic } from '../core/recipe/recipe.js';
import type { Analyses } from './analyses.js';
import type { SourceState, ImatrixState } from '../core/recipe/check-recipe.js';
import type { BoundFiles } from './bound-files.js';
import type { DocumentStore } from './document-store.js';

export interface Services {
  readonly connection: Connection;
  readonly documents: DocumentStore;
  readonly analyses: Analyses;
  readonly models: BoundFiles<SourceState>;
  readonly matrices: BoundFiles<ImatrixState>;
}

export interface Feature {
  readonly capabilities: ServerCapabilities;
  register(): void;
}

/** Wraps a handler so that whatever it throws is logged and `fallback` answered. */
export function guarded<A extends readonly unknown[], R>(
  connection: Connection,
  name: string,
  fallback: R,
  handler: (...args: A) => R | Promise<R>,
): (...args: A) => Promise<R> {
  return async (...args) => {
    try {
      return await handler(...args);
    } catch (error) {
      logError(connection, name, error);
      return fallback;
    }
  };
}

export function logError(connection: Connection, name: string, error: unknown): void {
  connection.console.error(`${name}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
}

const SEVERITIES = {
  error: DiagnosticSeverity.Error,
  warning: DiagnosticSeverity.Warning,
  info: DiagnosticSeverity.Information,
  hint: DiagnosticSeverity.Hint,
} as const;

export function toLspDiagnostic(diagnostic: RecipeDiagnostic): Diagnostic {
  return {
    range: diagnostic.range,
    severity: SEVERITIES[diagnostic.severity],
    code: diagnostic.code,
    source: 'quantsmith',
    message: diagnostic.message,
    ...(diagnostic.unnecessary ? { tags: [DiagnosticTag.Unnecessary] } : {}),
  };
}
