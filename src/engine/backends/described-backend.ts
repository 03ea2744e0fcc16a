// What both builds of the kernels have in common: the lookups in what a build says about itself, and how a conversion that
// the kernels gave up is told. Absent on purpose: the calls. native.ts hands arrays over, wasm.ts copies them, and each build
// checks the arguments where it can (the addon in C++, wasm.ts before it copies).
import {
  KERNEL_ABI_VERSION,
  kernelError,
  type ConvertResult,
  type GgmlTypeId,
  type Kernel,
  type KernelDescription,
  type KernelOperation,
  type KernelType,
} from '../kernel-backend.js';

/** The codes with which `convert_rows` of either build says that weights cannot be converted, not that the call is wrong. */
const CONVERSION_FAILURES: ReadonlyMap<string, 'non-finite' | 'scale-overflow'> = new Map([
  ['kernel/non-finite', 'non-finite'],
  ['kernel/scale-overflow', 'scale-overflow'],
]);

/** The failed result for a code of the kernels, or undefined for any other code. `index` counts from the call's first weight. */
export function conversionFailure(kernelCode: string, index: number): ConvertResult | undefined {
  const code = CONVERSION_FAILURES.get(kernelCode);
  return code && { ok: false, code, index };
}

export abstract class DescribedBackend {
  readonly isa: string;
  readonly isas: readonly string[];
  readonly types: readonly KernelType[];
  readonly #description: KernelDescription;

  /**
   * @param description what the build says about itself
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

  protected typeOf(id: GgmlTypeId): KernelType {
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
      (['quantize', 'dequantize', 'product'] as const).flatMap(operation =>
        this.isas
          .filter(isa => this.kernelFor(operation, type.id, isa) === isa)
          .map(isa => ({ operation, type: type.name, isa })),
      ),
    );
  }
}
