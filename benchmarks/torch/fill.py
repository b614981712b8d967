"""Deterministic tensors shared with the Go package nas/golden: the same name gives the same numbers on both sides.

A value depends on the tensor's name and flat index alone, so reference files hold results and no weights.
"""

import math

import torch

_MASK = (1 << 64) - 1


def _signed(z):
    """The 64 bits of z as torch's int64, whose sums and products wrap around as unsigned ones do."""
    return z - (1 << 64) if z >> 63 else z


def _shifted(z, bits):
    """z >> bits of the unsigned numbers that int64 stands for."""
    return (z >> bits) & ((1 << (64 - bits)) - 1)


def _fnv1a(name):
    h = 0xCBF29CE484222325
    for byte in name.encode():
        h = ((h ^ byte) * 0x100000001B3) & _MASK
    return h


def uniform(name, n):
    """n numbers in [0, 1) of the stream called name, float64."""
    z = _signed(_fnv1a(name)) + torch.arange(1, n + 1) * _signed(0x9E3779B97F4A7C15)
    z = (z ^ _shifted(z, 30)) * _signed(0xBF58476D1CE4E5B9)
    z = (z ^ _shifted(z, 27)) * _signed(0x94D049BB133111EB)
    z = z ^ _shifted(z, 31)
    return _shifted(z, 40).double() / (1 << 24)


def symmetric(name, shape, dtype=torch.float64):
    """2u-1 in row-major order: network inputs, architecture parameters, upstream gradients."""
    return (2 * uniform(name, math.prod(shape)) - 1).reshape(shape).to(dtype)


def labels(name, n, classes):
    """n labels in [0, classes), int64."""
    return (uniform(name, n) * classes).floor().long()


def parameter(name, shape, gain=3.0, dtype=torch.float64):
    """The value of a state_dict entry; the last component of its name and its rank choose the rule."""
    kind, n = name.rsplit(".", 1)[-1], math.prod(shape)
    if kind == "num_batches_tracked":
        return torch.zeros(shape, dtype=torch.int64)
    u = uniform(name, n)
    if kind == "weight" and len(shape) >= 2:
        values = (2 * u - 1) * math.sqrt(gain / math.prod(shape[1:]))
    elif kind in ("weight", "running_var"):
        values = 0.5 + u
    elif kind in ("bias", "running_mean"):
        values = 0.2 * (2 * u - 1)
    else:
        raise ValueError(f"no fill rule for {name!r}")
    return values.reshape(shape).to(dtype)


def fill_module(module, prefix="", gain=3.0):
    """Overwrites every parameter and buffer of module, named by its state_dict key behind prefix."""
    with torch.no_grad():
        for key, tensor in module.state_dict().items():
            tensor.copy_(parameter(prefix + key, tuple(tensor.shape), gain, torch.float64))
