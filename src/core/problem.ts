// How core speaks about what is wrong. A reader of untrusted bytes never throws for a bad file: it returns what it could
// read together with `Problem`s. Work that cannot go on (a job, a command) rejects with a `QuantsmithError`, which carries
// the same facts. Nothing here knows about files, editors or terminals.

export type Severity = 'error' | 'warning' | 'info';

/** One thing that is wrong, or worth knowing, about a file or a plan. */
export interface Problem {
  /** Stable kebab-case identifier with an area prefix, for example `gguf/truncated` or `plan/shape-fallback`. */
  readonly code: string;
  readonly severity: Severity;
  /** What was expected, what was found, and where: one or two sentences for a person. */
  readonly message: string;
  /** What to do about it. */
  readonly hint?: string;
  /** Absolute byte offset in the file the problem was found at. */
  readonly offset?: number;
  /** The tensor or metadata key concerned. */
  readonly subject?: string;
}

/** The result of a reader: what could be read (undefined if nothing could), and what was found wrong on the way. */
export interface ReadResult<T> {
  readonly value: T | undefined;
  readonly problems: readonly Problem[];
}

/** Where something is wrong, as in {@link Problem}. */
export interface ProblemPlace {
  readonly offset?: number;
  readonly subject?: string;
}

/** An operation that failed for a reason we can name. Crosses the process boundary as {@link ErrorData}. */
export class QuantsmithError extends Error {
  override readonly name = 'QuantsmithError';
  readonly offset?: number;
  readonly subject?: string;
  /** The whole report this error is the first of, where there is one. */
  readonly problems?: readonly Problem[];
  constructor(
    readonly code: string,
    message: string,
    /** What the user can do about it. */
    readonly hint?: string,
    options: ErrorOptions & ProblemPlace & { readonly problems?: readonly Problem[] } = {},
  ) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined);
    if (options.offset !== undefined) this.offset = options.offset;
    if (options.subject !== undefined) this.subject = options.subject;
    if (options.problems !== undefined) this.problems = options.problems;
  }
}

/** Plain-data form of an error, for protocols and `--json`. */
export interface ErrorData extends ProblemPlace {
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
  /** Everything the report says that this error is the first of, this error included; only if there is more. */
  readonly problems?: readonly Problem[];
}

/** Plain data of any thrown value; a value without a code of ours becomes `internal`. */
export function errorData(error: unknown): ErrorData {
  if (error instanceof QuantsmithError) {
    const { code, message, hint, problems } = error;
    return { code, message, ...(hint === undefined ? {} : { hint }), ...placeOf(error), ...(problems && { problems }) };
  }
  if (error instanceof Error) {
    return { code: error.name === 'AbortError' ? 'cancelled' : 'internal', message: error.message };
  }
  return { code: 'internal', message: String(error) };
}

/** What a report says besides the error it led to. */
export function restOf({ code, message, problems = [] }: ErrorData): readonly Problem[] {
  const first = problems.findIndex(problem => problem.code === code && problem.message === message);
  return problems.filter((_, i) => i !== first);
}

/** The inverse of {@link errorData}. */
export function errorFromData(data: ErrorData): QuantsmithError {
  const { problems } = data;
  return new QuantsmithError(data.code, data.message, data.hint, { ...placeOf(data), ...(problems && { problems }) });
}

/** Turns the first error-level problem into an exception, for callers that cannot go on with a bad file. */
export function throwFirstError(problems: readonly Problem[]): void {
  const first = firstError(problems);
  if (first) throw new QuantsmithError(first.code, first.message, first.hint, placeOf(first));
}

/** Turns a report that has errors into an exception: its first error, with all the rest of the report. */
export function throwReport(problems: readonly Problem[]): void {
  const first = firstError(problems);
  if (!first) return;
  throw new QuantsmithError(first.code, first.message, first.hint, {
    ...placeOf(first),
    ...(problems.length > 1 && { problems }),
  });
}

/** What {@link throwFirstError} would throw, for callers that say which file it is about. */
export function firstError(problems: readonly Problem[]): Problem | undefined {
  return problems.find(problem => problem.severity === 'error');
}

/** The place alone, without keys that have no value. */
export function placeOf({ offset, subject }: ProblemPlace): ProblemPlace {
  return { ...(offset === undefined ? {} : { offset }), ...(subject === undefined ? {} : { subject }) };
}
