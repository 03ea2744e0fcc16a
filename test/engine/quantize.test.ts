// The quantize job on a real machine: what it refuses and how it says so, cancelling, resuming, splitting, and that nothing
// is left behind. Kernels are the built ones; that the bytes are right is quantize-parity.test.ts.
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  copyFileSync,
  existsSync,
  readFileSync,
  readdirSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { errorData } from '../../src/core/problem.js';
import type { JobProgress, QuantizeOptions, QuantizationReport } from '../../src/core/quantize/quantization-plan.js';
import { runQuantize } from '../../src/engine/jobs/quantize.js';
import type { QuantizeServices } from '../../src/engine/jobs/quantize-services.js';
import { SYSTEM } from '../../src/platform/output-system.js';
import { quantizeServices } from '../../src/platform/quantize-services.js';
import type { QuantizeJob } from '../../src/protocol/worker-protocol.js';
import { buildWorker, scratch, tinycoder, type BuiltWorker } from '../worker/built-worker.js';
import { bfloat16, weights, writeSmallModel } from './small-model.js';

let built: BuiltWorker;
let folder: string;
let remove: () => void;
beforeAll(async () => {
  built = await buildWorker();
});
afterAll(() => {
  built.remove();
});
beforeEach(() => {
  ({ folder, remove } = scratch());
});
afterEach(() => {
  remove();
});

interface Run extends Partial<Omit<QuantizeJob, 'options'>> {
  readonly type?: string;
  readonly options?: Partial<QuantizeOptions>;
  readonly services?: (services: QuantizeServices) => QuantizeServices;
  readonly signal?: AbortSignal;
  readonly onProgress?: (value: JobProgress) => void;
}

function quantize(run: Run = {}): Promise<QuantizationReport> {
  const { type = 'Q4_K_M', options, services = (same: QuantizeServices) => same, signal, onProgress, ...rest } = run;
  const job: QuantizeJob = {
    source: tinycoder,
    output: path.join(folder, 'out.gguf'),
    options: { fileType: type, rules: [], pure: false, allowRequantize: false, onFallback: 'promote', ...options },
    threads: 2,
    backend: 'auto',
    overwrite: false,
    dryRun: false,
    resume: false,
    keepSplit: false,
    ...rest,
  };
  const context = { signal: signal ?? new AbortController().signal, progress: onProgress ?? ((): void => undefined) };
  return runQuantize(job, services(quantizeServices(built.dist)), context);
}

/** The error as a person sees it, paths shortened, and what the folder holds afterwards. */
async function failure(run: Run): Promise<string> {
  const outcome = await quantize(run).then(
    () => 'no error',
    (error: unknown) => {
      const { code, message, hint } = errorData(error);
      return `${code}: ${message}${hint === undefined ? '' : ` -> ${hint}`}`;
    },
  );
  return outcome.replaceAll(folder, '…');
}

const files = (): string[] => readdirSync(folder).sort();
const digest = (file: string): string => createHash('sha256').update(readFileSync(file)).digest('hex');
const at = (name: string): string => path.join(folder, name);

