// Output files against a real file system: what lies in the folder at each moment, who may write, what a killed run leaves
// to the next. Processes that are killed are real ones.
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { hostname } from 'node:os';
import path from 'node:path';
import { build } from 'esbuild';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { errorData } from '../../src/core/problem.js';
import type { OutputRequest } from '../../src/engine/jobs/quantize-services.js';
import { OutputFiles } from '../../src/platform/output-file.js';
import { journalPath, partialPath } from '../../src/platform/output-place.js';
import { SYSTEM, type OutputSystem } from '../../src/platform/output-system.js';
import { root, scratch } from '../worker/built-worker.js';

let folder: string;
let remove: () => void;
beforeEach(() => {
  ({ folder, remove } = scratch());
});
afterEach(() => {
  remove();
});

const at = (name: string): string => path.join(folder, name);
/** Names and contents of the folder, journals left out of the contents. */
const look = (): string =>
  readdirSync(folder)
    .sort()
    .map(name => (name.endsWith('journal') ? name : `${name}=${readFileSync(at(name), 'utf8')}`))
    .join(' ');

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

async function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'ok',
    (error: unknown) => errorData(error).code,
  );
}

test('the final name appears with all bytes, and nothing else stays', async () => {
  const output = await OutputFiles.open(request());
  await output.write(0, 2, text('cde'));
  await output.write(0, 0, text('ab'));
  expect(look()).toBe('.out.quantsmith-journal .out.quantsmith-partial=abcde');
  await output.commit();
  expect(look()).toBe('out=abcde');
  await output.abandon(false);
  expect(look()).toBe('out=abcde');
});

test('abandoning removes everything, or keeps what can be resumed', async () => {
  await (await OutputFiles.open(request())).abandon(false);
  expect(look()).toBe('');
  const output = await OutputFiles.open(request());
  await output.write(0, 0, text('ab'));
  const made = { wish: 'a'.repeat(64), source: 'b'.repeat(64), sha256: 'c'.repeat(64) };
  await output.finish(3, made);
  await output.abandon(true);
  const resumed = await OutputFiles.open(request({ resume: true }));
  expect([...resumed.finished]).toEqual([[3, made]]);
  expect(new TextDecoder().decode(await resumed.read(0, 0, 2))).toBe('ab');
  await resumed.write(0, 2, text('cde'));
  await resumed.commit();
  expect(look()).toBe('out=abcde');
});

describe('a file that appeared meanwhile is not lost', () => {
  const noLinks = (code: string): OutputSystem => ({
    ...SYSTEM,
    link: () => Promise.reject(Object.assign(new Error(code), { code })),
  });
  for (const [name, system] of [
    ['with hard links', SYSTEM],
    ['without', noLinks('EPERM')],
  ] as const) {
    test(name, async () => {
      const output = await OutputFiles.open(request(), system);
      await output.write(0, 0, text('abcde'));
      writeFileSync(at('out'), 'theirs');
      expect(await codeOf(output.commit())).toBe('output/exists');
      await output.abandon(false);
      expect(look()).toBe('out=theirs');
    });
    test(`${name}: a free name is used`, async () => {
      const output = await OutputFiles.open(request(), system);
      await output.write(0, 0, text('abcde'));
      await output.commit();
      expect(look()).toBe('out=abcde');
    });
  }

  test('unless overwriting was allowed; then until the end the old one is there', async () => {
    writeFileSync(at('out'), 'old');
    const output = await OutputFiles.open(request({ overwrite: true }));
    await output.write(0, 0, text('abcde'));
    expect(readFileSync(at('out'), 'utf8')).toBe('old');
    await output.commit();
    expect(look()).toBe('out=abcde');
  });
});

test('bytes are durable before a name shows them', async () => {
  const log: string[] = [];
  const system: OutputSystem = {
    ...SYSTEM,
    sync: handle => {
      log.push('sync');
      return SYSTEM.sync(handle);
    },
    link: (from, to) => {
      log.push(`link ${path.basename(to)}`);
      return SYSTEM.link(from, to);
    },
    rename: (from, to) => {
      log.push(`rename ${path.basename(to)}`);
      return SYSTEM.rename(from, to);
    },
  };
  await (await OutputFiles.open(request(), system)).commit();
  await (await OutputFiles.open(request({ overwrite: true }), system)).commit();
  await (await OutputFiles.open(request({ paths: [at('a'), at('b')], byteLengths: [1, 1] }), system)).commit();
  expect(log).toEqual(['sync', 'link out', 'sync', 'rename out', 'sync', 'sync', 'link b', 'link a']);
});

