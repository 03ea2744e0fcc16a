// Trees kept over edits are the same as trees of the final text, and so is everything said about it.
import { afterAll, expect, test } from 'vitest';
import { TextDocument } from 'vscode-languageserver-textdocument';
import { parseRecipe } from '../../src/core/recipe/parse-recipe.js';
import { LineIndex } from '../../src/core/recipe/line-index.js';
import type { SyntaxNode } from '../../src/core/recipe/syntax-node.js';
import { YamlParser } from '../../src/platform/yaml-parser.js';
import { applyChanges, DocumentStore, type DocumentChange } from '../../src/server/document-store.js';
import { Trees } from '../../src/server/trees.js';
import { treeSitterFolder } from '../core/recipe/yaml.js';
import { randomEdit, randomFrom, randomText, soundText } from './random-edits.js';

const SEED = Number(process.env.SEED ?? Date.now() % 2 ** 31);
const parser = await YamlParser.load(await treeSitterFolder());

/** The store's events without a connection. */
class ScriptedDocuments extends DocumentStore {
  readonly listeners: ((change: DocumentChange) => void)[] = [];
  override onChange(listener: (change: DocumentChange) => void): void {
    this.listeners.push(listener);
  }
}

function shape(node: SyntaxNode): string {
  const inside = node.children.map(shape).join(' ');
  return `(${node.isMissing ? 'MISSING ' : ''}${node.type} ${node.startIndex}-${node.endIndex}${inside === '' ? '' : ` ${inside}`})`;
}

test(`random edits: incremental and fresh trees agree (SEED=${SEED})`, () => {
  const random = randomFrom(SEED);
  const documents = new ScriptedDocuments();
  const trees = new Trees(documents, parser);
  let differing = 0;
  for (let round = 0; round < 60; round++) {
    const text = round % 2 === 0 ? soundText(random) : randomText(random, 20);
    const document = TextDocument.create(`test:${round}`, 'quant-recipe', 1, text);
    trees.use(document, () => undefined);
    for (let step = 0; step < 25; step++) {
      const changes = Array.from({ length: random() < 0.8 ? 1 : 3 }, () => {
        const { start, end, text } = randomEdit(random, document.getText());
        // All ranges of one notification but the first refer to a text that is not there yet; clamp them as editors do.
        return { range: { start: document.positionAt(start), end: document.positionAt(end) }, text };
      });
      const change = applyChanges(document, changes, step + 2);
      for (const listener of documents.listeners) listener(change);
      const text = document.getText();
      const lines = new LineIndex(text);
      const kept = trees.use(document, root => ({
        shape: shape(root),
        parsed: parseRecipe(lines, root, parser.withTree),
      }));
      const fresh = parser.withTree(text, root => ({
        shape: shape(root),
        parsed: parseRecipe(lines, root, parser.withTree),
      }));
      if (kept.shape !== fresh.shape) differing++;
      expect(kept.parsed, JSON.stringify(text)).toEqual(fresh.parsed);
    }
  }
  expect(differing).toBe(0);
});

afterAll(() => parser.delete());
