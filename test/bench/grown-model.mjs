// The example model in the shape of a larger one: it costs what the larger one costs and says what the example says. So
// completions can be measured at a real size with a real text, without a download: made-up weights have nothing to say, and are
// refused as a model that cannot fill in a middle. Everything that is added is there and adds nothing:
//   channels    are 0 in the residual stream. The norms divide by the root of a larger count, so their weights are multiplied
//               by the root of the ratio
//   layers      read the stream, compute with made-up weights, and write zeros
//   heads       as layers: the output's columns for them are zero
//   tokens      have a logit that no softmax notices: one of the new channels holds the same tiny number for every token, only
//               the last norm looks at it, a thousand million times enlarged, and the new tokens' rows have -1 there
// The vocabulary's tokens that are added are unused ones. Text longer than the example's context is read, and understood as badly.
import { matrixBytes } from './model.mjs';
import { GgufFile, readGguf } from './gguf-file.mjs';

/** float16: 2^-14 and -1. */
const [TINY, MINUS_ONE] = [0x0400, 0xbc00];
/** Enlarges 2^-14 to 1024 times the inverse of the stream's mean size. */
const ENLARGED = 2 ** 24;
const CONTEXT = 32768;
/** `unused` in tokenizer.ggml.token_type. */
const UNUSED = 5;

/** Writes the model; returns its size in bytes. `example` is the path of a llama model of F16 with tied embeddings. */
export function writeGrownModel(file, example, shape) {
  const { keys, tensors } = readGguf(example);
  const small = shapeOf(keys);
  checkGrows(small, shape);
  const grown = new Grown(small, shape, tensors);
  return header(keys, small, shape).write(file, grown.tensors(), tensor => grown.bytesOf(tensor));
}

function shapeOf(keys) {
  const number = key => keys.get(`llama.${key}`)?.value;
  return {
    layers: number('block_count'),
    embedding: number('embedding_length'),
    feedForward: number('feed_forward_length'),
    heads: number('attention.head_count'),
    headsKv: number('attention.head_count_kv'),
    vocabulary: keys.get('tokenizer.ggml.tokens')?.value.length,
    epsilon: number('attention.layer_norm_rms_epsilon'),
  };
}

function checkGrows(small, shape) {
  for (const key of ['layers', 'embedding', 'feedForward', 'heads', 'vocabulary']) {
    if (!(shape[key] >= small[key])) throw new Error(`expected at least ${small[key]} ${key}, found ${shape[key]}`);
  }
  const same = (what, a, b) => {
    if (a !== b) throw new Error(`expected the example's ${what}, ${a}, found ${b}`);
  };
  same('head size', small.embedding / small.heads, shape.embedding / shape.heads);
  same('number of KV heads', small.headsKv, shape.headsKv);
  if (shape.embedding === small.embedding) throw new Error('expected more channels: one of the new ones is needed');
  if (shape.heads / shape.headsKv < small.heads / small.headsKv) throw new Error('expected no fewer heads per KV head');
}

function header(keys, small, shape) {
  const gguf = new GgufFile();
  gguf.string('general.architecture', 'llama');
  gguf.string('general.name', 'grown example');
  gguf.u32('general.file_type', 1);
  gguf.u32('llama.block_count', shape.layers);
  gguf.u32('llama.context_length', CONTEXT);
  gguf.u32('llama.embedding_length', shape.embedding);
  gguf.u32('llama.feed_forward_length', shape.feedForward);
  gguf.u32('llama.attention.head_count', shape.heads);
  gguf.u32('llama.attention.head_count_kv', shape.headsKv);
  gguf.u32('llama.rope.dimension_count', shape.embedding / shape.heads);
  gguf.u32('llama.vocab_size', shape.vocabulary);
  gguf.copy(keys.get('llama.rope.freq_base'));
  gguf.f32('llama.attention.layer_norm_rms_epsilon', (small.epsilon * small.embedding) / shape.embedding);
  for (const [key, entry] of keys) {
    if (key.startsWith('tokenizer.') && !/\.(tokens|token_type)$/.test(key)) gguf.copy(entry);
  }
  const tokens = keys.get('tokenizer.ggml.tokens').value;
  const types = keys.get('tokenizer.ggml.token_type').bytes;
  const all = new Int32Array(shape.vocabulary).fill(UNUSED);
  for (let i = 0; i < tokens.length; i++) all[i] = types.readInt32LE(types.length - 4 * (tokens.length - i));
  gguf.strings(
    'tokenizer.ggml.tokens',
    Array.from({ length: shape.vocabulary }, (_, i) => tokens[i] ?? `<|unused_${i}|>`),
  );
  gguf.i32s('tokenizer.ggml.token_type', all);
  return gguf;
}

