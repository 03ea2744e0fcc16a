#!/usr/bin/env python3
"""Condenses our measurements of llama-quantize into types.json: which type it gives every tensor, and how large its files are.

usage: make-plan-golden.py SHARED   (the folder with data/golden/files and tools/mkmodel; python3 with numpy)

The model headers come from the generator of the measured models, run without writing their weights.
"""
import json, os, struct, sys

shared = sys.argv[1]
sys.path.insert(0, os.path.join(shared, 'tools', 'mkmodel'))
import mkmodel
from ggufio import TYPES, _v, _s

header = {}


def keep_header(_path, kv, tensors, align=32):
    names = ['u8', 'i8', 'u16', 'i16', 'u32', 'i32', 'f32', 'bool', 'string', 'array', 'u64', 'i64', 'f64']
    header['metadata'] = []
    for key, kind, value in kv:
        array = isinstance(kind, tuple)
        length = len(_s(key)) + 4 + len(_v(kind, value))
        header['metadata'].append([key, 'array' if array else names[kind], length] + ([] if array else [value]))
    header['tensors'] = [[name, ne, TYPES[kind][0]] for name, ne, kind, _ in tensors]


mkmodel.write = keep_header
types = [row[0] for row in TYPES.values()]
letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
letter = {name: letters[i] for i, name in enumerate(types)}


def read(name):
    with open(os.path.join(shared, 'data', 'golden', 'files', name)) as file:
        return json.load(file)


dry, files = read('types-dryrun.json'), read('quantized-files.json')
golden = {
    'producer': dry['producer'] + '; ' + files['producer'].split(';')[0],
    'letters': {letter[name]: name for name in types},
    'models': {},
    'dryRuns': {},
    'files': {},
}
for name, order in dry['tensorOrder'].items():
    mkmodel.main(name, 'f16', '')
    position = {row[0]: i for i, row in enumerate(header['tensors'])}
    golden['models'][name] = {**header, 'order': [position[tensor] for tensor in order]}
for case, result in dry['cases'].items():
    golden['dryRuns'][case] = ''.join(letter[name] for name in result['t']) if result['rc'] == 0 else None
for case, result in files['cases'].items():
    row = {key: result[key] for key in ('args', 'ftype', 'size', 'kv') if key in result}
    if result['rc'] == 0:
        row['types'] = ''.join(letter[tensor[1]] for tensor in result['tensors'])
        row['lastOffset'] = result['tensors'][-1][2]
    golden['files'][case] = row

with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'types.json'), 'w') as file:
    file.write('{\n' + ',\n'.join(
        json.dumps(key) + ': ' + (json.dumps(value) if not isinstance(value, dict) else '{\n' + ',\n'.join(
            json.dumps(k) + ': ' + json.dumps(v, separators=(',', ':')) for k, v in value.items()) + '\n}')
        for key, value in golden.items()) + '\n}\n')
