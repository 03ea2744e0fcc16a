"""Models made of names and shapes alone, for corners of the mixtures that the measured models do not reach.

Quantizing looks at no weight before it has chosen all types, so these hold zeros, and only the tensors that matter.
"""
import struct

import numpy as np
from ggufio import F32, STR, U32, write

F16_ID, F32_ID = 1, 0


def model(architecture, layers, heads, heads_kv, per_layer, others, experts=0, layer0_array=False):
    kv = [('general.architecture', STR, architecture)]
    number = lambda key, value: kv.append((f'{architecture}.{key}', U32, value))
    number('context_length', 512)
    number('embedding_length', 256)
    number('block_count', layers)
    number('feed_forward_length', 256)
    if layer0_array:
        kv.append((f'{architecture}.attention.head_count', ('arr', U32), [heads] * layers))
        kv.append((f'{architecture}.attention.head_count_kv', ('arr', U32), [heads_kv] * layers))
    else:
        number('attention.head_count', heads)
        number('attention.head_count_kv', heads_kv)
    number('vocab_size', 32)
    for key in ('attention.layer_norm_rms_epsilon', 'attention.layer_norm_epsilon'):
        kv.append((f'{architecture}.{key}', F32, 1e-5))
    if experts:
        number('expert_count', experts)
        number('expert_used_count', 2)
    tensors = list(others)
    for layer in range(layers):
        tensors += [(f'blk.{layer}.{name}', ne) for name, ne in per_layer]
    return kv, [(name, ne, F32_ID if len(ne) == 1 else F16_ID) for name, ne in tensors]


M = (256, 8)
ATTENTION = [(f'attn_{part}.weight', M) for part in ('q', 'k', 'v', 'output')]
DENSE = [(f'ffn_{part}.weight', M) for part in ('up', 'gate', 'down')]
EXPERTS = [('ffn_gate_inp.weight', M)] + [(f'ffn_{part}_exps.weight', (256, 8, 4)) for part in ('up', 'gate', 'down')]
SHARED = [(f'ffn_{part}_shexp.weight', M) for part in ('up', 'gate', 'down')]
ENDS = [('token_embd.weight', (256, 32)), ('output_norm.weight', (256,)), ('output.weight', (256, 32))]

KEPT = [
    'ffn_gate_inp.weight', 'ffn_gate_tid2eid.weight', 'altup_proj.weight', 'laurel_l.weight', 'ssm_conv1d.weight',
    'shortconv.conv.weight', 'indexer.k_proj.weight', 'indexer.q_proj.weight', 'attn_rel_b.weight', 'attn_k_norm.weight',
    'time_mix_first.weight', 'time_mix_w1.weight', 'time_mix_g2.weight', 'time_mix_decay_w2.weight',
    'time_mix_lerp_fused.weight', 'time_mix_key.weight', 'attn_v.bias', 'attn_kv_b.weight', 'attn_qkv.weight',
    'attn_kv_a_mqa.weight', 'ssm_in.weight', 'attn_sinks', 'ffn_down.scale', 'nextn.eh_proj.weight',
]
ODD = [
    ('per_layer_token_embd.weight', (256, 32)), ('per_layer_model_proj.weight', M), ('position_embd.weight', M),
    ('token_types.weight', M), ('rope_freqs.weight', (256,)), ('v.position_embd.weight', M), ('v.patch_embd.weight', M),
    ('sam.neck.0.weight', M), ('sam.net_2.weight', M), ('a.rvq.codebook.weight', M), ('mm.a.code_embd.weight', M),
    ('cls.weight', M), ('cls.output.weight', M), ('column.weight', (256, 1)), ('cube.weight', (256, 8, 2)),
    ('Upper.weight', M), ('rows_of_64.weight', (64, 8)), ('rows_of_96.weight', (96, 8)), ('rows_of_128.weight', (128, 8)),
]
# Rows that fit nothing: file types without a substitute fail on these.
NARROW = [('rows_of_20.weight', (20, 8)), ('rows_of_250.weight', (250, 8))]

SHAPES = {
    'shape-70b': model('llama', 80, 8, 1, [('attn_v.weight', M), ('attn_k.weight', M), ('ffn_down.weight', M)], ENDS[:2]),
    'shape-80-layers': model('llama', 80, 8, 8, [('attn_v.weight', M), ('ffn_down.weight', M)], ENDS[:2]),
    'shape-qwen2-72b': model('qwen2', 80, 8, 2, [('attn_v.weight', M), ('ffn_down.weight', M)], ENDS),
    'shape-falcon': model('falcon', 33, 8, 1, [('attn_qkv.weight', M), ('attn_output.weight', M), ('ffn_up.weight', M), ('ffn_down.weight', M)], ENDS),
    'shape-8-experts': model('llama', 18, 8, 2, ATTENTION + EXPERTS, ENDS, experts=8),
    'shape-4-experts': model('qwen3moe', 16, 8, 4, ATTENTION + EXPERTS, ENDS, experts=4),
    'shape-60-experts': model('qwen2moe', 24, 8, 8, ATTENTION + EXPERTS + SHARED, ENDS, experts=60),
    'shape-per-layer': model('llama', 12, 12, 3, ATTENTION + DENSE, ENDS, layer0_array=True),
    'shape-odd-names': model('llama', 11, 8, 8, ATTENTION + DENSE + [(name, M) for name in KEPT], ENDS + ODD),
    'shape-narrow': model('llama', 1, 8, 8, [('ffn_down.weight', (20, 8)), ('attn_v.weight', (250, 8))], ENDS + NARROW),
}


def write_model(path, name):
    kv, tensors = SHAPES[name]
    write(path, kv, [(tensor, ne, kind, lambda ne=ne, kind=kind: np.zeros(ne[::-1], np.float16 if kind else np.float32))
                     for tensor, ne, kind in tensors])


def write_imatrix(path, name):
    """A legacy .dat with one entry: what a dry run asks is only whether there is a matrix."""
    weight = b'blk.0.ffn_down.weight'
    with open(path, 'wb') as file:
        file.write(struct.pack('<ii', 1, len(weight)) + weight + struct.pack('<ii', 1, 256) + np.ones(256, np.float32).tobytes())
