// The kernels as a native addon (kernels/bindings/napi.cc), already loaded. The addon checks every argument itself and
// throws with the codes of KernelBackend; this file only gives its functions the interface's shape.
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

/** What kernels.node exports. Instruction sets are indices into `describe().isas`. */
export interface KernelAddon {
  describe(): KernelDescription;
  quantizeRows(
    type: number,
    source: Float32Array,
    target: Uint8Array,
    rows: number,
    columns: number,
    importance: Float32Array | undefined,
    isa: number,
  ): void;
  quantizeRowsPlain(type: number, source: Float32Array, target: Uint8Array, rows: number, columns: number): void;
  dequantizeRows(
    type: number,
    source: Uint8Array,
    target: Float32Array,
    rows: number,
    columns: number,
    isa: number,
  ): void;
  convertRows(
    sourceType: number,
    source: Uint8Array,
    targetType: number,
    target: Uint8Array,
    rows: number,
    columns: number,
    importance: Float32Array | undefined,
    isa: number,
  ): readonly [code: string, index: number] | undefined;
  apply(name: number, source: Float32Array, target: Float32Array, isa: number): void;
}

export class NativeBackend extends DescribedBackend implements KernelBackend {
  readonly kind = 'native';
  readonly #addon: KernelAddon;

  /** @param isa the instruction set to use by default instead of the best one */
  constructor(addon: KernelAddon, isa?: string) {
    super(addon.describe(), isa);
    this.#addon = addon;
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
    this.#addon.quantizeRows(type, source, target, rows, columns, importance, this.isaIndex(isa));
  }

  quantizeRowsPlain(type: GgmlTypeId, source: Float32Array, target: Uint8Array, rows: number, columns: number): void {
    this.#addon.quantizeRowsPlain(type, source, target, rows, columns);
  }

  dequantizeRows(
    type: GgmlTypeId,
    source: Uint8Array,
    target: Float32Array,
    rows: number,
    columns: number,
    isa?: string,
  ): void {
    this.#addon.dequantizeRows(type, source, target, rows, columns, this.isaIndex(isa));
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
    const index = this.isaIndex(isa);
    const failure = this.#addon.convertRows(sourceType, source, targetType, target, rows, columns, importance, index);
    if (!failure) return { ok: true };
    const [code, weight] = failure;
    const result = conversionFailure(code, weight);
    if (!result) throw kernelError(code, `The kernels gave the conversion up: ${code}.`);
    return result;
  }

  apply(name: KernelFunction, source: Float32Array, target: Float32Array, isa?: string): void {
    this.#addon.apply(KERNEL_FUNCTIONS.indexOf(name), source, target, this.isaIndex(isa));
  }
}
