// What need not be computed again. A tensor's bytes follow from its wish (types, shape, importance weights, kernels) and the
// bytes of its source; whoever has both equal has the same result. Finished tensors of an interrupted run (in place) and of
// earlier outputs (copied) are taken over by the same three steps: an equal wish; an equal digest of the source, for which
// the threads read the source once; and bytes that have the digest they were written with, hashed as they are copied.
// Nothing else is trusted: no time, no size, no name. What fails a step is computed.
import { ggmlType } from '../../core/ggml/ggml-type.js';
import type { ImportanceEntry } from '../../core/quantize/importance-matrix.js';
import type { Problem } from '../../core/problem.js';
import { padded } from '../../core/quantize/output-layout.js';
import type { PlannedTensor, TensorOrigins } from '../../core/quantize/quantization-plan.js';
import type { ConversionTask } from '../../protocol/quantize-thread-protocol.js';
import { CHUNK_WEIGHTS, chunksOf, COPY_BYTES } from './quantize-chunks.js';
import {
  WriteFailure,
  type EarlierOutputs,
  type EarlierTensor,
  type IncrementalHash,
  type MadeTensor,
  type OutputRecord,
} from './quantize-services.js';
import { everyThread, throwIfCancelled, type Stream } from './quantize-stream.js';

/**
 * Raised when the code around the kernels starts to give other bytes for the same wish; of the kernels themselves the
 * method tells.
 */
const FORMAT = 1;
/** Piece of a finished tensor that is read, hashed and written at a time. */
const PIECE_BYTES = 1 << 20;

export const NO_ORIGINS: TensorOrigins = { computed: 0, copied: 0, reused: 0, resumed: 0 };

/** Per tensor of the plan the digest of all that decides its bytes but its source. */
export async function wishesOf(
  tensors: readonly PlannedTensor[],
  importance: Stream['importance'],
  { sha256, method }: Pick<Stream['services'], 'sha256' | 'method'>,
): Promise<readonly string[]> {
  const kernels = await method();
  const wishes: string[] = [];
  for (const tensor of tensors) {
    const { ne, fromType, toType } = tensor;
    const entry = importance(tensor);
    const weights = entry ? await importanceDigest(entry, sha256()) : '';
    // How a tensor is cut decides the digest of its source.
    const facts = [FORMAT, kernels, fromType, toType, ne, weights, CHUNK_WEIGHTS, COPY_BYTES];
    const hash = sha256();
    hash.update(new TextEncoder().encode(JSON.stringify(facts)));
    wishes.push(hash.digest());
  }
  return wishes;
}

async function importanceDigest({ values }: ImportanceEntry, hash: IncrementalHash): Promise<string> {
  for (let start = 0; start < values.length; start += CHUNK_WEIGHTS) {
    const { buffer, byteOffset, byteLength } = await values.read(start, Math.min(values.length, start + CHUNK_WEIGHTS));
    hash.update(new Uint8Array(buffer, byteOffset, byteLength));
  }
  return hash.digest();
}

/** Worth a search in earlier outputs: what only copies numbers or changes their width is as fast made as read again. */
function isComputed({ fromType, toType }: PlannedTensor): boolean {
  return fromType !== toType && ggmlType(toType).blockSize > 1;
}

export interface TakenOver {
  readonly done: ReadonlyMap<number, MadeTensor>;
  /** What the whole run comes to when the others are made. */
  readonly origins: TensorOrigins;
}

/** Tensors that are in place already, and those now copied there from what earlier runs made. `outputs` are our own files. */
export async function takeOver(
  stream: Stream,
  outputs: readonly string[],
  { reuse }: { readonly reuse: boolean },
): Promise<TakenOver> {
  const { tensors, wishes, services } = stream;
  const wanted = reuse ? wishes.filter((_, i) => tensors.slice(i, i + 1).some(isComputed)) : [];
  const { resumed, reused } = await collect(stream, await services.openEarlier(new Set(wanted), outputs));
  const fresh = tensors.filter((_, i) => !resumed.has(i) && !reused.has(i));
  const copied = fresh.filter(({ fromType, toType }) => fromType === toType).length;
  const origins = { computed: fresh.length - copied, copied, reused: reused.size, resumed: resumed.size };
  return { done: new Map([...resumed, ...reused]), origins };
}

/** Leaves the record of a complete output to later runs. */
export async function remember(
  { tensors, position, services }: Stream,
  files: OutputRecord['files'],
  made: readonly MadeTensor[],
): Promise<readonly Problem[]> {
  const recorded = tensors.flatMap((tensor, i) => {
    const own = made[i];
    if (!own || !isComputed(tensor)) return [];
    const { shard, byteLength } = tensor.target;
    return [{ ...own, file: shard, position: position(tensor), byteLength }];
  });
  if (await services.remember({ files, tensors: recorded })) return [];
  return [
    {
      code: 'reuse/not-recorded',
      severity: 'info',
      message: 'What was made could not be recorded: a later run with a changed recipe will compute every tensor.',
      hint: 'Set QUANTSMITH_CACHE_DIR to a folder that can be written to.',
    },
  ];
}

