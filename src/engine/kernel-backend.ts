// What a job may ask of the C++ kernels, whichever build of them is loaded. Both implementations (backends/native.ts,
// backends/wasm.ts) return the same bytes for the same arguments; kernels/include/kernels.h says what they are.
// Absent on purpose: loading (platform/load-backend.ts), threads, files. A backend belongs to the thread that loaded it.
import { QuantsmithError } from '../core/problem.js';

/** The number a GGUF file stores for a tensor type; see core/ggml/ggml-type.ts. */
export type GgmlTypeId = number;

export type KernelOperation = 'quantize' | 'dequantize';

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
  /** Decodes rows to float32. Any bytes are valid input. */
  dequantizeRows(
    type: GgmlTypeId,
    source: Uint8Array,
    target: Float32Array,
    rows: number,
    columns: number,
    isa?: string,
  ): void;
  /** Decodes rows of one type and encodes them as another; equal types are copied unseen. */
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
  })[];
}

export function kernelError(code: string, message: string): QuantsmithError {
  return new QuantsmithError(code, message);
}

/** The lookups that do not depend on how the kernels are called. */
export class KernelTable {
  readonly isa: string;
  readonly isas: readonly string[];
  readonly types: readonly KernelType[];
  readonly #description: KernelDescription;

  /**
   * @param isa the instruction set to use by default instead of the best one
   * @throws QuantsmithError `kernel/abi-mismatch`, or `kernel/unknown-isa` if `isa` cannot run here
   */
  constructor(description: KernelDescription, isa?: string) {
    if (description.abi !== KERNEL_ABI_VERSION) {
      throw kernelError(
        'kernel/abi-mismatch',
        `The kernels have interface version ${description.abi}; this program needs ${KERNEL_ABI_VERSION}. Build both again.`,
      );
    }
    this.#description = description;
    this.isas = description.isas.filter(({ available }) => available).map(({ name }) => name);
    this.types = description.types.map(({ id, name, blockSize, blockBytes }) => ({ id, name, blockSize, blockBytes }));
    this.isa = isa ?? this.isas.at(-1) ?? 'ref';
    this.isaIndex(this.isa);
  }

  /** The index the C interface knows an instruction set by; the default one for undefined. */
  isaIndex(isa: string = this.isa): number {
    const index = this.#description.isas.findIndex(({ name, available }) => name === isa && available);
    if (index < 0) {
      throw kernelError(
        'kernel/unknown-isa',
        `Instruction set ${isa} is not available here; there are ${this.isas.join(', ')}.`,
      );
    }
    return index;
  }

  typeOf(id: GgmlTypeId): KernelType {
    const type = this.types.find(candidate => candidate.id === id);
    if (type) return type;
    const names = this.types.map(({ name }) => name).join(', ');
    throw kernelError('kernel/unknown-type', `There are no kernels for ggml type ${id}; there are for ${names}.`);
  }

  kernelFor(operation: KernelOperation, type: GgmlTypeId, isa: string): string {
    const row = this.#description.types.find(({ id }) => id === this.typeOf(type).id);
    return row?.[operation][this.isaIndex(isa)] ?? 'ref';
  }

  kernels(): readonly Kernel[] {
    return this.types.flatMap(type =>
      (['quantize', 'dequantize'] as const).flatMap(operation =>
        this.isas
          .filter(isa => this.kernelFor(operation, type.id, isa) === isa)
          .map(isa => ({ operation, type: type.name, isa })),
      ),
    );
  }
}
