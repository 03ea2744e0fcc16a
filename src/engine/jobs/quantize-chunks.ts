// Cuts a planned tensor into tasks for threads, and a task into the pieces that a thread makes one after the other. A task
// is about as long as a thread is busy for 2 to 100 ms: long enough that handing it over costs nothing, short enough that all
// threads end together. It is whole rows, or, where rows are longer than a piece, pieces of rows that are cut between blocks: no format looks beyond a block. The exception are Q4_0, Q4_1,
// Q5_0 and Q5_1 with importance weights, which ggml weighs by the mean square of the row: there a row is never cut, however
// long. Either way the bytes do not depend on how a tensor is cut.
import { byteLengthOf, ggmlType } from '../../core/ggml/ggml-type.js';
import { QuantsmithError } from '../../core/problem.js';
import { weighsByRow } from '../../core/quantize/importance-matrix.js';
import type { PlannedTensor } from '../../core/quantize/quantization-plan.js';
import type { ConversionTask } from '../../protocol/quantize-thread-protocol.js';

/**
 * What a thread reads, converts, hashes and writes at a time. 1 MiB as float32: it stays in the core's own cache. A multiple
 * of every block size. A longer row that must not be cut is one piece nevertheless.
 */
export const PIECE_WEIGHTS = 1 << 18;
const PIECE_BYTES = 1 << 20;
/**
 * Weights of one task, about: four pieces, so that the message for it costs a quarter. Of a run to Q2_K (494 M weights, 2
 * threads, 2.3 s of processor time) 16 % were messages where each piece was a task.
 */
export const CHUNK_WEIGHTS = 4 * PIECE_WEIGHTS;
/** Bytes of one task that copies. */
export const COPY_BYTES = 4 * PIECE_BYTES;

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
  const isLong = length > PIECE_WEIGHTS;
  if (tensor.importance) {
    const columns = isLong && !weighsByRow(tensor.toType) ? PIECE_WEIGHTS : length;
    const rowsPerChunk = isLong ? 1 : Math.floor(CHUNK_WEIGHTS / length);
    const rowCount = Math.ceil(tensor.elementCount / length);
    return { columns, rowCount, rowsPerChunk, sliceRows: tensor.ne[1] ?? 1, pieces: Math.ceil(length / columns) };
  }
  const columns = numbers || isLong ? Math.min(PIECE_WEIGHTS, tensor.elementCount) : length;
  const rowCount = Math.ceil(tensor.elementCount / columns);
  const rowsPerChunk = Math.max(1, Math.floor(CHUNK_WEIGHTS / columns));
  return { columns, rowCount, rowsPerChunk, sliceRows: rowCount, pieces: 1 };
}

/** Rows of a task that are one piece. */
function rowsPerPiece(columns: number): number {
  return Math.max(1, Math.floor(PIECE_WEIGHTS / columns));
}

/** What a thread makes of a task at a time; offsets and positions are relative to those of the task. */
export interface Slice {
  readonly source: { readonly offset: number; readonly byteLength: number };
  readonly target: { readonly offset: number; readonly byteLength: number };
  readonly firstElement: number;
  readonly rows: number;
}

/** The pieces of a task, in order. */
export function* slicesOf({ fromType, toType, rows, columns, source, byteLength }: ConversionTask): Generator<Slice> {
  if (fromType === toType) {
    const { typeSize, blockSize } = ggmlType(fromType);
    const step = Math.floor(PIECE_BYTES / typeSize) * typeSize;
    for (let offset = 0; offset < byteLength; offset += step) {
      const bytes = { offset, byteLength: Math.min(step, byteLength - offset) };
      yield { source: bytes, target: bytes, firstElement: (offset / typeSize) * blockSize, rows: 1 };
    }
    return;
  }
  const [from, to] = [source.byteLength / rows, byteLength / rows];
  const step = rowsPerPiece(columns);
  for (let row = 0; row < rows; row += step) {
    const count = Math.min(step, rows - row);
    yield {
      source: { offset: row * from, byteLength: count * from },
      target: { offset: row * to, byteLength: count * to },
      firstElement: row * columns,
      rows: count,
    };
  }
}

/**
 * Bytes of the largest result and of the largest source among all pieces of these tensors; weights of the largest piece,
 * and importance weights that the largest task carries.
 */
export function largestPiece(tensors: readonly PlannedTensor[]): {
  readonly source: number;
  readonly target: number;
  readonly weights: number;
  readonly importance: number;
} {
  let [source, target, weights, importance] = [0, 0, 0, 0];
  for (const tensor of tensors) {
    if (tensor.fromType === tensor.toType) {
      target = Math.max(target, Math.min(PIECE_BYTES, tensor.target.byteLength));
    } else if (tensor.elementCount > 0) {
      const { columns, rowCount } = cutOf(tensor);
      const count = columns * Math.min(rowsPerPiece(columns), rowCount);
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
    // What is cut without regard to rows can leave a last one that is shorter: it is a task of its own.
    const whole = Math.max(1, Math.floor(elementCount / length) - row);
    const rows = Math.min(rowsPerChunk, sliceEnd - row, whole);
    for (let piece = 0; piece < pieces; piece++) {
      const column = piece * columns;
      const firstElement = row * length + column;
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
