// Two runs that want the same output at the same time: one of them gets it and completes, the other one is told, and touches
// nothing. With nothing there and with what a killed run left; in one process and in two; held at each step in which the
// other could slip in, and let loose together many times.
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { build } from 'esbuild';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { errorData } from '../../src/core/problem.js';
import type { OutputRequest } from '../../src/engine/jobs/quantize-services.js';
import { discardInterrupted } from '../../src/platform/interrupted-output.js';
import { OutputFiles } from '../../src/platform/output-file.js';
import { journalPath, partialPath } from '../../src/platform/output-place.js';
import { SYSTEM, type OutputSystem } from '../../src/platform/output-system.js';
import { root, scratch } from '../worker/built-worker.js';

const PAIRS = 60;

let folder: string;
let remove: () => void;
beforeEach(() => {
  ({ folder, remove } = scratch());
});
afterEach(() => {
  remove();
});

const at = (name: string): string => path.join(folder, name);
const request = (more: Partial<OutputRequest> = {}): OutputRequest => ({
  paths: [at('out')],
  byteLengths: [5],
  fingerprint: 'f',
  resume: false,
  overwrite: false,
  createFolder: false,
  ...more,
});
const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'ok',
    (error: unknown) => errorData(error).code,
  );
const names = (): readonly string[] => readdirSync(folder).sort();

const DIGEST = '0123456789abcdef'.repeat(4);
/** What a killed run leaves. No process has that number. */
function leave(output: string): void {
  const partials = [path.basename(partialPath(output)), '.other.quantsmith-partial'];
  const head = { quantsmith: 1, fingerprint: 'f', owner: { pid: 2 ** 30, host: hostname() }, partials };
  const tensor = { tensor: 0, wish: DIGEST, source: DIGEST, sha256: DIGEST };
  writeFileSync(journalPath(output), `${JSON.stringify(head)}\n${JSON.stringify(tensor)}\n`);
  writeFileSync(partialPath(output), 'half');
}

/** A system that stops before the first call of a function, until it is let go. */
function held(step: 'create' | 'rename'): {
  readonly system: OutputSystem;
  readonly reached: Promise<void>;
  readonly go: () => void;
} {
  let go = (): void => undefined;
  let arrive = (): void => undefined;
  const gate = new Promise<void>(resolve => (go = resolve));
  const reached = new Promise<void>(resolve => (arrive = resolve));
  const wait = (): Promise<void> => {
    arrive();
    return gate;
  };
  const system: OutputSystem = {
    ...SYSTEM,
    ...(step === 'create'
      ? { create: (file: string, content: string) => wait().then(() => SYSTEM.create(file, content)) }
      : { rename: (from: string, to: string) => wait().then(() => SYSTEM.rename(from, to)) }),
  };
  return { system, reached, go };
}

async function complete(output: OutputFiles): Promise<void> {
  await output.write(0, 0, text('abcde'));
  await output.commit();
  expect(readFileSync(at('out'), 'utf8')).toBe('abcde');
}

describe('held', () => {
  for (const left of [false, true]) {
    test(`when it has looked, and the other begins; left by a killed run: ${String(left)}`, async () => {
      if (left) leave(at('out'));
      const { system, reached, go } = held('create');
      const slow = OutputFiles.open(request(), system);
      await reached;
      const fast = await OutputFiles.open(request());
      await fast.write(0, 0, text('ab'));
      go();
      expect(await codeOf(slow)).toBe('output/in-use');
      expect(names()).toEqual(['.out.quantsmith-journal', '.out.quantsmith-partial']);
      await complete(fast);
      expect(names()).toEqual(['out']);
    });
  }

  test('when it has looked, and the other comes to its end: it begins anew', async () => {
    leave(at('out'));
    const { system, reached, go } = held('create');
    const slow = OutputFiles.open(request({ overwrite: true }), system);
    await reached;
    await complete(await OutputFiles.open(request()));
    go();
    await complete(await slow);
    expect(names()).toEqual(['out']);
  });

  test('when it is about to replace the journal: the other one is refused, also one that would go on', async () => {
    leave(at('out'));
    const { system, reached, go } = held('rename');
    const slow = OutputFiles.open(request({ resume: true }), system);
    await reached;
    for (const resume of [false, true])
      expect(await codeOf(OutputFiles.open(request({ resume })))).toBe('output/in-use');
    expect(await discardInterrupted(at('out.gguf'))).toBe(false);
    expect(readFileSync(partialPath(at('out')), 'utf8')).toBe('half');
    go();
    const output = await slow;
    expect(output.finished.size).toBe(1);
    await complete(output);
    expect(names()).toEqual(['out']);
  });
});

test('one that was taken for dead deletes nothing of the run after it', async () => {
  const first = await OutputFiles.open(request());
  leave(at('out'));
  const second = await OutputFiles.open(request());
  await first.abandon(false);
  expect(await codeOf(OutputFiles.open(request()))).toBe('output/in-use');
  await complete(second);
  expect(names()).toEqual(['out']);
});

test('a claim for a journal that another run replaced goes with the next run', async () => {
  leave(at('out'));
  const left = readFileSync(journalPath(at('out')));
  const claim = (digits: string): string => `${journalPath(at('out'))}-${digits}`;
  for (const name of [claim('01234567'), claim('0123456'), `${claim('01234567')}8`]) writeFileSync(name, left);
  await complete(await OutputFiles.open(request()));
  expect(names()).toEqual(['.out.quantsmith-journal-0123456', '.out.quantsmith-journal-012345678', 'out']);
});

