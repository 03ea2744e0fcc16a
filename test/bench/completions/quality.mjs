// What completions lose by quantizing: held-out cases, the text between prefix and suffix known, greedy, by type. `exact` is the share
// of cases with the known text, `similarity` the mean of 1 - edit distance / length of the longer text, both of the text as it is
// and cut at its first line's end.
import { readFileSync } from 'node:fs';
import { withEngine } from './engine.mjs';

const CONTEXT = 512;
const COUNT = 96;
const SPECIAL = 3;

export async function quality({ sources, models, kernels, threads, file }) {
  const cases = readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map(line => JSON.parse(line));
  const rows = [];
  for (const { type, path } of models) {
    const results = await withEngine(sources, { path, threads, backend: 'auto', kernels }, async complete => {
      const list = [];
      for (const one of cases) {
        const suffix = Math.floor((CONTEXT - COUNT - SPECIAL) / 3);
        const budget = { prefix: CONTEXT - COUNT - SPECIAL - suffix, suffix };
        const { text, reason } = await complete(one, { count: COUNT, budget });
        list.push({ text, middle: one.middle, ended: reason === 'end' });
      }
      return list;
    });
    const mean = value => results.reduce((sum, one) => sum + value(one), 0) / results.length;
    const line = text => text.split('\n')[0];
    rows.push({
      type,
      cases: results.length,
      exact: mean(({ text, middle }) => Number(text === middle)).toFixed(2),
      'first line exact': mean(({ text, middle }) => Number(line(text) === line(middle))).toFixed(2),
      similarity: mean(({ text, middle }) => similarity(text, middle)).toFixed(3),
      'first line similarity': mean(({ text, middle }) => similarity(line(text), line(middle))).toFixed(3),
      ended: mean(({ ended }) => Number(ended)).toFixed(2),
    });
  }
  return rows;
}

/** 1 - Levenshtein's distance / length of the longer text; 1 for two empty ones. */
export function similarity(a, b) {
  const longest = Math.max(a.length, b.length);
  if (longest === 0) return 1;
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1)));
    }
    row = next;
  }
  return 1 - row[b.length] / longest;
}
