// Gathers what check-recipe.ts wants to know of the files a recipe names: which exist, and the header of the source. Reads
// nothing else and writes nothing. Models are opened by the caller's function, so that a server can remember them.
import type { Stats } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { BoundModel } from '../core/recipe/bound-model.js';
import type { RecipeFacts, SourceState } from '../core/recipe/check-recipe.js';
import type { RecipeDraft } from '../core/recipe/parse-recipe.js';
import { errorData, placeOf, type Problem } from '../core/problem.js';
import { isUrl, openModel } from './open-model.js';

/** A header that takes longer than this to read (a hung network drive) is reported instead of waited for. */
const OPEN_TIMEOUT_MS = 20_000;
/** Files offered instead of a missing one; a folder with more is not searched further. */
const MAX_NEARBY = 200;

/** What opening a source gave: a model, or why there is none. */
export type OpenSource = (absolutePath: string) => Promise<SourceState>;

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
    const { code, message, hint, ...rest } = errorData(error);
    return {
      state: 'unusable',
      problem: { code, severity: 'error', message, ...(hint === undefined ? {} : { hint }), ...placeOf(rest) },
    };
  }
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
async function timeout(): Promise<SourceState> {
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
  open: OpenSource = openSource,
): Promise<RecipeFacts> {
  const at = (written: string): string => resolveRecipePath(recipePath, written);
  const [source, output, imatrix] = await Promise.all([
    draft.source && sourceFacts(draft.source.path, at(draft.source.path), recipePath, open),
    draft.output && outputFacts(at(draft.output.path), draft.source && at(draft.source.path)),
    draft.imatrix && fileFacts(draft.imatrix.path, at(draft.imatrix.path), recipePath, /\.(gguf|dat|imatrix)$/i),
  ]);
  return { ...(source && { source }), ...(output && { output }), ...(imatrix && { imatrix }) };
}

async function sourceFacts(
  written: string,
  absolutePath: string,
  recipePath: string,
  open: OpenSource,
): Promise<SourceState> {
  if (isUrl(absolutePath)) return open(absolutePath);
  const { file, nearby } = await fileFacts(written, absolutePath, recipePath, /\.gguf$/i);
  if (!file) return { state: 'missing', nearby };
  // Opening a named pipe waits for a writer, forever.
  if (!file.isFile()) return { state: 'unusable', problem: file.isDirectory() ? FOLDER : SPECIAL_FILE };
  return Promise.race([open(absolutePath), timeout()]);
}

async function fileFacts(
  written: string,
  absolutePath: string,
  recipePath: string,
  kind: RegExp,
): Promise<{ file: Stats | undefined; exists: boolean; nearby: readonly string[] }> {
  const file = await stat(absolutePath).catch(() => undefined);
  if (file) return { file, exists: true, nearby: [] };
  const folder = path.dirname(absolutePath);
  const names = await readdir(folder).catch(() => []);
  const prefix = written.slice(0, Math.max(written.lastIndexOf('/'), written.lastIndexOf('\\')) + 1);
  const nearby = names
    .filter(name => kind.test(name) && path.join(folder, name) !== recipePath)
    .slice(0, MAX_NEARBY)
    .map(name => prefix + name);
  return { file, exists: false, nearby };
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