async function collect(
  stream: Stream,
  earlier: EarlierOutputs,
): Promise<{ readonly resumed: ReadonlyMap<number, MadeTensor>; readonly reused: ReadonlyMap<number, MadeTensor> }> {
  const { tensors, wishes, output } = stream;
  const inPlace = (index: number): MadeTensor | undefined => {
    const made = output.finished.get(index);
    return made?.wish === wishes[index] ? made : undefined;
  };
  const elsewhere = (index: number): readonly EarlierTensor[] => {
    const tensor = tensors[index];
    if (!tensor || !isComputed(tensor)) return [];
    return earlier.candidates(wishes[index] ?? '').filter(made => made.byteLength === tensor.target.byteLength);
  };
  const promising = tensors.map((_, index) => index).filter(index => inPlace(index) ?? elsewhere(index).length > 0);
  const sources = await sourceDigests(stream, promising);
  const resumed = new Map<number, MadeTensor>();
  const reused = new Map<number, MadeTensor>();
  // A file that once did not have the bytes of its record has been changed: its other tensors are not tried.
  const changed = new Set<string>();
  const settle = async (thread: number, index: number, source: string): Promise<void> => {
    const there = inPlace(index);
    if (there?.source === source && (await isIntact(stream, index, there))) {
      resumed.set(index, there);
      return;
    }
    for (const made of elsewhere(index)) {
      if (made.source !== source || changed.has(made.file)) continue;
      if (await adopted(stream, thread, index, made)) {
        const { wish, sha256 } = made;
        reused.set(index, { wish, source, sha256 });
        await output.finish(index, { wish, source, sha256 });
        return;
      }
      changed.add(made.file);
    }
  };
  const entries = sources.entries();
  await everyThread(stream.converter, stream.signal, thread => {
    const entry = entries.next();
    return entry.done === true ? undefined : settle(thread, ...entry.value);
  });
  return { resumed, reused };
}

/** Digests of the sources of some tensors; threads read and tag. */
async function sourceDigests(stream: Stream, indices: readonly number[]): Promise<ReadonlyMap<number, string>> {
  const { converter, services, signal } = stream;
  const tags = new Map<number, Uint8Array[]>(indices.map(index => [index, []]));
  const pieces = piecesOf(stream, indices);
  await everyThread(converter, signal, thread => {
    const piece = pieces.next();
    if (piece.done === true) return undefined;
    const { index, number, task } = piece.value;
    return converter.run(thread, { kind: 'tag', task }).then(result => {
      const own = tags.get(index);
      if (own && result.ok) own[number] = result.tag;
    });
  });
  return new Map(
    [...tags].map(([index, own]) => {
      const hash = services.sha256();
      for (const tag of own) hash.update(tag);
      return [index, hash.digest()];
    }),
  );
}

function* piecesOf(
  { tensors, littleEndian }: Stream,
  indices: readonly number[],
): Generator<{ readonly index: number; readonly number: number; readonly task: ConversionTask }> {
  for (const index of indices) {
    const tensor = tensors[index];
    if (!tensor) continue;
    let number = 0;
    for (const { task } of chunksOf(tensor, littleEndian(tensor))) yield { index, number: number++, task };
  }
}

/** Whether the bytes in place are those that were written: a disk may have lost what was written last. */
async function isIntact(
  { tensors, output, position, services, signal }: Stream,
  index: number,
  made: MadeTensor,
): Promise<boolean> {
  const tensor = tensors[index];
  if (!tensor) return false;
  const hash = services.sha256();
  const { byteLength, shard } = tensor.target;
  for (let at = 0; at < byteLength; at += PIECE_BYTES) {
    throwIfCancelled(signal);
    hash.update(await output.read(shard, position(tensor) + at, Math.min(PIECE_BYTES, byteLength - at)));
  }
  return hash.digest() === made.sha256;
}

/**
 * Has a thread copy a tensor of an earlier output to its place. The bytes that are hashed are the bytes that are written: no
 * way of the system to copy is faster where the bytes must be read to be checked, and none of them is as safe. False if they
 * are not what the record says; they are in place then, and will be overwritten.
 */
async function adopted(stream: Stream, thread: number, index: number, made: EarlierTensor): Promise<boolean> {
  const { tensors, output, position, converter } = stream;
  const tensor = tensors[index];
  if (!tensor) return false;
  const { byteLength, shard } = tensor.target;
  const source = { path: made.file, position: made.position };
  const target = { file: shard, position: position(tensor) };
  const padding = padded(byteLength) - byteLength;
  try {
    const result = await converter.run(thread, { kind: 'adopt', source, target, byteLength, padding });
    if (!result.ok || result.sha256 !== made.sha256) return false;
  } catch (error) {
    throw error instanceof WriteFailure ? await output.writeError(shard, error) : error;
  }
  await output.wrote(shard, byteLength + padding);
  return true;
}
