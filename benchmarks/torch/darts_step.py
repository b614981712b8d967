"""One bilevel search step of the DARTS supernet in PyTorch, timed: the yardstick of benchmarks/run.

    python benchmarks/torch/darts_step.py --batch 16 --memory-format channels_last --steps 5 --json
    python benchmarks/torch/darts_step.py --check DIR     compares with reference numbers of the official code in DIR

The network is arXiv 1806.09055's first-order search on CIFAR: 8 cells, 16 channels, 4 nodes, 14 mixed edges of 8
primitives, 1,930,618 weights. A step updates the architecture on a validation batch (Adam), then the weights on a
training batch (SGD, clipped). Module names follow the official state_dict, so the same fill gives the same logits.
Where PyTorch offers a faster way to the same numbers, that way is the default.
"""

import argparse
import functools
import gc
import json
import operator
import os
import resource
import statistics
import sys
import time

_process_start = time.perf_counter()

import torch
from torch import nn
from torch.nn import functional as F

import fill

_import_seconds = time.perf_counter() - _process_start

PARAMETERS = 1_930_618
PRIMITIVES = (
    "none", "max_pool_3x3", "avg_pool_3x3", "skip_connect",
    "sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5",
)
NODES = 4
EDGES = sum(2 + node for node in range(NODES))


def norm(channels):
    """Batch norm inside searched operations: without scale and offset, which could undo an edge's weight."""
    return nn.BatchNorm2d(channels, affine=False)


