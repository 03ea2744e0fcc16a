// The keys of a recipe beyond source, output, type and rules: the options of a quantization, as the command line has them.
// Each is one value; what is wrong with one is reported where it stands, and it counts as absent then.
import type { GgmlType } from '../ggml/ggml-type.js';
import { parseTypedValue, type MetadataOverride } from '../quantize/metadata-override.js';
import { parseLayers } from '../quantize/prune-layers.js';
import type { QuantizeOptions } from '../quantize/quantization-plan.js';
import { parseByteSize } from '../text/byte-size.js';
import type { TextRange } from './recipe.js';
import type { RecipeKey } from './recipe-schema.js';
import type { YamlNode, YamlScalar } from './yaml-tree.js';

export interface RecipeSettings {
  readonly options: Partial<
    Pick<
      QuantizeOptions,
      | 'pure'
      | 'allowRequantize'
      | 'outputTensorType'
      | 'tokenEmbeddingType'
      | 'leaveOutputTensor'
      | 'pruneLayers'
      | 'metadata'
      | 'runtime'
    >
  >;
  readonly includeWeights?: readonly string[];
  readonly excludeWeights?: readonly string[];
  readonly keepSplit?: boolean;
  readonly maxShardBytes?: number;
  /** Where each of the keys that were understood has its value. */
  readonly ranges: ReadonlyMap<string, TextRange>;
}

export const NO_SETTINGS: RecipeSettings = { options: {}, ranges: new Map() };

/** What reading a setting needs of the parser. */
export interface SettingsReader {
  report(code: string, range: TextRange, message: string, suggestion?: string): void;
  ggmlType(node: YamlScalar): GgmlType | undefined;
}

/** `values` holds the nodes of the recipe's keys that have the right shape. */
export function readSettings(
  values: ReadonlyMap<string, { readonly node: YamlNode }>,
  reader: SettingsReader,
): RecipeSettings {
  const ranges = new Map<string, TextRange>();
  /** The value of a key, read by `read`; undefined if the key is absent or its value was reported. */
  const setting = <T>(path: string, read: (node: YamlNode) => T | undefined): T | undefined => {
    const node = values.get(path)?.node;
    const value = node && read(node);
    if (node && value !== undefined) ranges.set(path, node.range);
    return value;
  };
  const scalar =
    <T>(read: (node: YamlScalar) => T | undefined) =>
    (node: YamlNode): T | undefined =>
      node.kind === 'scalar' ? read(node) : undefined;
  const flag = (path: string) => setting(path, scalar(readFlag));
  const type = (path: string) =>
    setting(
      path,
      scalar(node => reader.ggmlType(node)?.name),
    );
  const readFlag = (node: YamlScalar): boolean | undefined => {
    if (node.value === 'true' || node.value === 'false') return node.value === 'true';
    reader.report('flag', node.range, `expected \`true\` or \`false\`, found \`${node.value.slice(0, 40)}\``);
    return undefined;
  };
  const readSize = (node: YamlScalar): number | undefined => {
    const bytes = parseByteSize(node.value);
    if (bytes === undefined) {
      reader.report('size', node.range, 'expected a size such as `500M`, `4G`, `2GiB` or a number of bytes');
    }
    return bytes;
  };

  const options = defined({
    pure: flag('pure'),
    allowRequantize: flag('allow_requantize'),
    leaveOutputTensor: flag('leave_output_tensor'),
    outputTensorType: type('output_tensor_type'),
    tokenEmbeddingType: type('token_embedding_type'),
    pruneLayers: setting('prune_layers', node => readLayers(node, reader)),
    runtime: setting(
      'runtime',
      scalar(({ value }) => value),
    ),
    metadata: setting('metadata', node => readMetadata(node, reader)),
  });
  const others = defined({
    includeWeights: setting('include_weights', node => readTexts(node, reader)),
    excludeWeights: setting('exclude_weights', node => readTexts(node, reader)),
    keepSplit: flag('keep_split'),
    maxShardBytes: setting('max_shard_size', scalar(readSize)),
  });
  const split = ranges.get('max_shard_size');
  if (others.keepSplit && split) {
    reader.report('split', split, 'the output is divided as the source is (`keep_split`) or by size; leave out one');
  }
  return { options, ...others, ranges };
}