test('the disk begins before the end, and a write it lost is not forgotten', async () => {
  let flushes = 0;
  const lossy: OutputSystem = {
    ...SYSTEM,
    flush: () => {
      flushes++;
      return Promise.reject(Object.assign(new Error('EIO: i/o error, fdatasync'), { code: 'EIO' }));
    },
  };
  for (const next of ['write', 'commit'] as const) {
    flushes = 0;
    const output = await OutputFiles.open(request({ resume: false }), lossy);
    await output.write(0, 0, text('abcde'));
    expect(flushes).toBe(0);
    await output.wrote(0, 1 << 26);
    expect(flushes).toBe(1);
    await new Promise(resolve => setImmediate(resolve));
    expect(await codeOf(next === 'write' ? output.write(0, 5, text('f')) : output.commit())).toMatch(/^io\//);
    await output.abandon(false);
    expect(look()).toBe('');
  }
});

test('a temporary file that was replaced is not shown as ours', async () => {
  const output = await OutputFiles.open(request());
  await output.write(0, 0, text('abcde'));
  execFileSync('sh', ['-c', 'rm "$1" && echo other > "$1"', 'sh', partialPath(at('out'))]);
  expect(await codeOf(output.commit())).toBe('output/lost');
  await output.abandon(false);
  // What somebody put there is theirs.
  expect(look()).toBe('.out.quantsmith-partial=other\n');
});

const DIGEST = '0123456789abcdef'.repeat(4);

describe('who is writing', () => {
  const journal = (owner: object): void => {
    writeFileSync(
      journalPath(at('out')),
      `${JSON.stringify({ quantsmith: 1, fingerprint: 'f', owner, partials: ['.out.quantsmith-partial'] })}\n${JSON.stringify({ tensor: 0, wish: DIGEST, source: DIGEST, sha256: DIGEST })}\n{"tensor":1,"sha256":"${DIGEST}"}\n`,
    );
    writeFileSync(partialPath(at('out')), 'half');
  };
  const outcome = async (resume = false): Promise<string> => {
    const opened = OutputFiles.open(request({ resume }));
    const code = await codeOf(opened);
    if (code !== 'ok') return code;
    const count = (await opened).finished.size;
    await (await opened).abandon(false);
    return `ok, ${count} finished`;
  };

  test('this process, in another job', async () => {
    const first = await OutputFiles.open(request());
    expect(await outcome()).toBe('output/in-use');
    expect(await outcome(true)).toBe('output/in-use');
    await first.abandon(false);
    expect(await outcome()).toBe('ok, 0 finished');
  });

  test('a process that lives; one that is gone; one whose number another has now', async () => {
    const child = spawn('sleep', ['100']);
    const pid = child.pid!;
    journal({ pid, host: hostname() });
    expect(await outcome()).toBe('output/in-use');
    if (process.platform === 'linux') {
      journal({ pid, host: hostname(), started: '1' });
      expect(await outcome()).toBe('ok, 0 finished');
    }
    journal({ pid, host: hostname() });
    const ended = new Promise(resolve => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
    expect(await outcome(true)).toBe('ok, 1 finished');
    expect(look()).toBe('');
  });

  test('another machine, while it writes', async () => {
    journal({ pid: 1, host: 'elsewhere' });
    expect(await outcome()).toBe('output/in-use');
    const old = Date.now() / 1000 - 7200;
    utimesSync(journalPath(at('out')), old, old);
    expect(await outcome()).toBe('ok, 0 finished');
  });

  test('a journal that cannot be read says nothing, and deletes nothing but our own', async () => {
    writeFileSync(at('precious'), 'x');
    for (const content of [
      'rubbish',
      '{"quantsmith":1}',
      '[]',
      'null',
      JSON.stringify({
        quantsmith: 1,
        fingerprint: 'f',
        owner: { pid: 999_999_999, host: hostname() },
        partials: ['precious', '../precious', '.x/../precious', 7],
      }),
    ]) {
      writeFileSync(journalPath(at('out')), content);
      expect(await outcome(true)).toBe('ok, 0 finished');
    }
    expect(look()).toBe('precious=x');
  });

  test('an empty journal is waited for: it gets its first line, or nobody writes it', async () => {
    writeFileSync(journalPath(at('out')), '');
    // The clock stands still until the first line is there: how long that takes decides nothing.
    vi.useFakeTimers({ toFake: ['setTimeout', 'Date'] });
    try {
      const waiting = outcome();
      while (vi.getTimerCount() === 0) await new Promise(setImmediate);
      journal({ pid: 1, host: 'elsewhere' });
      await vi.runAllTimersAsync();
      expect(await waiting).toBe('output/in-use');
    } finally {
      vi.useRealTimers();
    }
    // What a process leaves that is killed right after creating it.
    writeFileSync(journalPath(at('out')), '');
    expect(await outcome()).toBe('ok, 0 finished');
    expect(look()).toBe('');
  });
});

test('a process killed while it writes leaves files with telling names, which the next run to that output removes', async () => {
  const script = at('writer.cjs');
  await build({
    stdin: {
      contents: `import { OutputFiles } from './src/platform/output-file.js';
        OutputFiles.open(JSON.parse(process.argv[2])).then(async o => { await o.write(0, 0, new Uint8Array(5)); console.log('written'); setInterval(() => 0, 1000); });`,
      resolveDir: root,
    },
    outfile: script,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    logLevel: 'error',
  });
  const child = spawn(process.execPath, [
    script,
    JSON.stringify(request({ paths: [at('out'), at('second')], byteLengths: [5, 5] })),
  ]);
  await new Promise(resolve => child.stdout.once('data', resolve));
  expect(await codeOf(OutputFiles.open(request()))).toBe('output/in-use');
  const ended = new Promise(resolve => child.once('exit', resolve));
  child.kill('SIGKILL');
  await ended;
  expect(readdirSync(folder).sort()).toEqual([
    '.out.quantsmith-journal',
    '.out.quantsmith-partial',
    '.second.quantsmith-partial',
    'writer.cjs',
  ]);
  const output = await OutputFiles.open(request());
  await output.write(0, 0, text('abcde'));
  await output.commit();
  expect(readdirSync(folder).sort()).toEqual(['out', 'writer.cjs']);
});

/** Mounts a file system of 1 MiB; needs root and the permission to mount, which containers often lack. */
function mountSmall(): string | undefined {
  const place = at('small');
  mkdirSync(place);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', place], { stdio: 'ignore' });
    return place;
  } catch {
    return undefined;
  }
}

/** Writes as usual up to a limit, then to /dev/full, whose ENOSPC is the kernel's own. */
async function deviceFull(): Promise<OutputSystem> {
  const device = await open('/dev/full', 'w');
  return {
    ...SYSTEM,
    write: (handle, bytes, offset, position) =>
      SYSTEM.write(position < 1 << 20 ? handle : device, bytes, offset, position < 1 << 20 ? position : 0),
  };
}

test('a disk that is really full', async context => {
  const mounted = process.getuid?.() === 0 ? mountSmall() : undefined;
  if (mounted === undefined && !existsSync('/dev/full')) {
    context.skip('no small file system can be mounted here, and there is no /dev/full');
    return;
  }
  const place = mounted ?? at('small');
  try {
    const asked = request({ paths: [path.join(place, 'out')], byteLengths: [4 << 20] });
    const output = await OutputFiles.open(asked, mounted === undefined ? await deviceFull() : SYSTEM);
    const fill = async (): Promise<void> => {
      for (let position = 0; ; position += 65536) await output.write(0, position, new Uint8Array(65536));
    };
    const { code, message } = errorData(await fill().catch((reason: unknown) => reason));
    expect(code).toBe('io/disk-full');
    expect(message).toMatch(
      /needs 4\.19 MB \(4,194,304 bytes\), [\d.]+ \w+ were written, and in .* [\d.]+ \w+ are free/,
    );
    await output.abandon(false);
    expect(readdirSync(place)).toEqual([]);
  } finally {
    if (mounted !== undefined) execFileSync('umount', [mounted]);
  }
});
