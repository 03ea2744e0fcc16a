// Values of options: text from the command line to numbers, sizes, rules, lists. Each throws commander's
// InvalidArgumentError, which says which option it was; what a value means beyond its form is the commands' business.
import { InvalidArgumentError } from 'commander';
import { parseOverride, type MetadataOverride } from '../core/quantize/metadata-override.js';
import { parseLayers } from '../core/quantize/prune-layers.js';
import { parseByteSize } from '../core/text/byte-size.js';
import { parseTensorRule } from '../core/quantize/tensor-rule.js';
import type { TensorRule } from '../core/quantize/quantization-plan.js';

export function collect<T>(parse: (text: string) => T): (text: string, before: readonly T[]) => T[] {
  return (text, before) => [...before, parse(text)];
}

export function nonEmpty(text: string): string {
  if (text === '') throw new InvalidArgumentError('Expected some text.');
  return text;
}

export function wholeNumber(least: number, most: number): (text: string) => number {
  return text => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < least || value > most)
      throw new InvalidArgumentError(`Expected a whole number from ${least} to ${most}.`);
    return value;
  };
}

/** See {@link parseTensorRule}. */
export function tensorRule(text: string): TensorRule {
  const parsed = parseTensorRule(text, `--tensor ${text}`);
  if (!parsed.ok) throw new InvalidArgumentError(parsed.message);
  return parsed.rule;
}

/** See {@link parseByteSize}. */
export function byteSize(text: string): number {
  const bytes = parseByteSize(text);
  if (bytes === undefined)
    throw new InvalidArgumentError('Expected a size such as 500M, 4G, 2GiB or a number of bytes.');
  return bytes;
}

/** `0,3..5`, for an option that may be repeated. */
export function layerList(text: string, before: readonly number[]): readonly number[] {
  const layers = parseLayers(text);
  if (!layers) throw new InvalidArgumentError('Expected numbers of layers such as 0,3..5.');
  return [...before, ...layers];
}

/** `1,2,3`: ids of tokens, at least one. */
export function tokenIds(text: string): readonly number[] {
  const ids = text.split(',').map(part => part.trim());
  if (!ids.every(id => /^\d{1,9}$/.test(id))) throw new InvalidArgumentError('Expected token ids such as 1,15,3.');
  return ids.map(Number);
}

export function decimal(least: number, most: number): (text: string) => number {
  return text => {
    const value = Number(text);
    if (!/^\d+(?:\.\d+)?$/.test(text) || value < least || value > most)
      throw new InvalidArgumentError(`Expected a number from ${least} to ${most}.`);
    return value;
  };
}

/** `ID=VALUE`: a token and what is added to its logit; `-inf` forbids it. */
export function logitBias(text: string): readonly [number, number] {
  const match = /^(\d{1,9})=([+-]?(?:\d+(?:\.\d+)?|inf))$/i.exec(text.trim());
  if (!match) throw new InvalidArgumentError('Expected ID=VALUE, for example 15=-inf or 15=2.5.');
  return [Number(match[1]), Number((match[2] ?? '').replace(/inf/i, 'Infinity'))];
}

export function metadataOverride(text: string): MetadataOverride {
  const parsed = parseOverride(text);
  if (!parsed.ok) throw new InvalidArgumentError(`${parsed.message}.`);
  return parsed.override;
}
