"""Builds a network of the zoo in PyTorch from the JSON that `gonas zoo show NAME` prints, under the same state_dict
names: chains of blocks and cell networks (the forms that the inference benchmark compares)."""

import torch
from torch import nn
from torch.nn import functional as F

ACTIVATIONS = {
    "": nn.Identity,
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "hswish": nn.Hardswish,
    "hsigmoid": nn.Hardsigmoid,
    "swish": nn.SiLU,
    "sigmoid": nn.Sigmoid,
}
NAMES = {
    "mobile": dict(
        stem=("stem.0", "stem.1"), last=("conv_before_pooling.0", "conv_before_pooling.1"),
        block=(("conv1", "bn1"), ("conv2", "bn2"), ("conv3", "bn3")), separable=(("0", "1"), ("3", "4")),
    ),
    "timm": dict(
        stem=("conv_stem", "bn1"), last=("conv_head", "bn2"),
        block=(("conv_pw", "bn1"), ("conv_dw", "bn2"), ("conv_pwl", "bn3")),
        separable=(("conv_dw", "bn1"), ("conv_pw", "bn2")),
    ),
}


def join(*parts):
    return ".".join(p for p in parts if p)


class Tree(nn.Module):
    """A module whose children may be put at dotted paths."""

    def put(self, path, module):
        node = self
        *folders, leaf = path.split(".")
        for name in folders:
            if name not in node._modules:
                node.add_module(name, nn.Module())
            node = node._modules[name]
        node.add_module(leaf, module)
        return module

    def conv(self, path, inputs, outputs, kernel=1, stride=1, padding=None, dilation=1, groups=1, bias=False):
        padding = dilation * (kernel // 2) if padding is None else padding
        return self.put(path, nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation, groups, bias))

    def norm(self, path, channels):
        return self.put(path, nn.BatchNorm2d(channels))


class ChainNetwork(Tree):
    def __init__(self, network):
        super().__init__()
        chain = network["chain"]
        names = NAMES[chain["naming"]]
        self.steps = []
        stem = chain["stem"]
        self.steps.append(nn.Sequential(
            self.conv(names["stem"][0], network["input"][2], stem["out"], stem["kernel"], stem["stride"]),
            self.norm(names["stem"][1], stem["out"]), ACTIVATIONS[stem["activation"]]()))
        for block in chain["blocks"]:
            self.steps.append(self.block(block, names))
        channels, last = chain["blocks"][-1]["out"], chain["last"]
        self.steps.append(nn.Sequential(
            self.conv(names["last"][0], channels, last["out"]), self.norm(names["last"][1], last["out"]),
            ACTIVATIONS[last["activation"]]()))
        channels = last["out"]
        self.hidden = None
        if "hidden" in chain:
            hidden = chain["hidden"]
            self.hidden = nn.Sequential(self.conv("conv_head.0", channels, hidden["out"]), ACTIVATIONS[hidden["activation"]]())
            channels = hidden["out"]
        self.linear = self.put(chain["classifier"], nn.Linear(channels, network["classes"], bias=not chain.get("no_bias")))
        # The modules above are reached by their paths; these references must not name them twice.
        for name in ("hidden", "linear"):
            module = self._modules.pop(name, None)
            if module is not None:
                object.__setattr__(self, name, module)

    def block(self, b, names):
        at, act = b["name"], b.get("activation", "")
        if b["op"] == "identity":
            return nn.Identity()
        expand, separable = b["op"] == "inverted_bottleneck", names["separable"]
        hidden = b["hidden"] if expand else b["in"]
        dw, project = (names["block"][1:] if expand else separable)
        layers = []
        if expand:
            conv, norm = names["block"][0]
            layers += [self.conv(join(at, conv), b["in"], hidden), self.norm(join(at, norm), hidden), ACTIVATIONS[act]()]
        layers += [self.conv(join(at, dw[0]), hidden, hidden, b["kernel"], b["stride"], groups=hidden),
                   self.norm(join(at, dw[1]), hidden), ACTIVATIONS[act]()]
        if "se" in b:
            layers.append(Gate(self, at, hidden, b["se"]))
        layers += [self.conv(join(at, project[0]), hidden, b["out"]), self.norm(join(at, project[1]), b["out"])]
        return Residual(layers, b.get("residual", False))

    def forward(self, x):
        for step in self.steps:
            x = step(x)
        x = F.adaptive_avg_pool2d(x, 1)
        if self.hidden is not None:
            x = self.hidden(x)
        return self.linear(x.flatten(1))


class Gate:
    def __init__(self, tree, at, channels, se):
        self.squeeze = tree.conv(join(at, se["squeeze"]), channels, se["reduced"], bias=True)
        self.excite = tree.conv(join(at, se["excite"]), se["reduced"], channels, bias=True)
        self.act, self.gate = ACTIVATIONS[se["activation"]](), ACTIVATIONS[se["gate"]]()

    def __call__(self, x):
        s = F.adaptive_avg_pool2d(x, 1)
        return x * self.gate(self.excite(self.act(self.squeeze(s))))


