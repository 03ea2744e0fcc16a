// Random recipes-in-the-making: texts and edits that keep running into every kind of broken YAML.

/** A small, fast generator (mulberry32), so that a printed seed repeats a run. */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const PIECES = [
  'recipe: 1\n', 'source: a.gguf\n', 'type: Q4_K_M\n', 'rules:\n', '  - tensors: blk.*.attn_v.weight\n', '    type: Q6_K\n',
  '  - {tensors: x, type: Q8_0}\n', '{', '}', '[', ']', ',', ': ', ':', '-', '- ', '\n', '\r\n', '\r', '  ', '\t', '"', "'", '#', ' # note',
  '*', '&a ', '!!str ', '|\n', '>-\n', '---\n', '...\n', '%YAML 1.2\n', '?', '\\', '\\u00e9', 'é', '漢字', '😀', '\u2028', '\0', '\uFEFF', 'a', '0',
  // Two of these nest deeper than a recipe may.
  '- '.repeat(20), '? '.repeat(20), '['.repeat(20), `\n${Array.from({ length: 20 }, (_, i) => `${' '.repeat(i)}a:\n`).join('')}`,
]; // prettier-ignore

/** Every way to nest deeply, by the number of levels. */
export const DEEP_TEXTS: readonly (readonly [string, (levels: number) => string])[] = [
  ['dashes', levels => '- '.repeat(levels)],
  ['dashes and an item', levels => `${'- '.repeat(levels)}a`],
  ['question marks', levels => '? '.repeat(levels)],
  ['colons', levels => ': '.repeat(levels)],
  ['dashes and question marks', levels => '- ? '.repeat(levels / 2)],
  ['keys in one line', levels => 'a: '.repeat(levels)],
  ['keys in lines that are one deeper each', levels => stairs(levels, () => 'a:\n')],
  ['the same with \\r\\n', levels => stairs(levels, () => 'a:\r\n')],
  ['dashes in such lines', levels => stairs(levels, () => '-\n')],
  ['sequences in the columns of their mappings', levels => stairs(levels, i => (i === 0 ? 'a:\n' : '- a:\n'))],
  ['quoted keys', levels => stairs(levels, () => `"a b": # c\n\n`)],
  ['anchored keys', levels => stairs(levels, () => '&a b:\n')],
  ['tagged items', levels => '- !!seq '.repeat(levels)],
  ['anchored items', levels => '- &a '.repeat(levels)],
  ['collections as keys', levels => stairs(levels, () => '[a]: \n')],
  ['a block scalar below dashes', levels => `${'- '.repeat(levels)}|\n${' '.repeat(2 * levels)}a\n`],
  ['a flow mapping below dashes', levels => `${'- '.repeat(levels)}{a: b, c}\n`],
  ['dashes behind tabs', levels => '-\t'.repeat(levels)],
  ['dashes in a second document', levels => `a: b\n--- ${'- '.repeat(levels)}`],
  ['brackets', levels => '['.repeat(levels)],
  ['braces and brackets over lines', levels => '{a: [\n'.repeat(levels / 2)],
];

function stairs(levels: number, line: (level: number) => string): string {
  return Array.from({ length: levels }, (_, i) => ' '.repeat(i) + line(i)).join('');
}

export interface RandomEdit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

export function randomText(random: () => number, pieces: number): string {
  return Array.from({ length: pieces }, () => pick(random)).join('');
}

/** A recipe without a mistake, to be damaged. */
export function soundText(random: () => number): string {
  const rules = Array.from({ length: 1 + Math.floor(random() * 8) }, (_, i) =>
    random() < 0.5
      ? `  - tensors: blk.${i}.attn_v.weight # é\n    type: Q6_K\n`
      : `  - {tensors: 'blk.${i}.*', type: F16}\n`,
  );
  return `recipe: 1\nsource: "a 😀.gguf"\noutput: b.gguf\ntype: Q8_0\nrules:\n${rules.join('')}fallback: promote\n`;
}

function pick(random: () => number): string {
  return PIECES[Math.floor(random() * PIECES.length)] ?? '';
}

/** Mostly small insertions and deletions, sometimes a bigger replacement. Never inside a surrogate pair. */
export function randomEdit(random: () => number, text: string): RandomEdit {
  const place = (): number => {
    const at = Math.floor(random() * (text.length + 1));
    return /[\uDC00-\uDFFF]/.test(text[at] ?? '') ? at - 1 : at;
  };
  const start = place();
  const length = random() < 0.5 ? 0 : random() < 0.8 ? 1 : Math.floor(random() * 30);
  let end = Math.min(text.length, start + length);
  if (/[\uDC00-\uDFFF]/.test(text[end] ?? '')) end++;
  return { start, end, text: random() < 0.3 ? '' : pick(random) };
}
