// The kernels as WebAssembly (kernels/bindings/wasm.cc), already instantiated. Arrays are copied into the module's memory
// and out again in slices of whole rows, so that memory stays small however big the tensor is. Above `__heap_base` the
// memory is ours alone: a call lays its buffers out from there, and nothing in it outlives the call.
import {
  KERNEL_FUNCTIONS,
  kernelError,
  type ConvertResult,
  type GgmlTypeId,
  type KernelBackend,
  type KernelDescription,
  type KernelFunction,
} from '../kernel-backend.js';
import { conversionFailure, DescribedBackend } from './described-backend.js';

/** What kernels.wasm exports. Pointers, sizes and counts are 32-bit; strings end with a zero byte. */
export interface KernelModuleExports {
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number };
  readonly __heap_base: { readonly value: number };
  abi_version(): number;
  status_code(status: number): number;
  type_count(): number;
  type_id(index: number): number;
  type_name(index: number): number;
  type_block_size(index: number): number;
  type_block_bytes(index: number): number;
  isa_count(): number;
  isa_name(index: number): number;
  isa_available(index: number): number;
  kernel_name(operation: number, typeIndex: number, isa: number): number;
  /** type, source, sourceBytes, target, targetBytes, rows, columns, importance, importanceBytes, isa -> status */
  quantize_rows(...integers: number[]): number;
  /** type, source, sourceBytes, target, targetBytes, rows, columns -> status */
  quantize_rows_plain(...integers: number[]): number;
  /** type, source, sourceBytes, target, targetBytes, rows, columns, isa -> status */
  dequantize_rows(...integers: number[]): number;
  /**
   * sourceType, source, sourceBytes, targetType, target, targetBytes, rows, columns, importance, importanceBytes, scratch,
   * scratchBytes, isa -> status
   */
  convert_rows(...integers: number[]): number;
  bad_index(): number;
  /** function, source, sourceBytes, target, targetBytes, isa -> status */
  apply(...integers: number[]): number;
}

const STATUS_OK = 0;
const PAGE = 65_536;
/**
 * Float32 bytes of one slice: small enough to stay in the level-2 cache between the copies and the kernel. Q4_0 of a 16 MiB
 * tensor, encoded / decoded in Mweights/s: 64 KiB 726 / 4722, 256 KiB 737 / 4858, 1 MiB 701 / 3963, 4 MiB 565 / 2561.
 */
const SLICE_BYTES = 1 << 18;
const SCRATCH_BYTES = 1 << 16;
/** Start of every buffer in memory: a vector register of alignment. */
const ALIGNMENT = 16;

export class WasmBackend extends DescribedBackend implements KernelBackend {
  readonly kind = 'wasm';
  readonly #exports: KernelModuleExports;

  /** @param isa the instruction set to use by default instead of the best one */
  constructor(exports: KernelModuleExports, isa?: string) {
    super(describe(exports), isa);
    this.#exports = exports;
  }

