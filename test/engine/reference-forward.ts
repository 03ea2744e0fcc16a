// A forward pass of a Llama-like model as one would write it from the paper, in double precision and without any code of
// the engine: the independent check of what the engine computes. Slow and plain on purpose; dense models with rotation of
// neighbouring values only.
import type { GgufModel } from '../../src/core/gguf/gguf.js';
import { metadataNumber } from '../../src/core/gguf/gguf.js';

const HALF = new Float64Array(65_536).map((_, bits) => {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const mantissa = bits & 1023;
  return sign * (exponent === 0 ? mantissa * 2 ** -24 : (1 + mantissa / 1024) * 2 ** (exponent - 15));
});

async function tensor(model: GgufModel, name: string): Promise<Float64Array> {
  const info = model.tensors.find(candidate => candidate.name === name);
  const source = model.shards[info?.shard ?? 0]?.source;
  if (!info || !source) throw new Error(`no tensor ${name}`);
  const bytes = await source.read(info.fileOffset, info.byteLength ?? 0);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (info.typeId === 0)
    return Float64Array.from({ length: info.elementCount }, (_, i) => view.getFloat32(4 * i, true));
  if (info.typeId !== 1) throw new Error(`${name} is neither F32 nor F16`);
  return Float64Array.from({ length: info.elementCount }, (_, i) => HALF[view.getUint16(2 * i, true)] ?? 0);
}

function times(matrix: Float64Array, x: Float64Array): Float64Array {
  const rows = matrix.length / x.length;
  return Float64Array.from({ length: rows }, (_, r) => x.reduce((sum, v, i) => sum + v * matrix[r * x.length + i]!, 0));
}

function norm(x: Float64Array, weight: Float64Array, epsilon: number): Float64Array {
  const scale = 1 / Math.sqrt(x.reduce((sum, v) => sum + v * v, 0) / x.length + epsilon);
  return x.map((v, i) => v * scale * weight[i]!);
}

function rotate(x: Float64Array, position: number, width: number, base: number): Float64Array {
  const result = Float64Array.from(x);
  for (let i = 0; i < x.length; i += 2) {
    const angle = position * base ** (-(i % width) / width);
    result[i] = x[i]! * Math.cos(angle) - x[i + 1]! * Math.sin(angle);
    result[i + 1] = x[i]! * Math.sin(angle) + x[i + 1]! * Math.cos(angle);
  }
  return result;
}

/** Logits of every token, row by row. */
export async function referenceLogits(model: GgufModel, tokens: readonly number[]): Promise<Float64Array[]> {
  const number = (key: string): number => metadataNumber(model.metadata, `llama.${key}`) ?? NaN;
  const heads = number('attention.head_count');
  const shared = heads / number('attention.head_count_kv');
  const epsilon = number('attention.layer_norm_rms_epsilon');
  const base = number('rope.freq_base');
  const embeddings = await tensor(model, 'token_embd.weight');
  const width = number('embedding_length');
  const head = width / heads;
  let stream = tokens.map(token => embeddings.slice(token * width, (token + 1) * width));
  for (let layer = 0; layer < number('block_count'); layer++) {
    const get = (name: string): Promise<Float64Array> => tensor(model, `blk.${layer}.${name}.weight`);
    const [attnNorm, q, k, v, output] = await Promise.all(
      ['attn_norm', 'attn_q', 'attn_k', 'attn_v', 'attn_output'].map(get),
    );
    const [ffnNorm, gate, up, down] = await Promise.all(['ffn_norm', 'ffn_gate', 'ffn_up', 'ffn_down'].map(get));
    const normed = stream.map(x => norm(x, attnNorm!, epsilon));
    const queries = normed.map((x, t) => rotate(times(q!, x), t, head, base));
    const keys = normed.map((x, t) => rotate(times(k!, x), t, head, base));
    const values = normed.map(x => times(v!, x));
    stream = stream.map((x, t) => {
      const attended = new Float64Array(width);
      for (let h = 0; h < heads; h++) {
        const at = Math.floor(h / shared) * head;
        const scores = keys.slice(0, t + 1).map(key => {
          let sum = 0;
          for (let i = 0; i < head; i++) sum += queries[t]![h * head + i]! * key[at + i]!;
          return sum / Math.sqrt(head);
        });
        const most = Math.max(...scores);
        const weights = scores.map(score => Math.exp(score - most));
        const total = weights.reduce((sum, w) => sum + w, 0);
        weights.forEach((w, j) => {
          for (let i = 0; i < head; i++) attended[h * head + i]! += (w / total) * values[j]![at + i]!;
        });
      }
      const projected = times(output!, attended);
      return x.map((value, i) => value + projected[i]!);
    });
    stream = stream.map(x => {
      const n = norm(x, ffnNorm!, epsilon);
      const g = times(gate!, n);
      const hidden = times(up!, n).map((value, i) => (value * g[i]!) / (1 + Math.exp(-g[i]!)));
      const fed = times(down!, hidden);
      return x.map((value, i) => value + fed[i]!);
    });
  }
  const last = await tensor(model, 'output_norm.weight');
  const hasOutput = model.tensors.some(({ name }) => name === 'output.weight');
  const project = hasOutput ? await tensor(model, 'output.weight') : embeddings;
  return stream.map(x => times(project, norm(x, last, epsilon)));
}
