// Cuts a planned tensor into tasks for threads. A task is about as long as a thread is busy for 10 to 100 ms: long enough
// that handing it over costs nothing, short enough that all threads end together. It is whole rows where a quantizer may
// look at a whole row: with importance weights ggml weighs errors by the row's mean square. Without them no format looks
// beyond a block, and a row that is longer than a task is cut between blocks. Either way the bytes do not depend on how a
// tensor is cut.
import { byteLengthOf, ggmlType } from '../../core/ggml/ggml-type.js';
import { QuantsmithError } from '../../core/problem.js';
import { importanceSlice, type ImportanceEntry } from '../../core/quantize/importance-matrix.js';
import type { PlannedTensor } from '../../core/quantize/quantization-plan.js';
import type { ConversionTask } from '../../protocol/quantize-thread-protocol.js';

/**
 * Weights of one task; a longer row with importance weights is one task nevertheless. 1 MiB as float32: it stays in the
 * core's own cache. A multiple of every block size.
 */
export const CHUNK_WEIGHTS = 1 << 18;
/** Bytes of one task that copies. */
export const COPY_BYTES = 1 << 20;

export interface Chunk {
  readonly task: ConversionTask;
  /** Position of the first element in its tensor. */
  readonly firstElement: number;
  /** Position of the first byte of the result in its tensor. */
  readonly offset: number;
}

interface Cut {
  readonly columns: number;
  readonly rowCount: number;
  readonly rowsPerChunk: number;
  /** A task must not reach over a multiple of this row number: the next rows have other importance weights. */
  readonly sliceRows: number;
}

function cutOf(tensor: PlannedTensor): Cut {
  const from = ggmlType(tensor.fromType);
  const to = ggmlType(tensor.toType);
  // Numbers that are converted one by one need no rows; blocks of long rows are a sequence of blocks, as rows are whole ones.
  const numbers = from.blockSize === 1 && to.blockSize === 1;
  const loose = numbers || (!tensor.importance && (tensor.ne[0] ?? 1) > CHUNK_WEIGHTS);
  const columns = loose ? Math.min(CHUNK_WEIGHTS, tensor.elementCount) : (tensor.ne[0] ?? 1);
  const rowCount = Math.ceil(tensor.elementCount / columns);
  const rowsPerChunk = Math.max(1, Math.floor(CHUNK_WEIGHTS / columns));
  return { columns, rowCount, rowsPerChunk, sliceRows: tensor.importance ? (tensor.ne[1] ?? 1) : rowCount };
}

/**
 * Bytes of the largest result and of the largest source piece among all tasks of these tensors; weights of the largest
 * task, and importance weights that the largest one carries.
 */
export function largestChunk(tensors: readonly PlannedTensor[]): {
  readonly source: number;
  readonly target: number;
  readonly weights: number;
  readonly importance: number;
} {
  let [source, target, weights, importance] = [0, 0, 0, 0];
  for (const tensor of tensors) {
    if (tensor.fromType === tensor.toType) {
      target = Math.max(target, Math.min(COPY_BYTES, tensor.target.byteLength));
    } else if (tensor.elementCount > 0) {
      const { columns, rowCount, rowsPerChunk } = cutOf(tensor);
      const count = columns * Math.min(rowsPerChunk, rowCount);
      source = Math.max(source, byteLengthOf(ggmlType(tensor.fromType), count));
      target = Math.max(target, byteLengthOf(ggmlType(tensor.toType), count));
      weights = Math.max(weights, count);
      if (tensor.importance) importance = Math.max(importance, columns);
    }
  }
  return { source, target, weights, importance };
}

/** About how many tasks these tensors make; at least 1. */
export function taskCount(tensors: readonly PlannedTensor[]): number {
  return Math.max(
    1,
    tensors.reduce((sum, tensor) => sum + Math.ceil(tensor.elementCount / CHUNK_WEIGHTS), 0),
  );
}

/**
 * The tasks of one tensor in order. `importance` is its entry if the plan says that it is used. `littleEndian` is that of
 * the source file; throws `quantize/big-endian` for block formats that would have to be taken apart to turn them round.
 */
export function* chunksOf(
  tensor: PlannedTensor,
  littleEndian: boolean,
  importance?: ImportanceEntry,
): Generator<Chunk> {
  const swap = littleEndian ? 1 : swapWidth(tensor);
  yield* tensor.fromType === tensor.toType ? copies(tensor, swap) : conversions(tensor, swap, importance);
}

function* copies(tensor: PlannedTensor, swap: ConversionTask['swap']): Generator<Chunk> {
  const { fromType, toType, source } = tensor;
  const typeSize = ggmlType(fromType).typeSize;
  const step = Math.floor(COPY_BYTES / typeSize) * typeSize;
  const blockSize = ggmlType(fromType).blockSize;
  for (let offset = 0; offset < source.byteLength; offset += step) {
    const byteLength = Math.min(step, source.byteLength - offset);
    const piece = { shard: source.shard, fileOffset: source.fileOffset + offset, byteLength };
    const task = { source: piece, swap, fromType, toType, rows: 1, columns: byteLength, byteLength };
    yield { task, firstElement: (offset / typeSize) * blockSize, offset };
  }
}

function* conversions(
  tensor: PlannedTensor,
  swap: ConversionTask['swap'],
  importance?: ImportanceEntry,
): Generator<Chunk> {
  const { fromType, toType, source, elementCount } = tensor;
  const [from, to] = [ggmlType(fromType), ggmlType(toType)];
  const { columns, rowCount, rowsPerChunk, sliceRows } = cutOf(tensor);
  for (let row = 0; row < rowCount;) {
    const sliceEnd = (Math.floor(row / sliceRows) + 1) * sliceRows;
    const rows = Math.min(rowsPerChunk, sliceEnd - row, rowCount - row);
    const firstElement = row * columns;
    // Only what is cut without regard to rows can leave a last piece that is shorter.
    const count = Math.min(rows * columns, elementCount - firstElement);
    const task: ConversionTask = {
      source: {
        shard: source.shard,
        fileOffset: source.fileOffset + byteLengthOf(from, firstElement),
        byteLength: byteLengthOf(from, count),
      },
      swap,
      fromType,
      toType,
      rows: count < columns ? 1 : rows,
      columns: Math.min(columns, count),
      byteLength: byteLengthOf(to, count),
      ...(importance && { importance: importanceOf(importance, columns, sliceIndex(tensor, row)) }),
    };
    yield { task, firstElement, offset: byteLengthOf(to, firstElement) };
    row += rows;
  }
}

/** A copy: a message to a thread carries the whole memory behind a view, for an expert that of all experts. */
function importanceOf(entry: ImportanceEntry, columns: number, slice: number): Float32Array {
  return importanceSlice(entry, columns, slice).slice();
}

/** Which of the `ne[2]` matrices (experts) a row belongs to. */
function sliceIndex({ ne }: PlannedTensor, row: number): number {
  return Math.floor(row / (ne[1] ?? 1)) % (ne[2] ?? 1);
}

function swapWidth({ name, fromType }: PlannedTensor): ConversionTask['swap'] {
  const { blockSize, typeSize } = ggmlType(fromType);
  if (blockSize === 1 && (typeSize === 1 || typeSize === 2 || typeSize === 4 || typeSize === 8)) return typeSize;
  throw new QuantsmithError(
    'quantize/big-endian',
    `${name} is stored as ${fromType} in a big-endian file; only numbers (F32, F16, BF16, integers) can be turned round.`,
    'Quantize from the F16, BF16 or F32 model, or convert the file on the machine it was made for.',
  );
}