describe('what is refused', () => {
  test('a NaN, with its place', async () => {
    const data = weights(4 * 256, 1);
    data[2 * 256 + 7] = NaN;
    writeSmallModel(at('nan.gguf'), [{ name: 'blk.0.ffn_up.weight', ne: [256, 4], type: 'F32', data }]);
    expect(await failure({ source: at('nan.gguf'), type: 'Q4_K_S' })).toBe(
      'quantize/non-finite: blk.0.ffn_up.weight: element 519 (row 2, column 7) is NaN or infinite; Q4_K cannot hold that. -> The model is damaged or was converted wrongly: fetch or convert it again, or keep this tensor in its type with a rule.',
    );
    expect(files()).toEqual(['nan.gguf']);
  });

  test('an infinity deep in a tensor of many tasks', async () => {
    const rows = 3000;
    const data = bfloat16(weights(rows * 256, 2));
    data[2999 * 256 + 255] = 0x7f80;
    writeSmallModel(at('inf.gguf'), [{ name: 'blk.0.ffn_up.weight', ne: [256, rows], type: 'BF16', data }]);
    expect(await failure({ source: at('inf.gguf'), type: 'Q8_0' })).toContain('element 767999 (row 2999, column 255)');
    expect(files()).toEqual(['inf.gguf']);
  });

  test('weights whose scale does not fit', async () => {
    const data = weights(256, 3);
    data[9] = 3e38;
    writeSmallModel(at('big.gguf'), [
      { name: 'blk.0.ffn_up.weight', ne: [256, 1, 1], type: 'F32', data: data },
      { name: 'blk.0.ffn_down.weight', ne: [256, 2], type: 'F32', data: Float32Array.from([...data, ...data]) },
    ]);
    expect(await failure({ source: at('big.gguf'), type: 'Q8_0' })).toMatch(
      /^quantize\/scale-overflow: blk\.0\.ffn_down\.weight: around element 0 /,
    );
  });

  test('an output that exists, and one that is the input', async () => {
    writeFileSync(at('out.gguf'), 'precious');
    copyFileSync(tinycoder, at('in.gguf'));
    expect(await failure({})).toMatch(/^output\/exists: …\/out\.gguf exists already/);
    expect(await failure({ source: at('in.gguf'), output: at('in.gguf'), overwrite: true })).toMatch(
      /^output\/is-source: /,
    );
    expect(readFileSync(at('out.gguf'), 'utf8')).toBe('precious');
    expect(digest(at('in.gguf'))).toBe(digest(tinycoder));
    expect(files()).toEqual(['in.gguf', 'out.gguf']);
  });

  test('folders that cannot be written to', async () => {
    writeFileSync(at('file'), '');
    expect(await failure({ output: at('nowhere/out.gguf') })).toMatch(/^output\/no-folder: /);
    expect(await failure({ output: at('file/out.gguf') })).toMatch(/^output\/no-folder: /);
    expect(await failure({ output: folder })).toMatch(/^output\/is-folder: /);
    // Also root cannot create files there.
    if (existsSync('/proc/self')) expect(await failure({ output: '/proc/self/out.gguf' })).toMatch(/^(io|output)\//);
  });

  test('no GGUF, a truncated one, a missing one', async () => {
    writeFileSync(at('text.gguf'), 'once upon a time');
    copyFileSync(tinycoder, at('short.gguf'));
    truncateSync(at('short.gguf'), 5_000_000);
    for (const name of ['text.gguf', 'short.gguf', 'missing.gguf']) {
      expect(await failure({ source: at(name) })).toMatch(/^(gguf|io)\/[a-z-]+: .{20,} -> /);
    }
    expect(files()).toEqual(['short.gguf', 'text.gguf']);
  });

  test('blocks in a big-endian file', async () => {
    writeSmallModel(
      at('be.gguf'),
      [{ name: 'blk.0.ffn_up.weight', ne: [32, 2], type: 'Q8_0', data: new Uint8Array(68) }],
      false,
    );
    const run = { source: at('be.gguf'), type: 'Q4_0', options: { allowRequantize: true } };
    expect(await failure(run)).toMatch(
      /^quantize\/big-endian: blk\.0\.ffn_up\.weight is stored as Q8_0 in a big-endian file/,
    );
    expect(files()).toEqual(['be.gguf']);
  });

  test('a source that changes or shrinks meanwhile', async () => {
    copyFileSync(tinycoder, at('in.gguf'));
    let once = true;
    const touch = (act: () => void): Run => ({
      source: at('in.gguf'),
      onProgress: ({ phase, done }) => {
        if (phase !== 'quantize' || done === 0 || !once) return;
        once = false;
        act();
      },
    });
    expect(await failure(touch(() => appendFileSync(at('in.gguf'), 'x')))).toMatch(/^io\/source-changed: /);
    copyFileSync(tinycoder, at('in.gguf'));
    once = true;
    expect(await failure(touch(() => utimesSync(at('in.gguf'), 1, 1)))).toMatch(/^io\/source-changed: /);
    once = true;
    expect(await failure(touch(() => truncateSync(at('in.gguf'), 400_000)))).toMatch(
      /^io\/(truncated|source-changed): /,
    );
    expect(files()).toEqual(['in.gguf']);
  });

  test('a disk that becomes full', async () => {
    let room = 1_000_000;
    const full = {
      ...SYSTEM,
      diskFree: () => Promise.resolve(room < 0 ? 0 : 2 ** 40),
      write: (...args: Parameters<typeof SYSTEM.write>) => {
        room -= args[1].length;
        if (room < 0)
          return Promise.reject(Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' }));
        return SYSTEM.write(...args);
      },
    };
    const outcome = await failure({ services: () => quantizeServices(built.dist, full) });
    expect(outcome).toMatch(
      /^io\/disk-full: …\/out\.gguf needs 3\.33 MB \(3,328,576 bytes\), [\d.]+ \w+ were written, and in … 0 bytes are free\. -> Free space/,
    );
    expect(files()).toEqual([]);
  });

  test('a disk that is too small, before anything is written', async () => {
    const small = { ...SYSTEM, diskFree: () => Promise.resolve(1000) };
    expect(await failure({ services: () => quantizeServices(built.dist, small) })).toMatch(
      /^disk\/too-small: 3\.33 MB are needed/,
    );
    expect(files()).toEqual([]);
  });

  test('threads that die or do not start', async () => {
    const dying = path.join(folder, 'dist');
    const { mkdirSync, symlinkSync } = await import('node:fs');
    mkdirSync(dying);
    symlinkSync(path.join(built.dist, 'kernels'), path.join(dying, 'kernels'));
    const thread = path.join(dying, 'quantize-thread.js');
    const ready =
      "const { parentPort } = require('node:worker_threads'); parentPort.postMessage({ kind: 'ready', backend: 'wasm', isa: 'x' });";
    const run = { services: () => quantizeServices(dying) };
    for (const [code, said] of [
      ['throw new Error("no luck")', 'no luck'],
      ['process.exit(3)', 'it ended with code 3'],
      [`${ready} parentPort.on('message', () => { throw new Error('boom'); })`, 'boom'],
      [`${ready} parentPort.on('message', () => process.exit(7))`, 'it ended with code 7'],
    ] as const) {
      writeFileSync(thread, code);
      expect(await failure(run)).toContain(`quantize/thread-failed: A thread of the run stopped: ${said}.`);
    }
    expect(files()).toEqual(['dist']);
  });

  test('kernels that are missing', async () => {
    expect(await failure({ services: () => quantizeServices(folder) })).toMatch(/^(quantize|kernel)\//);
  });
});

test('a dry run touches nothing and still plans', async () => {
  const report = await quantize({ dryRun: true });
  expect(files()).toEqual([]);
  expect(report.byteLength).toBe(3328576);
  expect(report.tensors.every(({ sha256 }) => sha256 === '')).toBe(true);
  // What would stop the run is a problem in its report.
  writeFileSync(at('out.gguf'), '');
  expect((await quantize({ dryRun: true })).problems.map(problem => problem.code)).toContain('output/exists');
});

test('progress counts source bytes to the end, never backwards, and estimates the time', async () => {
  const seen: JobProgress[] = [];
  await quantize({ onProgress: value => seen.push(value) });
  expect(seen[0]?.phase).toBe('plan');
  const running = seen.filter(({ phase }) => phase === 'quantize');
  expect(running.every((value, i) => i === 0 || value.done >= running[i - 1]!.done)).toBe(true);
  const last = running.at(-1)!;
  expect(last.done).toBe(last.total);
  expect(last.total).toBeGreaterThan(9_900_000);
  expect(seen.at(-1)?.phase).toBe('write');
});

test('big-endian F32, F16 and BF16 give the bytes of their little-endian twins', async () => {
  const data = weights(512 * 8, 4);
  const tensors = [
    { name: 'blk.0.ffn_up.weight', ne: [512, 8], type: 'F32', data },
    { name: 'blk.0.ffn_down.weight', ne: [512, 8], type: 'BF16', data: bfloat16(data) },
    {
      name: 'blk.0.attn_q.weight',
      ne: [512, 2],
      type: 'F16',
      data: Uint16Array.from({ length: 1024 }, (_, i) => 0x3000 + i),
    },
    { name: 'output_norm.weight', ne: [512], type: 'F32', data: weights(512, 5) },
  ] as const;
  writeSmallModel(at('le.gguf'), tensors);
  writeSmallModel(at('be.gguf'), tensors, false);
  for (const type of ['Q4_K_M', 'F16', 'F32']) {
    const [little, big] = [
      await quantize({ source: at('le.gguf'), output: at('l'), overwrite: true, type }),
      await quantize({ source: at('be.gguf'), output: at('b'), overwrite: true, type }),
    ];
    expect(big.tensors).toEqual(little.tensors);
    expect(digest(at('b'))).toBe(digest(at('l')));
  }
});

test('each expert is quantized with its own importance weights', async () => {
  const [columns, rows, experts] = [256, 5, 4];
  const data = weights(columns * rows * experts, 8);
  const importance = weights(columns * experts, 9).map(value => value * value * 1000);
  const withMatrix =
    (entries: Record<string, Float32Array>) =>
    (services: QuantizeServices): QuantizeServices => ({
      ...services,
      openImatrix: () => {
        const named = Object.entries(entries).map(([name, values]) => [name, { values, unseenSlices: 0 }] as const);
        const matrix = { name: 'm', format: 'gguf', entries: new Map(named), datasets: [], chunkCount: 1 } as const;
        return Promise.resolve({ matrix, file: { path: tinycoder, size: 0, modified: 0 } });
      },
      assertUnchanged: () => Promise.resolve(),
    });
  const run = (name: string, ne: number[], values: Float32Array, matrix: Float32Array, type: string) => {
    writeSmallModel(at('in.gguf'), [{ name, ne, type: 'F32', data: values }]);
    const options = { pure: true };
    return quantize({
      source: at('in.gguf'),
      imatrix: 'm',
      type,
      options,
      overwrite: true,
      services: withMatrix({ [name]: matrix }),
    });
  };
  for (const type of ['Q4_K_S', 'Q4_0', 'Q5_1', 'Q6_K']) {
    const pieces: Buffer[] = [];
    for (let expert = 0; expert < experts; expert++) {
      const part = data.slice(expert * columns * rows, (expert + 1) * columns * rows);
      const own = importance.slice(expert * columns, (expert + 1) * columns);
      const { byteLength } = (await run('blk.0.ffn_down.weight', [columns, rows], part, own, type)).tensors[0]!;
      // The only tensor is the end of the file, but for its padding.
      const file = readFileSync(at('out.gguf'));
      const begin = file.length - Math.ceil(byteLength / 32) * 32;
      pieces.push(file.subarray(begin, begin + byteLength));
    }
    const all = await run('blk.0.ffn_down_exps.weight', [columns, rows, experts], data, importance, type);
    expect(all.tensors[0]?.sha256, type).toBe(createHash('sha256').update(Buffer.concat(pieces)).digest('hex'));
  }
});

test('a single row longer than any task is one task', async () => {
  const columns = 3 << 18;
  writeSmallModel(at('long.gguf'), [
    { name: 'blk.0.ffn_up.weight', ne: [columns, 2], type: 'BF16', data: bfloat16(weights(columns * 2, 6)) },
  ]);
  const one = await quantize({ source: at('long.gguf'), type: 'Q4_K_S', threads: 1 });
  expect(one.tensors[0]?.byteLength).toBe((columns * 2 * 144) / 256);
  // The same rows as 24,576 short ones: without importance, K-quant blocks do not know of rows.
  writeSmallModel(at('wide.gguf'), [
    {
      name: 'blk.0.ffn_up.weight',
      ne: [256, (columns * 2) / 256],
      type: 'BF16',
      data: bfloat16(weights(columns * 2, 6)),
    },
  ]);
  const many = await quantize({ source: at('wide.gguf'), output: at('wide.out'), type: 'Q4_K_S', threads: 3 });
  expect(many.tensors[0]?.sha256).toBe(one.tensors[0]?.sha256);
});

describe('cancelling', () => {
  test('takes less than 200 ms at any moment and leaves nothing', async () => {
    // 64 MiB of F32 to Q4_K on WebAssembly: seconds of work.
    const rows = 16384;
    const row = weights(1024 * 64, 7);
    const data = new Float32Array(1024 * rows);
    for (let i = 0; i < rows / 64; i++) data.set(row, i * row.length);
    writeSmallModel(at('large.gguf'), [{ name: 'blk.0.ffn_up.weight', ne: [1024, rows], type: 'F32', data }]);
    for (const backend of ['auto', 'wasm'] as const) {
      const latencies: number[] = [];
      for (let i = 0; i < 12; i++) {
        const controller = new AbortController();
        let began = 0;
        const run = failure({
          source: at('large.gguf'),
          backend,
          signal: controller.signal,
          onProgress: ({ phase }) => {
            if (phase === 'quantize' && began === 0)
              began = setTimeout(() => {
                began = performance.now();
                controller.abort();
              }, i * 3) as unknown as number;
          },
        });
        expect(await run).toBe('cancelled: Cancelled.');
        latencies.push(performance.now() - began);
        expect(files()).toEqual(['large.gguf']);
      }
      latencies.sort((a, b) => a - b);
      console.log(
        `cancel latency, ${backend}: median ${latencies[6]!.toFixed(1)} ms, max ${latencies.at(-1)!.toFixed(1)} ms`,
      );
      expect(latencies[6]).toBeLessThan(200);
    }
  }, 120_000);

  test('before it begins', async () => {
    expect(await failure({ signal: AbortSignal.abort() })).toBe('cancelled: Cancelled.');
  });
});

describe('resuming', () => {
  /** Stops after `count` finished tensors, keeping what is done. */
  const stopAfter =
    (count: number, log?: number[]) =>
    (services: QuantizeServices): QuantizeServices => ({
      ...services,
      async openOutput(request) {
        const output = await services.openOutput(request);
        let left = count;
        return {
          finished: output.finished,
          read: output.read.bind(output),
          write: output.write.bind(output),
          commit: output.commit.bind(output),
          abandon: output.abandon.bind(output),
          async finish(tensor, sha256) {
            log?.push(tensor);
            await output.finish(tensor, sha256);
            if (--left === 0) throw new Error('power cut');
          },
        };
      },
    });

  test('goes on with what is finished and gives the same file', async () => {
    const whole = await quantize({ output: at('whole.gguf') });
    const done: number[] = [];
    for (const count of [1, 7, 20])
      expect(await failure({ resume: true, services: stopAfter(count, done) })).toContain('power cut');
    expect(done).toEqual([...Array(28).keys()]);
    expect(files()).toEqual(['.out.gguf.quantsmith-journal', '.out.gguf.quantsmith-partial', 'whole.gguf']);
    const resumed = await quantize({ resume: true, services: stopAfter(Infinity, done) });
    expect(done.length).toBe(whole.tensors.length);
    expect(resumed.tensors).toEqual(whole.tensors);
    expect(digest(at('out.gguf'))).toBe(digest(at('whole.gguf')));
    expect(files()).toEqual(['out.gguf', 'whole.gguf']);
  });

  test('does not trust bytes that are not what the journal says', async () => {
    await failure({ resume: true, services: stopAfter(10) });
    const partial = at('.out.gguf.quantsmith-partial');
    const bytes = readFileSync(partial);
    bytes.fill(0, bytes.length / 4, bytes.length / 2);
    writeFileSync(partial, bytes);
    appendFileSync(at('.out.gguf.quantsmith-journal'), '{"tensor":11,"sha2');
    await quantize({ resume: true });
    await quantize({ output: at('whole.gguf') });
    expect(digest(at('out.gguf'))).toBe(digest(at('whole.gguf')));
  });

  test('of other options starts again; without resume nothing is kept', async () => {
    await failure({ resume: true, services: stopAfter(10) });
    const done: number[] = [];
    await failure({ resume: true, type: 'Q5_K_M', services: stopAfter(3, done) });
    expect(done).toEqual([0, 1, 2]);
    expect(await failure({ services: stopAfter(3) })).toContain('power cut');
    expect(files()).toEqual([]);
  });
});

describe('several output files', () => {
  test('appear together, join to the same tensors, and are split as asked', async () => {
    const whole = await quantize({ output: at('whole.gguf') });
    const split = await quantize({ output: at('part.gguf'), maxShardBytes: 1_000_000 });
    expect(split.files.length).toBeGreaterThan(2);
    expect(split.output).toBe(at(`part-00001-of-0000${split.files.length}.gguf`));
    expect(files()).toEqual([...split.files.map(({ path: file }) => path.basename(file)), 'whole.gguf']);
    expect(split.tensors).toEqual(whole.tensors);
    // Read back by the reader of sharded models, and kept in shards.
    const again = await quantize({
      source: split.output,
      output: at('again.gguf'),
      type: 'Q8_0',
      keepSplit: true,
      options: { allowRequantize: true },
    });
    expect(again.files.length).toBe(split.files.length);
    const dequantized = await quantize({
      source: at('whole.gguf'),
      output: at('q8.gguf'),
      type: 'Q8_0',
      options: { allowRequantize: true },
    });
    const byName = (report: QuantizationReport): string[] =>
      report.tensors.map(({ name, sha256 }) => `${name} ${sha256}`).sort();
    expect(byName(again)).toEqual(byName(dequantized));
  });

  test('are all withdrawn if one name is taken at the last moment', async () => {
    const taken = at('part-00002-of-00004.gguf');
    const outcome = await failure({
      output: at('part.gguf'),
      maxShardBytes: 1_000_000,
      onProgress: ({ phase }) => {
        if (phase === 'write') writeFileSync(taken, 'mine');
      },
    });
    expect(outcome).toBe(
      `output/exists: …/part-00002-of-00004.gguf appeared during the run; it was not overwritten. -> Move it away, choose another output, or allow overwriting.`,
    );
    expect(files()).toEqual(['part-00002-of-00004.gguf']);
    expect(readFileSync(taken, 'utf8')).toBe('mine');
  });
});

test('two runs to one output: the second is refused, the first completes', async () => {
  const first = quantize();
  const second = failure({});
  const outcomes = [
    await first.then(
      () => 'done',
      (error: unknown) => errorData(error).code,
    ),
    (await second).split(':')[0],
  ];
  expect(outcomes.filter(outcome => outcome === 'done' || outcome === 'no error').length).toBe(1);
  expect(outcomes.some(outcome => outcome === 'output/in-use' || outcome === 'output/exists')).toBe(true);
  expect(files()).toEqual(['out.gguf']);
});