def depthwise(channels, kernel, stride, dilation=1):
    padding = dilation * (kernel // 2)
    return nn.Conv2d(channels, channels, kernel, stride, padding, dilation, groups=channels, bias=False)


def pointwise(inputs, outputs, stride=1):
    return nn.Conv2d(inputs, outputs, 1, stride, bias=False)


class Chain(nn.Module):
    """A sequence whose children are called op.0, op.1, ... in the state_dict."""

    def __init__(self, *layers):
        super().__init__()
        self.op = nn.Sequential(*layers)

    def forward(self, x):
        return self.op(x)


def relu_conv_norm(inputs, outputs):
    return Chain(nn.ReLU(), pointwise(inputs, outputs), norm(outputs))


def separable(channels, kernel, stride):
    layers = []
    for s in (stride, 1):
        layers += [nn.ReLU(), depthwise(channels, kernel, s), pointwise(channels, channels), norm(channels)]
    return Chain(*layers)


def dilated(channels, kernel, stride):
    return Chain(nn.ReLU(), depthwise(channels, kernel, stride, 2), pointwise(channels, channels), norm(channels))


class FactorizedReduce(nn.Module):
    """Halves the resolution: even pixels through one 1x1 convolution, odd ones through another."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv_1 = pointwise(inputs, outputs // 2, 2)
        self.conv_2 = pointwise(inputs, outputs // 2, 2)
        self.bn = norm(outputs)

    def forward(self, x):
        x = F.relu(x)
        return self.bn(torch.cat([self.conv_1(x), self.conv_2(x[:, :, 1:, 1:])], 1))


class Zero(nn.Module):
    """The primitive "none" as the official code computes it: the input times 0."""

    def __init__(self, stride):
        super().__init__()
        self.stride = stride

    def forward(self, x):
        return x[:, :, :: self.stride, :: self.stride] * 0.0


def primitive(name, channels, stride):
    kernel = int(name[-1]) if name[-1].isdigit() else 0
    if name == "none":
        return Zero(stride)
    if name == "max_pool_3x3":
        return nn.Sequential(nn.MaxPool2d(3, stride, 1), norm(channels))
    if name == "avg_pool_3x3":
        return nn.Sequential(nn.AvgPool2d(3, stride, 1, count_include_pad=False), norm(channels))
    if name == "skip_connect":
        return nn.Identity() if stride == 1 else FactorizedReduce(channels, channels)
    return (separable if name.startswith("sep") else dilated)(channels, kernel, stride)


class MixedEdge(nn.Module):
    """All primitives of an edge, summed with the edge's weights."""

    def __init__(self, channels, stride, skip_none):
        super().__init__()
        self._ops = nn.ModuleList(primitive(name, channels, stride) for name in PRIMITIVES)
        self.first = 1 if skip_none else 0

    def forward(self, x, weights):
        return sum(weights[i] * self._ops[i](x) for i in range(self.first, len(self._ops)))


class Cell(nn.Module):
    """Edges get their weights; one whose weights are None is left out."""

    def __init__(self, before_last, last, channels, reduction, after_reduction, edge):
        super().__init__()
        self.reduction = reduction
        self.preprocess0 = (FactorizedReduce if after_reduction else relu_conv_norm)(before_last, channels)
        self.preprocess1 = relu_conv_norm(last, channels)
        self._ops = nn.ModuleList(
            edge(channels, 2 if reduction and source < 2 else 1)
            for node in range(NODES) for source in range(2 + node)
        )

    def forward(self, s0, s1, weights):
        states = [self.preprocess0(s0), self.preprocess1(s1)]
        edge = 0
        for _ in range(NODES):
            outputs = [self._ops[edge + i](x, w) for i, x in enumerate(states) if (w := weights[edge + i]) is not None]
            states.append(functools.reduce(operator.add, outputs))  # sum would add the first to 0
            edge += len(states) - 1
        return torch.cat(states[-NODES:], 1)


class CellNetwork(nn.Module):
    """Images [batch, 3, height, width] and the edges' weights in each kind of cell to logits [batch, classes]."""

    def __init__(self, edge, channels=16, classes=10, layers=8, stem_multiplier=3):
        super().__init__()
        width = stem_multiplier * channels
        self.stem = nn.Sequential(nn.Conv2d(3, width, 3, padding=1, bias=False), nn.BatchNorm2d(width))
        self.cells = nn.ModuleList()
        before_last, last, after_reduction = width, width, False
        for i in range(layers):
            reduction = i in (layers // 3, 2 * layers // 3)
            channels *= 2 if reduction else 1
            self.cells.append(Cell(before_last, last, channels, reduction, after_reduction, edge))
            before_last, last, after_reduction = last, NODES * channels, reduction
        self.classifier = nn.Linear(last, classes)

    def forward(self, x, normal, reduce):
        s0 = s1 = self.stem(x)
        for cell in self.cells:
            s0, s1 = s1, cell(s0, s1, reduce if cell.reduction else normal)
        return self.classifier(s1.mean((2, 3)))


class Supernet(CellNetwork):
    """Images to logits, all primitives weighed by alphas, which are kept out of the state_dict."""

    def __init__(self, *args, skip_none=True, **kwargs):
        super().__init__(lambda channels, stride: MixedEdge(channels, stride, skip_none), *args, **kwargs)
        self.alphas = [(1e-3 * torch.randn(EDGES, len(PRIMITIVES))).requires_grad_() for _ in range(2)]

    def forward(self, x):
        return super().forward(x, *(F.softmax(a, -1) for a in self.alphas))


def parameter_count(net):
    return sum(p.numel() for p in net.parameters())


class Search:
    """A supernet with both optimizers."""

    def __init__(self, net, arch_grads):
        self.net, self.arch_grads = net, arch_grads
        self.weights_optimizer = torch.optim.SGD(net.parameters(), 0.025, momentum=0.9, weight_decay=3e-4)
        self.arch_optimizer = torch.optim.Adam(net.alphas, 3e-4, betas=(0.5, 0.999), weight_decay=1e-3)

    # Each half is a function of its own, so that its graph is gone before the next forward pass: gradients that
    # are not asked for would keep their saved tensors alive.
    def arch_step(self, images, labels):
        loss = F.cross_entropy(self.net(images), labels)
        if self.arch_grads == "all":
            self.arch_optimizer.zero_grad()
            loss.backward()
        else:
            for alpha, grad in zip(self.net.alphas, torch.autograd.grad(loss, self.net.alphas)):
                alpha.grad = grad
        self.arch_optimizer.step()

    def weights_step(self, images, labels):
        self.weights_optimizer.zero_grad()
        loss = F.cross_entropy(self.net(images), labels)
        # The weights' step needs no gradient of the alphas.
        loss.backward(inputs=None if self.arch_grads == "all" else list(self.net.parameters()))
        nn.utils.clip_grad_norm_(self.net.parameters(), 5.0)
        self.weights_optimizer.step()
        return loss.item()

    def step(self, train, valid):
        """One step on two (images, labels) batches; the training loss."""
        self.arch_step(*valid)
        return self.weights_step(*train)


FORMATS = {"default": torch.contiguous_format, "channels_last": torch.channels_last}


def batch(name, size, image, memory_format, device):
    images = fill.symmetric(f"{name}.input", (size, 3, image, image), torch.float32).contiguous(memory_format=memory_format)
    return images.to(device), fill.labels(f"{name}.target", size, 10).to(device)


def peak_rss_mb():
    """Largest resident size so far, in MiB (Linux counts it in KiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def synchronise(args):
    """Waits until the device has done all that it was given: without it a step's time is that of its launches."""
    if args.device == "cuda":
        torch.cuda.synchronize()


def prepare(args, precision):
    """Sets threads, the precision of float32 products and convolutions on a GPU, and what torch.compile may keep."""
    torch.set_num_threads(args.threads)
    gc.collect()  # what a run before left in cycles
    if args.device == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"
        torch.cuda.reset_peak_memory_stats()
    if args.compile:
        torch._dynamo.reset()
        for limit in ("recompile_limit", "cache_size_limit"):  # the newer and the older name
            if hasattr(torch._dynamo.config, limit):
                setattr(torch._dynamo.config, limit, 256)


def compile_modules(net, what, kind):
    """Has torch.compile take the whole network, or each block of this kind, as one."""
    for module in [net] if what == "network" else [m for m in net.modules() if isinstance(m, kind)] if what else []:
        module.compile()


def timed(args, step):
    """Does the steps; the seconds of the first, of the timed ones and the processor's, and what step returned each time."""
    results, seconds, cpu = [], [], []
    for n in range(1 + args.warmup + args.steps):
        synchronise(args)
        began, cpu_began = time.perf_counter(), cpu_seconds()
        results.append(step(n))
        synchronise(args)
        seconds.append(time.perf_counter() - began)
        cpu.append(cpu_seconds() - cpu_began)
    after = 1 + args.warmup
    return results, {"first_call_s": seconds[0], "step_s": seconds[after:], "cpu_s_per_step": statistics.median(cpu[after:])}


def described(args, memory_format, precision):
    """What all scripts tell of a run, at its end."""
    cuda = args.device == "cuda"
    result = {
        "framework": "torch",
        "version": torch.__version__,
        "backend": f"torch {torch.__version__} {'compiled' if args.compile else 'eager'}, "
                   + (torch.cuda.get_device_name() if cuda else torch.backends.cpu.get_cpu_capability()),
        "memory_format": memory_format,
        "batch": args.batch,
        "threads": torch.get_num_threads(),
        "peak_rss_mb": peak_rss_mb(),
    }
    if args.compile:
        result["compiled"] = args.compile
    if precision:
        result["precision"] = precision
    if cuda:
        result.update(device=torch.cuda.get_device_name(), peak_device_mb=torch.cuda.max_memory_allocated() / (1 << 20))
    return result


def measure(args, memory_format, precision):
    torch.manual_seed(args.seed)
    prepare(args, precision)
    rss_after_import, start = peak_rss_mb(), time.perf_counter()
    net = Supernet(args.channels, layers=args.cells, skip_none=args.none == "skip").to(args.device, memory_format=FORMATS[memory_format]).train()
    net.alphas = [a.detach().to(args.device).requires_grad_() for a in net.alphas]
    count = parameter_count(net)
    if (args.cells, args.channels) == (8, 16):
        assert count == PARAMETERS, f"{count} parameters, expected {PARAMETERS}"
    search = Search(net, args.arch_grads)
    train, valid = (batch(name, args.batch, args.image, FORMATS[memory_format], args.device) for name in ("train", "valid"))
    compile_modules(net, args.compile, MixedEdge)
    built = time.perf_counter()
    losses, times = timed(args, lambda _: search.step(train, valid))
    return {
        **described(args, memory_format, precision),
        **times,
        "arch_grads": args.arch_grads,
        "none": args.none,
        "parameters": count,
        "import_s": _import_seconds,
        "build_s": built - start,
        "import_rss_mb": rss_after_import,
        "losses": losses,
    }


def run(args, measure):
    """Measures every memory format at every precision and tells of each as it ends."""
    for precision in args.precision.split(","):
        for memory_format in args.memory_format.split(","):
            tell(measure(args, memory_format, precision), args)


def add_arguments(parser, batch_size):
    """The arguments of all scripts."""
    def some_of(*names):
        def check(text):
            # argparse checks the default too, which may be empty.
            if text and not all(word in names for word in text.split(",")):
                raise argparse.ArgumentTypeError(f"expected some of {', '.join(names)}, with commas, got {text!r}")
            return text
        return check

    parser.add_argument("--batch", type=int, default=batch_size)
    parser.add_argument("--image", type=int, default=32, help="side of the images in pixels")
    parser.add_argument("--memory-format", type=some_of(*FORMATS), default="default", help="default, channels_last or both")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--precision", type=some_of("tf32", "float32"), default="",
                        help="tf32, float32 or both: of products and convolutions on a GPU; PyTorch's own choice without it")
    parser.add_argument("--compile", choices=("block", "network"), default="", help="what torch.compile takes as one")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--steps", type=int, default=5, help="timed steps")
    parser.add_argument("--warmup", type=int, default=1, help="steps after the first one and before the timed ones")
    parser.add_argument("--json", action="store_true", help="print one line of JSON for each format and precision")


def add_size_arguments(parser):
    """The size of a supernet of cells."""
    parser.add_argument("--cells", type=int, default=8)
    parser.add_argument("--channels", type=int, default=16, help="channels of the first cell's nodes")


def add_weights_arguments(parser, rate, decay):
    """The optimizer of the weights."""
    parser.add_argument("--rate", type=float, default=rate, help="learning rate")
    parser.add_argument("--momentum", type=float, default=0.9)
    parser.add_argument("--decay", type=float, default=decay, help="L2 decay of the weights")
    parser.add_argument("--clip", type=float, default=5, help="largest norm of the gradients, 0 for none")


class WeightsOptimizer:
    """Clipped SGD of a network's weights by those arguments."""

    def __init__(self, net, args):
        self.parameters, self.clip = list(net.parameters()), args.clip
        self.sgd = torch.optim.SGD(self.parameters, args.rate, momentum=args.momentum, weight_decay=args.decay)

    def zero_grad(self):
        self.sgd.zero_grad(set_to_none=True)

    def step(self):
        if self.clip > 0:
            nn.utils.clip_grad_norm_(self.parameters, self.clip)
        self.sgd.step()


def check_arguments(parser, args):
    if args.steps < 1 or args.warmup < 0 or args.threads < 1 or args.batch < 2:
        parser.error("needs --steps >= 1, --warmup >= 0, --threads >= 1, --batch >= 2")
    if args.precision == "" and args.device == "cuda":
        parser.error("needs --precision with --device cuda")


def check(folder):
    """Compares float64 logits, loss and gradients with folder's darts/search_network.json; the worst deviations."""
    with open(os.path.join(folder, "darts", "search_network.json")) as f:
        golden = json.load(f)
    with open(os.path.join(folder, "darts", "search_network.state_dict.json")) as f:
        names = [(key, tuple(shape)) for key, shape in json.load(f)]
    worst = {}

    def compare(name, got, want):
        want = torch.as_tensor(want, dtype=torch.float64)
        worst[name] = ((got - want).abs().max() / want.abs().max()).item()

    for skip_none in (True, False):
        net, label = Supernet(skip_none=skip_none).double(), f"none {'skipped' if skip_none else 'multiplied'}: "
        assert parameter_count(net) == golden["params"]["all"] == PARAMETERS
        own = [(key, tuple(t.shape)) for key, t in net.state_dict().items()]
        assert own == names, f"state_dict differs first at {next((a, b) for a, b in zip(own, names) if a != b)}"
        fill.fill_module(net)
        net.alphas = [fill.symmetric(f"alphas_{kind}", (EDGES, len(PRIMITIVES))).requires_grad_() for kind in ("normal", "reduce")]
        images = fill.symmetric(golden["input"]["name"], tuple(golden["input"]["shape"]))
        target = fill.labels(golden["target"]["name"], images.shape[0], 10)
        assert target.tolist() == golden["target"]["values"], "labels differ"
        for mode in ("eval", "train"):
            net.train(mode == "train")
            logits = net(images)
            loss = F.cross_entropy(logits, target)
            grads = torch.autograd.grad(loss, [*net.alphas, *net.parameters()])
            compare(f"{label}{mode} logits", logits.detach(), golden["eval_logits" if mode == "eval" else "train_mode_logits"])
            compare(f"{label}{mode} loss", loss.detach(), golden[f"{mode}_mode_cross_entropy"])
            for i, kind in enumerate(("alphas_normal", "alphas_reduce")):
                compare(f"{label}{mode} d {kind}", grads[i], golden[f"{mode}_mode_dCE_dalpha"][kind])
        by_name = dict(zip((k for k, _ in net.named_parameters()), grads[2:]))
        norms = golden["train_mode_weight_grad_l2norm_by_name"]
        compare(f"{label}norms of the weights' gradients", torch.stack([by_name[k].norm() for k in norms]), list(norms.values()))
        compare(f"{label}norm of all weights' gradients", torch.cat([g.flatten() for g in grads[2:]]).norm(),
                golden["train_mode_weight_grad_global_l2norm"])
    return worst


def tell(result, args):
    """Prints what measure returned, in a line of JSON or of words."""
    if args.json:
        print(json.dumps(result), flush=True)
    else:
        print(f"{result['backend']}, {result['memory_format']}, batch {args.batch}, {args.threads} threads: "
              f"first call {result['first_call_s']:.2f} s, step {statistics.median(result['step_s']):.2f} s, "
              f"{result['cpu_s_per_step']:.2f} CPU s a step, peak {result['peak_rss_mb']:.0f} MiB")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser, 16)
    add_size_arguments(parser)
    parser.add_argument("--arch-grads", choices=("alphas", "all"), default="alphas",
                        help="alphas: each half of a step computes only the gradients it uses; all: both, as the official code does")
    parser.add_argument("--none", choices=("skip", "multiply"), default="skip",
                        help="skip: the primitive none costs nothing; multiply: input times 0, as the official code does")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--check", metavar="DIR", help="compare with reference numbers, measure nothing")
    args = parser.parse_args()
    check_arguments(parser, args)

    if args.check:
        worst = check(args.check)
        ok = all(v <= 1e-6 for v in worst.values())
        if args.json:
            print(json.dumps({"ok": ok, "max_rel_err": worst}))
        else:
            for name, v in worst.items():
                print(f"{v:9.1e}  {name}")
        sys.exit(0 if ok else 1)

    run(args, measure)


if __name__ == "__main__":
    main()
