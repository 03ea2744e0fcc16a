// The kernels as a native addon (kernels/bindings/napi.cc), already loaded. The addon checks every argument itself and
// throws with the codes of KernelBackend; this file only gives its functions the interface's shape.
import {
  KernelTable,
  type ConvertResult,
  type GgmlTypeId,
  type Kernel,
  type KernelBackend,
  type KernelDescription,
  type KernelOperation,
  type KernelType,
} from '../kernel-backend.js';

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
}

export class NativeBackend implements KernelBackend {
  readonly kind = 'native';
  readonly isa: string;
  readonly isas: readonly string[];
  readonly types: readonly KernelType[];
  readonly #addon: KernelAddon;
  readonly #table: KernelTable;

  /** @param isa the instruction set to use by default instead of the best one */
  constructor(addon: KernelAddon, isa?: string) {
    this.#addon = addon;
    this.#table = new KernelTable(addon.describe(), isa);
    ({ isa: this.isa, isas: this.isas, types: this.types } = this.#table);
  }

  kernels(): readonly Kernel[] {
    return this.#table.kernels();
  }

  kernelFor(operation: KernelOperation, type: GgmlTypeId, isa: string): string {
    return this.#table.kernelFor(operation, type, isa);
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
    this.#addon.quantizeRows(type, source, target, rows, columns, importance, this.#table.isaIndex(isa));
  }

  dequantizeRows(
    type: GgmlTypeId,
    source: Uint8Array,
    target: Float32Array,
    rows: number,
    columns: number,
    isa?: string,
  ): void {
    this.#addon.dequantizeRows(type, source, target, rows, columns, this.#table.isaIndex(isa));
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
    const index = this.#table.isaIndex(isa);
    const failure = this.#addon.convertRows(sourceType, source, targetType, target, rows, columns, importance, index);
    if (!failure) return { ok: true };
    const code = failure[0] === 'kernel/non-finite' ? 'non-finite' : 'scale-overflow';
    return { ok: false, code, index: failure[1] };
  }
}
