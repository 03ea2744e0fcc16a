// What is written down from the table of keys: the JSON Schema for other editors (schemas/quant-recipe.schema.json) and the
// key reference in docs/recipes.md. A test compares both files with what is made here.
import { offeredFileTypes, typeCost, writableTypes } from './describe-types.js';
import {
  childKeys,
  FALLBACK_WORDS,
  keyName,
  RECIPE_KEYS,
  RECIPE_VERSION,
  recipeKey,
  type RecipeKey,
} from './recipe-schema.js';

type Json = string | number | boolean | readonly Json[] | { readonly [key: string]: Json };

const writable = writableTypes().map(type => type.name);
const makeable = offeredFileTypes().filter(type => type.available);

/** Names in any case; the list makes editors offer the usual spelling. */
function oneOf(names: readonly string[]): Json {
  const anyCase = names.map(name =>
    name.replace(/[a-z]/gi, letter => `[${letter.toUpperCase()}${letter.toLowerCase()}]`),
  );
  return { anyOf: [{ enum: names }, { type: 'string', pattern: `^(${anyCase.join('|')})$` }] };
}

function valueSchema(key: RecipeKey): Json {
  switch (key.kind) {
    case 'version':
      return { const: RECIPE_VERSION };
    case 'file-type':
      return oneOf(makeable.flatMap(type => [type.name, ...type.aliases]));
    case 'ggml-type':
      return oneOf(writable);
    case 'fallback':
      return oneOf([...FALLBACK_WORDS.map(({ word }) => word), ...writable]);
    case 'source-path':
    case 'output-path':
    case 'imatrix-path':
    case 'tensor-pattern':
      return { type: 'string', minLength: 1 };
    case 'flag':
      return { type: 'boolean' };
    case 'runtime':
      return { type: 'string', pattern: '^llama\\.cpp@b\\d+$' };
    case 'size':
      return { type: ['string', 'integer'] };
    case 'texts':
      return textOrList({ type: 'string', minLength: 1 });
    case 'layers':
      return textOrList({ type: ['string', 'integer'] });
    case 'metadata':
      return { type: 'object', additionalProperties: { type: 'string', pattern: '^[a-z]+\\d*:' } };
    case 'sequence':
      return { type: ['array', 'null'], items: mappingSchema(`${key.path}[]`) };
    case 'mapping':
      return mappingSchema(key.path);
  }
}

function textOrList(item: Json): Json {
  return { anyOf: [item, { type: 'array', items: item }] };
}

function mappingSchema(path: string): Json {
  const keys = childKeys(path);
  const summary = recipeKey(path)?.summary;
  return {
    type: 'object',
    ...(summary === undefined ? {} : { description: summary }),
    additionalProperties: false,
    required: keys.filter(key => key.required).map(keyName),
    properties: Object.fromEntries(
      keys.map(key => {
        const description = [key.summary, key.doc].filter(part => part !== '').join('\n\n');
        return [keyName(key), { description, ...(valueSchema(key) as { readonly [name: string]: Json }) }];
      }),
    ),
  };
}

export function recipeJsonSchema(): Json {
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'Quantization recipe',
    description: `Quantsmith recipe, version ${RECIPE_VERSION}: which GGUF file to quantize to which types.`,
    ...(mappingSchema('') as { readonly [name: string]: Json }),
  };
}

/** The key reference as Markdown: one section per key, in table order. */
export function keyReference(): string {
  return RECIPE_KEYS.filter(key => !key.path.endsWith('[]'))
    .map(key => {
      const examples = key.examples.map(example => `${keyName(key)}: ${example}`);
      return [
        `### \`${key.path}\``,
        `${key.required ? 'Required.' : `Optional; default: ${key.default ?? 'none'}.`} Since version ${key.since}. ${key.summary}`,
        key.doc,
        ['```yaml', ...examples, '```'].join('\n'),
      ]
        .filter(part => part !== '')
        .join('\n\n');
    })
    .join('\n\n');
}

/** The types a rule can give, and the file types, as Markdown tables. */
export function typeTables(): string {
  const types = writableTypes().map(
    type =>
      `| \`${type.name}\` | ${typeCost(type).replace(' bits per weight', '')} | ${type.blockSize} | ${type.summary} |`,
  );
  const files = makeable.map(type => `| \`${type.name}\` | ${type.types.join(', ')} | ${type.summary} |`);
  return [
    'Tensor types, for `rules` and `fallback`:',
    ['| type | bits per weight | weights per block | |', '|---|---|---|---|', ...types].join('\n'),
    'File types, for `type`:',
    ['| file type | tensor types in its mixture | |', '|---|---|---|', ...files].join('\n'),
  ].join('\n\n');
}
