// What can be written at a place in a recipe: keys that are allowed and not there yet, types with what they cost, patterns
// and names of the bound model's tensors. Paths are completed by the server, which may look into folders.
import { plural } from '../text/quantity.js';
import { usefulPatterns, type BoundModel } from './bound-model.js';
import { cursorContext, type CursorContext } from './cursor-context.js';
import {
  describeFileType,
  describeType,
  fileTypeCost,
  offeredFileTypes,
  typeCost,
  writableTypes,
} from './describe-types.js';
import { describeKey } from './hover-recipe.js';
import type { LineIndex } from './line-index.js';
import type { TextRange } from './recipe.js';
import { childKeys, FALLBACK_WORDS, keyName, RECIPE_VERSION, recipeKey } from './recipe-schema.js';

export interface RecipeCompletion {
  readonly label: string;
  readonly kind: 'key' | 'type' | 'tensor' | 'word' | 'path' | 'folder' | 'item';
  /** Short, beside the label. */
  readonly detail: string;
  /** Markdown. */
  readonly doc?: string;
  readonly range: TextRange;
  /** Text for the range; with `snippet` set, `$0`, `$1` … are places for the cursor. */
  readonly insert: string;
  readonly snippet: boolean;
  /** What is typed is compared with this; it starts with the quote the user typed, if any. */
  readonly filter: string;
}

/** A model may have 100,000 tensors; a list of that length helps no one and takes seconds to send. */
const MAX_TENSOR_NAMES = 2000;

export function completeRecipe(
  lines: LineIndex,
  offset: number,
  bound: BoundModel | undefined,
): readonly RecipeCompletion[] {
  const context = cursorContext(lines, offset);
  switch (context.kind) {
    case 'none':
      return [];
    case 'key':
      return completeKeys(context);
    case 'item':
      return completeItem(context);
    case 'value':
      return completeValues(context, bound);
  }
}

function completeKeys(context: CursorContext & { kind: 'key' }): RecipeCompletion[] {
  return childKeys(context.parent)
    .filter(key => !context.present.has(keyName(key)))
    .map(key => {
      const name = keyName(key);
      const after = context.hasColon ? '' : `:${context.flow ? ' ' : (key.insert ?? ' ')}`;
      return {
        label: name,
        kind: 'key',
        detail: key.summary,
        doc: describeKey(key),
        range: context.range,
        insert: name + after,
        snippet: after.includes('$'),
        filter: name,
      };
    });
}

/** A new rule, with its keys. */
function completeItem(context: CursorContext & { kind: 'item' }): RecipeCompletion[] {
  const keys = childKeys(`${context.path}[]`).filter(key => key.required);
  if (keys.length === 0) return [];
  const inline = recipeKey(`${context.path}[]`)?.summary ?? '';
  const body = keys.map((key, i) => `${keyName(key)}: $${i + 1}`);
  return [
    {
      label: `- ${keys.map(keyName).join(', ')}`,
      kind: 'item',
      detail: inline,
      range: context.range,
      insert: `- ${body.join('\n  ')}`,
      snippet: true,
      filter: '-',
    },
  ];
}

function completeValues(context: CursorContext & { kind: 'value' }, bound: BoundModel | undefined): RecipeCompletion[] {
  const item = (label: string, kind: RecipeCompletion['kind'], detail: string, doc?: string): RecipeCompletion =>
    valueCompletion(context, { label, kind, detail, ...(doc === undefined ? {} : { doc }) });
  const types = (): RecipeCompletion[] =>
    writableTypes().map(type => item(type.name, 'type', `${typeCost(type)}, ${type.summary}`, describeType(type)));
  switch (recipeKey(context.path)?.kind) {
    case 'version':
      return [item(String(RECIPE_VERSION), 'word', 'version of the recipe language')];
    case 'file-type':
      return offeredFileTypes()
        .filter(type => type.available)
        .map(type =>
          item(
            type.name,
            'type',
            `${fileTypeCost(type, bound?.model)}; ${type.summary}`,
            describeFileType(type, bound?.model),
          ),
        );
    case 'ggml-type':
      return types();
    case 'flag':
      return [item('true', 'word', 'yes'), item('false', 'word', 'no, as without the key')];
    case 'fallback':
      return [...FALLBACK_WORDS.map(({ word, summary }) => item(word, 'word', summary)), ...types()];
    case 'tensor-pattern':
      return bound ? tensorItems(bound, item) : [];
    default:
      return [];
  }
}

function tensorItems(
  { model }: BoundModel,
  item: (label: string, kind: 'tensor', detail: string) => RecipeCompletion,
): RecipeCompletion[] {
  const patterns = usefulPatterns(model);
  const known = new Set(patterns.map(({ pattern }) => pattern));
  const names = model.tensors.filter(({ name }) => !known.has(name)).slice(0, MAX_TENSOR_NAMES);
  return [
    ...patterns.map(({ pattern, tensors }) => item(pattern, 'tensor', plural(tensors, 'tensor'))),
    ...names.map(({ name, ne }) => item(name, 'tensor', ne.join(' x '))),
  ];
}

/** A value completion with the quotes it needs where it stands. */
export function valueCompletion(
  context: CursorContext & { kind: 'value' },
  item: Pick<RecipeCompletion, 'label' | 'kind' | 'detail' | 'doc'>,
): RecipeCompletion {
  const quote = /^["']/.exec(context.prefix)?.[0] ?? '';
  const insert = writeValue(item.label, context.flow, quote);
  // `key:` directly followed by the cursor needs the blank that makes it a key.
  return { ...item, range: context.range, insert, snippet: false, filter: quote + item.label };
}

/** A text as a YAML value that reads back as this text. */
export function writeValue(text: string, flow: boolean, quote = ''): string {
  const plain =
    text !== '' &&
    !/^[\s\-?:,[\]{}#&*!|>'"%@`]/.test(text.replace(/^[-?:](?=\S)/, '')) &&
    !/:\s|\s#|[\r\n]|[\s:]$/.test(text) &&
    !(flow && /[[\]{},]/.test(text));
  if (quote === '"') return JSON.stringify(text);
  return plain && quote === '' ? text : `'${text.replaceAll("'", "''")}'`;
}
