"""Converts a PyTorch checkpoint to safetensors, for `gonas zoo eval` and `gonas zoo export`.

    python tools/pth_to_safetensors.py model.pth model.safetensors

Needs torch and nothing else. Takes a bare state_dict, or one under "state_dict", "state_dict_ema" or "model"; a prefix
"module." that data-parallel training leaves is dropped. With --key another entry is taken. The checkpoint is read with
weights_only, so nothing in it is executed.
"""

import argparse
import json
import os
import struct

import torch

TYPES = {torch.float32: "F32", torch.float64: "F64", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64"}


def state_dict(checkpoint, key):
    if key:
        return checkpoint[key]
    for name in ("state_dict", "state_dict_ema", "model"):
        if isinstance(checkpoint, dict) and isinstance(checkpoint.get(name), dict):
            return checkpoint[name]
    return checkpoint


def raw(tensor):
    tensor = tensor.detach().cpu().contiguous()
    if tensor.dtype == torch.bfloat16:
        tensor = tensor.view(torch.int16)
    return tensor.numpy().tobytes()


def convert(source, target, key=None):
    tensors = state_dict(torch.load(source, map_location="cpu", weights_only=True), key)
    header, chunks, at = {"__metadata__": {"format": "pt"}}, [], 0
    for name in sorted(tensors):
        tensor = tensors[name]
        if not torch.is_tensor(tensor) or tensor.dtype not in TYPES:
            raise SystemExit(f"{source}: {name}: expected a tensor of one of {sorted(TYPES.values())}")
        data = raw(tensor)
        short = name[len("module."):] if name.startswith("module.") else name
        header[short] = {"dtype": TYPES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [at, at + len(data)]}
        chunks.append(data)
        at += len(data)
    head = json.dumps(header, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    part = target + ".tmp"
    with open(part, "wb") as f:
        f.write(struct.pack("<Q", len(head)) + head)
        for data in chunks:
            f.write(data)
        f.flush()
        os.fsync(f.fileno())
    os.replace(part, target)
    print(f"{target}: {len(chunks)} tensors")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source")
    parser.add_argument("target")
    parser.add_argument("--key", help="entry of the checkpoint that holds the state_dict")
    args = parser.parse_args()
    convert(args.source, args.target, args.key)
