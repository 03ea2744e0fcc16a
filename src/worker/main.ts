// The worker process: connects the worker protocol to the jobs, and nothing else. It is forked by platform/
// worker-process.ts and lives as long as the channel to its parent: when that closes it stops its jobs, lets them clean
// up, and ends. It keeps no state that matters; killing it loses what was being computed and nothing more.
import path from 'node:path';
import { errorData, throwFirstError } from '../core/problem.js';
import { defaultOptions, planQuantization } from '../core/quantize/plan.js';
import { findQuantizationGrid } from '../core/quantize/quantization-grid.js';
import { previewFileTypes } from '../core/quantize/preview.js';
import { inspectArray, inspectModel, inspectString } from '../engine/jobs/inspect.js';
import { chatSupport } from '../engine/jobs/chat-support.js';
import { completionSupport } from '../engine/jobs/completion-support.js';
import { runQuantize } from '../engine/jobs/quantize.js';
import { sampleWeights } from '../engine/jobs/weight-samples.js';
import { loadBackend } from '../platform/load-backend.js';
import { requireModel } from '../platform/open-model.js';
import { quantizeServices } from '../platform/quantize-services.js';
import { ConnectionServer, type Handlers, type Transport } from '../protocol/connection.js';
import type { WorkerNotifications, WorkerRequests, WorkerStatus } from '../protocol/worker-protocol.js';
import { Chats } from './chats.js';
import { Completions } from './completions.js';
import { ModelCache } from './model-cache.js';

/** For jobs to remove their files after the parent is gone. */
const CLEAN_UP_MS = 2000;

const dist = import.meta.dirname;
const models = new ModelCache();
const completions = new Completions(path.join(dist, 'kernels'));
const chats = new Chats(path.join(dist, 'kernels'), path.join(dist, 'template-process.js'));
const services = quantizeServices(dist);

/** Kernels are for computing; without them models can still be looked at. */
async function kernels(): Promise<Omit<WorkerStatus, 'state'>> {
  try {
    const { backend, notes } = await loadBackend('auto', path.join(dist, 'kernels'));
    return { backend: backend.kind, isa: backend.isa, notes };
  } catch (error) {
    return { backend: 'none', isa: 'none', notes: [errorData(error).message] };
  }
}

function parentTransport(): Transport {
  return {
    send: message => {
      // A parent that goes away is heard of by `disconnect`.
      if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
    },
    onMessage: listener => process.on('message', listener),
    onClose: listener =>
      process.on('disconnect', () => {
        listener({ code: 'worker/gone', message: 'The other process went away.' });
      }),
  };
}

async function main(): Promise<void> {
  const loaded = kernels();
  let working = 0;
  const status = async (): Promise<WorkerStatus> => ({ ...(await loaded), state: working > 0 ? 'busy' : 'idle' });
  /** Jobs make the worker busy; looking at a model does not. */
  const job = async <T>(run: () => Promise<T>): Promise<T> => {
    working++;
    server.notify('worker/status', await status());
    try {
      return await run();
    } finally {
      working--;
      server.notify('worker/status', await status());
    }
  };
  const handlers: Handlers<WorkerRequests> = {
    'worker/status': status,
    'model/inspect': params => models.use(params.path, inspectModel),
    'model/array': (params, { signal }) =>
      models.use(params.path, opened => inspectArray(opened, params.key, params.start, params.count, signal)),
    'model/string': (params, { signal }) =>
      models.use(params.path, opened => inspectString(opened, params.key, signal)),
    'quantize/preview': (params, { signal }) =>
      models.use(params.path, async opened => {
        const model = requireModel(opened);
        const imatrix = params.imatrix === undefined ? undefined : await services.openImatrix(params.imatrix, signal);
        try {
          const plan = planQuantization(model, defaultOptions('Q8_0'));
          const grid = findQuantizationGrid(await sampleWeights(model, plan.tensors, signal));
          const { options } = params;
          const extras = {
            ...(imatrix && { imatrix: imatrix.matrix }),
            ...(grid && { grid }),
            ...(options && { options }),
          };
          return { types: previewFileTypes(model, extras) };
        } finally {
          await imatrix?.close();
        }
      }),
    'quantize/run': (params, context) => job(() => runQuantize(params, services, context)),
    'completion/support': (params, { signal }) =>
      models.use(params.path, opened => completionSupport(requireModel(opened), process.availableMemory(), signal)),
    'completion/load': params => completions.load(params),
    'completion/unload': () => completions.unload(),
    'completion/run': (params, context) => completions.run(params, context),
    'chat/support': (params, { signal }) =>
      models.use(params.path, opened => chatSupport(requireModel(opened), signal)),
    'chat/count': async (params, { signal }) => ({
      tokens: await chats.count(params.path, 'text' in params ? params.text : params.messages, signal),
    }),
    'chat/run': (params, context) => chats.run(params, context),
  };
  const log = (level: WorkerNotifications['log/message']['level'], message: string): void => {
    server.notify('log/message', { level, message });
  };
  const server = new ConnectionServer<WorkerRequests, WorkerNotifications>(parentTransport(), handlers, message => {
    log('warn', message);
  });
  const end = (): void => {
    server.dispose();
    models.dispose();
    void completions.dispose();
    void chats.dispose();
    const deadline = Date.now() + CLEAN_UP_MS;
    setInterval(() => {
      if (server.openCount === 0 || Date.now() > deadline) process.exit(0);
    }, 20);
  };
  process.on('disconnect', end);
  process.on('SIGTERM', end);
  // Ctrl+C in a terminal reaches the whole group; whether that ends the worker is the parent's decision.
  process.on('SIGINT', () => undefined);
  server.notify('worker/ready', await status());
  for (const note of (await loaded).notes) log('info', note);
}

if (process.send) {
  void main();
} else {
  throwFirstError([
    { code: 'worker/no-parent', severity: 'error', message: 'This program is started by Quantsmith, not by hand.' },
  ]);
}