  quantizeRows(
    type: GgmlTypeId,
    source: Float32Array,
    target: Uint8Array,
    rows: number,
    columns: number,
    importance?: Float32Array,
    isa?: string,
  ): void {
    const isaIndex = this.isaIndex(isa);
    this.#encode(type, source, target, rows, columns, importance, (importanceAt, ...slice) =>
      this.#exports.quantize_rows(...slice, importanceAt, importance ? columns * 4 : 0, isaIndex),
    );
  }

  quantizeRowsPlain(type: GgmlTypeId, source: Float32Array, target: Uint8Array, rows: number, columns: number): void {
    this.#encode(type, source, target, rows, columns, undefined, (_, ...slice) =>
      this.#exports.quantize_rows_plain(...slice),
    );
  }

  /** Runs `encode` on slices; it gets where the importance is (0 without) and the arguments up to `columns`. */
  #encode(
    type: GgmlTypeId,
    source: Float32Array,
    target: Uint8Array,
    rows: number,
    columns: number,
    importance: Float32Array | undefined,
    encode: (importanceAt: number, ...slice: number[]) => number,
  ): void {
    expectArray('source', source, Float32Array);
    expectArray('target', target, Uint8Array);
    const rowBytes = this.#rowBytes(type, rows, columns);
    expectLength('source', source.length, rows * columns);
    expectLength('target', target.length, rows * rowBytes);
    expectAligned('target', target, this.#alignment(type));
    checkImportance(importance, columns);
    const slice = rowsPerSlice(columns);
    const [sourceAt, targetAt, importanceAt] = this.#layout(slice * columns * 4, slice * rowBytes, columns * 4);
    if (importance) this.#writeFloats(importanceAt, importance);
    for (let row = 0; row < rows; row += slice) {
      const count = Math.min(slice, rows - row);
      this.#writeFloats(sourceAt, source.subarray(row * columns, (row + count) * columns));
      const [sourceBytes, targetBytes] = [count * columns * 4, count * rowBytes];
      const status = encode(
        importance ? importanceAt : 0,
        type,
        sourceAt,
        sourceBytes,
        targetAt,
        targetBytes,
        count,
        columns,
      );
      this.#expectOk(status);
      target.set(new Uint8Array(this.#exports.memory.buffer, targetAt, targetBytes), row * rowBytes);
    }
  }

  dequantizeRows(
    type: GgmlTypeId,
    source: Uint8Array,
    target: Float32Array,
    rows: number,
    columns: number,
    isa?: string,
  ): void {
    const isaIndex = this.isaIndex(isa);
    expectArray('source', source, Uint8Array);
    expectArray('target', target, Float32Array);
    const rowBytes = this.#rowBytes(type, rows, columns);
    expectLength('source', source.length, rows * rowBytes);
    expectLength('target', target.length, rows * columns);
    expectAligned('source', source, this.#alignment(type));
    const slice = rowsPerSlice(columns);
    const [sourceAt, targetAt] = this.#layout(slice * rowBytes, slice * columns * 4, 0);
    for (let row = 0; row < rows; row += slice) {
      const count = Math.min(slice, rows - row);
      this.#writeBytes(sourceAt, source.subarray(row * rowBytes, (row + count) * rowBytes));
      const bytes = count * columns * 4;
      const status = this.#exports.dequantize_rows(
        type,
        sourceAt,
        count * rowBytes,
        targetAt,
        bytes,
        count,
        columns,
        isaIndex,
      );
      this.#expectOk(status);
      // As bytes: a copy of floats may change the bits of a NaN.
      new Uint8Array(target.buffer, target.byteOffset, target.byteLength).set(
        new Uint8Array(this.#exports.memory.buffer, targetAt, bytes),
        row * columns * 4,
      );
    }
  }

  convertRows(
    sourceType: GgmlTypeId,
    source: Uint8Array,
    targetType: GgmlTypeId,
    target: Uint8Array,
    rows: number,
    columns: number,
    importance?: Float32Array,
    isa?: string,
  ): ConvertResult {
    const isaIndex = this.isaIndex(isa);
    expectArray('source', source, Uint8Array);
    expectArray('target', target, Uint8Array);
    const sourceRow = this.#rowBytes(sourceType, rows, columns);
    const targetRow = this.#rowBytes(targetType, rows, columns);
    expectLength('source', source.length, rows * sourceRow);
    expectLength('target', target.length, rows * targetRow);
    expectAligned('source', source, this.#alignment(sourceType));
    expectAligned('target', target, this.#alignment(targetType));
    checkImportance(importance, columns);
    const slice = rowsPerSlice(columns);
    const scratchBytes = Math.max(columns * 4, SCRATCH_BYTES);
    const [sourceAt, targetAt, importanceAt, scratchAt] = this.#layout(
      slice * sourceRow,
      slice * targetRow,
      columns * 4,
      scratchBytes,
    );
    if (importance) this.#writeFloats(importanceAt, importance);
    for (let row = 0; row < rows; row += slice) {
      const count = Math.min(slice, rows - row);
      this.#writeBytes(sourceAt, source.subarray(row * sourceRow, (row + count) * sourceRow));
      const status = this.#exports.convert_rows(
        sourceType,
        sourceAt,
        count * sourceRow,
        targetType,
        targetAt,
        count * targetRow,
        count,
        columns,
        importance ? importanceAt : 0,
        importance ? columns * 4 : 0,
        scratchAt,
        scratchBytes,
        isaIndex,
      );
      if (status !== STATUS_OK) {
        const index = row * columns + (this.#exports.bad_index() >>> 0);
        const failure = conversionFailure(statusCode(this.#exports, status), index);
        if (failure) return failure;
      }
      this.#expectOk(status);
      target.set(new Uint8Array(this.#exports.memory.buffer, targetAt, count * targetRow), row * targetRow);
    }
    return { ok: true };
  }

  apply(name: KernelFunction, source: Float32Array, target: Float32Array, isa?: string): void {
    const isaIndex = this.isaIndex(isa);
    expectArray('source', source, Float32Array);
    expectArray('target', target, Float32Array);
    expectLength('target', target.length, source.length);
    const [at] = this.#layout(SLICE_BYTES, 0, 0);
    for (let begin = 0; begin < source.length; begin += SLICE_BYTES / 4) {
      const slice = source.subarray(begin, begin + SLICE_BYTES / 4);
      this.#writeFloats(at, slice);
      const bytes = slice.byteLength;
      this.#expectOk(this.#exports.apply(KERNEL_FUNCTIONS.indexOf(name), at, bytes, at, bytes, isaIndex));
      new Uint8Array(target.buffer, target.byteOffset + begin * 4, bytes).set(
        new Uint8Array(this.#exports.memory.buffer, at, bytes),
      );
    }
  }

  /** Bytes per row, after checking that the shape makes sense. */
  #rowBytes(typeId: GgmlTypeId, rows: number, columns: number): number {
    const type = this.typeOf(typeId);
    for (const [name, value] of [
      ['rows', rows],
      ['columns', columns],
    ] as const) {
      if (!Number.isSafeInteger(value) || value < 0) {
        throw kernelError('kernel/bad-argument', `${name} must be an integer in range, not ${value}.`);
      }
    }
    if (columns === 0 || columns % type.blockSize !== 0 || !Number.isSafeInteger(rows * columns * 4)) {
      throw kernelError(
        'kernel/bad-shape',
        `${rows} x ${columns} weights cannot be ${type.name}: columns must be a multiple of ${type.blockSize}.`,
      );
    }
    return (columns / type.blockSize) * type.blockBytes;
  }

  #alignment(typeId: GgmlTypeId): number {
    return this.typeOf(typeId).name === 'F32' ? 4 : 2;
  }

  /** Addresses of consecutive buffers of the given sizes, with memory grown to hold them. */
  #layout(a: number, b: number, c: number, d = 0): [number, number, number, number] {
    let end = this.#exports.__heap_base.value;
    const place = (bytes: number): number => {
      const start = Math.ceil(end / ALIGNMENT) * ALIGNMENT;
      end = start + bytes;
      return start;
    };
    const addresses: [number, number, number, number] = [place(a), place(b), place(c), place(d)];
    const missing = end - this.#exports.memory.buffer.byteLength;
    if (missing > 0) {
      try {
        this.#exports.memory.grow(Math.ceil(missing / PAGE));
      } catch {
        throw kernelError(
          'kernel/out-of-memory',
          `The WebAssembly kernels could not get ${missing} more bytes of memory.`,
        );
      }
    }
    return addresses;
  }

  #writeBytes(address: number, bytes: Uint8Array): void {
    new Uint8Array(this.#exports.memory.buffer, address, bytes.length).set(bytes);
  }

  #writeFloats(address: number, floats: Float32Array): void {
    this.#writeBytes(address, new Uint8Array(floats.buffer, floats.byteOffset, floats.byteLength));
  }

  #expectOk(status: number): void {
    if (status === STATUS_OK) return;
    const code = statusCode(this.#exports, status);
    throw kernelError(code, `The kernels refused the call: ${code}. Nothing was computed.`);
  }
}

function statusCode(exports: KernelModuleExports, status: number): string {
  return textAt(exports, exports.status_code(status));
}

/** The text at an address, up to its zero byte. */
function textAt({ memory }: KernelModuleExports, address: number): string {
  const bytes = new Uint8Array(memory.buffer);
  let text = '';
  for (let at = address; bytes[at]; at++) text += String.fromCharCode(bytes[at] ?? 0);
  return text;
}

function describe(exports: KernelModuleExports): KernelDescription {
  const indices = (count: number): number[] => Array.from({ length: count }, (_, index) => index);
  const text = (address: number): string => textAt(exports, address);
  const isaIndices = indices(exports.isa_count());
  return {
    abi: exports.abi_version(),
    isas: isaIndices.map(isa => ({ name: text(exports.isa_name(isa)), available: exports.isa_available(isa) })),
    types: indices(exports.type_count()).map(type => ({
      id: exports.type_id(type),
      name: text(exports.type_name(type)),
      blockSize: exports.type_block_size(type),
      blockBytes: exports.type_block_bytes(type),
      quantize: isaIndices.map(isa => text(exports.kernel_name(0, type, isa))),
      dequantize: isaIndices.map(isa => text(exports.kernel_name(1, type, isa))),
      product: isaIndices.map(isa => text(exports.kernel_name(2, type, isa))),
    })),
  };
}

function rowsPerSlice(columns: number): number {
  return Math.max(1, Math.floor(SLICE_BYTES / (columns * 4)));
}

function expectArray(name: string, array: unknown, type: typeof Float32Array | typeof Uint8Array): void {
  if (!(array instanceof type)) throw kernelError('kernel/bad-argument', `${name} must be a ${type.name}.`);
}

function expectLength(name: string, found: number, expected: number): void {
  if (found === expected) return;
  throw kernelError('kernel/bad-length', `${name} has ${found} elements; this call needs ${expected}.`);
}

/** The copy would hide it, but the native kernels refuse: both must accept the same calls. */
function expectAligned(name: string, array: Uint8Array, alignment: number): void {
  if (array.byteOffset % alignment === 0) return;
  throw kernelError('kernel/misaligned', `${name} starts at byte ${array.byteOffset}, not a multiple of ${alignment}.`);
}

function checkImportance(importance: Float32Array | undefined, columns: number): void {
  if (importance === undefined) return;
  expectArray('importance', importance, Float32Array);
  expectLength('importance', importance.length, columns);
}
