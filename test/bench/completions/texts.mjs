// Texts to complete in: the sources of this repository, which the example model has never seen.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

const root = path.resolve(import.meta.dirname, '../../..');

/** xorshift32: numbers from 0 to 1, the same for the same seed. */
export function randomNumbers(seed) {
  let state = seed >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

/** Paths and texts of TypeScript files, in order of their paths, each at least so many characters long. */
export function sourceTexts(least) {
  return readdirSync(path.join(root, 'src'), { recursive: true })
    .filter(name => name.endsWith('.ts'))
    .sort()
    .map(name => ({ name: `src/${name}`, text: readFileSync(path.join(root, 'src', name), 'utf8') }))
    .filter(({ text }) => text.length >= least);
}

/** `count` cursors behind a word's first letters, each in a file of its own, with at least so many characters before and behind. */
export function cursors(count, { before, behind, seed = 1 }) {
  const random = randomNumbers(seed);
  const files = sourceTexts(before + behind + 400);
  if (files.length < count) throw new Error(`expected ${count} files of ${before + behind + 400} characters`);
  const step = files.length / count;
  return Array.from({ length: count }, (_, i) => {
    const { name, text } = files[Math.floor(i * step)];
    let at = before + Math.floor(random() * (text.length - before - behind - 300));
    const isInWord = () => /[a-z][a-z]$/.test(text.slice(at - 2, at)) && /[a-z][a-z]/.test(text.slice(at, at + 2));
    while (!isInWord()) at++;
    return { name, prefix: text.slice(0, at), suffix: text.slice(at), next: text[at] };
  });
}
