// Trees kept over edits are the same as trees of the final text, and so is everything said about it.
import { afterAll, expect, test } from 'vitest';
import { TextDocument } from 'vscode-languageserver-textdocument';
import { parseRecipe, refuseRecipe } from '../../src/core/recipe/parse-recipe.js';
import { LineIndex } from '../../src/core/recipe/line-index.js';
import type { SyntaxNode } from '../../src/core/recipe/syntax-node.js';
import { YamlParser } from '../../src/platform/yaml-parser.js';
import { applyChanges, DocumentStore, type DocumentChange } from '../../src/server/document-store.js';
import { Trees } from '../../src/server/trees.js';
import { treeSitterFolder } from '../core/recipe/yaml.js';
import { DEEP_TEXTS, randomEdit, randomFrom, randomText, soundText } from './random-edits.js';

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
    if (!refuseRecipe(text)) trees.use(document, () => undefined);
    for (let step = 0; step < 25; step++) {
      const changes = Array.from({ length: random() < 0.8 ? 1 : 3 }, () => {
        const { start, end, text } = randomEdit(random, document.getText());
        // All ranges of one notification but the first refer to a text that is not there yet; clamp them as editors do.
        return { range: { start: document.positionAt(start), end: document.positionAt(end) }, text };
      });
      const change = applyChanges(document, changes, step + 2);
      for (const listener of documents.listeners) listener(change);
      const text = document.getText();
      if (refuseRecipe(text)) {
        // As the server does: the next text that is parsed is parsed afresh.
        trees.forget(document.uri);
        continue;
      }
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

// As where the text was not refused because it hides behind a quote: nothing of it may reach the next text.
test.each(DEEP_TEXTS)('%s: the parser reads the next text as ever', (_, deep) => {
  const text = soundText(randomFrom(1));
  const before = parser.withTree(text, shape);
  for (const levels of [32, 100, 250, 252, 254, 256, 300, 512, 2000]) {
    for (const hostile of [deep(levels), `a: "\n${deep(levels)}`]) {
      parser.withTree(hostile, root => expect(root.endIndex).toBeGreaterThan(0));
      expect(parser.withTree(text, shape)).toBe(before);
    }
  }
});

test.each(DEEP_TEXTS)('%s: typed bit by bit into a recipe, and removed', (_, deep) => {
  const documents = new ScriptedDocuments();
  const trees = new Trees(documents, parser);
  const text = soundText(randomFrom(2));
  const document = TextDocument.create('test:deep', 'quant-recipe', 1, text);
  const before = trees.use(document, shape);
  const typed = deep(600);
  const edit = (start: number, end: number, text: string): void => {
    const range = { start: document.positionAt(start), end: document.positionAt(end) };
    const change = applyChanges(document, [{ range, text }], document.version + 1);
    for (const listener of documents.listeners) listener(change);
    trees.use(document, () => undefined);
  };
  const step = Math.ceil(typed.length / 12);
  for (let at = 0; at < typed.length; at += step) edit(at, at, typed.slice(at, at + step));
  edit(0, typed.length, '');
  expect(document.getText()).toBe(text);
  expect(trees.use(document, shape)).toBe(before);
  trees.forget(document.uri);
});

afterAll(() => parser.delete());
