// What a description of a forward pass is, and what it is given.
import type { HyperParameters } from './hyper-parameters.js';
import type { ProgramBuilder, Slot } from './program-builder.js';

/** What a description is given. */
export interface ModelToDescribe {
  readonly hyper: HyperParameters;
  /** The values of a small F32 tensor, if the model has it: factors of rotary frequencies. */
  readonly vector: (name: string) => readonly number[] | undefined;
  /** Positions the cache will hold. */
  readonly context: number;
}

export interface Architecture {
  /** Values of `general.architecture` it stands for. */
  readonly names: readonly string[];
  /** Writes the forward pass, from tokens to the returned logits. */
  describe(g: ProgramBuilder, model: ModelToDescribe): Slot;
}
