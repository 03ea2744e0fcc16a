// A YAML document as plain data with places: mappings, sequences and scalars. Built from a tree-sitter syntax tree through
// the structural interface below, so core knows nothing of the parser; positions come from UTF-16 offsets alone. What a
// recipe has no use for is refused with a message instead of being half supported: anchors and aliases (so no document
// can expand to more than what is written), tags, complex keys, a second document. Depth is limited; nothing overflows.
import type { LineIndex } from './line-index.js';
import { MAX_DEPTH, tooDeepMessage } from './recipe-limits.js';
import type { RecipeDiagnostic, TextRange } from './recipe.js';
import { decodeBlock, decodeDoubleQuoted, decodePlain, decodeSingleQuoted, type ScalarStyle } from './yaml-scalar.js';
import type { SyntaxNode } from './syntax-node.js';
import { syntaxDiagnostics } from './yaml-syntax.js';

export interface YamlScalar {
  readonly kind: 'scalar';
  readonly range: TextRange;
  readonly style: ScalarStyle;
  readonly value: string;
}

export interface YamlPair {
  readonly key: YamlScalar;
  /** Undefined when nothing is written after the colon, or no colon is. */
  readonly value: YamlNode | undefined;
  readonly range: TextRange;
}

export interface YamlMapping {
  readonly kind: 'mapping';
  readonly range: TextRange;
  readonly flow: boolean;
  /** In text order; of keys written twice, the first. */
  readonly pairs: readonly YamlPair[];
}

export interface YamlSequence {
  readonly kind: 'sequence';
  readonly range: TextRange;
  readonly flow: boolean;
  /** An item that is written as `-` alone is an empty scalar. */
  readonly items: readonly YamlNode[];
}

export type YamlNode = YamlMapping | YamlSequence | YamlScalar;

export interface YamlDocument {
  /** Undefined for a document without content. */
  readonly root: YamlNode | undefined;
  readonly diagnostics: readonly RecipeDiagnostic[];
  /** The text is not what it seems: do not complain about what is missing. */
  readonly hasSyntaxErrors: boolean;
}

export function yamlDocument(root: SyntaxNode, lines: LineIndex): YamlDocument {
  const diagnostics: RecipeDiagnostic[] = [];
  const hasSyntaxErrors = root.hasError || root.isError;
  if (hasSyntaxErrors) diagnostics.push(...syntaxDiagnostics(root, lines));
  const builder = new Builder(lines, diagnostics, hasSyntaxErrors);
  return { root: builder.stream(root), diagnostics, hasSyntaxErrors };
}

/** The pairs of a mapping by key, in text order. */
type Pairs = Map<string, YamlPair>;

class Builder {
  constructor(
    private readonly lines: LineIndex,
    private readonly diagnostics: RecipeDiagnostic[],
    private readonly broken: boolean,
  ) {}

  stream(root: SyntaxNode): YamlNode | undefined {
    // After an error near the top the root itself is the ERROR node, with the pairs that were understood inside.
    if (root.isError) return this.salvage(root);
    let found: YamlNode | undefined;
    let documents = 0;
    for (const child of root.children) {
      if (child.isError) {
        found ??= this.salvage(child);
      } else if (child.type === 'document') {
        const content = this.document(child);
        // An error may split one document in two; only a text without errors really has several.
        if (content && ++documents > 1 && !this.broken) {
          this.refuse(
            content.range,
            'a recipe is one document, and a second one starts here',
            'remove the `---` line and what follows',
          );
          break;
        }
        found ??= content;
      }
    }
    return found;
  }

  private document(node: SyntaxNode): YamlNode | undefined {
    for (const child of node.children) {
      if (child.type.endsWith('_directive')) {
        this.refuse(this.range(child), 'YAML directives are not supported in recipes', 'remove this line');
      } else if (child.type === 'block_node' || child.type === 'flow_node') {
        return this.node(child, 0);
      }
    }
    return undefined;
  }

