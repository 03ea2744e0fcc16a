// The ring of pieces of other files, as text: what is offered line by line, and what stands in a prompt then.
import { describe, expect, test } from 'vitest';
import { ContextRing, type RingLimits } from '../../../src/core/completion/context-ring.js';
import { random } from '../tokenizer/world.js';

const LIMITS: RingLimits = { pieces: 4, lines: 6, characters: 10_000 };

/**
 * `a: x y z` offers a piece of the file a with a line per word; `---` settles; `forget a` forgets a file. After each `---` a line of
 * the result says which pieces there are, and whether they changed (`*`).
 */
function play(script: string, limits = LIMITS): string {
  const ring = new ContextRing(limits);
  const shown: string[] = [];
  for (const line of script
    .trim()
    .split('\n')
    .map(text => text.trim())) {
    const [, name = '', words = ''] = /^(\S+): (.*)$/.exec(line) ?? [];
    if (line === '---') shown.push(`${ring.settle() ? '* ' : '  '}${text(ring)}`);
    else if (line.startsWith('forget ')) ring.forget(file => file === line.slice(7));
    else ring.offer(name, `${words.split(' ').join('\n')}\n`);
  }
  return shown.join('\n');
}

const text = (ring: ContextRing): string =>
  ring.pieces.map(({ name, text }) => `${name}(${text.trim().split('\n').join(' ')})`).join(' ');

describe('the ring', () => {
  test('changes when it is settled, and a new piece goes to the end', () => {
    const ring = new ContextRing(LIMITS);
    ring.offer('a', '1\n2\n3\n');
    expect(text(ring)).toBe('');
    expect(play('a: 1 2 3\n---\nb: 4 5 6\nc: 7 8 9\n---\n---')).toBe(
      '* a(1 2 3)\n* a(1 2 3) b(4 5 6) c(7 8 9)\n  a(1 2 3) b(4 5 6) c(7 8 9)',
    );
  });

  test('the same again changes nothing, a changed one replaces it', () => {
    expect(play('a: 1 2 3 4\nb: 5 6 7\n---\na: 1 2 3 4\n---\na: 1 2 3 9\n---')).toBe(
      '* a(1 2 3 4) b(5 6 7)\n  a(1 2 3 4) b(5 6 7)\n* b(5 6 7) a(1 2 3 9)',
    );
  });

  test('another place of the same file is another piece, a copy in another file is none', () => {
    expect(play('a: 1 2 3\na: 4 5 6\n---\nb: 4 5 6\n---')).toBe('* a(1 2 3) a(4 5 6)\n* a(1 2 3) b(4 5 6)');
    expect(play('a: 1 2 3 4\nb: 1 2 3 5\n---')).toBe('* a(1 2 3 4) b(1 2 3 5)');
  });

  test('waiting pieces replace each other, too', () => {
    expect(play('a: 1 2 3\na: 1 2 3 4\na: 1 2 3 4 5\n---')).toBe('* a(1 2 3 4 5)');
  });

  test('when there are too many, a quarter goes at once, the oldest first', () => {
    const six = ['a', 'b', 'c', 'd', 'e', 'f'].map(name => `${name}: ${name}1 ${name}2 ${name}3\n---`).join('\n');
    expect(
      play(six)
        .split('\n')
        .map(line => line.replaceAll(/\(.*?\)/g, '')),
    ).toEqual(['* a', '* a b', '* a b c', '* a b c d', '* c d e', '* c d e f']);
  });

  test('so many characters, and of one piece a quarter of them', () => {
    const limits = { pieces: 16, lines: 64, characters: 40 };
    expect(play('a: 11 22 33 44 55 66 77\n---', limits)).toBe('* a(33 44 55)');
    const pieces = ['a', 'b', 'c', 'd', 'e'].map(name => `${name}: ${name}1 ${name}2 ${name}3\n---`).join('\n');
    expect(
      play(pieces, limits)
        .split('\n')
        .map(line => line.replaceAll(/\(.*?\)/g, '')),
    ).toEqual(['* a', '* a b', '* a b c', '* a b c d', '* c d e']);
  });

  test('of a long text the middle; too little says nothing; minified code is none', () => {
    expect(play('a: 1 2 3 4 5 6 7 8 9\n---')).toBe('* a(2 3 4 5 6 7)');
    expect(play('a: 1 2\n---')).toBe('  ');
    expect(play('a: 1 } 2 { }\n---')).toBe('  ');
    expect(play(`a: 1 2 3 ${'x'.repeat(501)}\n---`)).toBe('  ');
  });

  test('a file that is forgotten is gone at once, also what waits', () => {
    expect(play('a: 1 2 3\nb: 4 5 6\n---\na: 7 8 9\nforget a\n---')).toBe('* a(1 2 3) b(4 5 6)\n  b(4 5 6)');
  });
});

describe('for a cursor', () => {
  const ring = new ContextRing(LIMITS);
  ring.offer('a', '1\n2\n3\n4\n');
  ring.offer('a', '5\n6\n7\n8\n');
  ring.offer('b', '1\n2\n3\n');
  ring.settle();
  const names = (file: string, around: string): string =>
    ring
      .for(file, around)
      .map(({ name, text }) => name + text.slice(0, 1))
      .join(' ');

  test('without what stands around it, and the same until something changes', () => {
    expect(names('c', '1\n2\n3')).toBe('a1 a5 b1');
    expect(names('a', 'x\n  1\n  2\ny')).toBe('a5 b1');
    // The cursor went elsewhere: the prompt stays.
    expect(names('a', '5\n6\n7')).toBe('a5 b1');
    expect(names('b', '')).toBe('a1 a5 b1');
    expect(names('a', '5\n6\n7')).toBe('a1 b1');
    expect(ring.for('a', '')).toBe(ring.for('a', 'other'));
    ring.offer('d', 'x\ny\nz\n');
    ring.settle();
    expect(names('a', '1\n2')).toBe('a5 b1 dx');
  });
});

test('however it is used, it is within its limits, and what stays keeps its order', () => {
  const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000);
  console.log(`SEED=${seed}`);
  const next = random(seed);
  const below = (n: number): number => Math.floor(next() * n);
  const limits = { pieces: 5, lines: 8, characters: 200 };
  const ring = new ContextRing(limits);
  for (let round = 0; round < 2000; round++) {
    const before = ring.pieces.map(({ name, text }) => name + text);
    const lines = Array.from({ length: below(14) }, () => `w${below(40)}`);
    ring.offer(`f${below(4)}`, lines.join('\n'));
    expect(ring.pieces.map(({ name, text }) => name + text)).toEqual(before);
    if (below(3) > 0) continue;
    const changed = ring.settle();
    const after = ring.pieces.map(({ name, text }) => name + text);
    expect(changed).toBe(after.join() !== before.join());
    expect(ring.pieces.length).toBeLessThanOrEqual(limits.pieces);
    expect(ring.pieces.reduce((sum, { text }) => sum + text.length, 0)).toBeLessThanOrEqual(limits.characters);
    const kept = before.filter(piece => after.includes(piece));
    expect(after.slice(0, kept.length)).toEqual(kept);
  }
});
