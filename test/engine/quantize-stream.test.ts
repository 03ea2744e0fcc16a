// How work is handed out, with threads that only note what they are told: every piece once, every digest by one thread over
// the tensor's bytes in order, nothing hashed before it is written, nobody idle while there is work.
import { expect, test } from 'vitest';
import { byteLengthOf, ggmlType } from '../../src/core/ggml/ggml-type.js';
import { padded } from '../../src/core/quantize/output-layout.js';
import type { PlannedTensor } from '../../src/core/quantize/quantization-plan.js';
import { CHUNK_WEIGHTS } from '../../src/engine/jobs/quantize-chunks.js';
import {
  WriteFailure,
  type Converter,
  type PartialOutput,
  type TaskResult,
} from '../../src/engine/jobs/quantize-services.js';
import { convertTensors, TASKS_PER_THREAD, type Stream } from '../../src/engine/jobs/quantize-stream.js';
import { QuantsmithError } from '../../src/core/problem.js';
import type { ThreadTask } from '../../src/protocol/quantize-thread-protocol.js';
import { importanceEntry } from '../fixtures/importance.js';

/** xorshift32: a number below `below`. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed >>> 0 || 1;
  return below => {
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state % below;
  };
}

/** Threads that do their tasks in order, each after a random time, and keep a log of what was wrong. */
class NotedThreads implements Converter {
  readonly backend = 'wasm';
  readonly isa = 'none';
  readonly wrong: string[] = [];
  /** Bytes of the file that were written, by position of their piece. */
  readonly written = new Map<number, number>();
  /** Where the digest of a tensor has got to, and who makes it. */
  readonly digests = new Map<number, { thread: number; end: number; pieces: number; done: boolean }>();
  idleTicks = 0;
  #queues: Promise<unknown>[];
  #open: number[];

  constructor(
    readonly threads: number,
    private readonly tensors: readonly PlannedTensor[],
    private readonly random: (below: number) => number,
    private readonly fail: (task: ThreadTask) => Error | undefined = () => undefined,
  ) {
    this.#queues = Array.from({ length: threads }, () => Promise.resolve());
    this.#open = Array.from({ length: threads }, () => 0);
  }

  writeTo(): void {
    this.wrong.push('told where to write by the stream');
  }

  run(thread: number, task: ThreadTask): Promise<TaskResult> {
    if (task.kind === 'convert' && ++this.#open[thread]! > TASKS_PER_THREAD) this.wrong.push('too many tasks at once');
    const result = this.#queues[thread]!.then(async () => {
      for (let ticks = this.random(4); ticks >= 0; ticks--) await new Promise(resolve => setImmediate(resolve));
      const failure = this.fail(task);
      if (failure) throw failure;
      return this.perform(thread, task);
    });
    this.#queues[thread] = result.catch(() => undefined);
    return result;
  }

  close(): void {
    this.wrong.push('closed by the stream');
  }

  private perform(thread: number, task: ThreadTask): TaskResult {
    const tag = new Uint8Array(16);
    if (task.kind === 'tag' || task.kind === 'adopt') return { ok: true, tag, sha256: '' };
    const { position } = task.target;
    const byteLength = task.kind === 'convert' ? task.task.byteLength : task.byteLength;
    if (task.kind === 'convert') {
      this.#open[thread]!--;
      if (this.written.has(position)) this.wrong.push(`written twice at ${position}`);
      this.written.set(position, byteLength + task.padding);
      const { importance } = task.task;
      const tensor = this.tensorAt(position);
      // Values say to which tensor and expert they belong; shared memory that was taken again too early would not.
      const expert = this.expertAt(tensor, position);
      if (tensor.importance && importance?.some(value => value !== this.tensors.indexOf(tensor) * 100 + expert)) {
        this.wrong.push(`${tensor.name} got the importance values of another`);
      }
    } else if (!this.written.has(position)) this.wrong.push(`hashed before it was written at ${position}`);
    return { ok: true, tag, sha256: task.digest ? this.hash(thread, position, byteLength, task.digest) : '' };
  }

  private hash(
    thread: number,
    position: number,
    byteLength: number,
    { tensor, last }: { readonly tensor: number; readonly last: boolean },
  ): string {
    const { target } = this.tensors[tensor]!;
    const digest = this.digests.get(tensor) ?? { thread, end: target.offset, pieces: 0, done: false };
    this.digests.set(tensor, digest);
    if (digest.thread !== thread || digest.end !== position || digest.done) {
      this.wrong.push(`tensor ${tensor}: byte ${position} hashed by ${thread} after ${digest.end} by ${digest.thread}`);
    }
    digest.end = position + byteLength;
    digest.pieces++;
    digest.done = last;
    if (last !== (digest.end === target.offset + target.byteLength)) this.wrong.push(`tensor ${tensor} ends wrongly`);
    return last ? `digest ${tensor}` : '';
  }

  private tensorAt(position: number): PlannedTensor {
    return this.tensors.findLast(({ target }) => target.offset <= position)!;
  }

  private expertAt({ ne, target, elementCount }: PlannedTensor, position: number): number {
    const element = ((position - target.offset) / target.byteLength) * elementCount;
    return Math.floor(element / ((ne[0] ?? 1) * (ne[1] ?? 1)));
  }
}