test('a failure to replace the journal leaves what was there', async () => {
  leave(at('out'));
  const broken = { ...SYSTEM, rename: () => Promise.reject(Object.assign(new Error('EIO'), { code: 'EIO' })) };
  expect(await codeOf(OutputFiles.open(request({ resume: true }), broken))).toBe('io/read');
  expect(names()).toEqual(['.out.quantsmith-journal', '.out.quantsmith-partial']);
  const output = await OutputFiles.open(request({ resume: true }));
  expect(output.finished.size).toBe(1);
  await output.abandon(false);
});

describe('let loose together', () => {
  for (const left of [false, true]) {
    test(`${PAIRS} pairs in one process; left by a killed run: ${String(left)}`, async () => {
      for (let i = 0; i < PAIRS; i++) {
        const output = at(`out-${i}`);
        if (left) leave(output);
        const begin = async (waits: number): Promise<OutputFiles | string> => {
          for (let turn = 0; turn < waits; turn++) await new Promise(setImmediate);
          return OutputFiles.open(request({ paths: [output] })).catch((error: unknown) => errorData(error).code);
        };
        const both = await Promise.all([begin(0), begin(i % 25)]);
        const winners = both.filter(one => typeof one !== 'string');
        expect(winners.length, `pair ${i}: ${both.map(String).join()}`).toBe(1);
        expect(both).toContain('output/in-use');
        await winners[0]!.write(0, 0, text('abcde'));
        await winners[0]!.commit();
        expect(readFileSync(output, 'utf8')).toBe('abcde');
      }
      expect(names().every(name => name.startsWith('out-'))).toBe(true);
    });
  }
});

describe('in two processes', () => {
  let built: ReturnType<typeof scratch>;
  beforeAll(async () => {
    built = scratch();
    await build({
      stdin: {
        // Opens what a line names, and answers. A line `commit` writes it; `hold` stops it before it replaces a journal.
        contents: `import { createInterface } from 'node:readline';
          import { OutputFiles } from './src/platform/output-file.js';
          import { SYSTEM } from './src/platform/output-system.js';
          import { errorData } from './src/core/problem.js';
          let system = SYSTEM;
          let output;
          const act = async line => {
            if (line === 'hold') {
              system = { ...SYSTEM, rename: () => { console.log('held'); return new Promise(() => setInterval(() => 0, 1000)); } };
              return 'will hold';
            }
            if (line !== 'commit') output = await OutputFiles.open(JSON.parse(line), system);
            else {
              await output.write(0, 0, new TextEncoder().encode('abcde'));
              await output.commit();
            }
            return 'ok';
          };
          createInterface({ input: process.stdin }).on('line', line => {
            act(line).catch(error => errorData(error).code).then(answer => console.log(answer));
          });`,
        resolveDir: root,
      },
      outfile: path.join(built.folder, 'rival.cjs'),
      bundle: true,
      platform: 'node',
      format: 'cjs',
      logLevel: 'error',
    });
  });
  afterAll(() => {
    built.remove();
  });

  class Rival {
    readonly child: ChildProcessWithoutNullStreams = spawn(process.execPath, [path.join(built.folder, 'rival.cjs')]);
    readonly #answers = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();

    async tell(line: string): Promise<string> {
      this.child.stdin.write(`${line}\n`);
      const answer = await this.#answers.next();
      return answer.done ? 'gone' : answer.value;
    }

    async kill(): Promise<void> {
      const ended = new Promise(resolve => this.child.once('exit', resolve));
      this.child.kill('SIGKILL');
      await ended;
    }
  }

  for (const left of [false, true]) {
    test(`${PAIRS} pairs; left by a killed run: ${String(left)}`, async () => {
      const rivals = [new Rival(), new Rival()];
      try {
        for (let i = 0; i < PAIRS; i++) {
          const output = at(`out-${i}`);
          if (left) leave(output);
          const order = i % 2 ? rivals : [...rivals].reverse();
          const answers = await Promise.all(
            order.map(rival => rival.tell(JSON.stringify(request({ paths: [output] })))),
          );
          expect([...answers].sort(), `pair ${i}`).toEqual(['ok', 'output/in-use']);
          expect(await order[answers.indexOf('ok')]!.tell('commit')).toBe('ok');
          expect(readFileSync(output, 'utf8')).toBe('abcde');
        }
        expect(names().every(name => name.startsWith('out-'))).toBe(true);
      } finally {
        for (const rival of rivals) await rival.kill();
      }
    });
  }

  test('killed while it takes over what another left: the next goes on from there, as often as that happens', async () => {
    leave(at('out'));
    for (let i = 0; i < 3; i++) {
      const rival = new Rival();
      await rival.tell('hold');
      expect(await rival.tell(JSON.stringify(request({ resume: true })))).toBe('held');
      expect(await codeOf(OutputFiles.open(request()))).toBe('output/in-use');
      await rival.kill();
      expect(names().filter(name => name.includes('-journal-')).length).toBe(i + 1);
    }
    const output = await OutputFiles.open(request({ resume: true }));
    expect(output.finished.size).toBe(1);
    await complete(output);
    expect(names()).toEqual(['out']);
  });
});
