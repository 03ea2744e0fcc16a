// What is made of a model's text, as text with a cursor (shape.txt says how), and when a generation may stop.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { completionLimit } from '../../../src/core/completion/completion-limit.js';
import type { CursorText } from '../../../src/core/completion/fim-prompt.js';
import { shapeCompletion } from '../../../src/core/completion/shape-completion.js';
import { random } from '../tokenizer/world.js';

interface Case {
  readonly name: string;
  readonly multiline: boolean;
  readonly document: string;
  readonly model: string;
  readonly shown: string;
}

const [, ...sections] = readFileSync(path.join(import.meta.dirname, 'shape.txt'), 'utf8').split(/^== /m);
const cases = sections.map((section): Case => {
  const [head = '', model = '', shown = ''] = section.split(/^--- (?:model|shown)\n/m);
  const [name = '', mode, ...lines] = head.split('\n');
  expect(mode, name).toMatch(/^(line|block)$/);
  const trimmed = (text: string): string => text.replace(/\n$/, '');
  return {
    name,
    multiline: mode === 'block',
    document: trimmed(lines.join('\n')),
    model: trimmed(model),
    shown: shown.replace(/\n+$/, ''),
  };
});

function cursorIn(document: string): CursorText {
  const [prefix = '', suffix = '', ...more] = document.split('│');
  expect(more, document).toEqual([]);
  return { prefix, suffix };
}

function shown(document: string, model: string, multiline: boolean): string {
  const cursor = cursorIn(document);
  const { text, replace, notes } = shapeCompletion(cursor, model, multiline);
  if (text === '') return `(nothing) ${notes.at(-1)}`;
  return `${cursor.prefix}⟦${text}⟧${cursor.suffix.slice(replace)}`.replace(/\n+$/, '');
}

describe('a completion as it is shown', () => {
  test.each(cases)('$name', ({ document, model, multiline, shown: expected }) => {
    expect(shown(document, model, multiline)).toBe(expected);
  });

  test('line ends of Windows, in the text and from the model', () => {
    for (const { document, model, multiline, shown: expected } of cases) {
      const windows = shown(document.replaceAll('\n', '\r\n'), model.replaceAll('\n', '\r\n'), multiline);
      expect(windows.replaceAll('\r\n', '\n')).toBe(expected);
    }
  });
});

describe('a generation stops', () => {
  /** What of a model's text has come when it is enough, character by character; undefined: it was never. */
  const stopsAfter = ({ document, model, multiline }: Case): string | undefined => {
    const enough = completionLimit(cursorIn(document), multiline);
    for (let length = 1; length <= model.length; length++) {
      if (enough(model.slice(0, length)) !== undefined) return model.slice(0, length);
    }
    return undefined;
  };

  test('in a line with its end, in a block with the first complete line that is none of it', () => {
    const stop = (document: string, model: string, multiline = true) =>
      stopsAfter({ name: '', document, model, multiline, shown: '' });
    expect(stop('x = │', '1\ny = 2\n', false)).toBe('1\n');
    expect(stop('    │', '\n\n    f()\n    g()\n', false)).toBe('\n\n    f()\n');
    expect(stop('def f():│\n', '\n    a\n    b\nc\nd\n')).toBe('\n    a\n    b\nc\n');
    expect(stop('if (a) {│\n', '\n  b();\n}\nc();\n')).toBe('\n  b();\n}\n');
    expect(stop('  │\n  next();\n', 'a();\n  next();\n  more();\n')).toBe('a();\n  next();\n');
    expect(stop('  │', 'a();\n  b();')).toBeUndefined();
  });

  test('in several lines behind one that is complete as they will be on a line of their own', () => {
    const stop = (document: string, model: string) =>
      stopsAfter({ name: '', document, model, multiline: true, shown: '' });
    expect(stop('  a();│\n}', '\n  b();\n  c();\n}\nd();\n')).toBe('\n  b();\n  c();\n}\n');
    expect(stop('  a();│\n  z();\n', '\n  b();\n  z();\n  c();\n')).toBe('\n  b();\n  z();\n');
    // Something else than a line break comes first.
    expect(stop('a()│\n', ' + b();\nc();\n')).toBe(' + b();\nc();\n');
  });

  test('never before what is shown is complete', () => {
    for (const one of cases) {
      const part = stopsAfter(one);
      if (part !== undefined) expect(shown(one.document, part, one.multiline), one.name).toBe(one.shown);
    }
  });
});

test('whatever a model writes: the range is behind the cursor on its line, and nothing throws', () => {
  const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000);
  console.log(`SEED=${seed}`);
  const next = random(seed);
  const parts = [
    '(',
    ')',
    '[',
    ']',
    '{',
    '}',
    '"',
    "'",
    '`',
    '\n',
    '\n    ',
    '\t',
    ' ',
    'a',
    'foo',
    ':',
    ';',
    ', ',
    '}',
    '\r\n',
    '😀',
  ];
  const text = (most: number): string =>
    Array.from({ length: Math.floor(next() * most) }, () => parts[Math.floor(next() * parts.length)] ?? '').join('');
  for (let round = 0; round < 3000; round++) {
    const cursor = { prefix: text(20), suffix: text(12) };
    const shaped = shapeCompletion(cursor, text(30), next() < 0.5);
    const [line = ''] = cursor.suffix.split(/\r?\n/);
    expect(shaped.replace, `seed ${seed}, round ${round}`).toBeLessThanOrEqual(line.length);
    // VS Code shows a completion only if the text that is replaced is part of the new one.
    let at = 0;
    for (const character of cursor.suffix.slice(0, shaped.replace)) {
      at = shaped.text.indexOf(character, at) + 1;
      expect(at, `seed ${seed}, round ${round}`).toBeGreaterThan(0);
    }
    expect(shaped.text === '' ? shaped.notes.length : 1).toBeGreaterThan(0);
  }
});
