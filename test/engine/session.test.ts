// Sessions: several sequences in one cache against each alone, room in the cache, steps that are cancelled, and what a
// session may be asked while it is at a step.
import path from 'node:path';
import { copyFileSync, existsSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import type { StepRequest } from '../../src/engine/executor.js';
import { openSession, type OpenedSession, type OpenSessionOptions } from '../../src/platform/open-session.js';
import { randomSource } from '../kernels/support.js';
import { root, scratch, tinycoder } from '../worker/built-worker.js';

const kernels = path.join(root, 'dist/kernels');
const VOCABULARY = 4096;

const backends = (['native', 'wasm'] as const).filter(
  kind => kind === 'wasm' || process.env['CI'] === 'true' || existsSync(path.join(kernels, 'kernels.node')),
);

const opened: OpenedSession[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map(one => one.close()));
});

async function open(options: Partial<OpenSessionOptions> = {}, model = tinycoder): Promise<OpenedSession['session']> {
  const defaults = { backend: 'auto', kernels, threads: 2, context: 128, batch: 128, cacheType: 'f32' } as const;
  const one = await openSession(model, { ...defaults, ...options });
  opened.push(one);
  return one.session;
}

const same = (a: Float32Array, b: Float32Array): boolean =>
  a.length === b.length && Buffer.from(a.buffer, a.byteOffset, a.byteLength).equals(Buffer.from(b.buffer));

/** The code of the error that something is refused with. */
async function refused(work: () => unknown): Promise<string> {
  try {
    await work();
    return 'accepted';
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
}

function seeded(): () => number {
  const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000);
  console.log(`SEED=${seed}`);
  return randomSource(seed);
}

const textOf = (random: () => number, length: number): number[] =>
  Array.from({ length }, () => Math.floor(random() * VOCABULARY));

