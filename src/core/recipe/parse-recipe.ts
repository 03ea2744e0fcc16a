// A syntax tree -> a `Recipe` and what is wrong with the text alone; the model is not looked at (check-recipe.ts does). As
// much as possible is understood of a broken text: an editor shows it broken most of the time. A `Recipe` is returned only
// when nothing is an error, a `draft` always.
import { FILE_TYPES, fileTypeByName, suggestFileTypes } from '../ggml/file-type.js';
import { GGML_TYPES, ggmlTypeByName, type GgmlType } from '../ggml/ggml-type.js';
import { nearestNames } from '../ggml/nearest-name.js';
import type { FallbackPolicy } from '../quantize/quantization-plan.js';
import { rememberedPattern } from './remembered-pattern.js';
import { comparePositions, type LineIndex } from './line-index.js';
import type { LocatedPath, Recipe, RecipeDiagnostic, RecipeRule, TextRange } from './recipe.js';
import {
  childKeys,
  childPath,
  FALLBACK_WORDS,
  keyName,
  RECIPE_VERSION,
  recipeKey,
  type RecipeKey,
} from './recipe-schema.js';
import { NO_SETTINGS, readSettings, shapesOf, type RecipeSettings } from './recipe-settings.js';
import { refuseText } from './recipe-limits.js';
import { readYaml, type ParseText } from './repair-yaml.js';
import type { SyntaxNode } from './syntax-node.js';
import type { YamlNode, YamlScalar } from './yaml-tree.js';

/** A person reads ten; a client that is sent a million stops responding. */
const MAX_DIAGNOSTICS = 200;
/** What could be understood, however much is missing. */
export interface RecipeDraft {
  readonly source?: LocatedPath;
  readonly output?: LocatedPath;
  readonly type?: { readonly name: string; readonly range: TextRange };
  /** Rules with a usable pattern and type, in order. `index` counts all items of the list, from 0. */
  readonly rules: readonly RecipeRule[];
  readonly imatrix?: LocatedPath;
  readonly fallback: FallbackPolicy;
  readonly settings: RecipeSettings;
}

export interface ParsedRecipe {
  readonly recipe?: Recipe;
  readonly draft: RecipeDraft;
  readonly root: YamlNode | undefined;
  readonly diagnostics: readonly RecipeDiagnostic[];
}

/** `root` is the syntax tree of the text in `lines`; `reparse` allows reading past syntax errors. */
export function parseRecipe(lines: LineIndex, root: SyntaxNode, reparse?: ParseText): ParsedRecipe {
  const document = readYaml(lines, root, reparse);
  const reader = new Reader();
  const draft = reader.recipe(document.root, document.hasSyntaxErrors);
  // Nothing more is said about a line that could not be read.
  const found = reader.diagnostics.filter(({ range }) => !document.brokenLines.has(range.start.line));
  const diagnostics = [...document.diagnostics, ...found]
    .sort((a, b) => comparePositions(a.range.start, b.range.start))
    .slice(0, MAX_DIAGNOSTICS);
  const recipe = diagnostics.some(diagnostic => diagnostic.severity === 'error') ? undefined : complete(draft);
  return { ...(recipe && { recipe }), draft, root: document.root, diagnostics };
}

/** The answer to a text that is not parsed at all (recipe-limits.ts); undefined for one that is. */
export function refuseRecipe(text: string): ParsedRecipe | undefined {
  const refused = refuseText(text);
  return (
    refused && {
      draft: { rules: [], fallback: 'promote', settings: NO_SETTINGS },
      root: undefined,
      diagnostics: [refused],
    }
  );
}

function complete(draft: RecipeDraft): Recipe | undefined {
  const { source, output, type, rules, imatrix, fallback, settings } = draft;
  if (!source || !output || !type) return undefined;
  return { version: RECIPE_VERSION, source, output, type, rules, fallback, settings, ...(imatrix && { imatrix }) };
}

const START: TextRange = { start: { line: 0, character: 0 }, end: { line: 0, character: 0 } };

class Reader {
  readonly diagnostics: RecipeDiagnostic[] = [];