  /** What can be understood of the direct children of an ERROR node: the pairs before the place where parsing stopped. */
  private salvage(node: SyntaxNode): YamlMapping | undefined {
    const pairs: Pairs = new Map();
    for (const child of node.children) {
      if (child.type === 'block_mapping_pair') this.pair(child, 0, pairs);
    }
    if (pairs.size === 0) return undefined;
    return { kind: 'mapping', range: this.range(node), flow: false, pairs: [...pairs.values()] };
  }

  private node(node: SyntaxNode, depth: number): YamlNode | undefined {
    if (depth > MAX_DEPTH) {
      this.diagnostics.push({
        code: 'recipe/too-deep',
        severity: 'error',
        message: tooDeepMessage(),
        range: this.range(node),
      });
      return undefined;
    }
    const { text } = this.lines;
    if (node.type === 'flow_node') {
      // Most nodes are scalars, and the first character says so: their children need not be fetched from the parser.
      const first = text[node.startIndex] ?? '';
      if (!'[{&*!'.includes(first)) return this.scalar(node.startIndex, node.endIndex);
    }
    for (const child of node.children) {
      switch (child.type) {
        case 'anchor':
          this.refuse(
            this.range(child),
            'anchors (`&name`) are not supported in recipes',
            'remove it and write the value out where it is needed',
          );
          break;
        case 'tag':
          this.refuse(
            this.range(child),
            'tags (`!name`) are not supported in recipes',
            'quote the value if it should start with `!`',
          );
          break;
        case 'alias':
          return this.alias(child);
        case 'block_mapping':
        case 'flow_mapping':
          return this.mapping(child, depth);
        case 'block_sequence':
        case 'flow_sequence':
          return this.sequence(child, depth);
        case 'block_scalar':
        case 'plain_scalar':
        case 'single_quote_scalar':
        case 'double_quote_scalar':
          return this.scalar(child.startIndex, child.endIndex);
        default: // comments
      }
    }
    return undefined;
  }

  /** Recovered as the text that was meant: a pattern such as `*.attn_v.weight`. */
  private alias(node: SyntaxNode): YamlScalar {
    const text = this.lines.text.slice(node.startIndex, node.endIndex);
    const range = this.range(node);
    this.diagnostics.push({
      code: 'recipe/unsupported-yaml',
      severity: 'error',
      message: `a plain value that starts with \`*\` is a YAML alias, which recipes do not support; quote it: '${text}'`,
      range,
      suggestion: `'${text}'`,
    });
    return { kind: 'scalar', range, style: 'plain', value: text };
  }

  private mapping(node: SyntaxNode, depth: number): YamlMapping {
    const pairs: Pairs = new Map();
    for (const child of node.children) {
      if (child.type === 'block_mapping_pair' || child.type === 'flow_pair') this.pair(child, depth, pairs);
      else if (child.type === 'flow_node') this.addPair({ key: child, value: undefined, whole: child }, depth, pairs);
      // What is inside an error was reported; the pairs in it are still what the user wrote.
      else if (child.isError)
        for (const part of child.children) if (part.type === 'flow_pair') this.pair(part, depth, pairs);
    }
    return { kind: 'mapping', range: this.range(node), flow: node.type === 'flow_mapping', pairs: [...pairs.values()] };
  }

  private pair(node: SyntaxNode, depth: number, pairs: Pairs): void {
    let key: SyntaxNode | undefined;
    let value: SyntaxNode | undefined;
    let afterColon = false;
    for (const child of node.children) {
      if (child.type === ':') afterColon = true;
      else if (child.type !== 'flow_node' && child.type !== 'block_node') continue;
      else if (afterColon) value = child;
      else key = child;
    }
    if (key) this.addPair({ key, value, whole: node }, depth, pairs);
    else if (!this.broken) this.refuse(this.range(node), 'expected a key before the `:`', 'write `key: value`');
  }

