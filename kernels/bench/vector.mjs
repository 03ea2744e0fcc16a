// What a forward pass takes besides its products: every other operation of a model shaped like Qwen2.5-0.5B (24 layers
// of width 896, 14 query heads and 2 key/value heads of 64, 4864 in between), in the program's own order of magnitude.
//   node kernels/bench/vector.mjs [--backend=native|wasm] [--isa=avx2] [--threads=1] [--cache=f16] [--depth=512]
//
// For a prompt of 512 tokens and for one token after `depth`: milliseconds per step of each operation in all layers, ns
// per value it writes, and the sum as a share of what llama.cpp 0.7.0 needs for the whole step of the Q4_0 model on one
// thread with AVX2 (4.9 s and 20 ms). Processor time, the least of five rounds; what the rest of a
// step takes is measured and taken off.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const root = path.resolve(import.meta.dirname, '../..');
const options = Object.fromEntries(process.argv.slice(2).map(argument => argument.replace(/^--/, '').split('=')));
const [threads, depth, cacheType] = [Number(options.threads ?? 1), Number(options.depth ?? 512), options.cache ?? 'f16'];
const LAYERS = 24;
const [WIDTH, HEADS, KV_HEADS, HEAD, BETWEEN, VOCABULARY] = [896, 14, 2, 64, 4864, 64];
const LLAMA_CPP = { prompt: 4876, token: 20 };

async function load(source, name) {
  const outfile = path.join(root, `dist/.bench/${name}.mjs`);
  await build({ entryPoints: [path.join(root, source)], bundle: true, platform: 'node', format: 'esm', outfile });
  return import(pathToFileURL(outfile).href);
}
const { loadExecutor } = await load('src/platform/load-executor.ts', 'load-executor');
const { ProgramBuilder } = await load('src/engine/graph/program-builder.ts', 'program-builder');
const { FileSource } = await load('src/platform/file-source.ts', 'file-source');
const { ropeTable } = { ropeTable: pairs => Array.from({ length: pairs }, (_, i) => 1e6 ** (-i / pairs)) };

/** One file of random floats is every weight. */
const folder = mkdtempSync(path.join(os.tmpdir(), 'bench-vector-'));
const file = path.join(folder, 'weights');
let seed = 1;
const uniform = () => ((seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) + 1) / 4294967297;
writeFileSync(file, Float32Array.from({ length: VOCABULARY * BETWEEN }, () => uniform() * 4 - 2));
const tensor = (name, ...ne) => {
  const elementCount = ne.reduce((a, b) => a * b);
  return { name, ne, typeId: 0, elementCount, offset: 0, fileOffset: 0, byteLength: elementCount * 4, shard: 0, infoOffset: 0 };
};
const widths = [WIDTH, KV_HEADS * HEAD, BETWEEN, VOCABULARY];
const model = { tensors: [...widths.map(width => tensor(`embed${width}.weight`, width, VOCABULARY)), tensor('norm.weight', WIDTH)] };

const table = { frequencies: ropeTable(HEAD / 2), pairing: 'halves', magnitude: 1 };
const neighbours = { ...table, pairing: 'neighbours' };

/** Operation -> emits it once, and values it writes per token. `layer` is the layer's cache. */
const operations = {
  nothing: [() => undefined, 0],
  'RMS_NORM 896': [({ g, x, y }) => g.rmsNorm(y, x, 'norm', 1e-6), WIDTH],
  'ROPE halves': [({ g, q, k }) => (g.rope(q, HEADS, table), g.rope(k, KV_HEADS, table)), (HEADS + KV_HEADS) * HEAD],
  'ROPE neighbours': [({ g, q, k }) => (g.rope(q, HEADS, neighbours), g.rope(k, KV_HEADS, neighbours)), (HEADS + KV_HEADS) * HEAD],
  STORE: [({ g, k, v, layer }) => g.store(layer, k, v), 2 * KV_HEADS * HEAD],
  ATTENTION: [({ g, q, y, layer }) => g.attention(y, q, layer, { heads: HEADS, scale: 0.125 }), WIDTH],
  'ADD 896': [({ g, x, y }) => g.add(y, x, y), WIDTH],
  'GATE silu 4864': [({ g, gate, up }) => g.gate(gate, gate, up, 'silu'), BETWEEN],
  'ACTIVATE gelu 4864': [({ g, gate }) => g.activate(gate, gate, 'gelu'), BETWEEN],
};
/** Those of a model, per layer. */
const counts = { 'RMS_NORM 896': 2, 'ROPE halves': 1, STORE: 1, ATTENTION: 1, 'ADD 896': 2, 'GATE silu 4864': 1 };

