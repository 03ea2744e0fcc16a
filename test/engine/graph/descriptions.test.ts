// What the metadata changes in a program, where no model in use shows it: defaults of the first files, other patterns of
// windows, scaled rotation.
import { expect, test } from 'vitest';
import type { ByteSource } from '../../../src/core/bytes/byte-source.js';
import { readModel } from '../../../src/core/gguf/shards.js';
import { compileProgram } from '../../../src/engine/graph/architectures.js';
import { OPERATIONS, type OperationName } from '../../../src/engine/graph/operations.js';
import type { Program } from '../../../src/engine/graph/program-builder.js';
import { buildGguf } from '../../fixtures/gguf/gguf-builder.js';

/** A model of `layers` layers: width 4, two heads, vocabulary 3. */
function modelText(architecture: string, layers: number, metadata: string): string {
  const isGemma = architecture.startsWith('gemma');
  const layer = (i: number): string => `
tensor blk.${i}.attn_norm.weight F32 [4]
tensor blk.${i}.attn_q.weight F32 [4,4]
tensor blk.${i}.attn_k.weight F32 [4,4]
tensor blk.${i}.attn_v.weight F32 [4,4]
tensor blk.${i}.attn_output.weight F32 [4,4]
tensor blk.${i}.ffn_norm.weight F32 [4]
tensor blk.${i}.ffn_gate.weight F32 [4,8]
tensor blk.${i}.ffn_up.weight F32 [4,8]
tensor blk.${i}.ffn_down.weight F32 [8,4]
${isGemma ? `tensor blk.${i}.post_attention_norm.weight F32 [4]\ntensor blk.${i}.post_ffw_norm.weight F32 [4]` : ''}`;
  return `
string general.architecture = "${architecture}"
u32 ${architecture}.block_count = ${layers}
u32 ${architecture}.context_length = 16
u32 ${architecture}.embedding_length = 4
u32 ${architecture}.attention.head_count = 2
f32 ${architecture}.attention.layer_norm_rms_epsilon = 0.00001
${metadata.replaceAll('A.', `${architecture}.`)}
tensor token_embd.weight F32 [4,3]
${Array.from({ length: layers }, (_, i) => layer(i)).join('\n')}
tensor output_norm.weight F32 [4]
`;
}

async function compile(text: string, vectors: Record<string, number[]> = {}, context = 8): Promise<Program> {
  const { bytes } = buildGguf(text.replaceAll(/\n\n+/g, '\n'));
  const source: ByteSource = {
    name: 'model.gguf',
    size: bytes.length,
    read: (offset, length) => Promise.resolve(bytes.slice(offset, offset + length)),
  };
  const { value } = await readModel(() => Promise.resolve(source), 'model.gguf');
  if (!value) throw new Error('the fixture is no model');
  return compileProgram(value, new Map(Object.entries(vectors)), {
    context,
    sequences: 1,
    cells: context,
    batch: 4,
    cacheType: 'f32',
  });
}

/** The operands of every operation of that name: integers as they are, floats by their value. */
function operandsOf({ words }: Program, wanted: OperationName): number[][] {
  const [, , slots = 0, constants = 0, layers = 0] = words;
  const floats = new Float32Array(words.buffer, words.byteOffset, words.length);
  const found: number[][] = [];
  for (let at = 13 + 3 * slots + 3 * layers + constants; at < words.length;) {
    const [name, letters] = OPERATIONS[words[at] ?? -1] ?? ['', ''];
    const operands = Array.from(letters, (letter, i) => (letter === 'f' ? floats : words)[at + 1 + i] ?? NaN);
    if (name === wanted) found.push(operands);
    at += 1 + letters.length;
  }
  return found;
}

/** Frequencies of the first rotation of each layer. */
function frequencies(program: Program): number[] {
  const { words } = program;
  const floats = new Float32Array(words.buffer, words.byteOffset, words.length);
  const constants = 13 + 3 * (words[2] ?? 0) + 3 * (words[4] ?? 0);
  return operandsOf(program, 'ROPE')
    .filter((_, i) => i % 2 === 0)
    .map(operands => floats[constants + (operands[4] ?? 0) + 1] ?? NaN);
}

const windows = (program: Program): number[] => operandsOf(program, 'ATTENTION').map(operands => operands[6] ?? NaN);
const caps = (program: Program): number[] => operandsOf(program, 'ATTENTION').map(operands => operands[5] ?? NaN);

test('Gemma 2 without its keys: a window of 4096 in every second layer, caps of 50 and 30', async () => {
  const program = await compile(modelText('gemma2', 4, ''));
  expect(windows(program)).toEqual([4096, 0, 4096, 0]);
  expect(caps(program)).toEqual([50, 50, 50, 50]);
  expect(operandsOf(program, 'SOFT_CAP').map(([, , cap]) => cap)).toEqual([30]);
});