class Residual:
    def __init__(self, layers, residual):
        self.layers, self.residual = layers, residual

    def __call__(self, x):
        y = x
        for layer in self.layers:
            y = layer(y)
        return y + x if self.residual else y


class CellNetwork(Tree):
    def __init__(self, network):
        super().__init__()
        cells, classes = network["cells"], network["classes"]
        if cells["stem"] != "cifar":
            raise ValueError("only CIFAR cell networks are built here")
        channels = cells["channels"]
        before_before = before = 3 * channels
        self.stem_layers = [self.conv("stem.0", network["input"][2], before, 3), self.norm("stem.1", before)]
        self.cell_list = []
        reduced_before = False
        for i in range(cells["cells"]):
            reduction = i in (cells["cells"] // 3, 2 * cells["cells"] // 3)
            channels *= 2 if reduction else 1
            cell = cells["genotype"]["reduce" if reduction else "normal"]
            self.cell_list.append(Cell(self, f"cells.{i}", cells["genotype"]["style"], cell, before_before, before, channels, reduction, reduced_before))
            before_before, before, reduced_before = before, len(cell["concat"]) * channels, reduction
        object.__setattr__(self, "linear", self.put("classifier", nn.Linear(before, classes)))

    def forward(self, x):
        for layer in self.stem_layers:
            x = layer(x)
        s0 = s1 = x
        for cell in self.cell_list:
            s0, s1 = s1, cell(s0, s1)
        return self.linear(F.adaptive_avg_pool2d(s1, 1).flatten(1))


class Cell:
    def __init__(self, tree, at, style, cell, before_before, before, channels, reduction, reduced_before):
        self.pre0 = (reduce(tree, join(at, "preprocess0"), before_before, channels) if reduced_before
                     else squeeze(tree, join(at, "preprocess0"), before_before, channels))
        self.pre1 = squeeze(tree, join(at, "preprocess1"), before, channels)
        self.edges, self.concat = [], cell["concat"]
        count = {}
        for k, (op, source, target) in enumerate(cell["edges"]):
            name = f"_ops.{k}"
            if style == "threshold":
                n = count.get((target, source), 0)
                count[target, source] = n + 1
                name = f"_ops.{target}.{source}.{n}"
            stride = 2 if reduction and source < 2 else 1
            self.edges.append((source, target, operation(tree, join(at, name), op, channels, stride)))

    def __call__(self, s0, s1):
        states = {0: self.pre0(s0), 1: self.pre1(s1)}
        for node in sorted({t for _, t, _ in self.edges}):
            parts = [op(states[s]) for s, t, op in self.edges if t == node and s in states]
            if parts:
                states[node] = sum(parts[1:], parts[0])
        return torch.cat([states[n] for n in self.concat if n in states], 1)


def sequence(*layers):
    def run(x):
        for layer in layers:
            x = layer(x)
        return x
    return run


def squeeze(tree, at, inputs, outputs):
    return sequence(nn.ReLU(), tree.conv(join(at, "op.1"), inputs, outputs), tree.norm(join(at, "op.2"), outputs))


def reduce(tree, at, inputs, outputs):
    first = tree.conv(join(at, "conv_1"), inputs, outputs // 2, stride=2)
    second = tree.conv(join(at, "conv_2"), inputs, outputs - outputs // 2, stride=2)
    norm = tree.norm(join(at, "bn"), outputs)

    def run(x):
        x = F.relu(x)
        return norm(torch.cat([first(x), second(x[:, :, 1:, 1:])], 1))
    return run


def operation(tree, at, op, channels, stride):
    if op == "skip_connect":
        return nn.Identity() if stride == 1 else reduce(tree, at, channels, channels)
    if op == "max_pool_3x3":
        return nn.MaxPool2d(3, stride, 1)
    if op == "avg_pool_3x3":
        return nn.AvgPool2d(3, stride, 1, count_include_pad=False)
    kind, kernel = op[:8], int(op[-1])
    if kind == "dil_conv":
        return sequence(nn.ReLU(), tree.conv(join(at, "op.1"), channels, channels, kernel, stride, dilation=2, groups=channels),
                        tree.conv(join(at, "op.2"), channels, channels), tree.norm(join(at, "op.3"), channels))
    if kind != "sep_conv":
        raise ValueError(f"operation {op} is not built here")
    layers = []
    for s, (dw, pw, norm) in zip((stride, 1), ((1, 2, 3), (5, 6, 7))):
        layers += [nn.ReLU(), tree.conv(join(at, f"op.{dw}"), channels, channels, kernel, s, groups=channels),
                   tree.conv(join(at, f"op.{pw}"), channels, channels), tree.norm(join(at, f"op.{norm}"), channels)]
    return sequence(*layers)


def build(network):
    """The module of a zoo entry's "network", in evaluation mode."""
    module = ChainNetwork(network) if "chain" in network else CellNetwork(network)
    return module.eval()
