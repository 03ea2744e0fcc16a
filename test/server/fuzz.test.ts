// Whatever is typed: reading, checking, completing and hovering never throw, every range lies in the text, and no message
// cuts a character in two.
import { expect, test } from 'vitest';
import { checkRecipe } from '../../src/core/recipe/check-recipe.js';
import { completeRecipe } from '../../src/core/recipe/complete-recipe.js';
import { hoverRecipe } from '../../src/core/recipe/hover-recipe.js';
import { comparePositions, LineIndex } from '../../src/core/recipe/line-index.js';
import { exampleModel } from '../core/recipe/model.js';
import { yamlParser } from '../core/recipe/yaml.js';
import { randomEdit, randomFrom, randomText, soundText } from './random-edits.js';

const SEED = Number(process.env.SEED ?? Date.now() % 2 ** 31);
const LONE_SURROGATE = /[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/;

test(`random recipes (SEED=${SEED})`, async () => {
  const parser = await yamlParser();
  const bound = exampleModel();
  const random = randomFrom(SEED);
  for (let round = 0; round < 100; round++) {
    let text = round % 2 === 0 ? soundText(random) : randomText(random, 30);
    for (let step = 0; step < 15; step++) {
      const edit = randomEdit(random, text);
      // As from a file: a byte order mark at the start is no part of the text.
      text = (text.slice(0, edit.start) + edit.text + text.slice(edit.end)).replace(/^\uFEFF+/, '');
      const lines = new LineIndex(text);
      const parsed = parser.parseRecipeText(text);
      const found = [...parsed.diagnostics, ...checkRecipe(parsed.draft, { source: { state: 'bound', bound } })];
      const offset = Math.floor(random() * (text.length + 1));
      const hover = hoverRecipe(parsed, lines.positionAt(offset), bound);
      const items = completeRecipe(lines, offset, bound);
      for (const { range } of [...found, ...items, ...(hover ? [hover] : [])]) {
        const context = JSON.stringify({ text, range });
        expect(comparePositions(range.start, range.end), context).toBeLessThanOrEqual(0);
        for (const { line, character } of [range.start, range.end]) {
          expect(lines.lineStart(line) + character, context).toBeLessThanOrEqual(text.length);
          expect(line, context).toBeLessThan(lines.lineCount);
        }
      }
      for (const { message } of found) expect(message).not.toMatch(LONE_SURROGATE);
    }
  }
});