describe.each(backends)('%s', backend => {
  test('random appends, copies and truncations: every sequence goes on as if it had been alone', async () => {
    const random = seeded();
    const below = (n: number): number => Math.floor(random() * n);
    const [sequences, context] = [4, 96];
    const session = await open({ backend, sequences, context, cells: sequences * context, batch: 40 });
    const alone = await open({ backend, context, batch: context });
    const texts: number[][] = Array.from({ length: sequences }, () => []);
    for (let round = 0; round < 24; round++) {
      const change = below(4);
      const [from, to] = [below(sequences), below(sequences)];
      // Lengths about the edges of pages are the ones to get wrong.
      const held = texts[from]!.length;
      const length = Math.min(held, [below(held + 1), 31, 32, 33, 64][below(5)]!);
      if (change === 0) {
        session.copy(from, to, length);
        texts[to] = texts[from]!.slice(0, length);
      } else if (change === 1) {
        session.truncate(from, length);
        texts[from] = texts[from]!.slice(0, length);
      }
      const tokens: number[] = [];
      const places: number[] = [];
      for (const id of textOf(random, 1 + below(40))) {
        const sequence = below(sequences);
        if (texts[sequence]!.length === context) continue;
        texts[sequence]!.push(id);
        tokens.push(id);
        places.push(sequence);
      }
      if (tokens.length === 0) continue;
      const found = await session.step({ tokens: Int32Array.from(tokens), sequences: Int32Array.from(places) });
      const asked = [...new Set([...places].reverse())].reverse();
      for (const [row, sequence] of asked.entries()) {
        alone.truncate(0, 0);
        const expected = await alone.step({ tokens: Int32Array.from(texts[sequence]!) });
        const part = found.slice(row * VOCABULARY, (row + 1) * VOCABULARY);
        expect(same(part, expected), `round ${round}, sequence ${sequence}`).toBe(true);
      }
      texts.forEach((text, sequence) => {
        expect(session.length(sequence)).toBe(text.length);
      });
    }
  }, 300_000);

  test('logits of those tokens that are wanted, in the order of the tokens', async () => {
    const session = await open({ backend });
    const tokens = Int32Array.of(5, 300, 17, 5);
    const all = await session.step({ tokens, wanted: 'all' });
    session.truncate(0, 0);
    const some = await session.step({ tokens, wanted: Uint8Array.of(0, 1, 0, 2) });
    expect(some.length).toBe(2 * VOCABULARY);
    expect(same(some.slice(0, VOCABULARY), all.slice(VOCABULARY, 2 * VOCABULARY))).toBe(true);
    expect(same(some.slice(VOCABULARY), all.slice(3 * VOCABULARY))).toBe(true);
    session.truncate(0, 3);
    expect(same(await session.step({ tokens: tokens.slice(3) }), all.slice(3 * VOCABULARY))).toBe(true);
  });

  test('room for all cells however they are divided, and a beginning that is shared takes its place once', async () => {
    // 96 cells of three sequences: three pages, and two for the ends of sequences that leave pages half empty.
    const session = await open({ backend, sequences: 3, context: 96, cells: 96, batch: 96 });
    const step = (counts: readonly number[]): Promise<Float32Array> => {
      const sequences = counts.flatMap((count, sequence) => new Array<number>(count).fill(sequence));
      const tokens = Int32Array.from(sequences, (_, i) => 7 + i);
      return session.step({ tokens, sequences: Int32Array.from(sequences), wanted: 'none' });
    };
    for (const division of [
      [96, 0, 0],
      [1, 1, 94],
      [32, 33, 31],
      [34, 31, 31],
    ] as const) {
      await step(division);
      expect(division.map((_, sequence) => session.length(sequence))).toEqual(division);
      division.forEach((_, sequence) => {
        session.truncate(sequence, 0);
      });
    }
    await step([90, 0, 0]);
    session.copy(0, 1, 90);
    session.copy(0, 2, 64);
    // Five pages: three shared; the end of sequence 0 and of 1 are copied when they grow, each beside the shared one.
    await step([1, 0, 0]);
    await step([0, 1, 0]);
    expect(await refused(() => step([0, 0, 33]))).toBe('engine/context-full');
    expect([0, 1, 2].map(sequence => session.length(sequence))).toEqual([91, 91, 64]);
    await step([0, 0, 32]);
    expect(await refused(() => step([6, 0, 0]))).toBe('engine/context-full');
    session.truncate(1, 0);
    await step([5, 0, 0]);
    expect(await refused(() => step([1, 0, 0]))).toBe('engine/context-full');
  });

  test('a sequence there is not, or that is shorter than asked for', async () => {
    const session = await open({ backend, sequences: 2 });
    await session.step({ tokens: Int32Array.of(1, 2, 3) });
    const requests: (() => unknown)[] = [
      () => session.length(2),
      () => session.length(-1),
      () => session.length(0.5),
      () => {
        session.truncate(0, 4);
      },
      () => {
        session.truncate(0, -1);
      },
      () => {
        session.copy(0, 2, 1);
      },
      () => {
        session.copy(1, 0, 1);
      },
      () => session.step({ tokens: Int32Array.of(1), sequences: Int32Array.of(2) }),
    ];
    for (const request of requests) expect(await refused(request), String(request)).toBe('engine/bad-sequence');
    expect(session.length()).toBe(3);
  });

  test('one step at a time; the end waits for it', async () => {
    const session = await open({ backend });
    const request: StepRequest = { tokens: new Int32Array(100).fill(7) };
    const running = session.step(request);
    // All at once: without threads of its own the step is over when anything is waited for.
    const busy = [
      () => session.step(request),
      () => {
        session.truncate(0, 0);
      },
      () => session.length(),
    ].map(refused);
    const ending = session.end();
    const ended = refused(() => session.step(request));
    expect(await Promise.all(busy)).toEqual(['engine/busy', 'engine/busy', 'engine/busy']);
    expect(await ended).toBe('engine/session-ended');
    expect((await running).length).toBe(VOCABULARY);
    await ending;
    await session.end();
    expect(await refused(() => session.length())).toBe('engine/session-ended');
  });

  test('a signal that was given before', async () => {
    const session = await open({ backend });
    const reason = new Error('not any more');
    const step = session.step({ tokens: Int32Array.of(1) }, AbortSignal.abort(reason));
    await expect(step).rejects.toBe(reason);
    expect(session.length()).toBe(0);
  });

  test('an instruction set that is not there', async () => {
    expect(await refused(() => open({ backend, isa: 'vax' }))).toBe('kernel/unknown-isa');
  });
});

