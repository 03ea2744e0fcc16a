// What a job may ask of the C++ kernels, whichever build of them is loaded. Both implementations (backends/native.ts,
// backends/wasm.ts) return the same bytes for the same arguments; kernels/include/kernels.h says what they are.
// Absent on purpose: loading (platform/load-backend.ts), threads, files. A backend belongs to the thread that loaded it.
import { QuantsmithError } from '../core/problem.js';

/** The number a GGUF file stores for a tensor type; see core/ggml/ggml-type.ts. */
export type GgmlTypeId = number;

/** `product`: of weights with activations, what the engine spends its time on. */
export type KernelOperation = 'quantize' | 'dequantize' | 'product';

/** Elementary functions of a forward pass, in the order of `qs_function`. */
export const KERNEL_FUNCTIONS = ['exp', 'tanh', 'silu', 'gelu'] as const;
export type KernelFunction = (typeof KERNEL_FUNCTIONS)[number];

/** A type the kernels can encode and decode. */
export interface KernelType {
  readonly id: GgmlTypeId;
  /** As in core/ggml/ggml-type.ts, for example `Q4_K`. */
  readonly name: string;
  /** Weights per block. */
  readonly blockSize: number;
  /** Bytes per block. */
  readonly blockBytes: number;
}

/** One kernel that is code of its own (a type that an instruction set leaves to another is not listed for it). */
export interface Kernel {
  readonly operation: KernelOperation;
  readonly type: string;
  readonly isa: string;
}

/**
 * How a conversion ended. `index` counts weights from the first weight of the call: the value that is NaN or infinite
 * (`non-finite`), or the first weight of the block whose scale does not fit in 16 bits (`scale-overflow`; for F16 and BF16
 * the weight itself). After either the target's contents are unspecified.
 */
export type ConvertResult =
  | { readonly ok: true }
  | { readonly ok: false; readonly code: 'non-finite' | 'scale-overflow'; readonly index: number };

/**
 * Encoders and decoders for rows of weights. Rows follow one another without padding; `columns` is a multiple of the block
 * size; every array is exactly as long as `rows` and `columns` say and may lie on a SharedArrayBuffer. A call that breaks
 * this throws an error with a `code` (`kernel/bad-length`, `kernel/bad-shape`, `kernel/misaligned`, `kernel/unknown-type`,
 * `kernel/unknown-isa`, `kernel/bad-argument`) and changes nothing.
 */
export interface KernelBackend {
  readonly kind: 'native' | 'wasm';
  /** The instruction set used where a call names none. */
  readonly isa: string;
  /** Every instruction set this machine can run, worst first; `ref` (the scalar reference) is always among them. */
  readonly isas: readonly string[];
  readonly types: readonly KernelType[];
  /** The kernels of the instruction sets in {@link isas}. */
  kernels(): readonly Kernel[];
  /**
   * The number an instruction set has in the C interface; that of the default one unless given.
   * @throws QuantsmithError `kernel/unknown-isa`
   */
  isaIndex(isa?: string): number;
  /** The instruction set whose code runs when `isa` is asked for; `ref` where it has no kernel of its own. */
  kernelFor(operation: KernelOperation, type: GgmlTypeId, isa: string): string;
  /** Encodes float32 rows. `importance` has one weight per column; NaN and infinity give unspecified bytes. */
  quantizeRows(
    type: GgmlTypeId,
    source: Float32Array,
    target: Uint8Array,
    rows: number,
    columns: number,
    importance?: Float32Array,
    isa?: string,
  ): void;
  /**
   * Encodes float32 rows as ggml does where data change while a model runs: IQ4_NL without its search, every other type as
   * {@link quantizeRows} without importance. Scalar.
   */
  quantizeRowsPlain(type: GgmlTypeId, source: Float32Array, target: Uint8Array, rows: number, columns: number): void;
  /** Decodes rows to float32. Any bytes are valid input. */
  dequantizeRows(
    type: GgmlTypeId,
    source: Uint8Array,
    target: Float32Array,
    rows: number,
    columns: number,
    isa?: string,
  ): void;
  /** Decodes rows of one type and encodes them as another; equal types are copied, in place if it is the same array. */
  convertRows(
    sourceType: GgmlTypeId,
    source: Uint8Array,
    targetType: GgmlTypeId,
    target: Uint8Array,
    rows: number,
    columns: number,
    importance?: Float32Array,
    isa?: string,
  ): ConvertResult;
  /** target = name(source), value by value, in float32 and with the same bits everywhere; one array may be both. */
  apply(name: KernelFunction, source: Float32Array, target: Float32Array, isa?: string): void;
}

/** The number both builds report for kernels/include/kernels.h; another one means files of different versions. */
export const KERNEL_ABI_VERSION = 1;

/** What a build says about itself, once per load; shared by both implementations. */
export interface KernelDescription {
  readonly abi: number;
  /** All instruction sets of the build, worst first. */
  readonly isas: readonly { readonly name: string; readonly available: boolean | number }[];
  /** Per type also whose code serves each instruction set, in the order of `isas`. */
  readonly types: readonly (KernelType & {
    readonly quantize: readonly string[];
    readonly dequantize: readonly string[];
    readonly product: readonly string[];
  })[];
}

export function kernelError(code: string, message: string): QuantsmithError {
  return new QuantsmithError(code, message);
}