class Grown {
  #small;
  #shape;
  #tensors;
  /** The channel that silences the new tokens. */
  #silence;

  constructor(small, shape, tensors) {
    [this.#small, this.#shape, this.#tensors] = [small, shape, tensors];
    this.#silence = shape.embedding - 1;
  }

  /** Name, ne, type; how the example's rows and columns lie in it; what the rest is. */
  tensors() {
    const { embedding, feedForward, layers, vocabulary } = this.#shape;
    const kv = (embedding / this.#shape.heads) * this.#shape.headsKv;
    const same = i => i;
    const list = [
      { name: 'token_embd.weight', ne: [embedding, vocabulary], type: 'F16', rest: 'zeros' },
      { name: 'output_norm.weight', ne: [embedding], type: 'F32' },
    ];
    for (let layer = 0; layer < layers; layer++) {
      const add = (name, ne, rest, map = {}) =>
        list.push({ name: `blk.${layer}.${name}.weight`, ne, type: ne.length === 1 ? 'F32' : 'F16', rest, ...map });
      const [row, column] = [i => this.#headChannel(i), i => this.#headChannel(i)];
      add('attn_norm', [embedding]);
      add('ffn_norm', [embedding]);
      add('attn_q', [embedding, embedding], 'made-up', { row });
      add('attn_k', [embedding, kv], 'made-up');
      add('attn_v', [embedding, kv], 'made-up');
      add('attn_output', [embedding, embedding], 'zeros', { column });
      add('ffn_gate', [embedding, feedForward], 'made-up');
      add('ffn_up', [embedding, feedForward], 'made-up');
      add('ffn_down', [feedForward, embedding], 'zeros');
    }
    return list.map(tensor => ({ row: same, column: same, ...tensor }));
  }

  *bytesOf(tensor) {
    const { name, ne } = tensor;
    const own = this.#tensors.get(name);
    if (ne.length === 1) {
      yield this.#norm(name, own);
      return;
    }
    const [columns, rows] = ne;
    // Where the example's columns lie, once for all rows.
    const places = own ? Int32Array.from({ length: own.ne[0] }, (_, i) => tensor.column(i)) : new Int32Array(0);
    const sources = new Int32Array(rows).fill(-1);
    for (let i = 0; own && i < own.ne[1]; i++) sources[tensor.row(i)] = i;
    const isEmbedding = name === 'token_embd.weight';
    let row = 0;
    for (const bytes of tensor.rest === 'zeros' ? zeroBytes(ne) : matrixBytes(tensor, 1)) {
      const halves = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2);
      for (let start = 0; start < halves.length; start += columns, row++) {
        const source = sources[row];
        if (source >= 0) {
          for (let i = 0; i < places.length; i++) {
            halves[start + places[i]] = own.bytes.readUInt16LE(2 * (source * places.length + i));
          }
        }
        if (isEmbedding) halves[start + this.#silence] = source < 0 ? MINUS_ONE : TINY;
      }
      yield bytes;
    }
  }

  #norm(name, own) {
    const ratio = Math.sqrt(this.#small.embedding / this.#shape.embedding);
    const weights = new Float32Array(this.#shape.embedding);
    for (let i = 0; i < this.#small.embedding; i++) weights[i] = own ? own.bytes.readFloatLE(4 * i) * ratio : 1;
    if (name === 'output_norm.weight') weights[this.#silence] = ENLARGED;
    return new Uint8Array(weights.buffer);
  }

  /** Where a channel of the example's heads lies: the heads of a KV head come first among those of the same. */
  #headChannel(channel) {
    const size = this.#shape.embedding / this.#shape.heads;
    const [few, many] = [this.#small, this.#shape].map(({ heads, headsKv }) => heads / headsKv);
    const head = Math.floor(channel / size);
    return (Math.floor(head / few) * many + (head % few)) * size + (channel % size);
  }
}

function* zeroBytes([columns, rows]) {
  const step = Math.max(1, Math.floor((1 << 20) / columns));
  for (let row = 0; row < rows; row += step) yield new Uint8Array(2 * columns * Math.min(step, rows - row));
}
