// Gathers what check-recipe.ts wants to know of the files a recipe names: which exist, the header of the source, the entries
// of the importance matrix. Reads nothing else and writes nothing. Both are opened by the caller's functions, so that a
// server can remember them.
import type { Stats } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { BoundModel } from '../core/recipe/bound-model.js';
import { readImatrix } from '../core/quantize/imatrix-file.js';
import type { ImportanceMatrix } from '../core/quantize/importance-matrix.js';
import type { ImatrixState, RecipeFacts, SourceState, UnreadState } from '../core/recipe/check-recipe.js';
import type { RecipeDraft } from '../core/recipe/parse-recipe.js';
import { errorData, placeOf, QuantsmithError, type Problem } from '../core/problem.js';
import { FileSource } from './file-source.js';
import { isUrl, openModel } from './open-model.js';

/** A header that takes longer than this to read (a hung network drive) is reported instead of waited for. */
const OPEN_TIMEOUT_MS = 20_000;
/** Files offered instead of a missing one; a folder with more is not searched further. */
const MAX_NEARBY = 200;

/**
 * Values of a matrix looked at here: 64 MB of them, more than a model of 70 B without experts has, in about 0.1 s. Beyond
 * that its structure is checked and the job looks at the rest.
 */
const MATRIX_VALUES_CHECKED = 2 ** 24;

/** What opening the files gave, or why there is nothing. They do not reject. */
export interface RecipeOpeners {
  readonly source: (absolutePath: string) => Promise<SourceState>;
  readonly imatrix: (absolutePath: string) => Promise<ImatrixState>;
}

export const OPENERS: RecipeOpeners = { source: openSource, imatrix: openImatrix };

/** A path of a recipe as one that can be opened: relative to the recipe's folder. URLs stay as they are. */
export function resolveRecipePath(recipePath: string, written: string): string {
  return isUrl(written) ? written : path.resolve(path.dirname(recipePath), written);
}

/** Opens a source once and keeps only its header. Never rejects. */
export async function openSource(absolutePath: string): Promise<SourceState> {
  if (isUrl(absolutePath)) {
    // Looking at a recipe must not talk to the network: a recipe may come from anyone.
    const problem: Problem = {
      code: 'recipe/source-url',
      severity: 'error',
      message: 'a source is a local file, found a URL',
      hint: 'Download the model first.',
    };
    return { state: 'unusable', problem };
  }
  try {
    const opened = await openModel(absolutePath, { signal: AbortSignal.timeout(OPEN_TIMEOUT_MS), arrayHead: 0 });
    try {
      const { model, problems } = opened;
      const fatal = problems.find(problem => problem.severity === 'error');
      if (!model) return { state: 'unusable', problem: fatal ?? UNREADABLE };
      const bound: BoundModel = { path: absolutePath, model, problems };
      return { state: 'bound', bound };
    } finally {
      await opened.close();
    }
  } catch (error) {
    return unusable(error);
  }
}

/** Reads an importance matrix and keeps names and lengths of its entries. Never rejects. */
export async function openImatrix(absolutePath: string): Promise<ImatrixState> {
  try {
    const source = await FileSource.open(absolutePath);
    try {
      const { value, problems } = await readImatrix(source, {
        signal: AbortSignal.timeout(OPEN_TIMEOUT_MS),
        valuesChecked: MATRIX_VALUES_CHECKED,
      });
      const fatal = problems.find(problem => problem.severity === 'error');
      if (!value || fatal) return { state: 'unusable', problem: fatal ?? UNREADABLE };
      return { state: 'read', matrix: withoutValues(value), problems };
    } finally {
      await source.close();
    }
  } catch (error) {
    return unusable(error);
  }
}

/** A matrix that can be planned with and holds neither a file nor numbers. */
function withoutValues(matrix: ImportanceMatrix): ImportanceMatrix {
  const read = () => Promise.reject(new QuantsmithError('internal', `${matrix.name} was closed after a look at it.`));
  const entries = [...matrix.entries].map(
    ([name, { values, unseenSlices }]) => [name, { values: { length: values.length, read }, unseenSlices }] as const,
  );
  return { ...matrix, entries: new Map(entries) };
}

function unusable(error: unknown): UnreadState {
  const { code, message, hint, ...rest } = errorData(error);
  return {
    state: 'unusable',
    problem: { code, severity: 'error', message, ...(hint === undefined ? {} : { hint }), ...placeOf(rest) },
  };
}

