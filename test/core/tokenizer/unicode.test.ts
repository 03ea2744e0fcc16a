// The tables of Unicode: complete, of version 15.1, and equal to those of the engine wherever both know a character.
import { expect, test } from 'vitest';
import {
  baseCharacter,
  CODE_POINTS,
  codePointClasses,
  decodeLenient,
  LETTER,
  lowerCase,
  MARK,
  NUMBER,
  PUNCTUATION,
  SYMBOL,
  UNASSIGNED,
  WHITESPACE,
} from '../../../src/core/tokenizer/unicode.js';
import { CATEGORY_RUNS } from '../../../src/core/tokenizer/unicode-runs.js';

const classes = codePointClasses();

test('the runs cover every code point', () => {
  let total = 0;
  for (const [, length] of CATEGORY_RUNS.matchAll(/([0-9a-z]*)[A-Z]/g)) total += length ? parseInt(length, 36) : 1;
  expect(total).toBe(CODE_POINTS);
});

test('as many characters are assigned as Unicode 15.1 has', () => {
  let assigned = 0;
  for (const bits of classes) if (!(bits & UNASSIGNED)) assigned++;
  // 149,813 graphic and format characters, 65 controls, 137,468 for private use, 2,048 surrogates.
  expect(assigned).toBe(149_813 + 65 + 137_468 + 2_048);
});

test('classes are those of the engine, but for characters of one of the two only', () => {
  const properties: readonly (readonly [RegExp, number])[] = [
    [/^\p{N}$/u, NUMBER],
    [/^\p{L}$/u, LETTER],
    [/^\p{M}$/u, MARK],
    [/^\p{P}$/u, PUNCTUATION],
    [/^\p{S}$/u, SYMBOL],
    [/^\p{White_Space}$/u, WHITESPACE],
  ];
  const all = properties.reduce((bits, [, bit]) => bits | bit, 0);
  const different: string[] = [];
  for (let cp = 0; cp < CODE_POINTS; cp++) {
    const bits = classes[cp]!;
    const character = String.fromCodePoint(cp);
    if (bits & UNASSIGNED || /^\p{Cn}$/u.test(character)) continue;
    let expected = 0;
    for (const [property, bit] of properties) if (property.test(character)) expected |= bit;
    if ((bits & all) !== expected) different.push(cp.toString(16));
  }
  expect(different).toEqual([]);
});

test('lower case and base characters', () => {
  expect(['A', 'Ä', 'İ', 'Σ', 'ß', '\u1c89', 'ǅ'].map(c => lowerCase(c.codePointAt(0)!))).toEqual(
    ['a', 'ä', 'i', 'σ', 'ß', '\u1c89', 'ǆ'].map(c => c.codePointAt(0)),
  );
  expect(['é', 'Å', '각', 'x', '\u0344'].map(c => baseCharacter(c.codePointAt(0)!))).toEqual(
    ['e', 'A', '\u1100', 'x', '\u0308'].map(c => c.codePointAt(0)),
  );
});

test.each([
  ['61c3', '61 fffd'],
  ['c0af', 'fffd fffd'],
  ['e08080', 'fffd fffd fffd'],
  ['eda080', 'd800'],
  ['f4908080', 'fffd fffd fffd fffd'],
  ['f09f9880', '1f600'],
  ['e4bd61', 'fffd fffd 61'],
  ['ff80', 'fffd fffd'],
])('the bytes %s are the code points %s', (hex, expected) => {
  const { codePoints } = decodeLenient(new Uint8Array(Buffer.from(hex, 'hex')));
  expect(Array.from(codePoints, cp => cp.toString(16)).join(' ')).toBe(expected);
});
