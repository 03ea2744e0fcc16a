// Dialogues of typing with a model: what is asked, what is shown, what is joined and what is ended. The model and the clock are
// the test's; a keystroke withdraws the request before it, as the editor does.
import { describe, expect, test } from 'vitest';
import type { SiteOptions } from '../../../src/core/completion/completion-site.js';
import { QuantsmithError } from '../../../src/core/problem.js';
import { Completer, type CompleteOptions, type Outcome } from '../../../src/extension/completions/completer.js';
import type { CompletionAnswer } from '../../../src/protocol/worker-protocol.js';

interface Question {
  readonly prefix: string;
  readonly multiline: boolean;
  readonly purpose: string;
  readonly signal: AbortSignal;
  readonly write: (text: string) => void;
  readonly answer: (text: string) => void;
  readonly fail: (error: Error) => void;
}

const OPTIONS: SiteOptions = {
  language: 'python',
  explicit: false,
  inComments: false,
  inStrings: false,
  multiline: 'auto',
};

const answerOf = (text: string): CompletionAnswer => ({
  ...{ text, stop: 'The model ended it.', prompt: '', promptTokens: 10, reusedTokens: 0, cutTokens: 0 },
  ...{ generatedTokens: 3, waitMs: 0, promptMs: 100, generateMs: 10 },
});

/** Lets everything that is ready happen. */
const settle = (): Promise<void> => new Promise(resolve => setImmediate(resolve));

class World {
  readonly questions: Question[] = [];
  readonly generating: boolean[] = [];
  #now = 0;
  readonly #timers: { at: number; run: () => void }[] = [];
  #current: AbortController | undefined;
  readonly completer = new Completer(
    ({ prefix }, multiline, signal, write, purpose) =>
      new Promise((resolve, reject) => {
        signal.addEventListener('abort', () => {
          reject(new QuantsmithError('cancelled', 'Cancelled.'));
        });
        this.questions.push({
          ...{ prefix, multiline, purpose, signal, write },
          answer: text => {
            resolve(answerOf(text));
          },
          fail: reject,
        });
      }),
    {
      now: () => this.#now,
      wait: (milliseconds, signal) =>
        new Promise((resolve, reject) => {
          this.#timers.push({ at: this.#now + milliseconds, run: resolve });
          signal.addEventListener('abort', () => {
            reject(signal.reason as Error);
          });
        }),
    },
    is => this.generating.push(is),
    {
      generated: tokens => {
        this.generated += tokens;
      },
      used: tokens => {
        this.used += tokens;
      },
    },
  );
  generated = 0;
  used = 0;

  /** The document after a keystroke, `│` at the cursor; what became of the request once it is known. */
  type(document: string, options: Partial<CompleteOptions> = {}): { outcome: Outcome | undefined; isSettled: boolean } {
    this.withdraw();
    const controller = new AbortController();
    this.#current = controller;
    const [prefix = '', suffix = ''] = document.split('│');
    // The editor tells of the key as it withdraws the request.
    if (!options.explicit) this.completer.typed({ prefix, suffix });
    const result: { outcome: Outcome | undefined; isSettled: boolean } = { outcome: undefined, isSettled: false };
    void this.completer.complete({ prefix, suffix }, { ...OPTIONS, ...options }, controller.signal).then(outcome => {
      result.outcome = outcome;
      result.isSettled = true;
    });
    return result;
  }

  withdraw(): void {
    this.#current?.abort(new Error('withdrawn'));
  }

