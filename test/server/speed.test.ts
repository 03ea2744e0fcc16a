// What a keystroke costs, in processor time (so that a busy machine changes little). The bounds are several times what was
// measured, to catch a change of complexity; the numbers themselves are printed.
import { afterAll, expect, test } from 'vitest';
import { TextDocument } from 'vscode-languageserver-textdocument';
import { checkRecipe } from '../../src/core/recipe/check-recipe.js';
import { completeRecipe } from '../../src/core/recipe/complete-recipe.js';
import { LineIndex } from '../../src/core/recipe/line-index.js';
import { parseRecipe } from '../../src/core/recipe/parse-recipe.js';
import { YamlParser } from '../../src/platform/yaml-parser.js';
import { applyChanges, DocumentStore, type DocumentChange } from '../../src/server/document-store.js';
import { Trees } from '../../src/server/trees.js';
import { exampleModel, tensor } from '../core/recipe/model.js';
import { treeSitterFolder } from '../core/recipe/yaml.js';

const parser = await YamlParser.load(await treeSitterFolder());
afterAll(() => parser.delete());

class ScriptedDocuments extends DocumentStore {
  readonly listeners: ((change: DocumentChange) => void)[] = [];
  override onChange(listener: (change: DocumentChange) => void): void {
    this.listeners.push(listener);
  }
}

function cpuMilliseconds(start: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1000;
}

const HEAD = 'recipe: 1\nsource: a.gguf\noutput: b.gguf\ntype: Q8_0\nrules:\n';

function rules(count: number, layers: number): string {
  return Array.from(
    { length: count },
    (_, i) => `  - tensors: blk.${i % layers}.ffn_down*.${i}\n    type: Q6_K\n`,
  ).join('');
}

/** Types 20 letters into a rule in the middle, one by one; milliseconds of processor time per keystroke, sorted. */
function type(text: string, after: (document: TextDocument, trees: Trees) => void): number[] {
  const documents = new ScriptedDocuments();
  const trees = new Trees(documents, parser);
  const document = TextDocument.create('test:speed', 'quant-recipe', 1, text);
  after(document, trees);
  const times: number[] = [];
  for (let i = 0; i < 20; i++) {
    const at = document.positionAt(text.indexOf('ffn_down', text.length / 2) + i);
    const start = process.cpuUsage();
    const change = applyChanges(document, [{ range: { start: at, end: at }, text: 'x' }], i + 2);
    for (const listener of documents.listeners) listener(change);
    after(document, trees);
    times.push(cpuMilliseconds(start));
  }
  return times.sort((a, b) => a - b);
}

const report = (what: string, times: readonly number[]): number => {
  const [median = 0, high = 0] = [times[10], times[18]];
  console.log(`${what}: median ${median.toFixed(1)} ms, p95 ${high.toFixed(1)} ms`);
  return median;
};

function analyze(document: TextDocument, trees: Trees) {
  const lines = new LineIndex(document.getText());
  return { lines, parsed: trees.use(document, root => parseRecipe(lines, root, parser.withTree)) };
}

test('a keystroke in a recipe of 158 KB', () => {
  let text = HEAD;
  for (let i = 0; text.length < 158_000; i++) text += `  - tensors: blk.${i}.ffn_down.weight\n    type: Q6_K\n`;
  expect(report('parse and read 158 KB', type(text, analyze))).toBeLessThan(250);
});

test('a keystroke in 1,000 lines bound to 2,000 tensors', () => {
  const bound = exampleModel(
    Array.from({ length: 2000 }, (_, i) => tensor(`blk.${Math.floor(i / 20)}.ffn_down_${i % 20}.weight`, [1024, 64])),
  );
  const times = type(HEAD + rules(500, 100), (document, trees) => {
    const { parsed } = analyze(document, trees);
    checkRecipe(parsed.draft, { source: { state: 'bound', bound } });
  });
  expect(report('diagnostics', times)).toBeLessThan(1500);
  const lines = new LineIndex(`${HEAD}  - tensors: `);
  const completions = Array.from({ length: 20 }, () => {
    const start = process.cpuUsage();
    completeRecipe(lines, lines.text.length, bound);
    return cpuMilliseconds(start);
  }).sort((a, b) => a - b);
  expect(report('completion', completions)).toBeLessThan(200);
});
