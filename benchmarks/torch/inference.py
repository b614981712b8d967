"""Evaluation of a network of the zoo in PyTorch, timed: the yardstick of benchmarks/run -inference.

    gonas zoo show fairnas-a > fairnas-a.json
    python benchmarks/torch/inference.py fairnas-a.json --batch 32 --memory-format channels_last --json
    python benchmarks/torch/inference.py fairnas-a.json --check FairNAS_A.json     compares with reference numbers
    python benchmarks/torch/inference.py fairnas-a.json --save fairnas-a.pth       writes a state_dict by the formula
"""

import argparse
import json
import resource
import time

import torch

import fill
import network


def check(module, path):
    with open(path) as f:
        reference = json.load(f)
    for field in [k for k in reference if k.startswith("forward")]:
        want = reference[field]
        fill.fill_module(module, gain=want["weight_gain_W"])
        x = fill.symmetric(want["input"]["name"], want["input"]["shape"], torch.float32)
        with torch.inference_mode():
            got = module(x).double()
        error = (got - torch.tensor(want["logits_f64"], dtype=torch.float64)).abs().max().item() / want["stats"]["logits_std"]
        if not error <= 1e-4:
            raise SystemExit(f"{path}: {field}: logits are off by {error:.3g} of their deviation, expected at most 1e-4")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("network")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--memory-format", choices=["default", "channels_last"], default="channels_last")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--warmup", type=int, default=3)
    parser.add_argument("--check")
    parser.add_argument("--save")
    parser.add_argument("--gain", type=float, default=3)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    with open(args.network) as f:
        entry = json.load(f)
    module = network.build(entry["network"])
    if args.check:
        check(module, args.check)
    if args.save:
        fill.fill_module(module, gain=args.gain)
        torch.save(module.state_dict(), args.save)
        return
    module = network.build(entry["network"])
    h, w, c = entry["network"]["input"]
    x = torch.rand(args.batch, c, h, w)
    if args.memory_format == "channels_last":
        module, x = module.to(memory_format=torch.channels_last), x.contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        for _ in range(args.warmup):
            module(x)
        times, begin = [], time.perf_counter()
        while len(times) < 3 or time.perf_counter() - begin < args.seconds:
            start = time.perf_counter()
            module(x)
            times.append(time.perf_counter() - start)
    result = {"framework": "torch", "version": torch.__version__, "backend": f"torch {torch.__version__} eager",
              "network": entry["name"], "memory_format": args.memory_format, "batch": args.batch, "threads": torch.get_num_threads(),
              "call_s": times, "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
    print(json.dumps(result) if args.json else f"{entry['name']} batch {args.batch}: {args.batch / sorted(times)[len(times) // 2]:.1f} images/s")


if __name__ == "__main__":
    main()
