// What a hover says about a place in a recipe, as Markdown: the key's documentation, a type's cost, what a rule matches.
import { fileTypeByName } from '../ggml/file-type.js';
import { ggmlTypeByName } from '../ggml/ggml-type.js';
import { metadataString } from '../gguf/gguf.js';
import { fallbackType, fitsShape } from '../quantize/shape-fallback.js';
import { reasonToKeep } from '../quantize/tensor-selection.js';
import { formatBytes, plural } from '../text/quantity.js';
import { ruleEffects, type BoundModel } from './bound-model.js';
import { bytesAs, code, describeFileType, describeType, tensorNames } from './describe-types.js';
import type { ParsedRecipe } from './parse-recipe.js';
import type { TextPosition, TextRange } from './recipe.js';
import { FALLBACK_WORDS, keyName, recipeKey, type RecipeKey } from './recipe-schema.js';
import { placeAt, type Place } from './yaml-place.js';

export interface RecipeHover {
  readonly markdown: string;
  readonly range: TextRange;
}

export function hoverRecipe(
  parsed: ParsedRecipe,
  position: TextPosition,
  bound: BoundModel | undefined,
): RecipeHover | undefined {
  const place = placeAt(parsed.root, position);
  const row = place && recipeKey(place.path);
  if (!row) return undefined;
  const about = place.part === 'value' ? describeValue(row, place, parsed, bound) : undefined;
  return { markdown: about ?? describeKey(row), range: place.scalar.range };
}

export function describeKey(key: RecipeKey): string {
  const examples = key.examples.map(example => `\`${keyName(key)}: ${example}\``).join(', ');
  return [
    `**${keyName(key)}**${key.required ? ' (required)' : ''}: ${key.summary}`,
    key.doc,
    key.default === undefined ? '' : `Default: ${key.default}.`,
    examples === '' ? '' : `Examples: ${examples}`,
  ]
    .filter(part => part !== '')
    .join('\n\n');
}

function describeValue(
  row: RecipeKey,
  place: Place,
  parsed: ParsedRecipe,
  bound: BoundModel | undefined,
): string | undefined {
  const { value } = place.scalar;
  switch (row.kind) {
    case 'file-type': {
      const type = fileTypeByName(value);
      return type && describeFileType(type, bound?.model);
    }
    case 'ggml-type': {
      const type = ggmlTypeByName(value);
      return type && describeType(type);
    }
    case 'fallback': {
      const word = FALLBACK_WORDS.find(candidate => candidate.word === value);
      const type = ggmlTypeByName(value);
      return word ? `**${word.word}**: ${word.summary}` : type && describeType(type);
    }
    case 'tensor-pattern':
      return bound && describeRule(place, parsed, bound);
    case 'source-path':
      return bound && describeModel(bound);
    case 'version':
    case 'output-path':
    case 'imatrix-path':
    case 'flag':
    case 'layers':
    case 'metadata':
    case 'runtime':
    case 'size':
    case 'texts':
    case 'sequence':
    case 'mapping':
      return undefined;
  }
}

function describeModel({ model, path }: BoundModel): string {
  const bytes = model.tensors.reduce((sum, tensor) => sum + (tensor.byteLength ?? 0), 0);
  const name = metadataString(model.metadata, 'general.name');
  const architecture = metadataString(model.metadata, 'general.architecture') ?? 'unknown';
  const shards = model.shards.length > 1 ? ` in ${model.shards.length} files` : '';
  return `${name === undefined ? '' : `${code(name)}: `}architecture ${code(architecture)}, ${plural(model.tensors.length, 'tensor')}, ${formatBytes(bytes)}${shards}\n\n${code(path)}`;
}

function describeRule(place: Place, parsed: ParsedRecipe, { model }: BoundModel): string | undefined {
  const { rules } = parsed.draft;
  const index = rules.findIndex(
    rule =>
      rule.patternRange.start.line === place.scalar.range.start.line &&
      rule.patternRange.start.character === place.scalar.range.start.character,
  );
  const rule = rules[index];
  const effect = rule && ruleEffects(model, rules)[index];
  if (!effect) return undefined;
  const { matched, taken } = effect;
  if (matched.length === 0) return `matches none of ${plural(model.tensors.length, 'tensor')}`;
  const lines = [`matches ${matched.length} of ${plural(model.tensors.length, 'tensor')}: ${tensorNames(matched)}`];
  if (taken.length < matched.length) lines.push(`${matched.length - taken.length} of them are taken by earlier rules.`);
  const kept = taken.filter(tensor => reasonToKeep(tensor) !== undefined);
  if (kept.length > 0)
    lines.push(
      `${kept.length} ${kept.length === 1 ? 'is' : 'are'} never quantized and keep${kept.length === 1 ? 's its' : ' their'} type: ${tensorNames(kept)}`,
    );
  const quantized = taken.filter(tensor => reasonToKeep(tensor) === undefined);
  const type = ggmlTypeByName(rule.type);
  if (type && quantized.length > 0) {
    const before = quantized.reduce((sum, tensor) => sum + (tensor.byteLength ?? 0), 0);
    const fallback = parsed.draft.fallback;
    const after = quantized.reduce((sum, tensor) => {
      const row = tensor.ne[0] ?? 1;
      const actual = fitsShape(type.name, row) ? type : ggmlTypeByName(fallbackType(type.name, row, fallback) ?? '');
      return sum + (actual ? bytesAs(actual, [tensor]) : (tensor.byteLength ?? 0));
    }, 0);
    lines.push(`As ${type.name}: ${formatBytes(before)} become ${formatBytes(after)}.`);
  }
  return lines.join('\n\n');
}
