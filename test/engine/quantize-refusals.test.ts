// The quantize job: what it refuses or fails at, how it says so, and that nothing is left behind.
import {
  appendFileSync,
  copyFileSync,
  existsSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { errorData, type ErrorData } from '../../src/core/problem.js';
import type { OutputRequest, PartialOutput } from '../../src/engine/jobs/quantize-services.js';
import { identityOf, SYSTEM } from '../../src/platform/output-system.js';
import { quantizeServices } from '../../src/platform/quantize-services.js';
import { tinycoder } from '../worker/built-worker.js';
import { at, built, digest, failure, files, folder, quantize, type Run, useQuantize } from './quantize-run.js';
import { bfloat16, weights, writeSmallModel } from './small-model.js';

useQuantize();

describe('what is refused', () => {
  test('a NaN, with its place', async () => {
    const data = weights(4 * 256, 1);
    data[2 * 256 + 7] = NaN;
    writeSmallModel(at('nan.gguf'), [{ name: 'blk.0.ffn_up.weight', ne: [256, 4], type: 'F32', data }]);
    expect(await failure({ source: at('nan.gguf'), type: 'Q4_K_S' })).toBe(
      'quantize/non-finite: blk.0.ffn_up.weight: expected finite weights, found NaN or infinity at element 519 (row 2, column 7). -> The model is damaged or was converted wrongly: fetch or convert it again.',
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

  test('a disk that becomes full', async context => {
    if (!existsSync('/dev/full')) {
      context.skip("there is no /dev/full, whose ENOSPC is the kernel's own");
      return;
    }
    let free = 2 ** 40;
    const services = quantizeServices(built.dist, { ...SYSTEM, diskFree: () => Promise.resolve(free) });
    const full = {
      ...services,
      async openOutput(request: OutputRequest): Promise<PartialOutput> {
        free = 0;
        const identity = identityOf(statSync('/dev/full', { bigint: true }));
        const targets = [{ path: '/dev/full', identity }];
        return new Proxy(await services.openOutput(request), {
          get(of, key) {
            const value: unknown = key === 'targets' ? targets : Reflect.get(of, key);
            return typeof value === 'function' ? (value.bind(of) as unknown) : value;
          },
        });
      },
    };
    const outcome = await failure({ services: () => full });
    expect(outcome).toMatch(
      /^io\/disk-full: …\/out\.gguf needs 3\.33 MB \(3,328,576 bytes\), [\d.]+ \w+ were written, and in … 0 bytes are free\. -> Free space/,
    );
    expect(files()).toEqual([]);
  });

  test('a temporary file that is replaced while threads start', async () => {
    const services = quantizeServices(built.dist);
    const replaced = {
      ...services,
      async openOutput(request: OutputRequest): Promise<PartialOutput> {
        const output = await services.openOutput(request);
        rmSync(at('.out.gguf.quantsmith-partial'));
        writeFileSync(at('.out.gguf.quantsmith-partial'), 'mine');
        return output;
      },
    };
    expect(await failure({ resume: true, services: () => replaced })).toMatch(/^output\/lost: The temporary file …/);
    expect(readFileSync(at('.out.gguf.quantsmith-partial'), 'utf8')).toBe('mine');
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
    writeFileSync(thread, 'throw new Error("EMFILE: too many open files, open x")');
    expect(await failure(run)).toMatch(/^io\/too-many-files: .* -> Use fewer threads.*ulimit/);
    expect(files()).toEqual(['dist']);
  });

  test('kernels that are missing', async () => {
    expect(await failure({ services: () => quantizeServices(folder) })).toMatch(/^(quantize|kernel)\//);
  });
});

describe('a model that was quantized before and written as floats again', () => {
  test('is refused unless that is allowed; the header does not show it', async () => {
    await quantize({ type: 'Q4_K_M', output: at('q4.gguf') });
    await quantize({
      type: 'BF16',
      source: at('q4.gguf'),
      output: at('bf16.gguf'),
      options: { allowRequantize: true },
    });
    expect(await failure({ source: at('bf16.gguf'), type: 'Q5_K_M' })).toMatch(
      /^plan\/hidden-requantize: This BF16 model was made from a quantized one: the weights of \d+ of \d+ tensors /,
    );
    expect(existsSync(at('out.gguf'))).toBe(false);
    const allowed = await quantize({
      source: at('bf16.gguf'),
      type: 'Q5_K_M',
      options: { allowRequantize: true },
      dryRun: true,
    });
    expect(allowed.problems.map(({ severity, code }) => `${severity} ${code}`)).toEqual([
      'warning plan/hidden-requantize',
    ]);
    // Writing it as another float loses nothing more.
    expect(
      (await quantize({ source: at('bf16.gguf'), type: 'F32', dryRun: true })).problems.map(({ code }) => code),
    ).toEqual(['plan/grows']);
  });

  test('is suspected by keys that quantizers leave, with a warning', async () => {
    const report = await quantize({
      type: 'Q8_0',
      options: { metadata: [{ key: 'quantize.imatrix.file', type: 'string', value: 'x', text: '' }], fileType: 'F16' },
      output: at('traced.gguf'),
    });
    expect(report.problems.filter(({ code }) => code.startsWith('plan/'))).toEqual([]);
    const again = await quantize({ source: at('traced.gguf'), type: 'Q8_0', dryRun: true });
    expect(again.problems.map(({ severity, code }) => `${severity} ${code}`)).toEqual([
      'warning plan/quantized-before',
    ]);
  });
});

test('one report says everything: plan, place and matrix together', async () => {
  writeFileSync(at('out.gguf'), 'precious');
  const run = {
    type: 'IQ2_XXS',
    options: {
      pruneLayers: [99],
      onFallback: 'promote',
      metadata: [{ key: 'split.no', type: 'u16', value: 1, text: '' }],
    },
  } as const;
  const codes = ['plan/no-such-layer', 'plan/override-split', 'plan/imatrix-required', 'output/exists'];
  const error = await quantize(run).catch((thrown: unknown) => errorData(thrown));
  expect(error).toMatchObject({ code: expect.stringMatching(/^plan\//) as string });
  const { problems = [] } = error as ErrorData;
  const errors = problems.filter(({ severity }) => severity === 'error').map(({ code }) => code);
  expect(errors).toEqual(expect.arrayContaining(codes));
  // A dry run reports the same.
  const dry = await quantize({ ...run, dryRun: true });
  expect(dry.problems.filter(({ severity }) => severity === 'error').map(({ code }) => code)).toEqual(errors);
  expect(readFileSync(at('out.gguf'), 'utf8')).toBe('precious');
});