const UNREADABLE: Problem = { code: 'gguf/unreadable', severity: 'error', message: 'the file could not be read' };
const FOLDER: Problem = {
  code: 'recipe/source-folder',
  severity: 'error',
  message: 'it is a folder, and a source is a GGUF file',
  hint: 'Convert the checkpoint to GGUF first, and name that file.',
};
const SPECIAL_FILE: Problem = {
  code: 'io/not-a-file',
  severity: 'error',
  message: 'it is a device or pipe, not a file',
};

/** Also for what no signal reaches: opening a file on a drive that does not answer. */
async function timeout(): Promise<UnreadState> {
  await setTimeout(OPEN_TIMEOUT_MS, undefined, { ref: false });
  const message = `the file did not answer within ${OPEN_TIMEOUT_MS / 1000} seconds`;
  return {
    state: 'unusable',
    problem: { code: 'io/timeout', severity: 'error', message, hint: 'Check the drive it is on.' },
  };
}

/** `recipePath` is the absolute path of the recipe; it need not exist (an unsaved file). */
export async function gatherRecipeFacts(
  draft: RecipeDraft,
  recipePath: string,
  open: RecipeOpeners = OPENERS,
): Promise<RecipeFacts> {
  const at = (written: string): string => resolveRecipePath(recipePath, written);
  const [source, output, imatrix] = await Promise.all([
    draft.source && sourceFacts(draft.source.path, at(draft.source.path), recipePath, open.source),
    draft.output && outputFacts(at(draft.output.path), draft.source && at(draft.source.path)),
    draft.imatrix && imatrixFacts(draft.imatrix.path, at(draft.imatrix.path), recipePath, open.imatrix),
  ]);
  return { ...(source && { source }), ...(output && { output }), ...(imatrix && { imatrix }) };
}

async function sourceFacts(
  written: string,
  absolutePath: string,
  recipePath: string,
  open: RecipeOpeners['source'],
): Promise<SourceState> {
  if (isUrl(absolutePath)) return open(absolutePath);
  const { file, nearby } = await fileFacts(written, absolutePath, recipePath, /\.gguf$/i);
  if (!file) return { state: 'missing', nearby };
  // Opening a named pipe waits for a writer, forever.
  if (!file.isFile()) return { state: 'unusable', problem: file.isDirectory() ? FOLDER : SPECIAL_FILE };
  return Promise.race([open(absolutePath), timeout()]);
}

async function imatrixFacts(
  written: string,
  absolutePath: string,
  recipePath: string,
  open: RecipeOpeners['imatrix'],
): Promise<ImatrixState> {
  const { file, nearby } = await fileFacts(written, absolutePath, recipePath, /\.(gguf|dat|imatrix)$/i);
  return file ? Promise.race([open(absolutePath), timeout()]) : { state: 'missing', nearby };
}

async function fileFacts(
  written: string,
  absolutePath: string,
  recipePath: string,
  kind: RegExp,
): Promise<{ file: Stats | undefined; nearby: readonly string[] }> {
  const file = await stat(absolutePath).catch(() => undefined);
  if (file) return { file, nearby: [] };
  const folder = path.dirname(absolutePath);
  const names = await readdir(folder).catch(() => []);
  const prefix = written.slice(0, Math.max(written.lastIndexOf('/'), written.lastIndexOf('\\')) + 1);
  const nearby = names
    .filter(name => kind.test(name) && path.join(folder, name) !== recipePath)
    .slice(0, MAX_NEARBY)
    .map(name => prefix + name);
  return { file, nearby };
}

async function outputFacts(
  absolutePath: string,
  source: string | undefined,
): Promise<NonNullable<RecipeFacts['output']>> {
  const [file, folder, sourceFile] = await Promise.all(
    [absolutePath, path.dirname(absolutePath), source].map(async name =>
      name === undefined ? undefined : stat(name).catch(() => undefined),
    ),
  );
  // By inode too: a link to the source is the source.
  const sameFile =
    file !== undefined &&
    sourceFile !== undefined &&
    file.ino !== 0 &&
    file.ino === sourceFile.ino &&
    file.dev === sourceFile.dev;
  return {
    exists: file !== undefined,
    folderExists: folder?.isDirectory() === true,
    sameAsSource: absolutePath === source || sameFile,
  };
}
