// Dialogues of typing with a model: what is asked, what is shown, what is joined and what is ended. The model and the clock are
// the test's; a keystroke withdraws the request before it, as the editor does.
import { expect, test } from 'vitest';
import type { SiteOptions } from '../../../src/core/completion/completion-site.js';
import { QuantsmithError } from '../../../src/core/problem.js';
import { Completer, type Outcome } from '../../../src/extension/completions/completer.js';
import type { CompletionAnswer } from '../../../src/protocol/worker-protocol.js';

interface Question {
  readonly prefix: string;
  readonly multiline: boolean;
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
    ({ prefix }, multiline, signal, write) =>
      new Promise((resolve, reject) => {
        signal.addEventListener('abort', () => {
          reject(new QuantsmithError('cancelled', 'Cancelled.'));
        });
        this.questions.push({
          ...{ prefix, multiline, signal, write },
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
  );

  /** The document after a keystroke, `│` at the cursor; what became of the request once it is known. */
  type(document: string, options: Partial<SiteOptions> = {}): { outcome: Outcome | undefined; isSettled: boolean } {
    this.withdraw();
    const controller = new AbortController();
    this.#current = controller;
    const [prefix = '', suffix = ''] = document.split('│');
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
  await world.pass(100);
  expect(world.open).toHaveLength(1);
  await world.pass(60);
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