test('Gemma 2 with its keys', async () => {
  const keys = `u32 A.attention.sliding_window = 5
u32 A.attention.sliding_window_pattern = 3
f32 A.attn_logit_softcapping = 7
f32 A.final_logit_softcapping = 9`;
  const program = await compile(modelText('gemma2', 4, keys));
  expect(windows(program)).toEqual([5, 5, 0, 5]);
  expect(caps(program)).toEqual([7, 7, 7, 7]);
  expect(operandsOf(program, 'SOFT_CAP').map(([, , cap]) => cap)).toEqual([9]);
});

test('Gemma 3: window layers are rotated without scaling; without a window no layer is one', async () => {
  const scaled = 'f32 A.rope.scaling.factor = 8\nf32 A.rope.freq_base = 1000000';
  const withWindow = await compile(modelText('gemma3', 7, `${scaled}\nu32 A.attention.sliding_window = 5`));
  expect(windows(withWindow)).toEqual([5, 5, 5, 5, 5, 0, 5]);
  expect(frequencies(withWindow)).toEqual([1, 1, 1, 1, 1, 0.125, 1]);
  const without = await compile(modelText('gemma3', 7, scaled));
  expect(windows(without)).toEqual([0, 0, 0, 0, 0, 0, 0]);
  expect(frequencies(without)).toEqual([0.125, 0.125, 0.125, 0.125, 0.125, 0.125, 0.125]);
  expect(caps(without)).toEqual([0, 0, 0, 0, 0, 0, 0]);
  expect(operandsOf(without, 'SOFT_CAP')).toEqual([]);
});

test('linear scaling by the key that older files have', async () => {
  expect(frequencies(await compile(modelText('llama', 1, 'f32 A.rope.scale_linear = 4')))).toEqual([0.25]);
  const both = 'f32 A.rope.scale_linear = 4\nf32 A.rope.scaling.factor = 2';
  expect(frequencies(await compile(modelText('llama', 1, both)))).toEqual([0.5]);
});

test('Llama with factors for short and long contexts', async () => {
  const keys = 'string A.rope.scaling.type = "longrope"\nu32 A.rope.scaling.original_context_length = 8';
  const factors = { 'rope_factors_long.weight': [4], 'rope_factors_short.weight': [2], 'rope_freqs.weight': [8] };
  expect(frequencies(await compile(modelText('llama', 1, keys), factors, 8))).toEqual([0.5]);
  expect(frequencies(await compile(modelText('llama', 1, keys), factors, 9))).toEqual([0.25]);
  expect(frequencies(await compile(modelText('llama', 1, ''), factors, 9))).toEqual([0.125]);
});

test('Granite: four factors, 0 for none of them; rotation can be switched off', async () => {
  const scales = (program: Program): unknown[] => [
    operandsOf(program, 'EMBED').map(([, , factor]) => factor),
    operandsOf(program, 'ATTENTION').map(operands => operands[4]?.toFixed(4)),
    operandsOf(program, 'SCALE').map(([, , factor]) => factor),
    operandsOf(program, 'ROPE').length,
  ];
  const keys = (embedding: number, attention: number, residual: number, logit: number): string =>
    `f32 A.embedding_scale = ${embedding}\nf32 A.attention.scale = ${attention}
f32 A.residual_scale = ${residual}\nf32 A.logit_scale = ${logit}`;
  const all = keys(12, 0.5, 0.25, 8);
  expect(scales(await compile(modelText('granite', 1, all)))).toEqual([[12], ['0.5000'], [0.25, 0.25, 0.125], 2]);
  expect(scales(await compile(modelText('granite', 1, keys(0, 0, 0, 0))))).toEqual([[1], ['0.7071'], [], 2]);
  const off = await compile(modelText('granite', 1, `${all}\nbool A.rope.scaling.finetuned = false`));
  expect(operandsOf(off, 'ROPE')).toEqual([]);
  // The other architectures' files say something else by that key.
  const llama = await compile(modelText('llama', 1, `${all}\nbool A.rope.scaling.finetuned = false`));
  expect(scales(llama)).toEqual([[1], ['0.7071'], [], 2]);
});

test('factors that an architecture does not use are not ignored', async () => {
  const withFactors = (architecture: string): string =>
    `${modelText(architecture, 1, '')}tensor rope_freqs.weight F32 [1]\n`;
  expect((await compile(withFactors('llama'))).vocabulary).toBe(3);
  await expect(compile(withFactors('qwen2'))).rejects.toMatchObject({ code: 'engine/unknown-tensor' });
});
