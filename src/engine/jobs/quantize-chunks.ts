// Cuts a planned tensor into tasks for threads. A task is about as long as a thread is busy for 10 to 100 ms: long enough
// that handing it over costs nothing, short enough that all threads end together. It is whole rows, or, where rows are longer
// than a task, pieces of one row that are cut between blocks: no format looks beyond a block. The exception are Q4_0, Q4_1,
// Q5_0 and Q5_1 with importance weights, which ggml weighs by the mean square of the row: there a row is never cut, however
// long. Either way the bytes do not depend on how a tensor is cut.
import { byteLengthOf, ggmlType } from '../../core/ggml/ggml-type.js';
import { QuantsmithError } from '../../core/problem.js';
import { weighsByRow } from '../../core/quantize/importance-matrix.js';
import type { PlannedTensor } from '../../core/quantize/quantization-plan.js';
import type { ConversionTask } from '../../protocol/quantize-thread-protocol.js';

/**
 * Weights of one task; a longer row that must not be cut is one task nevertheless. 1 MiB as float32: it stays in the core's
 * own cache. A multiple of every block size.
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
  /** Which of the tensor's importance values the task needs, if the plan says that they are used. */
  readonly importance?: { readonly start: number; readonly end: number };
}

interface Cut {
  readonly columns: number;
  readonly rowCount: number;
  readonly rowsPerChunk: number;
  /** A task must not reach over a multiple of this row number: the next rows have other importance weights. */
  readonly sliceRows: number;
  /** Pieces that a row is cut into. */
  readonly pieces: number;
}

function cutOf(tensor: PlannedTensor): Cut {
  const from = ggmlType(tensor.fromType);
  const to = ggmlType(tensor.toType);
  // Numbers that are converted one by one need no rows; blocks of long rows are a sequence of blocks, as rows are whole ones.
  const numbers = from.blockSize === 1 && to.blockSize === 1;
  const length = tensor.ne[0] ?? 1;
  const isLong = length > CHUNK_WEIGHTS;
  if (tensor.importance) {
    const columns = isLong && !weighsByRow(tensor.toType) ? CHUNK_WEIGHTS : length;
    const rowsPerChunk = Math.max(1, Math.floor(CHUNK_WEIGHTS / length));
    const rowCount = Math.ceil(tensor.elementCount / length);
    return { columns, rowCount, rowsPerChunk, sliceRows: tensor.ne[1] ?? 1, pieces: Math.ceil(length / columns) };
  }
  const columns = numbers || isLong ? Math.min(CHUNK_WEIGHTS, tensor.elementCount) : length;
  const rowCount = Math.ceil(tensor.elementCount / columns);
  const rowsPerChunk = Math.max(1, Math.floor(CHUNK_WEIGHTS / columns));
  return { columns, rowCount, rowsPerChunk, sliceRows: rowCount, pieces: 1 };
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
export function taskCount(tensors: readonly Pick<PlannedTensor, 'elementCount'>[]): number {
  return Math.max(
    1,
    tensors.reduce((sum, tensor) => sum + Math.ceil(tensor.elementCount / CHUNK_WEIGHTS), 0),
  );
}

/**
 * The tasks of one tensor in order, without importance values. `littleEndian` is that of the source file; throws
 * `quantize/big-endian` for block formats that would have to be taken apart to turn them round.
 */
export function* chunksOf(tensor: PlannedTensor, littleEndian: boolean): Generator<Chunk> {
  const swap = littleEndian ? 1 : swapWidth(tensor);
  yield* tensor.fromType === tensor.toType ? copies(tensor, swap) : conversions(tensor, swap);
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

function* conversions(tensor: PlannedTensor, swap: ConversionTask['swap']): Generator<Chunk> {
  const { fromType, toType, source, elementCount } = tensor;
  const [from, to] = [ggmlType(fromType), ggmlType(toType)];
  const { columns, rowCount, rowsPerChunk, sliceRows, pieces } = cutOf(tensor);
  const length = tensor.importance ? (tensor.ne[0] ?? 1) : columns;
  for (let row = 0; row < rowCount;) {
    const sliceEnd = (Math.floor(row / sliceRows) + 1) * sliceRows;
    const rows = Math.min(rowsPerChunk, sliceEnd - row, rowCount - row);
    for (let piece = 0; piece < pieces; piece++) {
      const column = piece * columns;
      const firstElement = row * length + column;
      // What is cut without regard to rows, or out of one, can leave a last piece that is shorter.
      const count = Math.min(rows * Math.min(columns, length - column), elementCount - firstElement);
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
      };
      const start = sliceIndex(tensor, row) * length + column;
      const importance = tensor.importance && { importance: { start, end: start + task.columns } };
      yield { task, firstElement, offset: byteLengthOf(to, firstElement), ...importance };
    }
    row += rows;
  }
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
