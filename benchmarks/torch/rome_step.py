"""One search step of ROME in PyTorch, timed: the yardstick of benchmarks/run's suite rome.

    python benchmarks/torch/rome_step.py --batch 64 --memory-format channels_last --steps 3 --json

The supernet is that of DARTS (8 cells, 16 channels, 14 edges a cell) with seven operations an edge, without none. A step of
ROME-V2 (arXiv 2011.11233) draws K networks for the architecture, whose parameters move by the mean of their gradients (Adam),
then K others for the weights, which move by the sum (SGD, clipped). In a network each node takes two inputs, drawn by
Gumbel-Top2, each through one operation, drawn by Gumbel-Max; what was not drawn does not run. Draws are straight-through: 1
by their values, with the gradient of the softmax. Noise and weights are functions of names that the Go side knows too.
"""

import argparse

import torch
from torch import nn
from torch.nn import functional as F

import fill
from darts_step import (
    EDGES, FORMATS, NODES, PRIMITIVES, CellNetwork, WeightsOptimizer, add_arguments, add_size_arguments, add_weights_arguments, batch,
    check_arguments, compile_modules, described, parameter_count, peak_rss_mb, prepare, primitive, run, timed,
)

OPERATIONS = PRIMITIVES[1:]  # without none
KINDS = ("normal", "reduce")
INPUTS = NODES + 1  # of the last node; the parameters behind the end of a shorter row count nowhere
COMPARED_STEP = 1  # after which the Go side compares the architecture's parameters


class DrawnEdge(nn.Module):
    """The operations of an edge, of which one runs."""

    def __init__(self, channels, stride):
        super().__init__()
        self._ops = nn.ModuleList(primitive(name, channels, stride) for name in OPERATIONS)

    def forward(self, x, drawn):
        operation, gate = drawn
        return gate * self._ops[operation](x)


def straight_through(hard, soft):
    """hard by its values, with the gradient of soft."""
    return hard + (soft - soft.detach())


def draw(alpha, beta, noise, temperature):
    """For each edge of a kind of cell (operation, gate), or None for an edge that is no input of its node."""
    def perturbed(logits, gumbel):
        return (F.log_softmax(logits, -1) + gumbel) / temperature

    logits = perturbed(alpha, noise[0])
    operations = logits.argmax(-1, keepdim=True)
    of_operations = straight_through(1.0, F.softmax(logits, -1).gather(-1, operations)).squeeze(-1)
    edges = []
    for node in range(NODES):
        width = 2 + node
        logits = perturbed(beta[node, :width], noise[1][node, :width])
        of_inputs = straight_through(1.0, F.softmax(logits, -1))
        inputs, first = logits.topk(2).indices.tolist(), len(edges)
        edges += [(operations[first + i].item(), of_operations[first + i] * of_inputs[i]) if i in inputs else None for i in range(width)]
    return edges


class Search:
    """A supernet, the architecture's parameters and both optimizers."""

    def __init__(self, net, args):
        self.net, self.temperature = net, args.temperature
        self.alphas, self.betas = (
            [(1e-3 * fill.symmetric(f"{table}_{kind}", shape)).float().to(args.device).requires_grad_() for kind in KINDS]
            for table, shape in (("alphas", (EDGES, len(OPERATIONS))), ("betas", (NODES, INPUTS)))
        )
        self.architecture = [*self.alphas, *self.betas]
        self.weights = list(net.parameters())
        self.weights_optimizer = WeightsOptimizer(net, args)
        self.arch_optimizer = torch.optim.Adam(self.architecture, args.arch_rate, betas=(0.5, 0.999), weight_decay=args.arch_decay)

    def draws(self, noise):
        """What is drawn for each kind of cell."""
        return [draw(self.alphas[k], self.betas[k], (noise[k], noise[len(KINDS) + k]), self.temperature) for k in range(len(KINDS))]

    # Each draw is a function call of its own, so that its graph is gone before the next forward pass: gradients that are
    # not asked for would keep their saved tensors alive.
    def arch_draw(self, noise, share, images, labels):
        loss = F.cross_entropy(self.net(images, *self.draws(noise)), labels)
        (share * loss).backward(inputs=self.architecture)
        return loss.item()

    def weights_draw(self, noise, images, labels):
        with torch.no_grad():  # gates without gradients keep no outputs of operations alive
            drawn = self.draws(noise)
        loss = F.cross_entropy(self.net(images, *drawn), labels)
        loss.backward(inputs=self.weights)
        return loss.item()

    def step(self, noises, train, valid):
        """One step on two (images, labels) batches; the mean losses of the architecture's half and of the weights'."""
        for_weights, for_architecture = noises
        self.arch_optimizer.zero_grad(set_to_none=True)
        arch = [self.arch_draw(noise, 1 / len(for_architecture), *valid) for noise in for_architecture]
        self.arch_optimizer.step()
        self.weights_optimizer.zero_grad()
        weights = [self.weights_draw(noise, *train) for noise in for_weights]
        self.weights_optimizer.step()
        return [sum(arch) / len(arch), sum(weights) / len(weights)]


def gumbel(name, shape, device):
    """Numbers of the Gumbel distribution, as romeNoise of benchmarks/run makes them of the name."""
    u = fill.uniform(name, shape[0] * shape[1]).clamp(1e-6, 1 - 1e-6)
    return (-(-u.log()).log()).reshape(shape).float().to(device)


def step_noises(step, args):
    """The noise of a step: [half][draw][table], the weights' half first."""
    shapes = len(KINDS) * [(EDGES, len(OPERATIONS))] + len(KINDS) * [(NODES, INPUTS)]
    return [[[gumbel(f"gumbel.{step}.{half}.{number}.{table}", shape, args.device) for table, shape in enumerate(shapes)]
             for number in range(args.draws)] for half in range(2)]


def measure(args, memory_format, precision):
    prepare(args, precision)
    rss_after_import = peak_rss_mb()
    net = CellNetwork(DrawnEdge, args.channels, layers=args.cells)
    fill.fill_module(net)
    net = net.to(args.device, memory_format=FORMATS[memory_format]).train()
    search = Search(net, args)
    train, valid = (batch(name, args.batch, args.image, FORMATS[memory_format], args.device) for name in ("train", "valid"))
    # Ahead of the steps: the fill is slower than random numbers, which a search would take.
    noises = [step_noises(step, args) for step in range(1 + args.warmup + args.steps)]
    compile_modules(net, args.compile, DrawnEdge)
    architecture = []

    def step(n):
        losses = search.step(noises[n], train, valid)
        if n == COMPARED_STEP:
            architecture.extend(table.detach().flatten().tolist() for table in search.architecture)
        return losses

    losses, times = timed(args, step)
    return {
        **described(args, memory_format, precision),
        **times,
        "parameters": parameter_count(net),
        "path_losses": losses,
        "architecture": architecture,
        "import_rss_mb": rss_after_import,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_arguments(parser, 64)
    add_size_arguments(parser)
    add_weights_arguments(parser, 0.05, 3e-4)
    parser.add_argument("--arch-rate", type=float, default=3e-4, help="learning rate of the architecture")
    parser.add_argument("--arch-decay", type=float, default=1e-3, help="L2 decay of the architecture")
    parser.add_argument("--draws", type=int, default=7, help="networks drawn in each half of a step, K in the paper")
    parser.add_argument("--temperature", type=float, default=10)
    args = parser.parse_args()
    check_arguments(parser, args)
    run(args, measure)


if __name__ == "__main__":
    main()