  async pass(milliseconds: number): Promise<void> {
    await settle();
    this.#now += milliseconds;
    for (const timer of this.#timers.splice(0)) {
      if (timer.at <= this.#now) timer.run();
      else this.#timers.push(timer);
    }
    await settle();
  }

  get open(): Question[] {
    return this.questions.filter(({ signal }) => !signal.aborted);
  }
}

test('after a pause the model is asked, and its text is shaped', async () => {
  const world = new World();
  const result = world.type('x = fo│\n');
  await world.pass(0);
  expect(world.questions).toHaveLength(0);
  await world.pass(300);
  expect(world.questions.map(({ prefix, multiline }) => [prefix, multiline])).toEqual([['x = fo', false]]);
  world.questions[0]!.answer('o(a)\ny = 2');
  await settle();
  expect(result.outcome).toMatchObject({ offer: { text: 'o(a)', replace: 0 }, source: 'model', typed: '' });
  expect(world.generating).toEqual([true, false]);
});

test('fast typing asks once', async () => {
  const world = new World();
  const results = ['f│', 'fo│', 'foo│', 'foo_│'].map(document => world.type(document));
  await world.pass(300);
  expect(world.questions.map(({ prefix }) => prefix)).toEqual(['foo_']);
  world.questions[0]!.answer('bar');
  await settle();
  expect(results.map(({ outcome }) => outcome?.offer?.text)).toEqual([undefined, undefined, undefined, 'bar']);
  expect(results.every(({ isSettled }) => isSettled)).toBe(true);
});

test('typing along with what was shown asks nobody', async () => {
  const world = new World();
  world.type('x = │');
  await world.pass(300);
  world.questions[0]!.answer('foo(a, b)');
  await settle();
  const along = world.type('x = foo(│)');
  await settle();
  expect(along.outcome).toMatchObject({ offer: { text: 'a, b', replace: 0 }, source: 'cache', typed: 'foo(' });
  const back = world.type('x = │');
  await settle();
  expect(back.outcome).toMatchObject({ offer: { text: 'foo(a, b)' }, source: 'cache' });
  expect(world.questions).toHaveLength(1);
});

test('a key that agrees with what is being written joins it', async () => {
  const world = new World();
  const first = world.type('x = │');
  await world.pass(300);
  world.questions[0]!.write('fo');
  // Before the model has come so far, and after.
  const early = world.type('x = foo│');
  await world.pass(60);
  world.questions[0]!.write('foo(');
  const late = world.type('x = foo(│)');
  await world.pass(200);
  expect(world.questions).toHaveLength(1);
  expect(world.questions[0]!.signal.aborted).toBe(false);
  world.questions[0]!.answer('foo(a)');
  await settle();
  expect([first.outcome, early.outcome]).toEqual([undefined, undefined]);
  expect(late.outcome).toMatchObject({ offer: { text: 'a' }, source: 'joined' });
});

test('a key that disagrees ends it at once, also when the difference comes later', async () => {
  const world = new World();
  world.type('x = │');
  await world.pass(300);
  world.questions[0]!.write('fo');
  world.type('x = b│');
  await settle();
  expect(world.questions[0]!.signal.aborted).toBe(true);
  await world.pass(300);
  expect(world.open.map(({ prefix }) => prefix)).toEqual(['x = b']);

  const waiting = world.type('x = bar│');
  await world.pass(300);
  expect(world.questions).toHaveLength(2);
  world.questions[1]!.write('az');
  await settle();
  expect(world.questions[1]!.signal.aborted).toBe(true);
  await world.pass(300);
  world.questions[2]!.answer('()');
  await settle();
  expect(waiting.outcome).toMatchObject({ offer: { text: '()' }, source: 'model' });
});

test('when nobody wants it any more, the model is quiet a moment later', async () => {
  const world = new World();
  const result = world.type('x = │');
  await world.pass(300);
  world.withdraw();
  await world.pass(20);
  expect(world.open).toHaveLength(1);
  await world.pass(10);
  expect(world.open).toHaveLength(0);
  expect(result).toEqual({ outcome: undefined, isSettled: true });
  expect(world.generating.at(-1)).toBe(false);
});

test('where nothing is to be completed, what is being written ends', async () => {
  const world = new World();
  world.type('x = │');
  await world.pass(300);
  const result = world.type('x = 1 # │');
  await settle();
  expect(world.open).toHaveLength(0);
  expect(result.outcome?.nothing).toMatch(/comment/);
});

test('asked for, there is no waiting', async () => {
  const world = new World();
  const result = world.type('x = │', { explicit: true });
  await settle();
  world.questions[0]!.answer('1');
  await settle();
  expect(result.outcome).toMatchObject({ offer: { text: '1' }, waitedMs: 0 });
});

test('nothing is an answer that is kept, too', async () => {
  const world = new World();
  for (const round of [0, 1]) {
    const result = world.type('x = │');
    await world.pass(300);
    if (round === 0) world.questions[0]!.answer('  \n');
    await settle();
    expect(result.outcome).toMatchObject({ nothing: 'The model wrote nothing.' });
  }
  expect(world.questions).toHaveLength(1);
});

test('a failure is said, and the next key tries again', async () => {
  const world = new World();
  const result = world.type('x = │');
  await world.pass(300);
  world.questions[0]!.fail(new QuantsmithError('worker/gone', 'It is gone.', 'Try again.'));
  await settle();
  expect(result.outcome?.failed).toEqual({ code: 'worker/gone', message: 'It is gone.', hint: 'Try again.' });
  world.type('x = f│');
  await world.pass(300);
  expect(world.open).toHaveLength(2);
});

test('another model: nothing of the old one is shown', async () => {
  const world = new World();
  world.type('x = │');
  await world.pass(300);
  world.questions[0]!.answer('old');
  await settle();
  const pending = world.type('y = │');
  await world.pass(300);
  world.completer.reset();
  await settle();
  expect(pending).toEqual({ outcome: undefined, isSettled: true });
  world.type('x = │');
  await world.pass(300);
  expect(world.open.at(-1)?.prefix).toBe('x = ');
});

test('a key that agrees, but no request behind it: quiet a moment later, too', async () => {
  const world = new World();
  world.type('x = │');
  await world.pass(300);
  world.questions[0]!.write('foo');
  world.withdraw();
  world.completer.typed({ prefix: 'x = f', suffix: '' });
  await world.pass(30);
  await world.pass(100);
  expect(world.open).toHaveLength(1);
  await world.pass(60);
  expect(world.open).toHaveLength(0);
});

describe('in time', () => {
  const budgetMs = 500;

  test('what exists is shown; the rest is there when typing along', async () => {
    const world = new World();
    const result = world.type('x = │', { budgetMs });
    await world.pass(300);
    world.questions[0]!.write('foo(');
    await world.pass(499);
    expect(result.isSettled).toBe(false);
    await world.pass(1);
    await world.pass(50);
    expect(result.outcome).toMatchObject({ offer: { text: 'foo(' }, source: 'model', totalMs: 850, firstMs: 300 });
    world.questions[0]!.answer('foo(a)');
    await settle();
    const along = world.type('x = foo(│)', { budgetMs });
    await settle();
    expect(along.outcome).toMatchObject({ offer: { text: 'a' }, source: 'cache' });
  });

  test('a text that lands with its time is shown whole', async () => {
    const world = new World();
    const result = world.type('x = │', { budgetMs });
    await world.pass(300);
    world.questions[0]!.write('foo(');
    await world.pass(500);
    world.questions[0]!.answer('foo(a');
    await settle();
    expect(result.outcome).toMatchObject({ offer: { text: 'foo(a' }, answer: { generatedTokens: 3 } });
  });

  test('nothing exists: that is said, and the model goes on for the next key', async () => {
    const world = new World();
    const result = world.type('x = │', { budgetMs });
    await world.pass(300);
    await world.pass(500);
    expect(result.outcome?.nothing).toMatch(/^The time of 500 ms was up before the model wrote anything/);
    await world.pass(1000);
    expect(world.open).toHaveLength(1);
    const along = world.type('x = f│', { budgetMs });
    world.questions[0]!.answer('foo');
    await settle();
    expect(along.outcome).toMatchObject({ offer: { text: 'oo' } });
    expect(world.questions).toHaveLength(1);
  });

  test('and any other key ends it', async () => {
    const world = new World();
    world.type('x = │', { budgetMs });
    await world.pass(300);
    await world.pass(500);
    world.questions[0]!.write('foo');
    world.type('x = b│', { budgetMs });
    expect(world.questions[0]!.signal.aborted).toBe(true);
  });

  test('whoever asks waits for as long as it takes', async () => {
    const world = new World();
    const result = world.type('x = │', { budgetMs, explicit: true });
    await world.pass(0);
    await world.pass(5000);
    expect(result.isSettled).toBe(false);
    expect(world.questions.map(({ purpose }) => purpose)).toEqual(['asked']);
    world.questions[0]!.answer('1');
    await settle();
    expect(result.outcome?.offer?.text).toBe('1');
  });
});

describe('in advance', () => {
  const ahead = true;
  /** A completion is shown; what follows it is being asked for. */
  const shown = async (): Promise<World> => {
    const world = new World();
    world.type('x = │\n', { ahead });
    await world.pass(300);
    world.questions[0]!.answer('foo(a)');
    await settle();
    return world;
  };

  test('what follows a completion is there after accepting it and a line break', async () => {
    const world = await shown();
    expect(world.questions[1]).toMatchObject({ prefix: 'x = foo(a)', purpose: 'ahead', multiline: true });
    world.questions[1]!.answer('\ny = 2\nz = 3\n');
    await settle();
    const accepted = world.type('x = foo(a)│\n', { ahead });
    await settle();
    expect(accepted.outcome?.nothing).toBeDefined();
    const next = world.type('x = foo(a)\n│\n', { ahead });
    await settle();
    expect(next.outcome).toMatchObject({ offer: { text: 'y = 2\nz = 3' }, source: 'cache' });
    expect(world.questions.filter(({ purpose }) => purpose !== 'ahead')).toHaveLength(1);
  });

  test('typing along with what is shown keeps it; accepting joins it while it is written', async () => {
    const world = await shown();
    world.type('x = foo│\n', { ahead });
    await world.pass(300);
    expect(world.open).toHaveLength(2);
    world.questions[1]!.write('\ny');
    const next = world.type('x = foo(a)\n│\n', { ahead });
    await world.pass(300);
    world.questions[1]!.answer('\ny = 2');
    await settle();
    expect(next.outcome).toMatchObject({ offer: { text: 'y = 2' }, source: 'joined' });
    expect(world.questions.filter(({ purpose }) => purpose === 'show')).toHaveLength(1);
  });

  test('a key that disagrees ends it, and what it wrote was wasted', async () => {
    const world = await shown();
    world.questions[1]!.write('\n');
    world.questions[1]!.write('\ny');
    world.type('x = b│\n', { ahead });
    await settle();
    expect(world.questions[1]!.signal.aborted).toBe(true);
    expect([world.generated, world.used]).toEqual([5, 3]);
  });

  test('not where it is turned off, and not twice', async () => {
    const world = new World();
    world.type('x = │\n');
    await world.pass(300);
    world.questions[0]!.answer('foo(a)');
    await settle();
    expect(world.questions).toHaveLength(1);
    world.type('x = f│\n', { ahead });
    await settle();
    world.questions[1]!.answer('\ny = 2');
    await settle();
    world.type('x = fo│\n', { ahead });
    await settle();
    expect(world.questions).toHaveLength(2);
  });
});

test('the model reads when nobody types, and stops for whoever does', async () => {
  const world = new World();
  world.completer.read({ prefix: 'x', suffix: '' });
  expect(world.questions.map(({ purpose }) => purpose)).toEqual(['read']);
  world.completer.read({ prefix: 'y', suffix: '' });
  expect(world.questions).toHaveLength(1);
  const result = world.type('xy│');
  expect(world.questions[0]!.signal.aborted).toBe(true);
  await world.pass(300);
  world.questions[1]!.answer('z');
  await settle();
  expect(result.outcome?.offer?.text).toBe('z');
  world.completer.read({ prefix: 'xyz', suffix: '' });
  world.questions[2]!.answer('');
  await settle();
  // What was only read is no answer.
  world.type('xyz│');
  await world.pass(300);
  expect(world.questions).toHaveLength(4);
});
