// What a person is told about a type, a file type or a set of tensors while writing a recipe: one wording for completion,
// hovers and the reference. Text from a model file is shown as code and cut: it may be anything.
import { bitsPerWeight, byteLengthOf, GGML_TYPES, ggmlType, type GgmlType } from '../ggml/ggml-type.js';
import { FILE_TYPES, type FileType } from '../ggml/file-type.js';
import type { GgufModel, GgufTensorInfo } from '../gguf/gguf.js';
import { defaultOptions, planQuantization } from '../quantize/plan.js';
import { printable } from '../text/printable.js';
import { formatBitsPerWeight, formatBytes, plural } from '../text/quantity.js';

/** Names of a long list that are shown. */
const NAMES_SHOWN = 8;
const MAX_CODE = 80;

/** Text as Markdown code that cannot break out of it. */
export function code(text: string): string {
  const clean = Array.from(printable(text.replaceAll(/[\s`]+/g, ' ')));
  return `\`${clean.length > MAX_CODE ? `${clean.slice(0, MAX_CODE).join('')}…` : clean.join('')}\``;
}

/** `6.56 bits per weight`. */
export function typeCost(type: GgmlType): string {
  return `${formatBitsPerWeight(bitsPerWeight(type))} bits per weight`;
}

export function describeType(type: GgmlType): string {
  const layout =
    type.blockSize === 1
      ? `${plural(type.typeSize, 'byte')} per weight`
      : `${plural(type.typeSize, 'byte')} for a block of ${plural(type.blockSize, 'weight')}`;
  const note = type.canQuantize ? '' : '\n\nThere is no quantizer for this type yet.';
  return `**${type.name}**: ${type.summary}\n\n${typeCost(type)}: ${layout}.${note}`;
}

/** What a file type comes to for a model. */
export interface Prediction {
  readonly bitsPerWeight: number;
  /** Bytes of all tensors. */
  readonly dataLength: number;
}

const predictions = new WeakMap<GgufModel, Map<string, Prediction>>();

/** The size of a model as this file type without rules; undefined if it cannot be planned. Remembered per model. */
export function predict(model: GgufModel, type: FileType): Prediction | undefined {
  let known = predictions.get(model);
  if (!known) predictions.set(model, (known = new Map<string, Prediction>()));
  let found = known.get(type.name);
  if (!found) {
    const plan = planQuantization(model, defaultOptions(type.name), { kernelsRequired: false });
    if (plan.tensors.length === 0) return undefined;
    known.set(type.name, (found = { bitsPerWeight: plan.bitsPerWeight, dataLength: plan.dataLength }));
  }
  return found;
}

export function fileTypeCost(type: FileType, model: GgufModel | undefined): string {
  const prediction = model && predict(model, type);
  if (prediction)
    return `${formatBitsPerWeight(prediction.bitsPerWeight)} bits per weight, ${formatBytes(prediction.dataLength)} for this model`;
  return `about ${formatBitsPerWeight(bitsPerWeight(ggmlType(type.defaultType)))} bits per weight`;
}

export function describeFileType(type: FileType, model: GgufModel | undefined): string {
  const mixture =
    type.types.length > 1 ? `A mixture: mostly ${type.defaultType}, with ${type.types.slice(1).join(', ')}.` : '';
  const note = type.available ? '' : '\n\nThere is no quantizer for all of its types yet.';
  return `**${type.name}**: ${type.summary}\n\n${fileTypeCost(type, model)}. ${mixture}${note}`;
}

/** Offered types, those that can be made first; otherwise in table order. */
export function offeredFileTypes(): readonly FileType[] {
  return FILE_TYPES.filter(type => type.offered).sort((a, b) => Number(b.available) - Number(a.available));
}

/** Tensor types that can be written, from large to small as file types are; of equal size the older first. */
export function writableTypes(): readonly GgmlType[] {
  return GGML_TYPES.filter(type => type.canQuantize).sort((a, b) => bitsPerWeight(b) - bitsPerWeight(a));
}

/** `a`, `b` … and 12 more, as Markdown. */
export function tensorNames(tensors: readonly GgufTensorInfo[]): string {
  const names = tensors.slice(0, NAMES_SHOWN).map(tensor => code(tensor.name));
  const more = tensors.length - names.length;
  return names.join(', ') + (more > 0 ? ` and ${more} more` : '');
}

/** Bytes of tensors stored as `type`; of those whose rows do not fit, nothing is said here. */
export function bytesAs(type: GgmlType, tensors: readonly GgufTensorInfo[]): number {
  return tensors.reduce((sum, tensor) => sum + byteLengthOf(type, tensor.elementCount), 0);
}
