// Models that cannot be run are refused by name, before anything is computed; programs that were damaged are refused by the
// executor, whatever is wrong with them.
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import type { ByteSource } from '../../../src/core/bytes/byte-source.js';
import { readModel } from '../../../src/core/gguf/shards.js';
import type { GgufModel } from '../../../src/core/gguf/gguf.js';
import type { ExecutorSession } from '../../../src/engine/executor.js';
import { ARCHITECTURES, compileProgram } from '../../../src/engine/graph/architectures.js';
import { ProgramBuilder, type Program, type Slot } from '../../../src/engine/graph/program-builder.js';
import { loadExecutor } from '../../../src/platform/load-executor.js';
import { buildGguf } from '../../fixtures/gguf/gguf-builder.js';
import { randomSource } from '../../kernels/support.js';

const LIMITS = { context: 8, sequences: 1, cells: 8, batch: 4, cacheType: 'f32' } as const;

/** A Llama of one layer: width 4, two heads, vocabulary 3. */
const LLAMA = `
string general.architecture = "llama"
u32 llama.block_count = 1
u32 llama.context_length = 16
u32 llama.embedding_length = 4
u32 llama.attention.head_count = 2
f32 llama.attention.layer_norm_rms_epsilon = 0.00001
tensor token_embd.weight F32 [4,3]
tensor blk.0.attn_norm.weight F32 [4]
tensor blk.0.attn_q.weight F32 [4,4]
tensor blk.0.attn_k.weight F32 [4,4]
tensor blk.0.attn_v.weight F32 [4,4]
tensor blk.0.attn_output.weight F32 [4,4]
tensor blk.0.ffn_norm.weight F32 [4]
tensor blk.0.ffn_gate.weight F32 [4,8]
tensor blk.0.ffn_up.weight F32 [4,8]
tensor blk.0.ffn_down.weight F32 [8,4]
tensor output_norm.weight F32 [4]
`;

async function open(text: string): Promise<{ model: GgufModel; source: ByteSource }> {
  const { bytes } = buildGguf(text);
  const source: ByteSource = {
    name: 'model.gguf',
    size: bytes.length,
    read: (offset, length) => Promise.resolve(bytes.slice(offset, offset + length)),
  };
  const { value } = await readModel(() => Promise.resolve(source), 'model.gguf');
  if (!value) throw new Error('the fixture is no model');
  return { model: value, source };
}

async function compile(text: string, factors?: readonly number[]): Promise<string> {
  const { model } = await open(text);
  try {
    compileProgram(model, new Map(factors && [['rope_freqs.weight', factors]]), LIMITS);
    return 'ok';
  } catch (error) {
    const { code, message } = error as { code: string; message: string };
    return `${code}: ${message}`;
  }
}

/** The model with one line changed or, without `to`, left out. */
const change = (from: string, to = ''): string => {
  expect(LLAMA).toContain(from);
  return LLAMA.replace(from, to);
};

