// Models for benchmarks: the shape of Qwen2.5 with made-up weights, so that nothing has to be downloaded. The same seed gives
// the same bytes on every machine and with any number of layers. What a search for scales is sensitive to is in them:
// heavy input channels (shared by all tensors that read the residual stream, as in trained models), rows of different size,
// tails heavier than a normal distribution's, and single outliers. The importance matrix made for a model has the same
// heavy channels. Absent on purpose: anything the model could say; its vocabulary has the right size and takes any text.
//   node test/bench/model.mjs SHAPE[:LAYERS] FILE [--imatrix=FILE] [--seed=1]      SHAPE: 0.5b, 1.5b, tiny
import { fileURLToPath } from 'node:url';
import { GgufFile } from './gguf-file.mjs';

/** The published configurations of Qwen2.5; `tiny` is for tests. Embeddings are tied in all of them. */
export const SHAPES = {
  '0.5b': { layers: 24, embedding: 896, feedForward: 4864, heads: 14, headsKv: 2, vocabulary: 151936 },
  '1.5b': { layers: 28, embedding: 1536, feedForward: 8960, heads: 12, headsKv: 2, vocabulary: 151936 },
  tiny: { layers: 2, embedding: 256, feedForward: 512, heads: 4, headsKv: 2, vocabulary: 384 },
};

/** `1.5b:4` is the shape with 4 layers: for types that the peer needs minutes for. */
export function shapeNamed(text) {
  const [name, layers] = text.split(':');
  const shape = SHAPES[name];
  if (!shape || (layers !== undefined && !/^[1-9]\d{0,2}$/.test(layers))) {
    throw new Error(`expected a shape (${Object.keys(SHAPES).join(', ')}, or one of them with :LAYERS), found ${text}`);
  }
  return layers === undefined ? shape : { ...shape, layers: Number(layers) };
}

/** name, ne, type, and which activations the columns multiply (undefined for vectors and the embedding). */
function tensorsOf({ layers, embedding, feedForward, heads, headsKv, vocabulary }) {
  const kv = (embedding / heads) * headsKv;
  const list = [
    { name: 'token_embd.weight', ne: [embedding, vocabulary], type: 'F16' },
    { name: 'output_norm.weight', ne: [embedding], type: 'F32' },
  ];
  for (let i = 0; i < layers; i++) {
    const vector = (name, length) => list.push({ name: `blk.${i}.${name}`, ne: [length], type: 'F32' });
    const matrix = (name, columns, rows, channels) =>
      list.push({ name: `blk.${i}.${name}.weight`, ne: [columns, rows], type: 'F16', channels });
    vector('attn_norm.weight', embedding);
    vector('ffn_norm.weight', embedding);
    vector('attn_q.bias', embedding);
    vector('attn_k.bias', kv);
    vector('attn_v.bias', kv);
    matrix('attn_q', embedding, embedding, 'residual');
    matrix('attn_k', embedding, kv, 'residual');
    matrix('attn_v', embedding, kv, 'residual');
    matrix('attn_output', embedding, embedding, `attention ${i}`);
    matrix('ffn_gate', embedding, feedForward, 'residual');
    matrix('ffn_up', embedding, feedForward, 'residual');
    matrix('ffn_down', feedForward, embedding, `hidden ${i}`);
  }
  return list;
}

// ---- Random numbers ----

