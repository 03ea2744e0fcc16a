// The files a job reads, as they were when it began, and the check that they still are. A file that is rewritten while it
// is read would give a model that is half one and half the other, without any read failing.
import type { BigIntStats } from 'node:fs';
import { stat } from 'node:fs/promises';
import { QuantsmithError } from '../core/problem.js';
import type { FileIdentity } from '../protocol/quantize-thread-protocol.js';
import { FileSource, ioError, versionOf } from './file-source.js';
import { requireModel, type OpenedModel } from './open-model.js';

/** The files of an opened model, one per shard. Throws `quantize/remote-source` for one opened by URL. */
export function filesOf(opened: OpenedModel): readonly FileIdentity[] {
  return requireModel(opened).shards.map(({ source }) => {
    if (source instanceof FileSource) return identityOf(source);
    throw new QuantsmithError(
      'quantize/remote-source',
      `${source.name} is not a local file; every byte of it is needed.`,
      'Download the model and quantize the file.',
    );
  });
}

export function identityOf({ name, size, version }: FileSource): FileIdentity {
  return { path: name, size, version };
}

/** Rejects with `io/source-changed`, or with `io/…` if a file is gone. */
export async function assertUnchanged(files: readonly FileIdentity[]): Promise<void> {
  for (const file of files) {
    const facts = await stat(file.path, { bigint: true }).catch((error: unknown) => {
      throw ioError(error, file.path);
    });
    if (!isUnchanged(facts, file)) throw sourceChanged(file.path);
  }
}

export function isUnchanged(facts: BigIntStats, { size, version }: FileIdentity): boolean {
  return Number(facts.size) === size && versionOf(facts) === version;
}

export function sourceChanged(path: string): QuantsmithError {
  return new QuantsmithError(
    'io/source-changed',
    `${path} was changed while it was being read.`,
    'Run again when no other program writes to it.',
  );
}
