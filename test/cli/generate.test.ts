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
});
