// What a tensor is for, by its GGUF name. One table of name parts; the first that matches decides, so special names come
// before general ones. A name that matches nothing has the role `other` and is no error: new architectures bring new
// names. Names are those of llama.cpp's src/llama-arch.cpp; the file's own architecture is not needed.
//
//   blk.12.attn_q.weight      layer 12, base name attn_q, kind weight
//   token_embd.weight         no layer, base name token_embd, kind weight

export type TensorGroup =
  'embedding' | 'attention' | 'feed-forward' | 'experts' | 'recurrent' | 'norm' | 'output' | 'other';

export interface TensorRole {
  readonly group: TensorGroup;
  /** Layer number from `blk.N.`; undefined outside of layers. */
  readonly layer: number | undefined;
  /** The name without stack, layer and kind: `attn_q`, `ffn_down_exps`, `token_embd`. */
  readonly base: string;
  /** `weight`, `bias`, `scale` …; empty if the name has none. */
  readonly kind: string;
  /** What the tensor does, in a few words. */
  readonly summary: string;
}

interface Row {
  readonly pattern: RegExp;
  readonly group: TensorGroup;
  readonly summary: string;
}

function row(pattern: RegExp, group: TensorGroup, summary: string): Row {
  return { pattern, group, summary };
}

// prettier-ignore
const ROLES: readonly Row[] = [
  row(/norm/,                                    'norm',         'normalization'),
  row(/^(per_layer_)?token_embd$/,               'embedding',    'token embeddings; also the output where there is no output.weight'),
  row(/^(position_embd|token_types)$/,           'embedding',    'embeddings of positions or token types'),
  row(/embd|embed_tokens/,                       'embedding',    'embeddings'),
  row(/^rope_(freqs|factors)/,                   'attention',    'factors of rotary positions'),
  row(/^output$|^cls(\.|$)|shared_head_head/,    'output',       'turns the last state into scores of tokens or classes'),
  row(/attn_qkv$/,                               'attention',    'query, key and value in one'),
  row(/attn_q(_[ab])?$/,                         'attention',    'query'),
  row(/attn_k(_b)?$/,                            'attention',    'key'),
  row(/attn_v(_b)?$/,                            'attention',    'value; sensitive to quantization'),
  row(/attn_kv/,                                 'attention',    'compressed key and value'),
  row(/attn_(output(_[ab])?|o)$/,                'attention',    'output projection of attention'),
  row(/attn_gate$/,                              'attention',    'gate of attention'),
  row(/attn_sinks$/,                             'attention',    'attention sinks'),
  row(/attn_rel_b$/,                             'attention',    'relative position bias'),
  row(/^indexer/,                                'attention',    'chooses the positions attended to'),
  row(/attn/,                                    'attention',    'part of attention'),
  row(/ffn_gate_inp/,                            'experts',      'router: chooses the experts; keep it in high precision'),
  row(/exp_probs_b|ffn_gate_tid2eid/,            'experts',      'part of the choice of experts'),
  row(/ffn_(gate|up|down|gate_up)_(ch)?exps$/,   'experts',      'the experts, one slice each'),
  row(/ffn_(gate|up|down)\.\d+$/,                'experts',      'one expert'),
  row(/ffn_(gate|up|down)_shexp$/,               'experts',      'the expert that is always used'),
  row(/ffn_down$/,                               'feed-forward', 'down projection; sensitive to quantization'),
  row(/ffn_up$/,                                 'feed-forward', 'up projection'),
  row(/ffn_gate$/,                               'feed-forward', 'gate'),
  row(/ffn/,                                     'feed-forward', 'part of the feed-forward network'),
  row(/^ssm_/,                                   'recurrent',    'state space layer'),
  row(/^(time|channel)_mix_/,                    'recurrent',    'RWKV layer'),
  row(/^shortconv\./,                            'recurrent',    'short convolution'),
];

/** Takes a tensor name apart and says what the tensor is for. Never fails. */
export function tensorRole(name: string): TensorRole {
  const inLayer = /^(?:[a-z]+\.)*?blk\.(\d{1,9})\.(.+)$/s.exec(name);
  const rest = inLayer?.[2] ?? name;
  const dot = rest.lastIndexOf('.');
  // `ffn_down.3.weight` ends in a kind, `blk.0.ssm_a` has none.
  const hasKind = dot > 0 && !/^\d+$/.test(rest.slice(dot + 1));
  const base = hasKind ? rest.slice(0, dot) : rest;
  const kind = hasKind ? rest.slice(dot + 1) : '';
  const layer = inLayer ? Number(inLayer[1]) : undefined;
  const found = ROLES.find(({ pattern }) => pattern.test(base));
  return { group: found?.group ?? 'other', layer, base, kind, summary: found?.summary ?? '' };
}
