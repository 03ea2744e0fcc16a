// Random damage to a model: wrong numbers in its metadata, tensors of another shape, type or place, lines missing or twice,
// bytes flipped, the end cut off. Everything follows from one seed.
import { GGML_TYPES } from '../../../src/core/ggml/ggml-type.js';
import { buildGguf } from '../../fixtures/gguf/gguf-builder.js';
import { randomSource } from '../../kernels/random-source.js';
import { FAMILIES, pick, wholeModel } from './whole-models.js';

/** What the first line says, unless an earlier damage has taken or changed it. */
function architectureOf(lines: readonly string[]): string {
  return /"(.*)"/.exec(lines[0] ?? '')?.[1] ?? 'llama';
}

type Random = () => number;

/** Numbers at which something may break: the least, powers of two and their neighbours, the largest. */
const WHOLE = [
  0,
  1,
  2,
  3,
  5,
  7,
  31,
  33,
  255,
  257,
  1023,
  1025,
  65535,
  65536,
  2 ** 24,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 - 1,
];
const REAL = ['0', '-1', '1e-45', '1e-30', '1e30', '1e39', '"NaN"', '"-Infinity"', '0.5'];

/** Optional keys of one description or another, with the type they have there. */
const FURTHER_KEYS = [
  'u32 rope.dimension_count',
  'f32 rope.freq_base',
  'f32 rope.scaling.factor',
  'f32 rope.scale_linear',
  'f32 rope.scaling.attn_factor',
  'u32 rope.scaling.original_context_length',
  'f32 rope.scaling.yarn_log_multiplier',
  'u32 attention.key_length',
  'u32 attention.value_length',
  'u32 attention.sliding_window',
  'u32 attention.sliding_window_pattern',
  'f32 attn_logit_softcapping',
  'f32 final_logit_softcapping',
  'u32 expert_count',
  'u32 expert_used_count',
  'f32 attention.scale',
  'f32 embedding_scale',
  'f32 residual_scale',
  'f32 logit_scale',
  'f32 attention.layer_norm_epsilon',
];

const changed = (lines: string[], at: number, from: RegExp, to: string): void => {
  lines[at] = lines[at]!.replace(from, () => to);
};
const places = (lines: readonly string[], kind: RegExp): number[] =>
  lines.flatMap((line, i) => (kind.test(line) ? [i] : []));

/** Each changes the lines in place. */
const TEXT_DAMAGE: readonly ((lines: string[], random: Random) => void)[] = [
  function wrongNumber(lines, random) {
    const at = pick(random, places(lines, /^(u32|f32) /));
    const isReal = lines[at]!.startsWith('f32');
    changed(lines, at, /= .*$/, `= ${isReal ? pick(random, REAL) : String(pick(random, WHOLE))}`);
  },
  function wrongKindOfValue(lines, random) {
    const at = pick(random, places(lines, /^(u32|f32) /));
    const [kind, value] = pick(random, [
      ['i32', '-1'],
      ['u64', '"18446744073709551615"'],
      ['bool', 'true'],
      ['string', '"four"'],
      ['u32[]', '[2, 2]'],
      ['u32[]', '[0]'],
      ['f64', '2.5'],
    ] as const);
    changed(lines, at, /^\S+ (.*) = .*$/, `${kind} ${/^\S+ (.*) =/.exec(lines[at]!)![1]!} = ${value}`);
  },
  function furtherKey(lines, random) {
    const architecture = architectureOf(lines);
    const [type, name] = pick(random, FURTHER_KEYS).split(' ');
    const value = type === 'f32' ? pick(random, REAL) : pick(random, WHOLE);
    lines.push(`${type!} ${architecture}.${name!} = ${value}`);
  },
  function scaledRotation(lines, random) {
    const architecture = architectureOf(lines);
    lines.push(`string ${architecture}.rope.scaling.type = "${pick(random, ['yarn', 'linear', 'longrope', 'other'])}"`);
    lines.push(`f32 ${architecture}.rope.scaling.factor = ${pick(random, REAL)}`);
  },
  function factorsOfRotation(lines, random) {
    const name = pick(random, ['rope_freqs', 'rope_factors_long', 'rope_factors_short']);
    lines.push(`tensor ${name}.weight ${pick(random, ['F32', 'F16'])} [${pick(random, [1, 4, 8, 32, 33])}]`);
  },
  function lineMissing(lines, random) {
    lines.splice(Math.floor(random() * lines.length), 1);
  },
  function lineTwice(lines, random) {
    lines.push(pick(random, lines));
  },
  function wrongDimension(lines, random) {
    const at = pick(random, places(lines, /^tensor /));
    const ne = /\[(.*)\]/.exec(lines[at]!)![1]!.split(',');
    ne[Math.floor(random() * ne.length)] = String(pick(random, [...WHOLE, 32, 64, 256, 512]));
    changed(lines, at, /\[.*\]/, `[${ne.join(',')}]`);
  },
  function otherDimensions(lines, random) {
    const at = pick(random, places(lines, /^tensor /));
    const ne = /\[(.*)\]/.exec(lines[at]!)![1]!.split(',');
    const other = pick(random, [[...ne].reverse(), [...ne, '1'], [...ne, '2'], ne.slice(1), [ne.join(',').length]]);
    changed(lines, at, /\[.*\]/, `[${other.join(',')}]`);
  },
  function otherType(lines, random) {
    const at = pick(random, places(lines, /^tensor /));
    const type = random() < 0.7 ? pick(random, GGML_TYPES).name : String(Math.floor(random() * 50));
    changed(lines, at, /^tensor (\S+) \S+/, `tensor ${/^tensor (\S+)/.exec(lines[at]!)![1]!} ${type}`);
  },
  function otherPlace(lines, random) {
    const at = pick(random, places(lines, /^tensor /));
    const place = pick(random, [0, 1, 2, 16, 32, 1024, 2 ** 20, 2 ** 31, 2 ** 40]);
    changed(lines, at, /( @\d+)?$/, ` @${place}`);
  },
  function namesExchanged(lines, random) {
    const [a, b] = [pick(random, places(lines, /^tensor /)), pick(random, places(lines, /^tensor /))];
    const name = (at: number): string => /^tensor (\S+)/.exec(lines[at]!)![1]!;
    const [first, second] = [name(a), name(b)];
    changed(lines, a, /^tensor \S+/, `tensor ${second}`);
    changed(lines, b, /^tensor \S+/, `tensor ${first}`);
  },
  function wrongCount(lines, random) {
    lines.push(`count ${pick(random, ['tensors', 'metadata'])} ${pick(random, WHOLE)}`);
  },
  function lessData(lines, random) {
    lines.push(`data ${pick(random, [0, 1, 100, 1000, 5000])}`);
  },
  function otherHead(lines, random) {
    lines.push(pick(random, ['version 1', 'version 2', 'version 4', 'pad 1', 'pad 8', 'big-endian', 'trailing 7']));
  },
];