test('the same bits on every instruction set', async () => {
  const tokens = Int32Array.of(1, 300, 17, 4095, 256);
  const expected = await (await open({ backend: 'wasm', isa: 'ref' })).step({ tokens, wanted: 'all' });
  const seen: string[] = [];
  for (const backend of backends) {
    for (const isa of ['ref', 'sse2', 'avx2', 'avx512', 'avx512vnni', 'neon', 'simd128']) {
      let session;
      try {
        session = await open({ backend, isa });
      } catch (error) {
        expect((error as { code?: string }).code).toBe('kernel/unknown-isa');
        continue;
      }
      seen.push(`${backend}/${isa}`);
      expect(same(await session.step({ tokens, wanted: 'all' }), expected), `${backend} ${isa}`).toBe(true);
    }
  }
  expect(seen.length).toBeGreaterThan(1);
});

test.skipIf(!backends.includes('native'))('a file that is cut off while it is open', async () => {
  const { folder, remove } = scratch();
  try {
    const file = path.join(folder, 'model.gguf');
    copyFileSync(tinycoder, file);
    const session = await open({ backend: 'native' }, file);
    await session.step({ tokens: Int32Array.of(1) });
    const whole = readFileSync(file);
    truncateSync(file, whole.length - 5000);
    expect(await refused(() => session.step({ tokens: Int32Array.of(2) }))).toBe('engine/file-too-short');
    expect(session.length()).toBe(1);
    writeFileSync(file, whole);
    expect((await session.step({ tokens: Int32Array.of(2) })).length).toBe(VOCABULARY);
  } finally {
    remove();
  }
});

describe.skipIf(!backends.includes('native'))('cancelled steps', () => {
  test('end soon, append nothing, and the session goes on', async () => {
    const threads = 2;
    const session = await open({ backend: 'native', threads, context: 1024, batch: 512 });
    const prompt = Int32Array.from({ length: 512 }, (_, i) => (i * 37) % VOCABULARY);
    const begin = Int32Array.of(9, 8, 7);
    await session.step({ tokens: begin });
    const started = performance.now();
    await session.step({ tokens: prompt });
    let whole = performance.now() - started;
    session.truncate(0, 3);
    const expected = await session.step({ tokens: Int32Array.of(6) });
    session.truncate(0, 3);
    const waited: number[] = [];
    const worked: number[] = [];
    for (let i = 1; i <= 9;) {
      const controller = new AbortController();
      const reason = new Error('cancelled');
      const step = session.step({ tokens: prompt }, controller.signal).then(
        () => 'done',
        (error: unknown) => error,
      );
      await new Promise(resolve => setTimeout(resolve, (whole * i) / 20));
      const [from, cpu] = [performance.now(), process.cpuUsage()];
      controller.abort(reason);
      const outcome = await step;
      if (outcome === 'done') {
        // The machine has become faster than it was for the first step: nothing was left to be cancelled.
        whole /= 2;
        session.truncate(0, 3);
        continue;
      }
      expect(outcome).toBe(reason);
      expect(session.length()).toBe(3);
      waited.push(performance.now() - from);
      worked.push(process.cpuUsage(cpu).user / 1000 / threads);
      i++;
    }
    const list = (times: number[]): string => times.map(ms => ms.toFixed(1)).join(' ');
    console.log(
      `a step of ${whole.toFixed()} ms; cancelled: ${list(waited)} ms later, ${list(worked)} ms of work a thread`,
    );
    // What a thread still does; how long it waits for a processor is up to others.
    expect(worked.sort((a, b) => a - b)[4]).toBeLessThan(50);
    expect(same(await session.step({ tokens: Int32Array.of(6) }), expected)).toBe(true);
  });

  test('a signal after the step is nothing to the next one', async () => {
    const session = await open({ backend: 'native' });
    const controller = new AbortController();
    await session.step({ tokens: Int32Array.of(1) }, controller.signal);
    controller.abort();
    expect((await session.step({ tokens: Int32Array.of(2) })).length).toBe(VOCABULARY);
  });
});