describe('what a model must have', () => {
  test('the model of this test can be run', async () => {
    expect(await compile(LLAMA)).toBe('ok');
  });

  const cases: readonly (readonly [string, string, RegExp])[] = [
    [
      'an architecture that is not known',
      change('"llama"', '"mamba"'),
      /^engine\/architecture: .*"mamba".*gemma2.*qwen3moe/,
    ],
    ['no architecture', change('string general.architecture = "llama"'), /^engine\/architecture/],
    ['a missing number', change('u32 llama.block_count = 1'), /^engine\/missing-metadata: .*llama\.block_count/],
    ['no layers', change('block_count = 1', 'block_count = 0'), /^engine\/bad-metadata: .*block_count" is 0/],
    ['absurdly many layers', change('block_count = 1', 'block_count = 4000000000'), /^engine\/bad-metadata/],
    ['heads that do not divide the width', change('head_count = 2', 'head_count = 3'), /^engine\/bad-metadata/],
    [
      'a missing tensor',
      change('tensor blk.0.ffn_down.weight F32 [8,4]'),
      /^engine\/missing-tensor: .*blk\.0\.ffn_down\.weight/,
    ],
    ['no embeddings', change('tensor token_embd.weight F32 [4,3]'), /^engine\/missing-tensor: .*token_embd/],
    [
      'a matrix of another shape',
      change('ffn_up.weight F32 [4,8]', 'ffn_up.weight F32 [8,4]'),
      /^engine\/bad-shape: .*ffn_up.* 8 x 4; 4 x 4/,
    ],
    [
      'a norm of another length',
      change('output_norm.weight F32 [4]', 'output_norm.weight F32 [5]'),
      /^engine\/bad-shape: .*output_norm/,
    ],
    [
      'key and value heads that the heads cannot share',
      `${LLAMA}u32 llama.attention.head_count_kv = 3\n`,
      /^engine\/bad-metadata: .*head_count_kv" is 3; a divisor of the 2 heads/,
    ],
    [
      'a tensor that nothing is done with',
      `${LLAMA}tensor blk.0.attn_q.scale F32 [1]\n`,
      /^engine\/unknown-tensor: .*"blk\.0\.attn_q\.scale"/,
    ],
    ['a norm in F16', change('output_norm.weight F32', 'output_norm.weight F16'), /^engine\/bad-type: .*output_norm/],
  ];
  for (const [name, text, expected] of cases) {
    test(name, async () => {
      expect(await compile(text)).toMatch(expected);
    });
  }

  test('as many experts in each tensor as the router chooses from', async () => {
    const model = LLAMA.replace(/tensor blk\.0\.ffn_(gate|up|down).*\n/g, '');
    const withExperts = (down: number): string => `${model}
u32 llama.expert_count = 4
u32 llama.expert_used_count = 2
tensor blk.0.ffn_gate_inp.weight F32 [4,4]
tensor blk.0.ffn_gate_exps.weight F32 [4,8,4]
tensor blk.0.ffn_up_exps.weight F32 [4,8,4]
tensor blk.0.ffn_down_exps.weight F32 [8,4,${down}]
`;
    expect(await compile(withExperts(4))).toBe('ok');
    expect(await compile(withExperts(3))).toMatch(/^engine\/bad-shape: .*ffn_down_exps.*for each of 4 experts/);
  });

  test('factors of frequencies that leave finite ones', async () => {
    expect(await compile(LLAMA, [8])).toBe('ok');
    expect(await compile(LLAMA, [0])).toMatch(/^engine\/bad-metadata: .*pair 0 .* turns by Infinity/);
    expect(await compile(LLAMA, [NaN])).toMatch(/^engine\/bad-metadata: .*pair 0 .* turns by NaN/);
  });

  test('heads of a multiple of 32 values for a cache in Q8_0', async () => {
    const { model } = await open(LLAMA);
    expect(() => compileProgram(model, new Map(), { ...LIMITS, cacheType: 'q8_0' })).toThrow(
      "A cache in Q8_0 needs heads of a multiple of 32 values; this model's have 2.",
    );
  });

  test('every name stands for one architecture', () => {
    const names = ARCHITECTURES.flatMap(architecture => architecture.names);
    expect(new Set(names).size).toBe(names.length);
  });
});

describe('damaged programs', () => {
  const kernels = path.resolve(import.meta.dirname, '../../../dist/kernels');

  let loaded: ReturnType<typeof loadExecutor> | undefined;

  /** In WebAssembly: an access out of bounds would end the call with a trap, not the process. */
  async function run(words: Int32Array, program: Program, source: ByteSource): Promise<string> {
    const { executor } = await (loaded ??= loadExecutor('wasm', kernels));
    let session: ExecutorSession | undefined;
    try {
      session = await executor.createSession(
        { ...program, words },
        { paths: ['model.gguf'], sources: [source] },
        { threads: 1 },
      );
      await session.step({ tokens: Int32Array.from([0, 1, 2]), wanted: Uint8Array.from([0, 1, 1]) });
      return 'ran';
    } catch (error) {
      return (error as { code?: string }).code ?? String(error);
    } finally {
      await session?.end();
    }
  }

  // Programs that no description writes, after an EMBED: only the executor's own check stands before them.
  const HUGE = 2 ** 22 + 1;
  const programs: readonly (readonly [string, (g: ProgramBuilder, stream: Slot) => unknown])[] = [
    [
      'heads so wide that their product wraps in 32 bits',
      (g, stream) => {
        const wide = g.slot('wide', HUGE);
        g.store(g.layer(HUGE, 4, 1), wide, stream);
        const options = { heads: 1024, scale: 1 };
        return g.attention(g.slot('attended', 4096), g.slot('query', 1024), 0, options);
      },
    ],
    [
      'a frequency that is no number',
      (g, stream) => g.rope(stream, 2, { frequencies: [NaN], pairing: 'halves', magnitude: 1 }),
    ],
    [
      'a frequency whose angles are beyond all integers',
      (g, stream) => g.rope(stream, 2, { frequencies: [1e30], pairing: 'halves', magnitude: 1 }),
    ],
    [
      'experts whose outputs overwrite the choice',
      (g, stream) => g.experts(g.slot('pairs', 4), stream, g.slot('pairs', 4), 'experts', { count: 2, used: 2 }),
    ],
    ['a mixture that overwrites its weights', (g, stream) => g.mix(stream, g.slot('blocks', 8), stream, 2)],
  ];
  for (const [name, write] of programs) {
    test(name, async () => {
      const { model, source } = await open('tensor token_embd.weight F32 [4,3]\ntensor experts.weight F32 [4,2,2]\n');
      const g = new ProgramBuilder(model);
      const stream = g.embed(g.slot('stream', 4), 'token_embd');
      write(g, stream);
      g.wanted(stream, stream);
      const program = g.finish(g.slot('logits', 3), { ...LIMITS, context: 4, cells: 4 }, ['experts.weight']);
      expect(await run(program.words, program, source)).toBe('engine/bad-program');
    });
  }

  test('one word changed, or the end missing: refused or run, never a trap', async () => {
    const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000);
    console.log(`SEED=${seed}`);
    const random = randomSource(seed);
    const { model, source } = await open(LLAMA);
    const program = compileProgram(model, new Map(), LIMITS);
    expect(await run(program.words, program, source)).toBe('ran');
    const outcomes = new Map<string, number>();
    const count = (outcome: string): unknown => outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    const values = [-1, 0, 1, 2, 3, 7, 255, 65_536, 2 ** 24, 2 ** 31 - 1, -(2 ** 31), 0x7fc00000];
    for (let i = 0; i < 1500; i++) {
      const words = program.words.slice();
      const at = Math.floor(random() * words.length);
      words[at] = values[Math.floor(random() * values.length)] ?? 0;
      count(await run(words, program, source));
    }
    for (let length = 0; length < program.words.length; length++) {
      expect(await run(program.words.slice(0, length), program, source)).toBe('engine/bad-program');
    }
    // bad-step: the program is a valid one of another batch or vocabulary.
    const known = ['ran', 'engine/bad-program', 'engine/bad-step', 'engine/out-of-memory'];
    expect([...outcomes.keys()].filter(outcome => !known.includes(outcome))).toEqual([]);
    expect(outcomes.get('engine/bad-program')).toBeGreaterThan(300);
  });
});
