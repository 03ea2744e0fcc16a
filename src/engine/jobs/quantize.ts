// The quantize job: model -> plan -> pre-flight -> files. It streams: tensors are cut into pieces, and threads read, convert,
// hash and write them, each at the place the plan gave it. Memory is bounded whatever the model's size: per thread one piece
// of the source, the same as float32 and its result, about 2 MiB, plus the header: 100 to 200 MB. Only a longer row of Q4_0,
// Q4_1, Q5_0 or Q5_1 with importance weights is one piece, of any length; the pre-flight refuses it if memory does not
// suffice. The bytes do not depend on the number of threads, the backend, or interruptions, nor on what is taken over from
// earlier runs (quantize-reuse.ts). Absent on purpose: files, threads, clocks. They are the interfaces of
// quantize-services.ts.
import { ggmlType } from '../../core/ggml/ggml-type.js';
import { parseShardName, shardName } from '../../core/gguf/shards.js';
import { layOutHeader, outputMetadata, type GgufHeader } from '../../core/gguf/write.js';
import { firstError, QuantsmithError, throwReport, type Problem } from '../../core/problem.js';
import type { ImportanceEntry, ImportanceMatrix } from '../../core/quantize/importance-matrix.js';
import { outputByteLength, preflight, resourceForecast } from '../../core/quantize/preflight.js';
import { headerByteLengths } from '../../core/quantize/plan-metadata.js';
import { planQuantization } from '../../core/quantize/plan.js';
import { findQuantizationGrid } from '../../core/quantize/quantization-grid.js';
import type {
  JobProgress,
  OutputSplit,
  PlannedTensor,
  QuantizationPlan,
  QuantizationReport,
  ResourceForecast,
  TensorOrigins,
} from '../../core/quantize/quantization-plan.js';
import type { FileIdentity } from '../../protocol/quantize-thread-protocol.js';
import type { QuantizeJob } from '../../protocol/worker-protocol.js';
import { chunksOf, largestPiece, taskCount } from './quantize-chunks.js';
import { NO_ORIGINS, remember, takeOver, wishesOf } from './quantize-reuse.js';
import type { Converter, MadeTensor, OpenedImatrix, QuantizeServices, QuantizeSource } from './quantize-services.js';
import { convertTensors, TASKS_PER_THREAD, throwIfCancelled, type Finished, type Stream } from './quantize-stream.js';
import { sampleWeights } from './weight-samples.js';

export interface QuantizeContext {
  readonly signal: AbortSignal;
  readonly progress: (value: JobProgress) => void;
}

/**
 * Unless more are asked for: a thread takes 15 MB, so that 16 stay below 400 MB (309 MB for an 8.6 GB embedding), and that
 * many convert most types faster than disks write.
 */
const DEFAULT_THREADS = 16;

/** A job with everything decided. */
interface Prepared {
  readonly job: QuantizeJob;
  readonly source: QuantizeSource;
  readonly imatrix: ImportanceMatrix | undefined;
  /** Everything the output is made from. */
  readonly files: readonly FileIdentity[];
  readonly plan: QuantizationPlan;
  readonly paths: readonly string[];
  readonly headers: readonly GgufHeader[];
  readonly byteLengths: readonly number[];
  readonly threads: number;
  readonly forecast: ResourceForecast;
  readonly problems: readonly Problem[];
}

/**
 * Quantizes a model. Rejects with a QuantsmithError: `cancelled`; the first error of plan and pre-flight with the whole report
 * (`plan/…`, `output/…`, `disk/…`); `quantize/non-finite`, `quantize/scale-overflow`, `quantize/big-endian`; `io/…`, `gguf/…`.
 * After a rejection nothing is left, or, if the job said `resume`, what the next run with `resume` continues.
 * A dry run reports the pre-flight's errors as problems instead.
 */