/** xorshift32, seeded by a text. */
function random(text, seed) {
  let state = 2166136261 ^ seed;
  for (let i = 0; i < text.length; i++) state = Math.imul(state ^ text.charCodeAt(i), 16777619);
  state = state >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

/**
 * Inverse of the normal distribution, to 1e-3: the sum of an odd series is not worth its length here. Winitzki's inverse
 * error function.
 */
function quantile(p) {
  const x = 2 * p - 1;
  const logarithm = Math.log(1 - x * x);
  const a = 2 / (Math.PI * 0.147) + logarithm / 2;
  return Math.sign(x) * Math.SQRT2 * Math.sqrt(Math.sqrt(a * a - logarithm / 0.147) - a);
}

/** Quantiles with tails a little heavier than normal: one look-up per weight instead of a logarithm and a cosine. */
const QUANTILES = Float32Array.from({ length: 1 << 16 }, (_, i) => {
  const z = quantile((i + 0.5) / (1 << 16));
  return z * (1 + 0.03 * z * z);
});

/** Every channel's weight in activations: log-normal, and one in a hundred is heavy. */
function channelScales(name, count, seed) {
  const next = random(`channels ${name}`, seed);
  return Float32Array.from({ length: count }, () => {
    const scale = Math.exp(0.5 * QUANTILES[next() >>> 16]);
    return next() % 100 === 0 ? scale * (4 + (next() % 12)) : scale;
  });
}

// ---- Weights ----

/** float32 -> float16, to nearest (even, except among subnormals); `bits` are those of the float32 values, all below 65504. */
function toHalf(values, bits, target, count) {
  for (let i = 0; i < count; i++) {
    const magnitude = bits[i] & 0x7fffffff;
    const shifted = magnitude - 0x38000000;
    const half =
      magnitude >= 0x38800000
        ? (shifted + 0xfff + ((shifted >>> 13) & 1)) >>> 13
        : Math.round(Math.abs(values[i]) * 16777216);
    target[i] = ((bits[i] >>> 16) & 0x8000) | half;
  }
}

const BLOCK_WEIGHTS = 1 << 20;

/** Yields the bytes of a matrix of float16 in pieces of whole rows. */
export function* matrixBytes({ name, ne: [columns, rows], channels }, seed) {
  const next = random(name, seed);
  // Trained matrices answer heavy activations with smaller weights, though not in proportion.
  const scales = channels
    ? channelScales(channels, columns, seed).map(scale => 0.02 / Math.sqrt(scale))
    : new Float32Array(columns).fill(0.015);
  const step = Math.max(1, Math.floor(BLOCK_WEIGHTS / columns));
  const values = new Float32Array(step * columns);
  const bits = new Uint32Array(values.buffer);
  const halves = new Uint16Array(step * columns);
  for (let row = 0; row < rows; row += step) {
    const count = Math.min(step, rows - row);
    for (let r = 0; r < count; r++) {
      const size = Math.exp(0.25 * QUANTILES[next() >>> 16]);
      const start = r * columns;
      for (let c = 0; c < columns; c += 2) {
        const draw = next();
        values[start + c] = QUANTILES[draw >>> 16] * scales[c] * size;
        values[start + c + 1] = QUANTILES[draw & 0xffff] * scales[c + 1] * size;
      }
      for (let outliers = columns >> 10; outliers >= 0; outliers--) values[start + (next() % columns)] *= 8;
    }
    toHalf(values, bits, halves, count * columns);
    yield new Uint8Array(halves.buffer, 0, count * columns * 2);
  }
}

function* vectorBytes({ name, ne: [length] }, seed) {
  const next = random(name, seed);
  const center = name.endsWith('norm.weight') ? 1 : 0;
  yield new Uint8Array(Float32Array.from({ length }, () => center + 0.2 * QUANTILES[next() >>> 16]).buffer);
}

/**
 * A vocabulary that can write any text: the 256 bytes (as GPT-2 writes them: those that are no visible character from
 * U+0100 on), then pairs of two bytes, then pairs of a byte and such a pair. Every token beyond the bytes has its merge.
 */
function vocabularyOf(count) {
  let next = 256;
  const bytes = Array.from({ length: 256 }, (_, byte) => {
    const visible = (byte > 32 && byte < 127) || (byte > 160 && byte !== 173);
    return String.fromCodePoint(visible ? byte : next++);
  });
  const tokens = [...bytes];
  const merges = [];
  for (let i = 0; tokens.length < count; i++) {
    const [left, right] = [bytes[i % 256], tokens[i >> 8]];
    tokens.push(left + right);
    merges.push(`${left} ${right}`);
  }
  return { tokens, merges };
}

/** Writes the model; returns its size in bytes. */
export function writeModel(file, shape, seed = 1) {
  const gguf = new GgufFile();
  gguf.string('general.architecture', 'qwen2');
  gguf.string('general.name', 'benchmark');
  gguf.u32('general.file_type', 1);
  gguf.u32('qwen2.block_count', shape.layers);
  gguf.u32('qwen2.context_length', 32768);
  gguf.u32('qwen2.embedding_length', shape.embedding);
  gguf.u32('qwen2.feed_forward_length', shape.feedForward);
  gguf.u32('qwen2.attention.head_count', shape.heads);
  gguf.u32('qwen2.attention.head_count_kv', shape.headsKv);
  gguf.f32('qwen2.rope.freq_base', 1000000);
  gguf.f32('qwen2.attention.layer_norm_rms_epsilon', 1e-6);
  const { tokens, merges } = vocabularyOf(shape.vocabulary);
  gguf.string('tokenizer.ggml.model', 'gpt2');
  gguf.string('tokenizer.ggml.pre', 'qwen2');
  gguf.strings('tokenizer.ggml.tokens', tokens);
  gguf.i32s('tokenizer.ggml.token_type', new Int32Array(tokens.length).fill(1));
  gguf.strings('tokenizer.ggml.merges', merges);
  return gguf.write(file, tensorsOf(shape), tensor =>
    tensor.ne.length === 1 ? vectorBytes(tensor, seed) : matrixBytes(tensor, seed),
  );
}

/** Writes the importance matrix of a model of that shape and seed: sums of squares over 100 chunks of 512 tokens. */
export function writeImatrix(file, shape, seed = 1) {
  const gguf = new GgufFile();
  gguf.string('general.type', 'imatrix');
  gguf.strings('imatrix.datasets', ['benchmark.txt']);
  gguf.u32('imatrix.chunk_count', 100);
  gguf.u32('imatrix.chunk_size', 512);
  const tokens = 51200;
  const tensors = tensorsOf(shape)
    .filter(({ channels }) => channels !== undefined)
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap(({ name, ne: [columns], channels }) => [
      { name: `${name}.in_sum2`, ne: [columns, 1], type: 'F32', channels },
      { name: `${name}.counts`, ne: [1, 1], type: 'F32' },
    ]);
  return gguf.write(file, tensors, function* ({ name, ne: [columns], channels }) {
    if (!channels) {
      yield new Uint8Array(Float32Array.of(tokens).buffer);
      return;
    }
    const next = random(name, seed);
    const squares = channelScales(channels, columns, seed).map(
      scale => tokens * 0.3 * scale * scale * Math.exp(0.1 * QUANTILES[next() >>> 16]),
    );
    yield new Uint8Array(squares.buffer);
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [shapeText, file, ...rest] = process.argv.slice(2);
  const options = Object.fromEntries(rest.map(argument => argument.replace(/^--/, '').split('=')));
  if (!shapeText || !file) {
    console.error('usage: node test/bench/model.mjs SHAPE[:LAYERS] FILE [--imatrix=FILE] [--seed=1]');
    process.exit(2);
  }
  const shape = shapeNamed(shapeText);
  const seed = Number(options.seed ?? 1);
  console.log(`${file}: ${writeModel(file, shape, seed)} bytes`);
  if (options.imatrix) console.log(`${options.imatrix}: ${writeImatrix(options.imatrix, shape, seed)} bytes`);
}
