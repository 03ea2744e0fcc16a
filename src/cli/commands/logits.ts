// `quantsmith logits`: the raw scores of a model for given token ids, for comparing engines and quantizations. Rows are
// written as they are computed, a batch at a time, and the file appears when it is complete.
import { realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import { QuantsmithError } from '../../core/problem.js';
import { formatBytes, formatInteger } from '../../core/text/quantity.js';
import { checkLogits } from '../../engine/sampler.js';
import { openSession } from '../../platform/open-session.js';
import { OutputFiles } from '../../platform/output-file.js';
import { EXIT, type ExitCode } from '../exit.js';
import type { LogitsInvocation } from '../invocation.js';
import type { CliIo } from '../io.js';
import { jsonDocument } from '../json.js';
import { resolveFrom } from '../paths.js';

/** Tokens computed at once: enough to read the weights rarely. */
const BATCH = 512;
/** Logits held at once: a batch of 512 at a vocabulary of 151,936 would be 311 MB. */
const MAX_LOGITS_BYTES = 64 * 1024 * 1024;
/** Tokens at once whose logits fit in that for the largest vocabularies in use (262,144). */
const SMALL_BATCH = 64;

export async function logits(invocation: LogitsInvocation, io: CliIo): Promise<ExitCode> {
  const { ids, threads, backend, cacheType, overwrite } = invocation;
  const output = resolveFrom(io.cwd, invocation.output);
  if (!overwrite && (await stat(output).catch(() => undefined))) {
    throw new QuantsmithError('output/exists', `${output} exists.`, 'Choose another output, or give --overwrite.');
  }
  const session = await openSession(resolveFrom(io.cwd, invocation.model), {
    ...(threads === 0 ? {} : { threads }),
    backend,
    kernels: path.join(io.dist, 'kernels'),
    context: ids.length,
    batch: BATCH,
    cacheType,
    signal: io.signal,
  });
  try {
    const { vocabulary } = session;
    await refuseSource(output, session.paths);
    const row = vocabulary * 4;
    const batch = row * BATCH <= MAX_LOGITS_BYTES ? BATCH : SMALL_BATCH;
    const file = await OutputFiles.open({
      paths: [output],
      byteLengths: [row * ids.length],
      fingerprint: '',
      overwrite,
      resume: false,
      createFolder: false,
    });
    try {
      for (let done = 0; done < ids.length; done += batch) {
        io.signal.throwIfAborted();
        const tokens = Int32Array.from(ids.slice(done, done + batch));
        const values = await session.session.step({ tokens, wanted: 'all' }, io.signal);
        tokens.forEach((_, i) => {
          checkLogits(values.subarray(i * vocabulary, (i + 1) * vocabulary), done + i + 1);
        });
        await file.write(0, done * row, new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
      }
      await file.commit();
    } finally {
      await file.abandon(false);
    }
    const result = { positions: ids.length, vocabulary, backend: session.backend };
    await io.stdout.write(
      invocation.json
        ? jsonDocument(result)
        : `${output}: ${formatInteger(ids.length)} x ${formatInteger(vocabulary)} float32, ${formatBytes(row * ids.length)} (${session.backend})\n`,
    );
    return EXIT.success;
  } catch (error) {
    throw await session.blame(error);
  } finally {
    await session.close();
  }
}

/** The new file would take the model's place. */
async function refuseSource(output: string, sources: readonly string[]): Promise<void> {
  const there = await realpath(output).catch(() => undefined);
  for (const source of sources) {
    if (there === undefined || there !== (await realpath(source))) continue;
    throw new QuantsmithError('output/is-source', `${output} is the model itself.`, 'Choose another output.');
  }
}