export async function runQuantize(
  job: QuantizeJob,
  services: QuantizeServices,
  { signal, progress }: QuantizeContext,
): Promise<QuantizationReport> {
  const started = services.now();
  throwIfCancelled(signal);
  const source = await services.openSource(job.source, signal);
  let opened: OpenedImatrix | undefined;
  let converter: Promise<Converter> | undefined;
  try {
    progress({ phase: 'plan', done: 0, total: 0, bytesPerSecond: 0 });
    // Threads start while it is decided what to do: that takes about as long (50 to 100 ms), on this thread alone.
    if (!job.dryRun) converter = startThreads(job, source, services);
    if (job.imatrix !== undefined) opened = await services.openImatrix(job.imatrix, signal);
    const prepared = await prepare(job, source, opened, services, signal);
    throwIfCancelled(signal);
    const outcome = converter
      ? await write(prepared, converter, services, { signal, progress })
      : { ...(await services.kernels(job.backend)), made: [], origins: NO_ORIGINS, problems: [] };
    const { plan, paths, byteLengths } = prepared;
    return {
      output: paths[0] ?? job.output,
      files: paths.map((path, i) => ({ path, byteLength: byteLengths[i] ?? 0 })),
      tensors: plan.tensors.map(({ name, fromType, toType, rule, target }, i) => {
        return { name, fromType, toType, rule, byteLength: target.byteLength, sha256: outcome.made[i]?.sha256 ?? '' };
      }),
      bitsPerWeight: plan.bitsPerWeight,
      byteLength: byteLengths.reduce((sum, length) => sum + length, 0),
      seconds: (services.now() - started) / 1000,
      threads: prepared.threads,
      backend: outcome.backend,
      kernels: outcome.isa,
      origins: outcome.origins,
      forecast: prepared.forecast,
      problems: [...prepared.problems, ...outcome.problems],
      dryRun: job.dryRun,
    };
  } catch (error) {
    // Whatever failed because the job was told to stop failed for that reason.
    throwIfCancelled(signal);
    throw error;
  } finally {
    void converter?.then(
      started => {
        started.close();
      },
      () => undefined,
    );
    await opened?.close();
    await source.close();
  }
}

/** A failure is that of the promise when it is awaited, which it is not if the job is refused before. */
function startThreads(job: QuantizeJob, source: QuantizeSource, services: QuantizeServices): Promise<Converter> {
  const threads = threadsFor(job, source, services);
  const starting = services.openConverter({ files: source.files, backend: job.backend, threads });
  starting.catch(() => undefined);
  return starting;
}

/** A thread costs 30 ms to start: no more of them than tasks. */
function threadsFor(job: QuantizeJob, { model }: QuantizeSource, services: QuantizeServices): number {
  const chosen = job.threads > 0 ? job.threads : Math.min(services.physicalCores(), DEFAULT_THREADS);
  return Math.min(chosen, taskCount(model.tensors));
}

async function prepare(
  job: QuantizeJob,
  source: QuantizeSource,
  opened: OpenedImatrix | undefined,
  services: QuantizeServices,
  signal: AbortSignal,
): Promise<Prepared> {
  const { model } = source;
  const imatrix = opened && { ...opened.matrix, name: job.imatrixName ?? opened.matrix.name };
  const weights = {
    ...(job.includeWeights && { include: job.includeWeights }),
    ...(job.excludeWeights && { exclude: job.excludeWeights }),
  };
  const extras = { ...(imatrix && { imatrix }), weights, split: splitOf(job) };
  const planned = planQuantization(model, job.options, extras);
  const grid = findQuantizationGrid(await sampleWeights(model, planned.tensors, signal));
  const plan = grid ? planQuantization(model, job.options, { ...extras, grid }) : planned;
  // What cannot be planned at all (a type that does not exist) says nothing about disk or place.
  if (plan.tensors.length === 0) throwReport(plan.problems);
  // A plan with errors is not laid out; the report is complete without.
  const sound = firstError(plan.problems) === undefined;
  const headers = sound ? layOutHeaders(source, plan) : [];
  const headerLengths = sound ? headers.map(header => header.byteLength) : headerByteLengths(model, plan);
  const byteLengths = headerLengths.map((length, i) => length + (plan.shards[i]?.dataLength ?? 0));
  const paths = outputPaths(job.output, plan.shards.length);
  const files = [...source.files, ...(opened ? [opened.file] : [])];
  const threads = threadsFor(job, source, services);
  const largest = largestPiece(sound ? plan.tensors : []);
  const facts = await services.placeFacts({
    paths,
    sources: files,
    overwrite: job.overwrite,
    createFolder: job.createFolder ?? false,
  });
  const memoryNeeded = memoryOf(largest, threads, sum(headerLengths));
  const { maxShardBytes } = job;
  const preflightFacts = {
    ...facts,
    overwrite: job.overwrite,
    memoryNeeded,
    ...(maxShardBytes === undefined ? {} : { maxShardBytes }),
  };
  const checked = preflight(plan, headerLengths, preflightFacts);
  const problems = [...source.problems, ...(opened?.problems ?? []), ...checked];
  if (!job.dryRun) throwReport(problems);
  if (outputByteLength(plan, headerLengths) !== byteLengths.reduce((sum, length) => sum + length, 0)) {
    throw new QuantsmithError('internal', 'The plan and the headers disagree about the size of the output.');
  }
  return {
    job,
    source,
    imatrix,
    files,
    plan,
    paths,
    headers,
    byteLengths,
    threads,
    forecast: resourceForecast(outputByteLength(plan, headerLengths), preflightFacts),
    problems,
  };
}

