"""Convolutions of sound in PyTorch, timed: the yardstick of benchmarks/run -suite unidirectional.

    python benchmarks/torch/unidirectional.py --memory-format channels_last --threads 2

A worker: for each case that it reads as a line of JSON (input [batch, height, width, channels], kernel [height, width],
stride, out channels or 0 for a depthwise convolution) it times the convolution and its gradients by turns, and answers with
a line of JSON. Tensors are those of fill.py; with "check" the root mean squares of each channel of the results come along.
"""

import argparse
import functools
import json
import sys
import time

import torch
from torch.nn import functional as F

import fill

FORMATS = {"default": torch.contiguous_format, "channels_last": torch.channels_last}


@functools.lru_cache(maxsize=None)
def filled(name, shape, memory_format):
    return fill.symmetric(name, shape, torch.float32).contiguous(memory_format=FORMATS[memory_format])


def timed(call, seconds):
    """Times of single calls in seconds, and the processor time of one."""
    for _ in range(2):
        call()
    times, began, processor = [], time.perf_counter(), time.process_time()
    while len(times) < 3 or time.perf_counter() - began < seconds:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return {"call_s": times, "cpu_s": (time.process_time() - processor) / len(times)}


def spread(tensor, axis):
    """The root mean square of each channel."""
    axes = [a for a in range(4) if a != axis]
    return tensor.double().square().mean(axes).sqrt().tolist()


def measure(case, memory_format):
    n, h, w, c = case["input"]
    kh, kw = case["kernel"]
    out = case["out"] or c
    groups = 1 if case["out"] else c
    x = filled("input", (n, c, h, w), memory_format).requires_grad_()
    kernel = filled("kernel", (out, c // groups, kh, kw), memory_format).requires_grad_()

    def forward():
        return F.conv2d(x, kernel, None, case["stride"], (kh // 2, kw // 2), 1, groups)

    y = forward()
    upstream = filled("upstream", tuple(y.shape), memory_format)

    def gradients():
        return torch.autograd.grad(y, (x, kernel), upstream, retain_graph=True)

    with torch.no_grad():
        result = {"forward": timed(forward, case["seconds"])}
    result["gradients"] = timed(gradients, case["seconds"])
    if case.get("check"):
        dx, dw = gradients()
        result["spread"] = [spread(y.detach(), 1), spread(dx, 1), spread(dw, 0)]
    return result


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--memory-format", choices=list(FORMATS), default="channels_last")
    parser.add_argument("--threads", type=int, default=0)
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    about = {"framework": "torch", "backend": f"torch {torch.__version__} eager", "threads": torch.get_num_threads()}
    for line in sys.stdin:
        print(json.dumps(about | measure(json.loads(line), args.memory_format)), flush=True)


if __name__ == "__main__":
    main()
