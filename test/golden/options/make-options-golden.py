#!/usr/bin/env python3
"""Measures llama-quantize's whole files for its options, from examples/tinycoder-f16.gguf.

Usage: make-options-golden.py LLAMA_QUANTIZE QUANTSMITH_CLI > options.json

QUANTSMITH_CLI (dist/cli.js) only cuts the model into the shards that --keep-split starts from: a copy in three files, which
llama-quantize then reads. Everything measured is llama-quantize's. The importance matrices are given by their bare names,
because their names go into the files.
"""
import hashlib, json, os, shutil, subprocess, sys, tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "..", "..", "..")
IMATRIX = ["--imatrix", "tinycoder.imatrix.gguf"]
CASES = [
    ["Q4_K_M", "--prune-layers", "0"],
    ["Q4_K_M", "--prune-layers", "1,3"],
    ["Q4_K_M", "--prune-layers", "4,2,2"],
    ["Q5_K_S", "--prune-layers", "1", *IMATRIX],
    ["Q4_0", "--prune-layers", "0,4", *IMATRIX, "--include-weights", "ffn_down"],
    ["Q6_K", "--prune-layers", "2", "--override-kv", "llama.block_count=int:9", "--override-kv", "a.b=int:1"],
    ["Q8_0", "--prune-layers", "2", "--tensor-type", "blk\\.2\\.=q6_k"],
    ["Q4_K_M", "--leave-output-tensor"],
    ["Q4_K_M", "--override-kv", "general.name=str:re näme", "--override-kv", "x.int=int:-5", "--override-kv", "x.float=float:-1.3e-3",
     "--override-kv", "x.bool=bool:true", "--override-kv", "x.int=int:6"],
    ["Q4_K_M", "--override-kv", "llama.block_count=int:8"],
    ["Q3_K_M", "--override-kv", "llama.attention.head_count_kv=int:1"],
    ["Q4_K_S", "--override-kv", "general.file_type=int:2", "--override-kv", "quantize.imatrix.file=str:x", *IMATRIX],
    ["COPY", "--override-kv", "general.quantization_version=int:3", "--prune-layers", "3"],
    ["Q4_K_M", *IMATRIX, "--exclude-weights", "attn", "--exclude-weights", "blk.1."],
    ["Q4_K_M", *IMATRIX, "--exclude-weights", "blk"],
    ["Q5_K_M", *IMATRIX, "--include-weights", "attn_q", "--include-weights", "blk.0.ffn_up"],
    ["Q4_K_M", "--imatrix", "tinycoder.imatrix.dat"],
    ["Q5_1", "--imatrix", "tinycoder.imatrix.dat", "--prune-layers", "1", "--exclude-weights", "ffn_gate"],
    ["Q4_K_M", "--tensor-type-file", "types.txt"],
    ["Q8_0", "--keep-split"],
    ["Q4_K_M", "--keep-split", "--prune-layers", "1"],
    ["Q4_K_M", "--keep-split", "--override-kv", "general.name=str:x", *IMATRIX],
]

def digest(path):
    return hashlib.sha256(open(path, "rb").read()).hexdigest()

def main(quantize, cli):
    folder = tempfile.mkdtemp()
    os.chdir(folder)
    shutil.copy(os.path.join(ROOT, "examples/tinycoder-f16.gguf"), "model.gguf")
    for name in ("tinycoder.imatrix.gguf",):
        shutil.copy(os.path.join(ROOT, "test/golden/tinycoder", name), name)
    for name in ("tinycoder.imatrix.dat", "types.txt"):
        shutil.copy(os.path.join(HERE, name), name)
    subprocess.run(["node", cli, "quantize", "model.gguf", "split.gguf", "--type", "COPY", "--max-shard-size", "3500000", "--quiet"], check=True, stdout=subprocess.DEVNULL)
    shards = sorted(f for f in os.listdir(".") if f.startswith("split-"))
    records = []
    for kind, *args in CASES:
        source = shards[0] if "--keep-split" in args else "model.gguf"
        subprocess.run([quantize, *args, source, "out.gguf", kind], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        outputs = sorted(f for f in os.listdir(".") if f.startswith("out"))
        records.append({"type": kind, "args": args, "files": [[os.path.getsize(f), digest(f)] for f in outputs]})
        for name in outputs:
            os.remove(name)
    print(json.dumps({"shards": [[os.path.getsize(f), digest(f)] for f in shards], "cases": records}, ensure_ascii=False, indent=1))

if __name__ == "__main__":
    main(os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2]))
