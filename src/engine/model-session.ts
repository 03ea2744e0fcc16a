// A model ready to run: its header compiled to a program, a session of an executor over its weights.
import { metadataNumber, metadataString, type GgufModel } from '../core/gguf/gguf.js';
import { QuantsmithError } from '../core/problem.js';
import type { Executor, ExecutorSession, ModelFiles } from './executor.js';
import { compileProgram, DESCRIPTION_TENSORS } from './graph/architectures.js';
import { checkMemory } from './memory-forecast.js';
import type { ProgramLimits } from './graph/program-builder.js';

export interface SessionOptions {
  /** Positions of a sequence at most; default: as many as are needed, but not more than the model was trained for. */
  readonly context?: number;
  /** Positions that the text will have; default: what the model was trained for. */
  readonly needed?: number;
  /** Bytes of memory that are free; a session that needs more is refused. */
  readonly memoryAvailable?: number;
  /** Default: one. */
  readonly sequences?: number;
  /** Positions that all sequences have together; default: the context, which they share. */
  readonly cells?: number;
  /** Most tokens computed at once: more need more memory and read the weights less often. */
  readonly batch: number;
  readonly cacheType: ProgramLimits['cacheType'];
  readonly threads: number;
  /** Whose kernels compute; default: the backend's. */
  readonly isa?: string;
}

export interface ModelSession {
  readonly vocabulary: number;
  readonly limits: ProgramLimits;
  /** What generating a token reads of the weights. */
  readonly weightBytesPerToken: number;
  readonly session: ExecutorSession;
}

/** The longest vector of factors: half of the widest head there is. More is a damaged file. */
const MAX_FACTORS = 65_536;

/** @throws QuantsmithError as {@link compileProgram} and {@link Executor.createSession} do */
export async function createModelSession(
  model: GgufModel,
  files: ModelFiles,
  executor: Executor,
  options: SessionOptions,
): Promise<ModelSession> {
  const { cacheType, threads, isa, sequences = 1 } = options;
  const trained = trainedContext(model);
  const context = options.context ?? Math.min(trained, options.needed ?? trained);
  const vectors = new Map<string, readonly number[]>();
  for (const name of DESCRIPTION_TENSORS) {
    const values = await readVector(model, files, name);
    if (values) vectors.set(name, values);
  }
  const cells = Math.min(options.cells ?? context, sequences * context);
  const batch = Math.min(options.batch, cells);
  const program = compileProgram(model, vectors, { context, sequences, cells, batch, cacheType });
  checkMemory(program, executor, options.memoryAvailable);
  const session = await executor.createSession(program, files, { threads, ...(isa === undefined ? {} : { isa }) });
  const { vocabulary, weightBytesPerToken, limits } = program;
  return { vocabulary, weightBytesPerToken, limits, session };
}

/** For a model that does not say. */
const DEFAULT_CONTEXT = 2048;

/** Positions that it was trained for. */
export function trainedContext({ metadata }: GgufModel): number {
  const key = `${metadataString(metadata, 'general.architecture') ?? ''}.context_length`;
  return metadataNumber(metadata, key) ?? DEFAULT_CONTEXT;
}

async function readVector(model: GgufModel, files: ModelFiles, name: string): Promise<readonly number[] | undefined> {
  const tensor = model.tensors.find(candidate => candidate.name === name);
  if (!tensor) return undefined;
  const source = files.sources[tensor.shard];
  const { byteLength } = tensor;
  if (!source || tensor.typeId !== 0 || byteLength === undefined || byteLength > MAX_FACTORS * 4) {
    throw new QuantsmithError(
      'engine/bad-type',
      `The model cannot be run: "${name}" must be F32 and have at most ${MAX_FACTORS} values.`,
      'Convert the model again with a current converter.',
    );
  }
  const bytes = await source.read(tensor.fileOffset, byteLength);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: byteLength / 4 }, (_, i) => view.getFloat32(4 * i, true));
}