function program(emit) {
  const g = new ProgramBuilder(model);
  const slot = (name, width) => g.embed(g.slot(name, width), `embed${width}`);
  const slots = {
    g,
    x: slot('x', WIDTH),
    y: slot('y', WIDTH),
    q: slot('q', WIDTH),
    k: slot('k', KV_HEADS * HEAD),
    v: slot('v', KV_HEADS * HEAD),
    gate: slot('gate', BETWEEN),
    up: slot('up', BETWEEN),
  };
  for (let i = 0; i < LAYERS; i++) emit({ ...slots, layer: g.layer(KV_HEADS * HEAD, KV_HEADS * HEAD, KV_HEADS) });
  g.rmsNorm(slots.y, slots.x, 'norm', 1e-6); // so that every tensor is used
  const result = slot('logits', VOCABULARY);
  const limits = { context: depth + 512, sequences: 1, cells: depth + 512, batch: 512, cacheType };
  const last = g.wanted(g.slot('last', VOCABULARY), result);
  return g.finish(g.scale(g.slot('result', VOCABULARY), last, 2), limits);
}

/** Milliseconds of processor time so far: on a busy machine the clock on the wall says little. */
const processor = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

async function measure(executor, emit, source) {
  const session = await executor.createSession(program(emit), { paths: [file], sources: [source] }, { threads, isa: options.isa });
  const tokens = Int32Array.from({ length: 512 }, (_, i) => (i * 7) % VOCABULARY);
  const timed = async (count, at, repeats) => {
    let fastest = Infinity;
    for (let round = 0; round < 5; round++) {
      const start = processor();
      for (let i = 0; i < repeats; i++) {
        session.truncate(0, at);
        await session.step({ tokens: tokens.subarray(0, count) });
      }
      fastest = Math.min(fastest, (processor() - start) / repeats);
    }
    return fastest;
  };
  const prompt = await timed(512, 0, 1);
  for (let done = 512; done < depth; done += 512) await session.step({ tokens: tokens.subarray(0, Math.min(512, depth - done)) });
  const token = await timed(1, depth, 50);
  await session.end();
  return { prompt, token };
}

try {
  for (const kind of ['native', 'wasm']) {
    if (options.backend && options.backend !== kind) continue;
    const { executor } = await loadExecutor(kind, path.join(root, 'dist/kernels'));
    const source = await FileSource.open(file);
    console.log(`${kind} ${options.isa ?? 'best'}, ${threads} threads, ${cacheType} cache: ms in ${LAYERS} layers, ns per value written`);
    const total = { prompt: 0, token: 0 };
    let nothing;
    for (const [name, [emit, values]] of Object.entries(operations)) {
      const all = await measure(executor, emit, source);
      nothing ??= all;
      const own = { prompt: all.prompt - nothing.prompt, token: all.token - nothing.token };
      if (values === 0) continue;
      const each = (milliseconds, tokens) => ((milliseconds * 1e6) / (LAYERS * values * tokens)).toFixed(3).padStart(9);
      console.log(
        `${name.padEnd(20)} prompt ${own.prompt.toFixed(1).padStart(7)} ms ${each(own.prompt, 512)} ns   token ${own.token.toFixed(3).padStart(7)} ms ${each(own.token, 1)} ns`,
      );
      for (const step of ['prompt', 'token']) total[step] += own[step] * (counts[name] ?? 0);
    }
    const share = step => `${total[step].toFixed(2)} ms, ${((100 * total[step]) / LLAMA_CPP[step]).toFixed(1)} %`;
    console.log(`a model's: prompt ${share('prompt')} of llama.cpp's time; token ${share('token')}`);
    await source.close?.();
  }
} finally {
  rmSync(folder, { recursive: true });
}
