#!/usr/bin/env python3
"""Condenses our measurements of llama-quantize into types.json: which type it gives every tensor, and how large its files are.

usage: make-plan-golden.py SHARED LLAMA_QUANTIZE   (python3 with numpy)

SHARED is the folder with data/golden/files and tools/mkmodel: the model headers come from the generator of the measured
models, run without writing their weights. LLAMA_QUANTIZE is the llama-quantize program, 0.7.0, for dry runs of shapes.py.
"""
import json, os, re, subprocess, sys, tempfile

shared = sys.argv[1]
sys.path.insert(0, os.path.join(shared, 'tools', 'mkmodel'))
import mkmodel
from ggufio import TYPES, _v, _s

header = {}
# Longer arrays (vocabularies) say nothing about types; only their length in bytes is kept.
MAX_ARRAY = 128


def keep_header(_path, kv, tensors, align=32):
    names = ['u8', 'i8', 'u16', 'i16', 'u32', 'i32', 'f32', 'bool', 'string', 'array', 'u64', 'i64', 'f64']
    header['metadata'] = []
    for key, kind, value in kv:
        array = isinstance(kind, tuple)
        length = len(_s(key)) + 4 + len(_v(kind, value))
        header['metadata'].append([key, 'array' if array else names[kind], length] + ([value] if not array or len(value) <= MAX_ARRAY else []))
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
    'fallbacks': {},
    'files': {},
}
for name, order in dry['tensorOrder'].items():
    mkmodel.main(name, 'f16', '')
    position = {row[0]: i for i, row in enumerate(header['tensors'])}
    golden['models'][name] = {**header, 'order': [position[tensor] for tensor in order]}
for case, result in dry['cases'].items():
    golden['dryRuns'][case] = ''.join(letter[name] for name in result['t']) if result['rc'] == 0 else None
for case in [case for case in golden['dryRuns'] if case.endswith('/imatrix')]:
    if golden['dryRuns'][case] == golden['dryRuns'][case.removesuffix('/imatrix')]:
        golden['dryRuns'][case] = '='
for case, result in files['cases'].items():
    row = {key: result[key] for key in ('args', 'ftype', 'size', 'kv') if key in result}
    if result['rc'] == 0:
        row['types'] = ''.join(letter[tensor[1]] for tensor in result['tensors'])
        row['lastOffset'] = result['tensors'][-1][2]
    golden['files'][case] = row

# Dry runs of models that are only names and shapes.
import shapes

file_types = sorted({case.split('/')[1] for case in dry['cases']})
line = re.compile(r'^\[ *\d+/ *\d+\] +(\S+) +- \[.*?\], type = +(\S+), size = .*?(?:\((\S+)\))?$')
with tempfile.TemporaryDirectory() as folder:
    path, imatrix = os.path.join(folder, 'model.gguf'), os.path.join(folder, 'imatrix.dat')
    for name, (kv, tensors) in shapes.SHAPES.items():
        keep_header('', kv, [(*row, None) for row in tensors])
        shapes.write_model(path, name)
        shapes.write_imatrix(imatrix, name)
        position = {row[0]: i for i, row in enumerate(header['tensors'])}
        for file_type in file_types:
            for variant, options in (('', []), ('/imatrix', ['--imatrix', imatrix])):
                run = subprocess.run([sys.argv[2], *options, '--dry-run', path, file_type], capture_output=True, text=True)
                rows = [match.groups() for match in map(line.match, (run.stdout + run.stderr).splitlines()) if match]
                kinds = {kind.upper(): kind for kind in types}
                found = ''.join(letter[kinds[(to or kind).upper()]] for _, kind, to in rows)
                golden['dryRuns'][f'{name}/{file_type}{variant}'] = found if run.returncode == 0 else None
                if variant and golden['dryRuns'][f'{name}/{file_type}'] == golden['dryRuns'][f'{name}/{file_type}/imatrix']:
                    golden['dryRuns'][f'{name}/{file_type}/imatrix'] = '='
                if run.returncode == 0:
                    assert len(rows) == len(tensors), (name, file_type, run.stderr)
                    golden['models'][name] = {**header, 'order': [position[row[0]] for row in rows]}

    # What each type becomes in rows of each length, by a rule for that one tensor.
    for name, lengths in (('shape-narrow', (20, 250)), ('shape-odd-names', (64, 96, 128))):
        shapes.write_model(path, name)
        for length in lengths:
            for kind in types:
                if kind in ('F32', 'F64', 'Q8_1', 'Q8_K') or kind.startswith('I') and kind[1:].isdigit():
                    continue
                rule = f'rows_of_{length}={kind}'
                run = subprocess.run([sys.argv[2], '--tensor-type', rule, '--dry-run', path, 'Q4_K_M'], capture_output=True, text=True)
                rows = {match[1]: match[3] or match[2] for match in map(line.match, (run.stdout + run.stderr).splitlines()) if match}
                found = rows.get(f'rows_of_{length}.weight')
                golden['fallbacks'][f'{kind}/{length}'] = letter[kinds[found.upper()]] if run.returncode == 0 else None

with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'types.json'), 'w') as file:
    file.write('{\n' + ',\n'.join(
        json.dumps(key) + ': ' + (json.dumps(value) if not isinstance(value, dict) else '{\n' + ',\n'.join(
            json.dumps(k) + ': ' + json.dumps(v, separators=(',', ':')) for k, v in value.items()) + '\n}')
        for key, value in golden.items()) + '\n}\n')
