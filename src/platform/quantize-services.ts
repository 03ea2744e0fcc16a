// The quantize job's outside world on a real machine: files, threads, the free space of a disk. `dist` is the folder of
// built files: kernels/, quantize-thread.js.
import { createHash } from 'node:crypto';
import path from 'node:path';
import { QuantsmithError, throwFirstError } from '../core/problem.js';
import { readImatrix } from '../core/quantize/imatrix-file.js';
import type { QuantizeServices } from '../engine/jobs/quantize-services.js';
import { FileSource } from './file-source.js';
import { openEarlier, recordsFolder, rememberOutput } from './earlier-outputs.js';
import { kernelMethod, loadBackend } from './load-backend.js';
import { openModel, requireModel } from './open-model.js';
import { OutputFiles } from './output-file.js';
import { placeFacts } from './output-place.js';
import { SYSTEM, type OutputSystem } from './output-system.js';
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
        return { matrix: value, file: identityOf(source), problems, close: () => source.close() };
      } catch (error) {
        await source.close();
        throw error;
      }
    },
    assertUnchanged,
    placeFacts: request => placeFacts(request, system),
    openOutput: request => OutputFiles.open(request, system),
    method: () => kernelMethod(path.join(dist, 'kernels')),
    openEarlier: (wishes, outputs) => openEarlier(recordsFolder(), wishes, outputs),
    remember: record => rememberOutput(recordsFolder(), record),
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
