// What a machine does to a run, for real: a file system that is full or read-only, inputs that change, links in circles, two
// processes and one output. Each fails with a code, what was found, where and what to do; inputs stay what they were;
// nothing is left, or what --resume goes on with.
import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  closeSync,
  copyFileSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, test, type TestContext } from 'vitest';
import { isBuilt, quantsmith, type ErrorDocument, type Finished } from '../cli/built-cli.js';
import { repository } from '../cli/captured-io.js';
import { tinycoder } from '../worker/built-worker.js';
import { at, digest, failure, files, quantize, useQuantize, type Run } from './quantize-run.js';

useQuantize();

const mounted: string[] = [];
afterEach(() => {
  for (const place of mounted.splice(0)) spawnSync('umount', [place]);
});

/** A file system of its own in the test's folder; undefined, and the test skipped, where that is not allowed. */
function mount(context: TestContext, name: string, ...options: string[]): string | undefined {
  const place = at(name);
  mkdirSync(place);
  const { status, stderr, error } = spawnSync('mount', [
    '-t',
    'tmpfs',
    '-o',
    ['size=4m', ...options].join(),
    'tmpfs',
    place,
  ]);
  if (status !== 0) {
    context.skip(
      `no file system can be mounted here (${error?.message ?? stderr.toString().trim()}): run as root on Linux`,
    );
    return undefined;
  }
  mounted.push(place);
  return place;
}

/** Acts once, when the first tensors are being made. */
const during = (act: () => void): Pick<Run, 'onProgress'> => {
  let isDone = false;
  return {
    onProgress: ({ phase, done }) => {
      if (phase !== 'quantize' || done === 0 || isDone) return;
      isDone = true;
      act();
    },
  };
};

const untouched = digest(tinycoder);
afterEach(() => {
  expect(digest(tinycoder)).toBe(untouched);
});

describe('a disk', () => {
  test('that is full before it was expected to be: nothing is left, or a run to go on with', async context => {
    const disk = mount(context, 'disk');
    if (disk === undefined) return;
    const output = path.join(disk, 'out.gguf');
    // Q4_0 takes 3.2 MB of 4.2 MB; somebody else takes the rest meanwhile.
    const filler = path.join(disk, 'filler');
    const fill = (): void => writeFileSync(filler, new Uint8Array(1 << 20));
    const greedy = (): Pick<Run, 'onProgress'> =>
      during(() => {
        try {
          fill();
        } catch {
          // It is full already, which is the point.
        }
      });
    const whole = await quantize({ output: at('whole.gguf'), type: 'Q4_0' });
    expect(whole.byteLength).toBeGreaterThan(2.2e6);
    const plain = await failure({ output, type: 'Q4_0', threads: 1, ...greedy() });
    expect(plain).toMatch(
      /^io\/disk-full: …\/disk\/out\.gguf needs [\d.]+ MB \([\d,]+ bytes\), .* were written, and in …\/disk [\d.]+ \w+ are free\. -> Free space, choose a smaller type, or write to another disk\.$/,
    );
    expect(readdirSync(disk)).toEqual(['filler']);
    rmSync(filler);
    expect(await failure({ output, type: 'Q4_0', threads: 1, resume: true, ...greedy() })).toMatch(/^io\/disk-full: /);
    expect(readdirSync(disk)).toEqual(['.out.gguf.quantsmith-journal', '.out.gguf.quantsmith-partial', 'filler']);
    // Still no room: said before anything is touched.
    expect(await failure({ output, type: 'Q4_0', resume: true })).toMatch(/^(disk\/too-small|io\/disk-full): /);
    rmSync(filler);
    const { origins } = await quantize({ output, type: 'Q4_0', resume: true });
    expect(origins.resumed).toBeGreaterThan(0);
    expect(digest(output)).toBe(digest(at('whole.gguf')));
    expect(readdirSync(disk)).toEqual(['out.gguf']);
  });

  test('that is too small is said at once', async context => {
    const disk = mount(context, 'disk');
    if (disk === undefined) return;
    expect(await failure({ output: path.join(disk, 'out.gguf'), type: 'F16' })).toMatch(
      /^disk\/too-small: [\d.]+ MB are needed in …\/disk, 4\.19 MB are free\. -> Free [\d.]+ MB, /,
    );
    expect(readdirSync(disk)).toEqual([]);
  });

  test('that is read-only', async context => {
    const disk = mount(context, 'disk', 'ro');
    if (disk === undefined) return;
    const output = path.join(disk, 'out.gguf');
    const expected =
      'output/not-writable: Nothing can be written to the folder …/disk. -> Change its permissions, or choose another output.';
    expect(await failure({ output })).toBe(expected);
    expect(await failure({ output, resume: true, overwrite: true })).toBe(expected);
    expect(await failure({ output: path.join(disk, 'new/out.gguf'), createFolder: true })).toBe(expected);
  });
});