/** Without the keys that are undefined. */
function defined<T extends object>(record: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}

function scalars(node: YamlNode, reader: SettingsReader): readonly YamlScalar[] | undefined {
  const items = node.kind === 'sequence' ? node.items : [node];
  const wrong = items.find(item => item.kind !== 'scalar' || item.value === '');
  if (wrong) {
    reader.report('wrong-kind', wrong.range, 'expected one value per item of this list');
    return undefined;
  }
  return items.filter(item => item.kind === 'scalar');
}

function readTexts(node: YamlNode, reader: SettingsReader): readonly string[] | undefined {
  return scalars(node, reader)?.map(({ value }) => value);
}

function readLayers(node: YamlNode, reader: SettingsReader): readonly number[] | undefined {
  const items = scalars(node, reader);
  const layers: number[] = [];
  for (const item of items ?? []) {
    const parsed = parseLayers(item.value);
    if (!parsed) {
      const found = item.value.slice(0, 40);
      reader.report('layers', item.range, `expected numbers of layers such as \`3\` or \`3..5\`, found \`${found}\``);
      return undefined;
    }
    layers.push(...parsed);
  }
  return items && [...new Set(layers)].sort((a, b) => a - b);
}

function readMetadata(node: YamlNode, reader: SettingsReader): readonly MetadataOverride[] | undefined {
  if (node.kind !== 'mapping') return undefined;
  const overrides: MetadataOverride[] = [];
  for (const { key, value } of node.pairs) {
    const text = value?.kind === 'scalar' ? value.value : '';
    const parsed = parseTypedValue(key.value, text);
    if (parsed.ok) {
      overrides.push(parsed.override);
    } else {
      const found =
        value && value.kind !== 'scalar' ? `${key.value}: expected one value, \`TYPE:VALUE\`` : parsed.message;
      reader.report('metadata', value?.range ?? key.range, found);
    }
  }
  return overrides;
}

const SETTING_BY_CODE: readonly (readonly [code: RegExp, key: string])[] = [
  [/^plan\/(?:no-such-layer|no-layers-left|per-layer-metadata)$/, 'prune_layers'],
  [/^plan\/override-/, 'metadata'],
  [/^plan\/(?:unknown-runtime|runtime-)/, 'runtime'],
  [/^plan\/(?:no-output-tensor|options-contradict)$/, 'leave_output_tensor'],
  [/^plan\/no-token-embedding$/, 'token_embedding_type'],
  [/^plan\/output-type-tied$/, 'output_tensor_type'],
  [/^plan\/include-weights-unused$/, 'include_weights'],
  [/^plan\/exclude-weights-unused$/, 'exclude_weights'],
];

/** Where a problem of the plan comes from a setting: the range of that. */
export function settingRange(code: string, message: string, { ranges }: RecipeSettings): TextRange | undefined {
  const key = SETTING_BY_CODE.find(([pattern]) => pattern.test(code))?.[1];
  if (key !== undefined) return ranges.get(key);
  if (message.startsWith('output tensor type')) return ranges.get('output_tensor_type');
  return message.startsWith('token embedding type') ? ranges.get('token_embedding_type') : undefined;
}

/** Keys whose value is not one scalar, and what it may be instead. */
export function shapesOf({ kind }: RecipeKey): readonly YamlNode['kind'][] {
  if (kind === 'sequence') return ['sequence'];
  if (kind === 'mapping' || kind === 'metadata') return ['mapping'];
  return kind === 'texts' || kind === 'layers' ? ['scalar', 'sequence'] : ['scalar'];
}