  private addPair(
    parts: { key: SyntaxNode; value: SyntaxNode | undefined; whole: SyntaxNode },
    depth: number,
    pairs: Pairs,
  ): void {
    const key = this.node(parts.key, depth + 1);
    if (key?.kind !== 'scalar') {
      if (key) this.refuse(key.range, `a ${key.kind} cannot be a key`, 'write a plain word before the `:`');
      return;
    }
    if (pairs.has(key.value)) {
      this.diagnostics.push({
        code: 'recipe/duplicate-key',
        severity: 'error',
        message: `\`${key.value}\` is written twice in this mapping; the first one counts. Remove one of them`,
        range: key.range,
      });
      return;
    }
    const value = parts.value && this.node(parts.value, depth + 1);
    pairs.set(key.value, { key, value, range: this.range(parts.whole) });
  }

  private sequence(node: SyntaxNode, depth: number): YamlSequence {
    const items: YamlNode[] = [];
    const add = (child: SyntaxNode): void => {
      const item = this.node(child, depth + 1);
      if (item) items.push(item);
    };
    for (const child of node.children) {
      if (child.type === 'flow_node') {
        add(child);
      } else if (child.type === 'block_sequence_item') {
        const content = child.children.find(part => part.type === 'flow_node' || part.type === 'block_node');
        if (content) add(content);
        else items.push({ kind: 'scalar', range: this.range(child), style: 'empty', value: '' });
      } else if (child.type === 'flow_pair') {
        // `[a: b]` is a mapping of one pair.
        const pairs: Pairs = new Map();
        this.pair(child, depth + 1, pairs);
        items.push({ kind: 'mapping', range: this.range(child), flow: true, pairs: [...pairs.values()] });
      } else if (child.isError) {
        // `- {tensors: a, type: ` without its end: the item that is being typed.
        const pairs: Pairs = new Map();
        for (const part of child.children) if (part.type === 'flow_pair') this.pair(part, depth + 1, pairs);
        if (pairs.size > 0)
          items.push({ kind: 'mapping', range: this.range(child), flow: true, pairs: [...pairs.values()] });
      }
    }
    return { kind: 'sequence', range: this.range(node), flow: node.type === 'flow_sequence', items };
  }

  private scalar(start: number, end: number): YamlScalar {
    const text = this.lines.text.slice(start, end);
    const range = this.lines.rangeOf(start, end);
    switch (text[0]) {
      case '"': {
        const value = decodeDoubleQuoted(text, bad => {
          this.diagnostics.push({
            code: 'recipe/syntax',
            severity: 'error',
            message: `\`${bad.text}\` is no escape sequence of a double-quoted value; write \`\\\\\` for a backslash, or use single quotes`,
            range: this.lines.rangeOf(start + bad.offset, start + bad.offset + bad.text.length),
          });
        });
        return { kind: 'scalar', range, style: 'double-quoted', value };
      }
      case "'":
        return { kind: 'scalar', range, style: 'single-quoted', value: decodeSingleQuoted(text) };
      case '|':
        return { kind: 'scalar', range, style: 'literal', value: decodeBlock(this.blockText(start, end)) };
      case '>':
        return { kind: 'scalar', range, style: 'folded', value: decodeBlock(this.blockText(start, end)) };
      default:
        return { kind: 'scalar', range, style: 'plain', value: decodePlain(text) };
    }
  }

  /** A block scalar with the blank lines after it, which `+` keeps and the node leaves out. */
  private blockText(start: number, end: number): string {
    const { text } = this.lines;
    let next = end;
    while (next < text.length && /\s/.test(text.charAt(next))) next++;
    return text.slice(start, next === text.length ? next : this.lines.lineStart(this.lines.lineAt(next)));
  }

  private refuse(range: TextRange, what: string, todo: string): void {
    this.diagnostics.push({ code: 'recipe/unsupported-yaml', severity: 'error', message: `${what}; ${todo}`, range });
  }

  private range(node: SyntaxNode): TextRange {
    // A block ends where the next token starts, lines below what it shows; a range ends at its last visible character.
    const { text } = this.lines;
    let end = node.endIndex;
    while (end > node.startIndex && /\s/.test(text[end - 1] ?? '')) end--;
    return this.lines.rangeOf(node.startIndex, end);
  }
}
