"""Writes the numbers that nas/nn's layers are tested against, as torch computes them: results and gradients.

    python benchmarks/torch/layers_reference.py nas/nn/testdata/layers.json

Everything is float64, NCHW, flat in row-major order. Each case has its settings, its tensors under state_dict
names, its output, and for sum(output * upstream) the gradient of every floating tensor.
"""

import argparse
import itertools

import torch
from torch import nn
from torch.nn import functional as F

import compact
import fill


def tensor(t):
    return {"shape": list(t.shape), "values": t.detach().reshape(-1).tolist()}


def record(kind, name, settings, tensors, compute, extra=None):
    """Runs compute(tensors) and its gradient; extra(tensors) gives further outputs, recorded as they are."""
    leaves = {k: t.detach().clone().requires_grad_(t.is_floating_point()) for k, t in tensors.items()}
    output = compute(leaves)
    upstream = fill.symmetric("upstream", tuple(output.shape))
    wanted = {k: t for k, t in leaves.items() if t.requires_grad}
    grads = torch.autograd.grad((output * upstream).sum(), list(wanted.values()))
    case = {
        "kind": kind,
        "name": name,
        "settings": settings,
        "tensors": {k: tensor(t) for k, t in tensors.items()},
        "upstream": tensor(upstream),
        "output": tensor(output),
        "gradients": {k: tensor(g) for k, g in zip(wanted, grads)},
    }
    if extra is not None:
        case["after"] = {k: tensor(t) for k, t in extra().items()}
    return case


def image(*shape):
    return fill.symmetric("input", shape)


def activations():
    points = torch.tensor([-7, -4, -3, -2.5, -1, -0.25, 0, 0.25, 1, 2.5, 3, 4, 6, 7], dtype=torch.float64)
    functions = {
        "relu": F.relu,
        "relu6": F.relu6,
        "hsigmoid": lambda x: F.relu6(x + 3) / 6,
        "hswish": lambda x: x * F.relu6(x + 3) / 6,
        "swish": lambda x: x * torch.sigmoid(x),
        "sigmoid": torch.sigmoid,
    }
    for name, f in functions.items():
        yield record("activation", name, {}, {"input": points}, lambda t, f=f: f(t["input"]))


