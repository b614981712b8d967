"""One strict-fair step of FairNAS in PyTorch, timed: the yardstick of benchmarks/run's suite fairnas.

    python benchmarks/torch/fairnas_step.py --batch 64 --memory-format channels_last --steps 3 --json

The space is this project's cifar_mobile: images of 32x32, eight layers, each one of six inverted bottlenecks of kernel 3,
5 or 7 and expansion 3 or 6. A step takes six paths, in each layer every choice once; their gradients add up to one update
by SGD (arXiv 1907.01845). Each path runs forwards and back by itself, the stem too, so that one path's graph is alive at a
time. Module names follow the Go side's state_dict, so the same fill gives the same losses.
"""

import argparse

import torch
from torch import nn
from torch.nn import functional as F

import fill
from darts_step import (
    FORMATS, WeightsOptimizer, add_arguments, add_weights_arguments, batch, check_arguments, compile_modules, described, parameter_count,
    peak_rss_mb, prepare, run, timed,
)

STEM, LAST, CLASSES = 16, 320, 10
LAYERS = ((24, 1), (24, 1), (40, 2), (40, 1), (80, 2), (80, 1), (96, 1), (96, 1))  # channels, stride
CHOICES = ((3, 3), (5, 3), (7, 3), (3, 6), (5, 6), (7, 6))  # kernel, expansion


class Bottleneck(nn.Module):
    """Inverted bottleneck, with a residual where it can have one."""

    def __init__(self, inputs, outputs, kernel, expansion, stride):
        super().__init__()
        hidden = expansion * inputs
        self.conv1 = nn.Conv2d(inputs, hidden, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(hidden)
        self.conv2 = nn.Conv2d(hidden, hidden, kernel, stride, kernel // 2, groups=hidden, bias=False)
        self.bn2 = nn.BatchNorm2d(hidden)
        self.conv3 = nn.Conv2d(hidden, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x):
        y = F.relu6(self.bn1(self.conv1(x)), inplace=True)
        y = F.relu6(self.bn2(self.conv2(y)), inplace=True)
        y = self.bn3(self.conv3(y))
        return y + x if self.residual else y


class Supernet(nn.Module):
    """Images [batch, 3, height, width] and a path, one choice a layer, to logits [batch, classes]."""

    def __init__(self, layers=len(LAYERS)):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, STEM, 3, padding=1, bias=False), nn.BatchNorm2d(STEM))
        self.layers = nn.ModuleList()
        channels = STEM
        for outputs, stride in LAYERS[:layers]:
            self.layers.append(nn.ModuleList(Bottleneck(channels, outputs, k, e, stride) for k, e in CHOICES))
            channels = outputs
        self.conv_before_pooling = nn.Sequential(nn.Conv2d(channels, LAST, 1, bias=False), nn.BatchNorm2d(LAST))
        self.classifier = nn.Linear(LAST, CLASSES)

    def forward(self, x, path):
        x = F.relu6(self.stem(x), inplace=True)
        for layer, choice in zip(self.layers, path):
            x = layer[choice](x)
        x = F.relu6(self.conv_before_pooling(x), inplace=True)
        return self.classifier(x.mean((2, 3)))

    def path_parameters(self, path):
        """How many weights a path by itself has."""
        shared = (self.stem, self.conv_before_pooling, self.classifier)
        return sum(map(parameter_count, (*shared, *(layer[choice] for layer, choice in zip(self.layers, path)))))


def strict_paths(step, layers=len(LAYERS)):
    """The paths of a step, as strictPaths of benchmarks/run draws them: every choice once in each layer."""
    return [[(k + layer * (step + 1)) % len(CHOICES) for layer in range(layers)] for k in range(len(CHOICES))]


class Training:
    def __init__(self, net, args):
        self.net, self.optimizer = net, WeightsOptimizer(net, args)

    def step(self, paths, images, labels):
        """One update by the sum of the paths' gradients; each path's loss."""
        self.optimizer.zero_grad()
        losses = []
        for path in paths:
            loss = F.cross_entropy(self.net(images, path), labels)
            loss.backward()
            losses.append(loss.item())
        self.optimizer.step()
        return losses


def measure(args, memory_format, precision):
    prepare(args, precision)
    rss_after_import = peak_rss_mb()
    net = Supernet(args.layers)
    fill.fill_module(net)
    net = net.to(args.device, memory_format=FORMATS[memory_format]).train()
    training = Training(net, args)
    images, labels = batch("train", args.batch, args.image, FORMATS[memory_format], args.device)
    compile_modules(net, args.compile, Bottleneck)
    losses, times = timed(args, lambda step: training.step(strict_paths(step, args.layers), images, labels))
    return {
        **described(args, memory_format, precision),
        **times,
        "parameters": parameter_count(net),
        "path_parameters": {code: net.path_parameters(map(int, code)) for code in args.count.split(",") if code},
        "path_losses": losses,
        "import_rss_mb": rss_after_import,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser, 64)
    parser.add_argument("--layers", type=int, default=len(LAYERS), help="only the first layers of the space")
    add_weights_arguments(parser, 0.1, 4e-5)
    parser.add_argument("--count", default="", help="paths, as digits and commas, whose parameters are counted")
    args = parser.parse_args()
    check_arguments(parser, args)
    run(args, measure)


if __name__ == "__main__":
    main()