describe('an input', () => {
  const copy = (): string => {
    copyFileSync(tinycoder, at('in.gguf'));
    return at('in.gguf');
  };

  test.each([false, true])('that grows, shrinks, is replaced or deleted during the run (resume: %s)', async resume => {
    const changes: Record<string, () => void> = {
      grows: () => appendFileSync(at('in.gguf'), 'x'),
      shrinks: () => truncateSync(at('in.gguf'), 300_000),
      replaced: () => {
        rmSync(at('in.gguf'));
        copyFileSync(tinycoder, at('in.gguf'));
      },
      deleted: () => rmSync(at('in.gguf')),
    };
    for (const [name, change] of Object.entries(changes)) {
      const source = copy();
      const outcome = await failure({ source, resume, threads: 1, type: 'Q6_K', backend: 'wasm', ...during(change) });
      expect(outcome, name).toMatch(/^io\/(source-changed|truncated|not-found): …\/in\.gguf .* -> /);
      expect(files().filter(file => file !== 'in.gguf' && !file.startsWith('.'))).toEqual([]);
      if (!resume) expect(files().filter(file => file.startsWith('.'))).toEqual([]);
      // What was made from the file that was is not used for the file that is.
      const again = await quantize({ source: copy(), resume, type: 'Q6_K' });
      const fresh = await quantize({ output: at('fresh.gguf'), type: 'Q6_K' });
      expect(again.tensors).toEqual(fresh.tensors);
      for (const file of files()) rmSync(at(file));
    }
  });

  // The times of a file that was rewritten are set back by tools that copy them; of what is compared then, Windows has nothing.
  test.skipIf(process.platform === 'win32')('that is rewritten or replaced, its time and size as before', async () => {
    const source = copy();
    // Long past, so that the time set back is no time at which the file could have been written just now.
    utimesSync(source, 1e9, 1e9);
    const changes: Record<string, () => void> = {
      rewritten: () => {
        const file = openSync(source, 'r+');
        writeSync(file, new Uint8Array(4096), 0, 4096, statSync(source).size - 8192);
        closeSync(file);
        utimesSync(source, 1e9, 1e9);
      },
      replaced: () => {
        copyFileSync(source, at('other.gguf'));
        utimesSync(at('other.gguf'), 1e9, 1e9);
        renameSync(at('other.gguf'), source);
      },
    };
    for (const [name, change] of Object.entries(changes)) {
      const { size, mtimeMs } = statSync(source);
      const outcome = await failure({ source, threads: 1, type: 'Q6_K', backend: 'wasm', ...during(change) });
      expect(outcome, name).toMatch(/^io\/source-changed: …\/in\.gguf was changed while it was being read\. -> /);
      expect(statSync(source), name).toMatchObject({ size, mtimeMs });
      expect(files()).toEqual(['in.gguf']);
    }
  });

  test('importance matrix that changes during the run', async () => {
    const golden = path.join(repository, 'test/golden/tinycoder/tinycoder.imatrix.gguf');
    copyFileSync(golden, at('m.gguf'));
    const change = during(() => appendFileSync(at('m.gguf'), 'x'));
    expect(await failure({ imatrix: at('m.gguf'), type: 'Q4_0', ...change })).toMatch(
      /^io\/source-changed: …\/m\.gguf was changed while it was being read\. -> /,
    );
    expect(files()).toEqual(['m.gguf']);
  });

  test('that is a link to itself', async () => {
    symlinkSync('loop.gguf', at('loop.gguf'));
    expect(await failure({ source: at('loop.gguf') })).toBe(
      'io/bad-path: …/loop.gguf cannot be resolved (ELOOP). -> Check the path and its links.',
    );
    expect(await failure({ imatrix: at('loop.gguf') })).toMatch(/^io\/bad-path: …\/loop\.gguf /);
    expect(files()).toEqual(['loop.gguf']);
  });
});

describe('an output', () => {
  test('that is a link to itself, or in a folder that is one', async () => {
    symlinkSync('loop', at('loop'));
    expect(await failure({ output: at('loop') })).toMatch(/^output\/exists: …\/loop exists already\. -> /);
    expect(await failure({ output: at('loop'), overwrite: true })).toMatch(
      /^io\/bad-path: …\/loop .* -> Check the path/,
    );
    const circle = 'io/bad-path: …/loop cannot be resolved (ELOOP). -> Check the path and its links.';
    expect(await failure({ output: at('loop/out.gguf') })).toBe(circle);
    expect(await failure({ output: at('loop/new/out.gguf'), createFolder: true })).toMatch(/^io\/bad-path: …\/loop/);
    expect(files()).toEqual(['loop']);
  });

  test.skipIf(!isBuilt)('that another process writes already: the second is refused, the first completes', async () => {
    const argv = ['quantize', tinycoder, at('out.gguf'), '-t', 'Q6_K', '--json'];
    let refused: Finished | undefined;
    const first = await quantsmith(argv, {
      held: {
        file: '.out.gguf.quantsmith-journal',
        writes: 3,
        act: async () => {
          refused = await quantsmith([...argv, '--overwrite', '--resume']);
        },
      },
    });
    if (!refused) throw new Error('there was no second run');
    expect(refused.exit).toBe(1);
    const { error } = JSON.parse(refused.stdout) as ErrorDocument;
    expect(error.code).toBe('output/in-use');
    expect(error.message).toContain(at('out.gguf'));
    expect(error.hint).toMatch(/Wait for it/);
    expect(first.exit, first.stderr).toBe(0);
    await quantize({ output: at('fresh.gguf'), type: 'Q6_K' });
    expect(digest(at('out.gguf'))).toBe(digest(at('fresh.gguf')));
    expect(files()).toEqual(['fresh.gguf', 'out.gguf']);
  });
});