function randomTensors(random: (below: number) => number): PlannedTensor[] {
  let offset = 0;
  return Array.from({ length: 1 + random(12) }, (_, i) => {
    const columns = 256 * (1 + random(8));
    const experts = random(3) === 0 ? 3 : 1;
    // One in four is empty, one in four far larger than the others.
    const size = random(4);
    const rows =
      size === 0 ? 0 : Math.ceil(((size === 1 ? 40 : 3) * CHUNK_WEIGHTS * (1 + random(100))) / 100 / columns);
    const ne = [columns, rows, experts];
    const elementCount = columns * rows * experts;
    const byteLength = byteLengthOf(ggmlType('Q4_0'), elementCount);
    const target = { shard: 0, offset, byteLength };
    offset += padded(byteLength);
    const source = { shard: 0, fileOffset: 0, byteLength: elementCount * 2 };
    return {
      name: `t${i}`,
      sourceName: `t${i}`,
      ne,
      elementCount,
      fromType: 'F16',
      toType: 'Q4_0',
      rule: '',
      importance: random(2) === 0,
      source,
      target,
    };
  });
}

const latency = randomFrom(5);

function streamOf(
  tensors: readonly PlannedTensor[],
  converter: Converter,
  finished: number[],
  failing = false,
): Stream {
  const output: Partial<PartialOutput> = {
    wrote: () => Promise.resolve(),
    writeError: (_file, { code }) => Promise.resolve(new QuantsmithError('io/test', code)),
    finish: async tensor => {
      await new Promise(resolve => setImmediate(resolve));
      finished.push(tensor);
      if (failing) throw new QuantsmithError('io/journal', 'no');
    },
  };
  const values = tensors.map(({ ne }, i) => {
    const { values: all, unseenSlices } = importanceEntry(
      Float32Array.from({ length: ne[0]! * ne[2]! }, (_, c) => i * 100 + Math.floor(c / ne[0]!)),
    );
    const read: typeof all.read = async (start, end, signal) => {
      // As from a file on a slow disk.
      for (let ticks = latency(12); ticks > 0; ticks--) await new Promise(resolve => setImmediate(resolve));
      return all.read(start, end, signal);
    };
    return { values: { length: all.length, read }, unseenSlices };
  });
  let hashed = 0;
  return {
    tensors,
    wishes: tensors.map(({ name }) => name),
    littleEndian: () => true,
    importance: tensor => (tensor.importance ? values[tensors.indexOf(tensor)] : undefined),
    position: ({ target }) => target.offset,
    converter,
    output: output as PartialOutput,
    services: {
      sha256: () => ({ update: () => hashed++, digest: () => 'of tags' }),
      now: () => 0,
      method: () => Promise.resolve(''),
      openEarlier: () => Promise.reject(new Error('not asked for')),
      remember: () => Promise.resolve(true),
    },
    signal: new AbortController().signal,
    progress: () => undefined,
  };
}