/** More than any of the models needs: two of width 256 in F32 are below it. */
const DATA_BYTES = 3 << 20;

/** A generator of its own, as this is most of the time. */
function fillRandom(bytes: Uint8Array, random: Random): void {
  let state = Math.floor(random() * 2 ** 32) | 1;
  for (let i = 0; i < bytes.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[i] = state;
  }
}

/** What a case is, for its message: everything that happened follows from the seed. */
export interface DamagedModel {
  readonly description: string;
  readonly bytes: Uint8Array;
}

/** The model of a seed. One seed in sixteen is left whole, so that what is damaged is known to be runnable before. */
export function damagedModel(seed: number): DamagedModel {
  const random = randomSource(seed);
  const family = pick(random, FAMILIES);
  const lines = wholeModel(family, random).split('\n');
  const done: string[] = [family];
  const isWhole = seed % 16 === 0;
  const times = isWhole ? 0 : 1 + Math.floor(random() * 3);
  for (let i = 0; i < times; i++) {
    const damage = pick(random, TEXT_DAMAGE);
    done.push(damage.name);
    damage(lines, random);
  }
  const missing = lines.find(line => line.startsWith('data '))?.slice('data '.length);
  // The data is made here: whatever a damaged tensor may claim to need, it is not built.
  const { bytes: header, dataOffset } = buildGguf(
    [...lines.filter(line => !line.startsWith('data ')), 'data 0'].join('\n'),
  );
  const bytes = new Uint8Array(dataOffset + Number(missing ?? DATA_BYTES));
  bytes.set(header.subarray(0, dataOffset));
  // Weights of all bit patterns, NaN and infinity among them; a whole model gets numbers.
  if (isWhole) bytes.fill(0x11, dataOffset);
  else fillRandom(bytes.subarray(dataOffset), random);
  if (isWhole) return { description: `${family}, whole`, bytes };
  if (random() < 0.2) {
    const end = random() < 0.7 ? Math.min(dataOffset, bytes.length) : bytes.length;
    for (let i = 0; i < 3; i++) bytes[Math.floor(random() * end)] = Math.floor(random() * 256);
    done.push('bytesFlipped');
  }
  const cut = random() < 0.05 ? Math.floor(random() * bytes.length) : bytes.length;
  if (cut < bytes.length) done.push(`cut at ${cut}`);
  return { description: done.join(', '), bytes: bytes.slice(0, cut) };
}
