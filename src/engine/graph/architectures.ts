// THE table of architectures that can be run. A further one is a file in architectures/ and a line here.
import { metadataString, type GgufModel } from '../../core/gguf/gguf.js';
import { QuantsmithError } from '../../core/problem.js';
import { printable } from '../../core/text/printable.js';
import type { Architecture } from './architecture.js';
import { gemma2, gemma3 } from './architectures/gemma.js';
import { granite, llama } from './architectures/llama.js';
import { phi3 } from './architectures/phi3.js';
import { qwen } from './architectures/qwen.js';
import { starcoder2 } from './architectures/starcoder2.js';
import { readHyperParameters } from './hyper-parameters.js';
import { ProgramBuilder, type Program, type ProgramLimits } from './program-builder.js';

export const ARCHITECTURES: readonly Architecture[] = [llama, granite, qwen, gemma2, gemma3, phi3, starcoder2];

/** Small F32 tensors whose values a description needs. */
export const DESCRIPTION_TENSORS = [
  'rope_freqs.weight',
  'rope_factors_long.weight',
  'rope_factors_short.weight',
] as const;

/** @throws QuantsmithError `engine/architecture` */
export function architectureOf(model: GgufModel): { readonly name: string; readonly architecture: Architecture } {
  const name = metadataString(model.metadata, 'general.architecture') ?? '';
  const architecture = ARCHITECTURES.find(({ names }) => names.includes(name));
  if (architecture) return { name, architecture };
  const known = ARCHITECTURES.flatMap(({ names }) => names).sort();
  throw new QuantsmithError(
    'engine/architecture',
    `Models of the architecture "${printable(name)}" cannot be run here; these can: ${known.join(', ')}.`,
  );
}

/**
 * The program of a model.
 * @param vectors the values of {@link DESCRIPTION_TENSORS} that the model has
 * @throws QuantsmithError `engine/architecture` (not in the table), `engine/missing-metadata`, `engine/bad-metadata`,
 *   `engine/missing-tensor`, `engine/bad-shape`, `engine/bad-type`, `engine/unknown-tensor`
 */
export function compileProgram(
  model: GgufModel,
  vectors: ReadonlyMap<string, readonly number[]>,
  limits: ProgramLimits,
): Program {
  const { name, architecture } = architectureOf(model);
  const hyper = readHyperParameters(model, name);
  const builder = new ProgramBuilder(model);
  const asked = new Set<string>();
  const logits = architecture.describe(builder, {
    hyper,
    vector: name => {
      asked.add(name);
      return vectors.get(name);
    },
    context: limits.context,
  });
  return builder.finish(logits, limits, [...asked]);
}