test('every piece once, every digest in order, whatever the tensors and threads', async () => {
  const seed = Number(process.env['SEED'] ?? Date.now() >>> 0);
  console.log(`seed ${seed} (SEED=${seed} repeats it)`);
  const random = randomFrom(seed);
  let shared = 0;
  for (let round = 0; round < 60; round++) {
    const tensors = randomTensors(random);
    const threads = new NotedThreads(1 + random(6), tensors, random);
    const finished: number[] = [];
    const { made } = await convertTensors(streamOf(tensors, threads, finished), new Map());
    expect(threads.wrong, `round ${round}`).toEqual([]);
    expect([...finished].sort((a, b) => a - b)).toEqual([...tensors.keys()]);
    const end = tensors.at(-1)!.target;
    const bytes = [...threads.written.values()].reduce((sum, length) => sum + length, 0);
    expect(bytes).toBe(padded(end.offset + end.byteLength));
    for (const [i, { elementCount }] of tensors.entries()) {
      expect(made[i]?.sha256).toBe(elementCount === 0 ? 'of tags' : `digest ${i}`);
    }
    shared += tensors.length < threads.threads ? 1 : 0;
  }
  // With fewer tensors than threads, threads must have helped each other.
  expect(shared).toBeGreaterThan(0);
});

test('one large tensor keeps all threads busy', async () => {
  const random = randomFrom(1);
  const elementCount = 64 * CHUNK_WEIGHTS;
  const byteLength = byteLengthOf(ggmlType('Q4_0'), elementCount);
  const tensor: PlannedTensor = {
    ...randomTensors(random)[0]!,
    ne: [256, elementCount / 256, 1],
    importance: false,
    elementCount,
    source: { shard: 0, fileOffset: 0, byteLength: elementCount * 2 },
    target: { shard: 0, offset: 0, byteLength },
  };
  const pieces = [0, 0, 0, 0];
  class Counted extends NotedThreads {
    override run(thread: number, task: ThreadTask): Promise<TaskResult> {
      if (task.kind === 'convert') pieces[thread]!++;
      return super.run(thread, task);
    }
  }
  const threads = new Counted(4, [tensor], random);
  await convertTensors(streamOf([tensor], threads, []), new Map());
  expect(threads.wrong).toEqual([]);
  expect(Math.min(...pieces)).toBeGreaterThan(8);
});

test('a failure anywhere ends the run, and only once', async () => {
  const random = randomFrom(7);
  const tensors = randomTensors(randomFrom(3));
  const run = async (fail: (task: ThreadTask) => Error | undefined, failing = false): Promise<string> => {
    const threads = new NotedThreads(3, tensors, random, fail);
    const finished: number[] = [];
    const outcome = await convertTensors(streamOf(tensors, threads, finished, failing), new Map()).then(
      () => 'done',
      (error: unknown) => (error instanceof QuantsmithError ? `${error.code} ${error.message}` : String(error)),
    );
    if (failing) expect(finished).toHaveLength(1);
    return outcome;
  };
  let count = 0;
  expect(await run(() => (++count === 5 ? new WriteFailure('ENOSPC', 'full') : undefined))).toBe('io/test ENOSPC');
  expect(await run(({ kind }) => (kind === 'hash' ? new WriteFailure('EIO', 'lost') : undefined))).toBe('io/test EIO');
  expect(await run(() => undefined, true)).toBe('io/journal no');
  expect(await run(() => undefined)).toBe('done');
});
