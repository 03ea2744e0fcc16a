// Which key or value of a parsed recipe a position is on: for hovers, symbols and everything else that looks things up
// where the text is understood.
import { contains } from './line-index.js';
import type { TextPosition } from './recipe.js';
import { childPath } from './recipe-schema.js';
import type { YamlNode, YamlPair, YamlScalar } from './yaml-tree.js';

export interface Place {
  /** Path of the key in recipe-schema.ts, for example `rules[].type`. */
  readonly path: string;
  /** Positions in the sequences on the way: `[2]` is inside the third rule. */
  readonly indices: readonly number[];
  readonly part: 'key' | 'value';
  /** The key or value itself. */
  readonly scalar: YamlScalar;
}

/** Undefined between keys and values, and on values that are collections. */
export function placeAt(root: YamlNode | undefined, position: TextPosition): Place | undefined {
  let node = root;
  let path = '';
  const indices: number[] = [];
  while (node) {
    if (node.kind === 'scalar') return undefined;
    if (node.kind === 'sequence') {
      const index: number = node.items.findIndex(item => contains(item.range, position));
      if (index < 0) return undefined;
      indices.push(index);
      path += '[]';
      node = node.items[index];
      continue;
    }
    const pair: YamlPair | undefined = node.pairs.find(candidate => holds(candidate, position));
    if (!pair) return undefined;
    path = childPath(path, pair.key.value);
    if (contains(pair.key.range, position)) return { path, indices, part: 'key', scalar: pair.key };
    if (pair.value?.kind === 'scalar') return { path, indices, part: 'value', scalar: pair.value };
    node = pair.value;
  }
  return undefined;
}

function holds(pair: YamlPair, position: TextPosition): boolean {
  return contains(pair.key.range, position) || (pair.value !== undefined && contains(pair.value.range, position));
}
