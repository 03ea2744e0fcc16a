// Where an output lies and what is there. One resolution of links serves the pre-flight and the writer, so that the disk
// that was checked is the disk that is written to. Nothing is opened here: opening a pipe or a device acts on it.
import { access, constants, lstat, readlink, realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import { QuantsmithError } from '../core/problem.js';
import type { FolderFacts, OutputFacts } from '../core/quantize/preflight.js';
import type { PlaceFacts, PlaceRequest } from '../engine/jobs/quantize-services.js';
import { ioError } from './file-source.js';
import { readJournal } from './output-journal.js';
import { errno, type OutputSystem } from './output-system.js';

/** As many links in a row as Linux follows. */
const MAX_LINKS = 40;

export function partialPath(output: string): string {
  return path.join(path.dirname(output), `.${path.basename(output)}.quantsmith-partial`);
}

/** `first` is the first output file of a run. */
export function journalPath(first: string): string {
  return path.join(path.dirname(first), `.${path.basename(first)}.quantsmith-journal`);
}

/**
 * The file that is written for an output: with `overwrite` what its links lead to, also if nothing is there yet, so that
 * the links stay; otherwise the output itself. Rejects with `io/bad-path` for links in a circle.
 */
export async function outputPlace(output: string, overwrite: boolean): Promise<string> {
  if (!overwrite) return output;
  let file = path.resolve(output);
  for (let links = 0; links <= MAX_LINKS; links++) {
    // A relative link counts from the folder it really lies in.
    const folder = await realpath(path.dirname(file)).catch(() => path.dirname(file));
    file = path.join(folder, path.basename(file));
    let target: string;
    try {
      target = await readlink(file);
    } catch (error) {
      // EINVAL (UNKNOWN on Windows): no link. Without rights to look, writing will fail and say so.
      if (errno(error) !== 'ELOOP') return file;
      throw ioError(error, output);
    }
    file = path.resolve(folder, target);
  }
  throw ioError(Object.assign(new Error('too many links'), { code: 'ELOOP' }), output);
}

/** Rejects with `output/not-a-file` if there is something at a place that is no regular file: it must not be replaced. */
export async function assertReplaceable(place: string): Promise<void> {
  const facts = await lstat(place).catch(() => undefined);
  if (!facts || facts.isFile()) return;
  throw new QuantsmithError(
    'output/not-a-file',
    `Expected ${place} to be a file or free, found something else (a folder, link, device, pipe or socket).`,
    'Choose another output; only files are replaced.',
  );
}

/** What the pre-flight must know; see {@link PlaceRequest}. */
export async function placeFacts(
  { paths, sources, overwrite, createFolder }: PlaceRequest,
  system: OutputSystem,
): Promise<PlaceFacts> {
  const places = await Promise.all(paths.map(output => outputPlace(output, overwrite)));
  const first = path.resolve(places[0] ?? '');
  const folder = await folderFacts(path.dirname(first), createFolder);
  const inUse = (await readJournal(journalPath(first))).kind === 'in-use';
  const sourceIds = await Promise.all(sources.map(source => fileId(source.path)));
  return {
    outputs: await Promise.all(paths.map(output => outputFacts(output, sourceIds, inUse))),
    folder,
    diskFree: await system.diskFree(folder.path),
    // Of an interrupted run: either gone on with, or removed before anything is written.
    resumedBytes: (await Promise.all(places.map(place => allocated(partialPath(place))))).reduce((a, b) => a + b, 0),
    memoryAvailable: process.availableMemory(),
  };
}

async function folderFacts(folder: string, createFolder: boolean): Promise<FolderFacts> {
  const nearest = await nearestExisting(folder);
  const isOther = !(await stat(nearest).then(
    facts => facts.isDirectory(),
    () => true,
  ));
  // A folder that is going to be made is as good as the one it will be made in.
  const place = createFolder || isOther ? nearest : folder;
  return {
    path: place,
    exists: !isOther && place === nearest,
    isOther,
    writable: await access(place, constants.W_OK).then(
      () => true,
      () => false,
    ),
  };
}

/** The path, or the closest one above it that exists. Rejects with `io/bad-path` for links in a circle: nothing can be made there. */
async function nearestExisting(folder: string): Promise<string> {
  const parent = path.dirname(folder);
  if (parent === folder) return folder;
  const exists = await stat(folder).then(
    () => true,
    (error: unknown) => {
      if (errno(error) === 'ELOOP') throw ioError(error, folder);
      return false;
    },
  );
  return exists ? folder : nearestExisting(parent);
}

async function outputFacts(
  output: string,
  sourceIds: readonly (string | undefined)[],
  isInUse: boolean,
): Promise<OutputFacts> {
  // A symbolic link that leads nowhere exists too.
  const facts = await lstat(output).catch(() => undefined);
  const target = await stat(output).catch(() => undefined);
  const id = await fileId(output);
  return {
    path: output,
    exists: facts !== undefined,
    isSource: id !== undefined && sourceIds.includes(id),
    isDirectory: target?.isDirectory() ?? false,
    isSpecial: target !== undefined && !target.isDirectory() && !target.isFile(),
    isInUse,
  };
}

/** Equal for two names of one file. */
async function fileId(file: string): Promise<string | undefined> {
  const facts = await stat(file, { bigint: true }).catch(() => undefined);
  return facts && `${String(facts.dev)}/${String(facts.ino)}`;
}

/** Bytes a file takes on its disk; holes do not count. 0 if there is none. */
async function allocated(file: string): Promise<number> {
  const facts = await stat(file).catch(() => undefined);
  return facts?.isFile() ? facts.blocks * 512 : 0;
}