def convolutions():
    def conv(name, kind, shape, out, kernel, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1, bias=False):
        weight = (out, shape[1] // groups, *kernel)
        tensors = {"input": image(*shape), "weight": fill.parameter("weight", weight)}
        if bias:
            tensors["bias"] = fill.parameter("bias", (out,))
        settings = dict(stride=list(stride), padding=list(padding), dilation=list(dilation), groups=groups)
        return record(
            kind, name, settings, tensors,
            lambda t: F.conv2d(t["input"], t["weight"], t.get("bias"), stride, padding, dilation, groups),
        )

    yield conv("3x3", "conv", (2, 3, 5, 6), 4, (3, 3), padding=(1, 1))
    yield conv("3x3 stride 2", "conv", (2, 3, 7, 6), 2, (3, 3), stride=(2, 2), padding=(1, 1))
    yield conv("1x7 stride (1,2)", "conv", (1, 2, 7, 9), 3, (1, 7), stride=(1, 2), padding=(0, 3))
    yield conv("7x1 stride (2,1)", "conv", (1, 2, 7, 9), 3, (7, 1), stride=(2, 1), padding=(3, 0))
    yield conv("2x2 valid", "conv", (2, 3, 2, 2), 4, (2, 2))
    yield conv("1x1", "pointwise", (2, 3, 4, 5), 4, (1, 1))
    yield conv("1x1 stride 2, odd size", "pointwise", (2, 3, 5, 7), 2, (1, 1), stride=(2, 2))
    yield conv("1x1 with bias", "pointwise", (2, 3, 2, 3), 4, (1, 1), bias=True)
    for k, s, d in itertools.product((3, 5, 7), (1, 2), (1, 2)):
        yield conv(
            f"{k}x{k} stride {s} dilation {d}", "depthwise", (2, 2, 7, 6), 2, (k, k),
            (s, s), (d * (k // 2),) * 2, (d, d), groups=2,
        )
    for kernel, stride, width in (((1, 3), (1, 1), 6), ((5, 1), (1, 1), 6), ((1, 7), (1, 2), 6), ((3, 1), (2, 1), 6), ((5, 1), (2, 2), 6),
                                  ((9, 1), (1, 1), 1), ((3, 1), (2, 1), 1)):
        yield conv(
            f"{kernel[0]}x{kernel[1]} stride ({stride[0]},{stride[1]}) width {width}", "depthwise", (2, 3, 11, width), 3, kernel,
            stride, (kernel[0] // 2, kernel[1] // 2), groups=3,
        )


def pools():
    # Few distinct values, so that most windows hold several equal maxima.
    ties = torch.round(image(2, 2, 6, 7) * 1.4)
    inputs = {"random": image(2, 2, 6, 7), "ties": ties, "constant": torch.ones(1, 1, 5, 5, dtype=torch.float64),
              "negative": image(2, 2, 6, 7) - 2}
    for (name, x), stride in itertools.product(inputs.items(), (1, 2)):
        settings = dict(size=3, stride=stride, padding=1)
        yield record("max_pool", f"{name}, stride {stride}", settings, {"input": x},
                     lambda t, s=stride: F.max_pool2d(t["input"], 3, s, 1))
    for size, stride, padding, counted in ((3, 1, 1, False), (3, 2, 1, False), (3, 1, 1, True), (5, 3, 0, False), (5, 2, 0, False)):
        settings = dict(size=size, stride=stride, padding=padding, count_include_pad=counted)
        yield record(
            "avg_pool", f"{size}x{size} stride {stride} padding {padding} counted {counted}", settings,
            {"input": image(2, 2, 7, 8)},
            lambda t, a=(size, stride, padding), c=counted: F.avg_pool2d(t["input"], *a, count_include_pad=c),
        )
    yield record("global_avg_pool", "global", {}, {"input": image(2, 3, 4, 5)},
                 lambda t: F.adaptive_avg_pool2d(t["input"], 1).flatten(1))


def batch_norms():
    shape = (4, 3, 3, 2)
    for affine, train, offset in ((True, True, 0.0), (False, True, 0.0), (False, True, 30.0), (True, False, 0.0), (False, False, 0.0)):
        tensors = {"input": image(*shape) + offset}
        if affine:
            tensors["weight"] = fill.parameter("weight", shape[1:2])
            tensors["bias"] = fill.parameter("bias", shape[1:2])
        mean, var = fill.parameter("running_mean", shape[1:2]), fill.parameter("running_var", shape[1:2])
        before = {"running_mean": tensor(mean), "running_var": tensor(var)}
        # F.batch_norm updates the two in place; the function runs once.
        case = record(
            "batch_norm", f"{'train' if train else 'eval'}, affine {affine}, offset {offset:g}",
            dict(train=train, affine=affine, eps=1e-5, momentum=0.1), tensors,
            lambda t: F.batch_norm(t["input"], mean, var, t.get("weight"), t.get("bias"), train, 0.1, 1e-5),
            lambda: {"running_mean": mean, "running_var": var},
        )
        case["before"] = before
        yield case


def squeeze_excite():
    channels, reduced, prefix = 8, 2, "se."
    tensors = {"input": image(2, channels, 4, 3)}
    for part, shape in (("conv_reduce", (reduced, channels, 1, 1)), ("conv_expand", (channels, reduced, 1, 1))):
        tensors[f"{prefix}{part}.weight"] = fill.parameter(f"{prefix}{part}.weight", shape, gain=30.0)
        tensors[f"{prefix}{part}.bias"] = fill.parameter(f"{prefix}{part}.bias", shape[:1])

    def forward(t, squeeze, gate):
        s = t["input"].mean((2, 3), keepdim=True)
        s = squeeze(F.conv2d(s, t["se.conv_reduce.weight"], t["se.conv_reduce.bias"]))
        return t["input"] * gate(F.conv2d(s, t["se.conv_expand.weight"], t["se.conv_expand.bias"]))

    hsigmoid = lambda x: F.relu6(x + 3) / 6
    for squeeze, s, gate, g in (("relu", F.relu, "hsigmoid", hsigmoid), ("relu", F.relu, "sigmoid", torch.sigmoid),
                                ("swish", F.silu, "sigmoid", torch.sigmoid)):
        yield record("squeeze_excite", f"{squeeze}, {gate}", dict(squeeze=squeeze, gate=gate), tensors,
                     lambda t, s=s, g=g: forward(t, s, g))


def drop_path():
    keep = 0.7
    mask = torch.tensor([1, 0, 1, 1], dtype=torch.float64)
    case = record("drop_path", "keep 0.7", dict(keep=keep, mask=mask.tolist()), {"input": image(4, 2, 2, 3)},
                  lambda t: t["input"] / keep * mask.reshape(-1, 1, 1, 1))
    yield case


def losses():
    logits = 3 * fill.symmetric("logits", (6, 10))
    targets = fill.labels("target", 6, 10)
    for smoothing in (0.0, 0.1):
        case = record("cross_entropy", f"smoothing {smoothing}", dict(smoothing=smoothing, labels=targets.tolist()),
                      {"logits": logits}, lambda t, s=smoothing: F.cross_entropy(t["logits"], targets, label_smoothing=s))
        yield case
    # Large logits: a loss that does not subtract the maximum overflows.
    yield record("cross_entropy", "large logits", dict(smoothing=0.0, labels=targets.tolist()), {"logits": 300 * logits},
                 lambda t: F.cross_entropy(t["logits"], targets))


def dense():
    tensors = {"input": image(3, 5), "weight": fill.parameter("weight", (4, 5)), "bias": fill.parameter("bias", (4,))}
    yield record("dense", "5 to 4", {}, tensors, lambda t: F.linear(t["input"], t["weight"], t["bias"]))


class AuxiliaryHead(nn.Module):
    """DARTS's auxiliary classifier on 8x8 (CIFAR, pool stride 3) or 7x7 (ImageNet, pool stride 2) maps."""

    def __init__(self, channels, classes, pool_stride, second_norm):
        super().__init__()
        layers = [nn.ReLU(), nn.AvgPool2d(5, pool_stride, 0, count_include_pad=False),
                  nn.Conv2d(channels, 128, 1, bias=False), nn.BatchNorm2d(128), nn.ReLU(),
                  nn.Conv2d(128, 768, 2, bias=False)]
        layers += [nn.BatchNorm2d(768), nn.ReLU()] if second_norm else [nn.ReLU()]
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(768, classes)

    def forward(self, x):
        return self.classifier(self.features(x).flatten(1))


def auxiliary_heads():
    prefix = "auxiliary_head."
    for name, size, stride, second in (("CIFAR", 8, 3, True), ("ImageNet", 7, 2, False), ("ImageNet, two norms", 7, 2, True)):
        head = AuxiliaryHead(8, 10, stride, second).double()
        # The fill rule gives the weights by their names; only their gradients' norms are recorded.
        fill.fill_module(head, prefix)
        x = image(3, 8, size, size).requires_grad_()
        head.eval()
        eval_output = head(x)
        head.train()
        output = head(x)
        upstream = fill.symmetric("upstream", tuple(output.shape))
        keys = [k for k, _ in head.named_parameters()]
        grads = torch.autograd.grad((output * upstream).sum(), [x, *head.parameters()])
        yield {
            "kind": "auxiliary_head",
            "name": name,
            "settings": dict(channels=8, classes=10, pool_stride=stride, second_norm=second, prefix=prefix, gain=3),
            "state_dict": [[prefix + k, list(t.shape)] for k, t in head.state_dict().items()],
            "tensors": {"input": tensor(x)},
            "upstream": tensor(upstream),
            "eval_output": tensor(eval_output),
            "output": tensor(output),
            "gradients": {"input": tensor(grads[0])},
            "gradient_norms": {prefix + k: g.norm().item() for k, g in zip(keys, grads[1:])},
            "after": {prefix + k: tensor(t) for k, t in head.state_dict().items() if "features.3.running" in k},
        }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", help="JSON file to write")
    args = parser.parse_args()
    torch.set_num_threads(1)
    groups = (activations, convolutions, pools, batch_norms, squeeze_excite, drop_path, losses, dense, auxiliary_heads)
    document = {
        "generator": "benchmarks/torch/layers_reference.py",
        "torch": torch.__version__,
        "layout": "float64 rounded to 10 digits, NCHW and OIHW, row-major",
        "cases": [case for group in groups for case in group()],
    }
    compact.write(args.output, document, digits=10)


if __name__ == "__main__":
    main()