  recipe(root: YamlNode | undefined, broken: boolean): RecipeDraft {
    const values = new Map<string, Readable>();
    if (root && (root.kind === 'mapping' || !broken)) this.mapping(root, '', broken, values);
    else if (!broken) this.missingKeys('', new Set(), START);
    const scalarAt = (path: string): YamlScalar | undefined => {
      const node = values.get(path)?.node;
      return node?.kind === 'scalar' && node.value !== '' ? node : undefined;
    };
    const pathAt = (path: string): LocatedPath | undefined => {
      const node = scalarAt(path);
      return node && { path: node.value, range: node.range };
    };
    const version = scalarAt('recipe');
    if (version) this.version(version);
    const typeNode = scalarAt('type');
    const source = pathAt('source');
    const output = pathAt('output');
    const imatrix = pathAt('imatrix');
    const fileType = typeNode && this.fileType(typeNode);
    const fallbackNode = scalarAt('fallback');
    const rulesNode = values.get('rules')?.node;
    return {
      ...(source && { source }),
      ...(output && { output }),
      ...(typeNode && fileType !== undefined && { type: { name: fileType, range: typeNode.range } }),
      ...(imatrix && { imatrix }),
      rules: rulesNode?.kind === 'sequence' ? this.rules(rulesNode.items, broken) : [],
      fallback: (fallbackNode && this.fallback(fallbackNode)) ?? 'promote',
      settings: readSettings(values, {
        report: (code, range, message, suggestion) => this.add(code, range, message, suggestion),
        ggmlType: node => this.ggmlType(node, 'rule'),
      }),
    };
  }

  /** Checks the keys of a mapping against the table and collects the values that have the right shape by path. */
  private mapping(node: YamlNode, path: string, broken: boolean, values: Map<string, Readable>): boolean {
    if (node.kind !== 'mapping') {
      const what = path === '' ? 'a recipe' : 'a rule';
      const example = path === '' ? 'recipe: 1' : (recipeKey(path)?.examples[0] ?? '{…}');
      this.add(
        'wrong-kind',
        node.range,
        `${what} is a mapping of keys to values (\`${example}\`), found ${describe(node)}`,
      );
      return false;
    }
    const known = childKeys(path);
    const present = new Set<string>();
    for (const { key, value } of node.pairs) {
      const row = known.find(candidate => keyName(candidate) === key.value);
      present.add(key.value);
      if (row) {
        const readable = this.value(row, key, value);
        if (readable) values.set(row.path, readable);
      } else {
        const meant = this.unknownKey(key, path, known.map(keyName));
        if (meant !== undefined) present.add(meant);
      }
    }
    // The key that is missing may be the one in the line that cannot be read.
    if (!broken) this.missingKeys(path, present, headOf(node));
    return true;
  }

  private missingKeys(path: string, present: ReadonlySet<string>, range: TextRange): void {
    for (const key of childKeys(path)) {
      const name = keyName(key);
      if (!key.required || present.has(name)) continue;
      const where = path === '' ? 'the recipe' : 'this rule';
      this.add(
        'missing-key',
        range,
        `${where} has no \`${name}\`; add it, for example \`${name}: ${key.examples[0] ?? ''}\``,
      );
    }
  }

