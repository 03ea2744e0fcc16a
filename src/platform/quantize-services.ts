// The quantize job's outside world on a real machine: files, threads, the free space of a disk. `dist` is the folder of
// built files: kernels/, quantize-thread.js.
import { createHash } from 'node:crypto';
import { access, constants, lstat, stat } from 'node:fs/promises';
import path from 'node:path';
import { QuantsmithError, throwFirstError } from '../core/problem.js';
import { readImatrix } from '../core/quantize/imatrix-file.js';
import type { OutputFacts } from '../core/quantize/preflight.js';
import type { PlaceFacts, QuantizeServices } from '../engine/jobs/quantize-services.js';
import type { FileIdentity } from '../protocol/quantize-thread-protocol.js';
import { FileSource } from './file-source.js';
import { loadBackend } from './load-backend.js';
import { openModel, requireModel } from './open-model.js';
import { journalPath, OutputFiles, partialPath, SYSTEM, type OutputSystem } from './output-file.js';
import { readJournal } from './output-journal.js';
import { physicalCores } from './physical-cores.js';
import { QuantizeThreads } from './quantize-threads.js';
import { assertUnchanged, filesOf, identityOf } from './source-files.js';

/** `system` is for tests that make writing fail. */
export function quantizeServices(dist: string, system: OutputSystem = SYSTEM): QuantizeServices {
  return {
    async openSource(file, signal) {
      const opened = await openModel(file, { signal });
      try {
        const model = requireModel(opened);
        return { model, files: filesOf(opened), problems: opened.problems, close: () => opened.close() };
      } catch (error) {
        await opened.close();
        throw error;
      }
    },
    async openImatrix(file, signal) {
      const source = await FileSource.open(file);
      try {
        const { value, problems } = await readImatrix(source, { signal, name: file });
        throwFirstError(problems);
        if (!value) throw new QuantsmithError('imatrix/unreadable', `${file} cannot be read.`);
        return { matrix: value, file: identityOf(source) };
      } finally {
        await source.close();
      }
    },
    assertUnchanged,
    placeFacts: (outputs, sources, createFolder) => placeFacts(outputs, sources, createFolder, system),
    openOutput: request => OutputFiles.open(request, system),
    openConverter: request => QuantizeThreads.start(dist, request),
    async kernels(choice) {
      const { backend } = await loadBackend(choice, path.join(dist, 'kernels'));
      return { backend: backend.kind, isa: backend.isa };
    },
    sha256() {
      const hash = createHash('sha256');
      return { update: bytes => void hash.update(bytes), digest: () => hash.digest('hex') };
    },
    physicalCores,
    now: () => performance.now(),
  };
}

async function placeFacts(
  outputs: readonly string[],
  sources: readonly FileIdentity[],
  createFolder: boolean,
  system: OutputSystem,
): Promise<PlaceFacts> {
  const first = path.resolve(outputs[0] ?? '');
  // A folder that is going to be made is as good as the one it will be made in.
  const folder = createFolder ? await nearestFolder(path.dirname(first)) : path.dirname(first);
  const inUse = (await readJournal(journalPath(first))).kind === 'in-use';
  const sourceIds = await Promise.all(sources.map(source => fileId(source.path)));
  return {
    outputs: await Promise.all(outputs.map(output => outputFacts(output, sourceIds, inUse))),
    folder: {
      path: folder,
      exists: await stat(folder).then(
        facts => facts.isDirectory(),
        () => false,
      ),
      writable: await access(folder, constants.W_OK).then(
        () => true,
        () => false,
      ),
    },
    diskFree: await system.diskFree(folder),
    // Of an interrupted run: either gone on with, or removed before anything is written.
    resumedBytes: (await Promise.all(outputs.map(output => allocated(partialPath(output))))).reduce((a, b) => a + b, 0),
    memoryAvailable: process.availableMemory(),
  };
}

/** The folder, or the closest one above it that exists. */
async function nearestFolder(folder: string): Promise<string> {
  const parent = path.dirname(folder);
  if (parent === folder) return folder;
  return (await stat(folder).catch(() => undefined)) ? folder : nearestFolder(parent);
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
