// `quantsmith generate` as a process.
import { describe, expect, test } from 'vitest';
import { tinycoder } from '../worker/built-worker.js';
import { isBuilt, quantsmith, type ErrorDocument } from './built-cli.js';

const PROMPT = 'def add(a, b):\n    return';
const run = (...options: string[]) => quantsmith(['generate', tinycoder, '--prompt', PROMPT, ...options]);

describe.skipIf(!isBuilt)('generate', () => {
  test('JSON has every key of the contract; the text is that of the ids, on either backend', async () => {
    const found = await Promise.all(
      ['auto', 'wasm'].map(async backend => {
        const { stdout, stderr, exit } = await run('-n', '12', '--json', '--backend', backend);
        expect({ stderr, exit }).toEqual({ stderr: '', exit: 0 });
        return JSON.parse(stdout) as Record<string, unknown>;
      }),
    );
    const [first, second] = found;
    expect(first).toMatchObject({ generatedTokens: 12, reason: 'count', promptTokens: expect.any(Number) as number });
    for (const key of ['promptSeconds', 'generateSeconds']) expect(first![key]).toBeTypeOf('number');
    expect(second!['ids']).toEqual(first!['ids']);
    const { stdout } = await quantsmith([
      'detokenize',
      tinycoder,
      '--ids',
      (first!['ids'] as number[]).join(','),
      '--json',
    ]);
    expect((JSON.parse(stdout) as { text: string }).text).toBe(first!['text']);
    const plain = await run('-n', '12');
    expect(plain.stdout).toBe(`${first!['text'] as string}\n`);
  });

  test('a seed decides what is drawn', async () => {
    const text = async (seed: string): Promise<string> =>
      (await run('-n', '16', '--temp', '1.5', '--top-p', '1', '--min-p', '0', '--seed', seed)).stdout;
    const [one, again, other] = [await text('1'), await text('1'), await text('2')];
    expect(one).toBe(again);
    expect(one).not.toBe(other);
  });

  test('a prompt that is too long, or none', async () => {
    const long = await run('--context', '2', '--json');
    expect((JSON.parse(long.stdout) as ErrorDocument).error.code).toBe('engine/context-full');
    const empty = await quantsmith(['generate', tinycoder, '--prompt', '', '--json']);
    expect((JSON.parse(empty.stdout) as ErrorDocument).error.code).toBe('engine/empty-prompt');
    expect(empty.exit).toBe(1);
  });

  test('guesses change how it is made, not what', async () => {
    const json = async (...options: string[]): Promise<Record<string, unknown>> =>
      JSON.parse((await run('-n', '40', '--json', ...options)).stdout) as Record<string, unknown>;
    const plain = await json();
    expect(plain).not.toHaveProperty('speculation');
    for (const options of [
      ['--lookup', '6'],
      ['--draft', tinycoder, '--draft-max', '5'],
    ]) {
      const found = await json(...options);
      expect(found['ids']).toEqual(plain['ids']);
      const { drafted, accepted, steps } = found['speculation'] as Record<string, number>;
      expect(accepted).toBeGreaterThan(0);
      expect(accepted).toBeLessThanOrEqual(drafted!);
      // Each step after the prompt's gives what was right of the guesses, and one token; the last may give one less.
      expect([39, 40]).toContain(accepted! + steps!);
    }
  });

  test.each([
    ['text', []],
    ['JSON', ['--json']],
  ])('Ctrl+C ends it at once, and what there is stays (%s)', async (kind, options) => {
    let interrupted = 0;
    const found = await quantsmith(
      ['generate', tinycoder, '-p', PROMPT, '-n', '1000000', '--context', '20000', '--bias', '0=-inf', ...options],
      {
        started: child => {
          const interrupt = (): void => {
            interrupted = performance.now();
            child.kill('SIGINT');
          };
          if (kind === 'text') child.stdout?.once('data', interrupt);
          else setTimeout(interrupt, 3000);
        },
      },
    );
    const milliseconds = performance.now() - interrupted;
    console.log(`${kind}: ended ${milliseconds.toFixed(0)} ms after the signal`);
    expect(found.exit).toBe(130);
    if (kind === 'text') expect(found.stdout.length).toBeGreaterThan(1);
    else expect(JSON.parse(found.stdout)).toMatchObject({ reason: 'interrupted' });
    // 40 to 70 ms with other processes on all cores.
    expect(milliseconds).toBeLessThan(1000);
  });
});