  /** Returns the key that was probably meant. */
  private unknownKey(key: YamlScalar, path: string, names: readonly string[]): string | undefined {
    if (this.isFull) return undefined;
    const near = nearestNames(key.value, names)[0];
    const place = path === '' ? 'a recipe' : 'a rule';
    const advice =
      near === undefined ? `${place} has ${names.map(name => `\`${name}\``).join(', ')}` : `did you mean \`${near}\`?`;
    this.add('unknown-key', key.range, `\`${shorten(key.value)}\` is not a key of ${place}; ${advice}`, near);
    return near;
  }

  /** A value of the right shape; undefined, and reported, otherwise. */
  private value(row: RecipeKey, key: YamlScalar, value: YamlNode | undefined): Readable | undefined {
    const name = keyName(row);
    if (value === undefined || (value.kind === 'scalar' && value.value === '')) {
      // `rules:` with nothing yet is what a list of no rules looks like.
      if (row.kind === 'sequence') return undefined;
      this.add(
        'empty-value',
        value?.range ?? key.range,
        `\`${name}\` has no value; write for example \`${name}: ${row.examples[0] ?? ''}\``,
      );
      return undefined;
    }
    const shapes = shapesOf(row);
    if (shapes.includes(value.kind)) return { node: value };
    const names = { sequence: 'a list (one `- ` per item)', mapping: 'a mapping', scalar: 'one value' };
    const wanted = shapes.map(shape => names[shape]).join(' or ');
    const quoteHint = row.kind === 'tensor-pattern' ? '. Quote a pattern that contains brackets' : '';
    this.add(
      'wrong-kind',
      value.range,
      `\`${name}\` takes ${wanted}, found ${describe(value)}; write for example \`${name}: ${row.examples[0] ?? ''}\`${quoteHint}`,
    );
    return undefined;
  }

  private rules(items: readonly YamlNode[], broken: boolean): RecipeRule[] {
    const rules: RecipeRule[] = [];
    for (const [index, item] of items.entries()) {
      const values = new Map<string, Readable>();
      if (!this.mapping(item, 'rules[]', broken, values)) continue;
      const pattern = values.get(childPath('rules[]', 'tensors'))?.node;
      const type = values.get(childPath('rules[]', 'type'))?.node;
      const compiled = pattern?.kind === 'scalar' ? this.pattern(pattern) : undefined;
      const ggmlType = type?.kind === 'scalar' ? this.ggmlType(type, 'rule') : undefined;
      if (pattern?.kind !== 'scalar' || type?.kind !== 'scalar' || !compiled || !ggmlType) continue;
      rules.push({
        ...compiled,
        type: ggmlType.name,
        label: `rule ${index + 1}: ${pattern.value}`,
        range: item.range,
        patternRange: pattern.range,
        typeRange: type.range,
      });
    }
    return rules;
  }

  private version(node: YamlScalar): void {
    if (node.value === String(RECIPE_VERSION)) return;
    const newer = /^\d+$/.test(node.value) && Number(node.value) > RECIPE_VERSION;
    const message = newer
      ? `this recipe is written for version ${shorten(node.value)} of the language, and this is version ${RECIPE_VERSION}; update Quantsmith, or rewrite the recipe as \`recipe: ${RECIPE_VERSION}\``
      : `\`recipe\` is the version of the language, found \`${shorten(node.value)}\`; write \`recipe: ${RECIPE_VERSION}\``;
    this.add('version', node.range, message, String(RECIPE_VERSION));
  }

  private fileType(node: YamlScalar): string | undefined {
    const found = fileTypeByName(node.value);
    if (!found?.offered) {
      const tensorType = ggmlTypeByName(node.value);
      const near = tensorType
        ? FILE_TYPES.find(type => type.offered && type.defaultType === tensorType.name)?.name
        : suggestFileTypes(node.value)[0];
      const why = tensorType
        ? 'a tensor type, and `type` takes a file type (a mixture of tensor types)'
        : 'not a file type';
      const advice = near === undefined ? 'write for example `Q4_K_M`' : `did you mean \`${near}\`?`;
      this.add('unknown-type', node.range, `\`${shorten(node.value)}\` is ${why}; ${advice}`, near);
      return undefined;
    }
    if (!found.available) {
      const missing = found.types.filter(type => !ggmlTypeByName(type)?.canQuantize);
      this.add(
        'no-kernel',
        node.range,
        `\`${found.name}\` cannot be made yet: there is no quantizer for ${missing.join(', ')}. Choose one of ${availableFileTypes()}`,
      );
    } else if (found.name.toLowerCase() !== node.value.trim().toLowerCase() && ggmlTypeByName(node.value)) {
      this.add(
        'file-type-alias',
        node.range,
        `as a file type \`${node.value}\` means the mixture \`${found.name}\``,
        found.name,
        'info',
      );
    }
    return found.name;
  }

  private ggmlType(node: YamlScalar, place: 'rule' | 'fallback'): GgmlType | undefined {
    const found = ggmlTypeByName(node.value);
    if (found) {
      if (found.canQuantize) return found;
      const why =
        found.family === 'activation'
          ? 'is for activations and never stored in a file'
          : 'cannot be made yet: there is no quantizer for it';
      this.add('no-kernel', node.range, `\`${found.name}\` ${why}. Choose one of ${availableTypes()}`);
      return undefined;
    }
    if (this.isFull) return undefined;
    const mixture = fileTypeByName(node.value);
    if (mixture && !/^\d+$/.test(node.value)) {
      this.add(
        'file-type-in-rule',
        node.range,
        `\`${mixture.name}\` is a file type: a mixture of ${mixture.types.join(', ')} over many tensors. A ${place} gives one tensor type; write \`${mixture.defaultType}\``,
        mixture.defaultType,
      );
      return undefined;
    }
    const words = place === 'fallback' ? FALLBACK_WORDS.map(({ word }) => word) : [];
    const near = nearestNames(node.value, [
      ...words,
      ...GGML_TYPES.filter(type => type.canQuantize).map(type => type.name),
    ])[0];
    const expected = place === 'fallback' ? `\`promote\`, \`error\` or a tensor type` : 'a tensor type';
    const advice =
      near === undefined ? `choose one of ${[...words, availableTypes()].join(', ')}` : `did you mean \`${near}\`?`;
    this.add('unknown-type', node.range, `\`${shorten(node.value)}\` is not ${expected}; ${advice}`, near);
    return undefined;
  }

  private fallback(node: YamlScalar): FallbackPolicy | undefined {
    if (FALLBACK_WORDS.some(({ word }) => word === node.value)) return node.value;
    return this.ggmlType(node, 'fallback')?.name;
  }

  private pattern(node: YamlScalar): { kind: 'glob' | 'regex'; pattern: string } | undefined {
    const { value } = node;
    const isRegex = value.startsWith('/');
    if (isRegex && (value.length < 2 || !value.endsWith('/'))) {
      this.add(
        'bad-pattern',
        node.range,
        'a regular expression starts and ends with `/`; add the closing slash, or remove the first',
      );
      return undefined;
    }
    const rule = isRegex
      ? ({ kind: 'regex', pattern: value.slice(1, -1) } as const)
      : ({ kind: 'glob', pattern: value } as const);
    const compiled = rememberedPattern(rule.kind, rule.pattern);
    if (compiled.ok) return rule;
    const place = compiled.position > 0 ? ` (at character ${compiled.position + 1})` : '';
    this.add(
      'bad-pattern',
      node.range,
      `this ${isRegex ? 'regular expression' : 'glob'} cannot be used: ${compiled.message}${place}`,
    );
    return undefined;
  }

  /** No one will read further, and finding what was meant costs the most. */
  private get isFull(): boolean {
    return this.diagnostics.length >= MAX_DIAGNOSTICS;
  }

  private add(
    code: string,
    range: TextRange,
    message: string,
    suggestion?: string,
    severity: RecipeDiagnostic['severity'] = 'error',
  ): void {
    this.diagnostics.push({
      code: `recipe/${code}`,
      severity,
      message,
      range,
      ...(suggestion === undefined ? {} : { suggestion }),
    });
  }
}

interface Readable {
  readonly node: YamlNode;
}

/** Where to report what is missing in a mapping: its first key, not all of its lines. */
function headOf(node: YamlNode): TextRange {
  return (node.kind === 'mapping' ? node.pairs[0]?.key.range : undefined) ?? node.range;
}

function describe(node: YamlNode): string {
  if (node.kind === 'mapping') return 'a mapping';
  if (node.kind === 'sequence') return 'a list';
  return node.value === '' ? 'nothing' : `\`${shorten(node.value)}\``;
}

/** Text of the user's for a message, one line and not too long. */
function shorten(text: string): string {
  const units = Array.from(text.slice(0, 200).replaceAll(/[\r\n]+/g, ' '));
  return units.length > 60 ? `${units.slice(0, 60).join('')}…` : units.join('');
}

function availableTypes(): string {
  return GGML_TYPES.filter(type => type.canQuantize)
    .map(type => type.name)
    .join(', ');
}

function availableFileTypes(): string {
  return FILE_TYPES.filter(type => type.available)
    .map(type => type.name)
    .join(', ');
}