/**
 * What a run takes before it has anything to convert, and what a thread takes beside its buffers: Node with its code and
 * heap. Measured with 1 to 16 threads, native and WebAssembly: 95 MB with one, 14 to 15 MB more for each further one, buffers
 * included; a header of 6 MB adds 15 MB. The numbers leave 10 to 15 MB to spare.
 */
const PROCESS_MEMORY = 100e6;
const THREAD_MEMORY = 13e6;
const MEMORY_PER_HEADER_BYTE = 3;

/**
 * Bytes of memory at most: the process and its threads, the header, and per thread the piece read, the same as float32, the
 * result, and the importance weights of the tasks it has; WebAssembly computes on copies.
 */
function memoryOf(largest: ReturnType<typeof largestPiece>, threads: number, headerLength: number): number {
  const { source, target, weights, importance } = largest;
  const copies = source + target + 4 * importance;
  const buffers = source + 4 * weights + target + 4 * importance * (TASKS_PER_THREAD + 1) + copies;
  return PROCESS_MEMORY + MEMORY_PER_HEADER_BYTE * headerLength + threads * (THREAD_MEMORY + buffers);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function splitOf(job: QuantizeJob): OutputSplit {
  if (job.keepSplit) return { kind: 'keep' };
  return job.maxShardBytes === undefined ? { kind: 'single' } : { kind: 'size', maxShardBytes: job.maxShardBytes };
}

/** `out.gguf` -> itself, or `out-00001-of-00003.gguf` and so on. */
export function outputPaths(output: string, count: number): readonly string[] {
  if (count === 1) return [output];
  const prefix = parseShardName(output)?.prefix ?? output.replace(/\.gguf$/, '');
  return Array.from({ length: count }, (_, i) => shardName(prefix, i + 1, count));
}

function layOutHeaders({ model }: QuantizeSource, plan: QuantizationPlan): readonly GgufHeader[] {
  return plan.shards.map((shard, number) => {
    const own = plan.tensors.filter(tensor => tensor.target.shard === number);
    const metadata =
      number === 0
        ? outputMetadata(model, {
            removed: plan.metadataRemoved,
            set: [...plan.metadataChanges, ...shard.splitMetadata],
          })
        : shard.splitMetadata.map(change => ({ kind: 'scalar' as const, ...change }));
    const tensors = own.map(({ name, ne, toType, target }) => {
      return { name, ne, typeId: ggmlType(toType).id, byteLength: target.byteLength };
    });
    const header = layOutHeader(metadata, tensors);
    if (own.some((tensor, i) => tensor.target.offset !== header.tensorOffsets[i])) {
      throw new QuantsmithError('internal', 'The plan and the header disagree about the place of a tensor.');
    }
    return header;
  });
}

async function write(
  prepared: Prepared,
  starting: Promise<Converter>,
  services: QuantizeServices,
  { signal, progress }: QuantizeContext,
): Promise<Written> {
  const { job, source, plan, paths, headers, byteLengths, imatrix } = prepared;
  // Unsuitable tensors are refused before anything is touched.
  for (const tensor of plan.tensors) chunksOf(tensor, littleEndian(source, tensor)).next();
  const fingerprint = await fingerprintOf(prepared, services, signal);
  const importance = (tensor: PlannedTensor): ImportanceEntry | undefined =>
    tensor.importance ? imatrix?.entries.get(tensor.sourceName) : undefined;
  const position = ({ target }: PlannedTensor): number => (headers[target.shard]?.byteLength ?? 0) + target.offset;
  const wishes = await wishesOf(plan.tensors, importance, services);
  const output = await services.openOutput({
    paths,
    byteLengths,
    fingerprint,
    resume: job.resume,
    overwrite: job.overwrite,
    createFolder: job.createFolder ?? false,
  });
  try {
    const converter = await starting;
    try {
      converter.writeTo(output.targets);
      const stream: Stream = {
        tensors: plan.tensors,
        wishes,
        littleEndian: tensor => littleEndian(source, tensor),
        importance,
        position,
        converter,
        output,
        services,
        signal,
        progress,
      };
      const reuse = job.reuse ?? true;
      const { done, origins } = await takeOver(stream, paths, { reuse });
      const finished = await convertTensors(stream, done);
      await finishFiles(prepared, services, output.write.bind(output), finished, { signal, progress });
      throwIfCancelled(signal);
      await output.commit();
      const { made } = finished;
      const files = paths.map((path, i) => ({ path, byteLength: byteLengths[i] ?? 0 }));
      const problems = reuse ? await remember(stream, files, made) : [];
      return { backend: converter.backend, isa: converter.isa, made, origins, problems };
    } finally {
      converter.close();
    }
  } finally {
    await output.abandon(job.resume);
  }
}

interface Written {
  readonly backend: 'native' | 'wasm';
  readonly isa: string;
  readonly made: readonly MadeTensor[];
  readonly origins: TensorOrigins;
  readonly problems: readonly Problem[];
}

/** Headers come last, so that a temporary file is no GGUF until it is complete. */
async function finishFiles(
  { headers, files }: Prepared,
  services: QuantizeServices,
  write: (file: number, position: number, bytes: Uint8Array) => Promise<void>,
  finished: Finished,
  { signal, progress }: QuantizeContext,
): Promise<void> {
  progress(finished.meter.report('write'));
  for (const [file, header] of headers.entries()) {
    let position = 0;
    for await (const bytes of header.chunks(signal)) {
      throwIfCancelled(signal);
      await write(file, position, bytes);
      position += bytes.length;
    }
  }
  await services.assertUnchanged(files);
}

function littleEndian({ model }: QuantizeSource, tensor: PlannedTensor): boolean {
  return model.shards[tensor.source.shard]?.file.littleEndian ?? true;
}

/** Bytes of headers that go into a fingerprint at a time. */
const HASH_STEP = 1 << 20;

/**
 * The same for two runs that lay out the same files: the header that is read, what is planned, and what the output is called.
 * Whether a tensor's bytes are the same is a matter of its wish and its source.
 */
async function fingerprintOf(
  { source, plan, paths }: Prepared,
  services: QuantizeServices,
  signal: AbortSignal,
): Promise<string> {
  const hash = services.sha256();
  const { tensors, metadataChanges, metadataRemoved, shards } = plan;
  const facts = {
    format: 2,
    tensors,
    metadataChanges,
    metadataRemoved,
    shards,
    paths,
  };
  // A 64-bit value has no JSON form of its own.
  const text = JSON.stringify(facts, (_key, value: unknown) =>
    typeof value === 'bigint' ? `${String(value)}n` : value,
  );
  hash.update(new TextEncoder().encode(text));
  for (const { source: bytes, file } of source.model.shards) {
    for (let at = 0; at < file.dataOffset; at += HASH_STEP) {
      hash.update(await bytes.read(at, Math.min(HASH_STEP, file.dataOffset - at), signal));
    }
  }
  return hash.digest();
}
